import { describe, expect, test } from 'vitest';
import { likelySize, mergeFacts, mergeModels, withoutVolatile } from '../../gateway/catalog/facts.ts';
import { emptyModel } from '../../gateway/config/defaults.ts';
import type { DeclaredModel } from '../../gateway/config/settings.ts';
import { factsOf } from '../../gateway/providers/openai-models.ts';
import type { Capability, ModelFacts } from '../../gateway/types.ts';

function reported(id: string, known: Partial<ModelFacts> = {}): ModelFacts {
  return factsOf(id, known);
}

function declared(id: string, said: Partial<DeclaredModel> = {}): DeclaredModel {
  return { ...emptyModel(id), ...said };
}

function declaring(...models: readonly DeclaredModel[]): ReadonlyMap<string, DeclaredModel> {
  return new Map(models.map((model) => [model.id, model]));
}

const isSameName = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

describe('the size of a model', () => {
  test.each([
    { reported: 13.02e9, named: 13e9, size: 13e9, rule: "the name's round number is taken for the reported one" },
    { reported: 7.6e9, named: 7e9, size: 7e9, rule: 'also when it is nearly 10 % off' },
    { reported: 7.8e9, named: 7e9, size: 7.8e9, rule: 'but not beyond' },
    { reported: 8.2e9, named: null, size: 8.2e9, rule: 'reported where the name is silent' },
    { reported: null, named: 56e9, size: 56e9, rule: 'from the name where nothing is reported' },
    { reported: null, named: null, size: null, rule: 'unknown' },
  ])('$rule', ({ reported, named, size }) => {
    expect(likelySize(reported, named)).toBe(size);
  });

  test('declared wins over all', () => {
    const facts = mergeFacts(reported('llama-2-13b', { size: 13.02e9 }), declared('llama-2-13b', { size: 12e9 }));
    expect(facts.size).toBe(12e9);
  });

  test('the name tells total and active size of a mixture', () => {
    expect(mergeFacts(reported('qwen3:30b-a3b', { size: 30.5e9 }), null)).toMatchObject({
      size: 30e9,
      activeSize: 3e9,
    });
  });
});

describe('declared facts', () => {
  test('win over reported ones, and what was not declared stays', () => {
    const facts = mergeFacts(
      reported('m', {
        contextTrained: 131_072,
        contextLoaded: 4_096,
        capabilities: new Set(['completion']),
        isLoaded: true,
      }),
      declared('m', { context: 8_192, capabilities: new Set(['completion', 'tools']) }),
    );
    expect(facts).toMatchObject({ contextTrained: 8_192, contextLoaded: 8_192, isLoaded: true });
    expect(facts.capabilities).toEqual(new Set(['completion', 'tools']));
  });

  test('capabilities declared one by one are sure where nothing is reported', () => {
    const facts = mergeFacts(reported('m'), declared('m', { addedCapabilities: new Set<Capability>(['vision']) }));
    expect(facts).toMatchObject({ capabilities: null, sureCapabilities: new Set(['vision']) });
    expect(mergeFacts(reported('m'), declared('m'))).not.toHaveProperty('sureCapabilities');
  });

  test('capabilities declared one by one stand beside the reported ones', () => {
    const said = declared('m', { addedCapabilities: new Set(['vision']), lackingCapabilities: new Set(['tools']) });
    const facts = mergeFacts(reported('m', { capabilities: new Set<Capability>(['completion', 'tools']) }), said);
    expect(facts.capabilities).toEqual(new Set(['completion', 'vision']));
  });

  test('where nothing is reported, only what was declared as missing is missing', () => {
    expect(
      mergeFacts(reported('m'), declared('m', { addedCapabilities: new Set(['vision']) })).capabilities,
    ).toBeNull();
    const facts = mergeFacts(reported('m'), declared('m', { lackingCapabilities: new Set(['vision']) }));
    expect(facts.capabilities?.has('vision')).toBe(false);
    expect(facts.capabilities?.has('tools')).toBe(true);
  });

  test('aliases of both sides are kept, without the id itself', () => {
    const facts = mergeFacts(reported('m', { aliases: ['a'] }), declared('m', { aliases: ['b', 'm'] }));
    expect(facts.aliases).toEqual(['a', 'b']);
  });
});

describe('the models of a provider', () => {
  const base = { isSingleModel: false, isSameName };

  test("keep the provider's order, and meet their declaration under the kind's own spelling", () => {
    const models = mergeModels({
      ...base,
      reported: [reported('B'), reported('a')],
      declared: declaring(declared('A', { size: 1e9 })),
    });
    expect([...models.keys()]).toEqual(['B', 'a']);
    expect(models.get('a')).toMatchObject({ size: 1e9, aliases: ['A'] });
  });

  test('a declared model that the told list does not hold is not there', () => {
    const models = mergeModels({ ...base, reported: [reported('a')], declared: declaring(declared('b')) });
    expect([...models.keys()]).toEqual(['a']);
  });

  test('without a list the declared ones are all there is', () => {
    const models = mergeModels({
      ...base,
      reported: null,
      declared: declaring(declared('gpt-4o', { context: 128_000 })),
    });
    expect(models.get('gpt-4o')).toMatchObject({ contextLoaded: 128_000, isLoaded: null });
  });

  test('the only declaration for a server of one model means that model, whatever it is called', () => {
    const models = mergeModels({
      isSingleModel: true,
      isSameName,
      reported: [reported('/models/x.gguf')],
      declared: declaring(declared('my-model', { size: 7e9 })),
    });
    expect(models.get('/models/x.gguf')).toMatchObject({ size: 7e9, aliases: ['my-model'] });
  });
});

test('a list nobody confirms says nothing of what is loaded', () => {
  const facts = withoutVolatile(reported('m', { isLoaded: true, loadedUntilMs: 1, vramBytes: 2, size: 3 }));
  expect(facts).toMatchObject({ isLoaded: null, loadedUntilMs: null, vramBytes: null, size: 3 });
});
