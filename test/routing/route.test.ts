import { describe, expect, test } from 'vitest';
import { noOverrides } from '../../gateway/routing/overrides.ts';
import {
  capability,
  decide,
  deployment,
  exact,
  fallbackTo,
  fleet,
  metadata,
  model,
  order,
  pattern,
  position,
  provider,
  rules,
  sizeRule,
  skippedOnes,
} from './worlds.ts';

const LLAMA = 'llama3.1:8b';
const ollama = provider('ollama', { models: [LLAMA, 'qwen2.5-coder:7b'] });
const vllm = provider('vllm', { models: ['meta-llama/Llama-2-7b', LLAMA] });
const single = provider('llama_cpp', { models: ['tiny.gguf'], isSingleModel: true });
const home = fleet(ollama, vllm, single);

const stepOf = (decision: ReturnType<typeof decide>, step: string) => decision.steps.find((one) => one.step === step);

describe('every step is told, in order', () => {
  test('with its result, and those behind the deciding one as not reached', () => {
    const decision = decide(LLAMA, rules({ exact: [exact(LLAMA, 'ollama')] }), home);
    expect(decision.steps.map(({ step, result }) => `${step} ${result}`)).toEqual([
      'alias skipped',
      'pin no_match',
      'metadata skipped',
      'exact matched',
      'pattern not_reached',
      'capability not_reached',
      'size not_reached',
      'catalog not_reached',
      'default not_reached',
      'chain skipped',
      'panic not_reached',
      'error not_reached',
    ]);
  });
  test('all deployments of the fleet are counted', () => {
    expect(decide(LLAMA, rules(), home).considered).toBe(5);
  });
});

describe('alias', () => {
  const alias = (name: string, targets: readonly string[], isHidden = false) =>
    new Map([[name, { name, targets, isGroup: targets.length > 1, isHidden, position }]]);
  test('rewrites the name', () => {
    const decision = decide('gpt-4', rules({ aliases: alias('gpt-4', [LLAMA]) }), home);
    expect(decision).toMatchObject({ model: LLAMA, rule: 'catalog' });
  });
  test('whose target nothing answers to is passed over, so a real group of that name still works', () => {
    const by = rules({ aliases: alias('gpt-4', ['prod-gpt-4']), groups: { 'gpt-4': [deployment('ollama', LLAMA)] } });
    const decision = decide('gpt-4', by, home);
    expect(decision).toMatchObject({ model: 'gpt-4', rule: 'exact:gpt-4' });
    expect(stepOf(decision, 'alias')).toMatchObject({ result: 'skipped' });
  });
  test('with several targets is a group of all their deployments', () => {
    const by = rules({
      aliases: alias('general', [LLAMA, 'named']),
      groups: { named: [deployment('llama_cpp', 'tiny.gguf')] },
      strategy: 'least_busy',
    });
    const decision = decide('general', by, home);
    expect(decision.rule).toBe('alias:general');
    expect(new Set(order(decision))).toEqual(new Set([`ollama/${LLAMA}`, `vllm/${LLAMA}`, 'llama_cpp/tiny.gguf']));
  });
  test('that leads in a circle is passed over', () => {
    const aliases = new Map([...alias('a', ['b']), ...alias('b', ['a'])]);
    expect(stepOf(decide('a', rules({ aliases }), home), 'alias')?.why).toContain('circle');
  });
});

describe('pin', () => {
  test('restricts to one provider, passes the others over and forbids fallbacks', () => {
    const by = rules({ exact: [exact(LLAMA, 'ollama', { fallback: fallbackTo('llama_cpp') })] });
    const decision = decide({ model: LLAMA, pin: 'vllm' }, by, home);
    expect(decision.rule).toBe('pin:vllm');
    expect(order(decision)).toEqual([`vllm/${LLAMA}`]);
    expect(skippedOnes(decision)).toEqual([`ollama/${LLAMA}: pinned_elsewhere`]);
  });
  test('may be served by a substitute', () => {
    expect(order(decide({ model: 'other', pin: 'llama_cpp' }, rules(), home))).toEqual(['llama_cpp/tiny.gguf']);
  });
  test('of an unknown provider is the client’s mistake, and the providers are named', () => {
    const { error } = decide({ model: LLAMA, pin: 'vlm' }, rules(), home);
    expect(error).toMatchObject({ code: 'unknown_provider' });
    expect(error?.message).toContain('ollama, vllm, llama_cpp');
  });
  test('of a provider without the model is a model that is not found there', () => {
    const { error } = decide({ model: 'other', pin: 'ollama' }, rules(), home);
    expect(error).toMatchObject({ code: 'model_not_found' });
    expect(error?.message).toContain('pinned');
  });
  test('is set for all requests by the mode of the window', () => {
    expect(decide(LLAMA, rules({ mode: { is: 'pin', provider: 'vllm' } }), home).rule).toBe('pin:vllm');
  });
});

describe('request metadata', () => {
  const high = { model: LLAMA, headers: { 'x-priority': 'high' } };
  const toVllm = metadata('high', 'header.x-priority == "high"', 'vllm');
  test('puts its provider before what the following steps choose for the same model', () => {
    const by = rules({ metadataRules: [toVllm], exact: [exact(LLAMA, 'ollama')] });
    const decision = decide(high, by, home);
    expect(decision.rule).toBe('metadata:high');
    expect(order(decision)).toEqual([`vllm/${LLAMA}`, `ollama/${LLAMA}`]);
    expect(stepOf(decision, 'exact')?.result).toBe('matched');
  });
  test('tells the first failing condition with the value it met', () => {
    const decision = decide({ ...high, headers: { 'x-priority': 'low' } }, rules({ metadataRules: [toVllm] }), home);
    expect(stepOf(decision, 'metadata')).toMatchObject({
      result: 'no_match',
      why: 'high: header.x-priority == "high" (it is "low")',
    });
  });
  test('is passed over when its provider cannot serve the model itself, not even with a substitute', () => {
    const by = rules({ metadataRules: [metadata('high', 'always', 'llama_cpp')], exact: [exact(LLAMA, 'ollama')] });
    const decision = decide(high, by, home);
    expect(decision.rule).toBe(`exact:${LLAMA}`);
    expect(stepOf(decision, 'metadata')).toMatchObject({ result: 'skipped' });
    expect(skippedOnes(decision)).toEqual([`llama_cpp/${LLAMA}: model_missing`]);
  });
  test('the first rule that holds and can serve wins', () => {
    const by = rules({
      metadataRules: [metadata('a', 'always', 'llama_cpp'), toVllm, metadata('c', 'always', 'ollama')],
    });
    expect(decide(high, by, home).rule).toBe('metadata:high');
  });
  test('names the model to use there', () => {
    const by = rules({ metadataRules: [metadata('a', 'always', 'llama_cpp', { upstreamModel: 'tiny.gguf' })] });
    expect(order(decide(high, by, home))[0]).toBe('llama_cpp/tiny.gguf');
  });
  test('that is strict is the only one', () => {
    const by = rules({
      metadataRules: [{ ...toVllm, isStrict: true }],
      exact: [exact(LLAMA, 'ollama')],
      chains: { default: [{ provider: 'ollama' }] },
    });
    expect(order(decide(high, by, home))).toEqual([`vllm/${LLAMA}`]);
    const down = fleet(ollama, { ...vllm, isEnabled: false }, single);
    expect(decide(high, by, down).error).toMatchObject({ code: 'no_available_deployment' });
  });
  test('that is strict and cannot be served fails instead of going elsewhere', () => {
    const by = rules({
      metadataRules: [metadata('a', 'always', 'llama_cpp', { isStrict: true })],
      exact: [exact(LLAMA, 'ollama')],
    });
    const decision = decide(high, by, home);
    expect(order(decision)).toEqual([]);
    expect(decision.error?.code).toBe('model_not_found');
  });
  test('orders what a capability chose, since no certain model was asked for', () => {
    const by = rules({ metadataRules: [toVllm], capabilities: [capability('chat', { preferredModels: [LLAMA] })] });
    const decision = decide({ ...high, model: null, capabilityHint: 'chat' }, by, home);
    expect(decision.rule).toBe('metadata:high');
    expect(order(decision)).toEqual([`vllm/${LLAMA}`, `ollama/${LLAMA}`]);
  });
  test('with a mistake in its condition never holds, and the mistake is reported where it stands', () => {
    const by = rules({ metadataRules: [metadata('bad', 'stream = true', 'vllm')] });
    expect(by.problems).toEqual([expect.objectContaining({ code: 'invalid_condition', line: 1, column: 8 })]);
    expect(decide(LLAMA, by, home).rule).toBe('catalog');
  });
});

describe('exact', () => {
  test('the rule’s own model is asked for', () => {
    const by = rules({ exact: [exact('chat', 'ollama', { upstreamModel: LLAMA })] });
    const decision = decide('chat', by, home);
    expect(decision.rule).toBe('exact:chat');
    expect(decision.candidates[0]).toMatchObject({
      provider: 'ollama',
      model: LLAMA,
      source: 'rule',
      reason: null,
      order: 1,
    });
  });
  test('comes before groups, and groups before patterns', () => {
    const groups = { [LLAMA]: [deployment('vllm', LLAMA)] };
    const patterns = [pattern('.*', 'llama_cpp')];
    expect(order(decide(LLAMA, rules({ exact: [exact(LLAMA, 'ollama')], groups, patterns }), home))).toEqual([
      `ollama/${LLAMA}`,
    ]);
    expect(order(decide(LLAMA, rules({ groups, patterns }), home))).toEqual([`vllm/${LLAMA}`]);
  });
  test('decides whatever the health of its deployment', () => {
    const sick = fleet({ ...ollama, observed: 'down' }, vllm);
    const decision = decide(LLAMA, rules({ exact: [exact(LLAMA, 'ollama', { fallback: fallbackTo('vllm') })] }), sick);
    expect(decision.rule).toBe(`exact:${LLAMA}`);
    expect(order(decision)).toEqual([`vllm/${LLAMA}`]);
  });
  test('is passed over when its provider has no such model, and the trace says so', () => {
    const decision = decide('other', rules({ exact: [exact('other', 'ollama')], defaultProvider: 'llama_cpp' }), home);
    expect(stepOf(decision, 'exact')).toMatchObject({
      result: 'skipped',
      why: expect.stringContaining('model_missing'),
    });
    expect(decision.rule).toBe('default');
    expect(skippedOnes(decision)).toEqual(['ollama/other: model_missing']);
  });
  test('takes a provider at its word that has no list yet', () => {
    const unknown = fleet(provider('ollama', { observed: 'pending' }));
    const decision = decide(LLAMA, rules({ exact: [exact(LLAMA, 'ollama')] }), unknown);
    expect(order(decision)).toEqual([`ollama/${LLAMA}`]);
    expect(decision.candidates[0]?.notes).toContain('its list of models is not known yet');
  });
  test('with redundant models: all of them are candidates, by their shares', () => {
    const redundantModels = new Map([
      [
        LLAMA,
        {
          name: LLAMA,
          providers: [
            { provider: 'ollama', upstreamModel: null, weight: 0.7, position },
            { provider: 'llama_cpp', upstreamModel: null, weight: 0.3, position },
          ],
          routingStrategy: null,
          description: null,
          position,
        },
      ],
    ]);
    const by = rules({ exact: [exact(LLAMA, 'ollama')], redundantModels });
    const decision = decide(LLAMA, by, home);
    expect(order(decision)).toEqual([`ollama/${LLAMA}`, 'llama_cpp/tiny.gguf']);
    expect(decision.candidates[0]?.terms).toMatchObject({ weight: 0.7 });
    const other = rules({ exact: [exact(LLAMA, 'vllm')], redundantModels });
    expect(order(decide(LLAMA, other, home))).toEqual([`vllm/${LLAMA}`]);
    expect(decide(LLAMA, rules({ redundantModels }), home).rule).toBe('catalog');
  });
});

describe('pattern', () => {
  test('the first in the file whose provider can serve wins', () => {
    const by = rules({
      patterns: [pattern('^meta-llama/', 'ollama'), pattern('Llama', 'vllm'), pattern('.*', 'llama_cpp')],
    });
    const decision = decide('meta-llama/Llama-2-7b', by, home);
    expect(decision.rule).toBe('pattern:2');
    expect(skippedOnes(decision)).toEqual(['ollama/meta-llama/Llama-2-7b: model_missing']);
  });
  test('comes before wildcards, and the most specific wildcard first', () => {
    const groups = {
      '*': [deployment('llama_cpp', '*')],
      'team/*': [deployment('ollama', '*')],
      'team/qwen*': [deployment('ollama', 'qwen*')],
    };
    const by = rules({ groups });
    expect(order(decide('team/llama3.1:8b', by, home))).toEqual([`ollama/${LLAMA}`]);
    expect(decide('team/qwen2.5-coder:7b', by, home)).toMatchObject({ rule: 'pattern:team/qwen*' });
    expect(decide('anything', by, home)).toMatchObject({ rule: 'pattern:*' });
  });
  test('a name over 512 characters is refused before anything matches it', () => {
    const decision = decide('x'.repeat(513), rules({ patterns: [pattern('.*', 'llama_cpp')] }), home);
    expect(decision.error?.code).toBe('model_name_too_long');
    expect(decide('x'.repeat(512), rules({ patterns: [pattern('.*', 'llama_cpp')] }), home).error).toBeNull();
  });
});

describe('capability', () => {
  const code = capability('code', { preferredModels: ['qwen2.5-coder:7b', LLAMA] });
  test('is asked for by header, or by a model of its name', () => {
    const by = rules({ capabilities: [code] });
    expect(decide({ capabilityHint: 'code' }, by, home).rule).toBe('capability:code');
    expect(decide('code', by, home).rule).toBe('capability:code');
  });
  test('preferred models are in the written order without a strategy', () => {
    const decision = decide({ capabilityHint: 'code' }, rules({ capabilities: [code] }), home);
    expect(order(decision)).toEqual(['ollama/qwen2.5-coder:7b', `ollama/${LLAMA}`, `vllm/${LLAMA}`]);
  });
  test('preferred models are one set for the strategy', () => {
    const busy = fleet({ ...ollama, load: { inFlight: 5, queued: 0 } }, vllm);
    const by = rules({ capabilities: [{ ...code, routingStrategy: 'least_busy' }] });
    expect(order(decide({ capabilityHint: 'code' }, by, busy))[0]).toBe(`vllm/${LLAMA}`);
  });
  test('without a preferred model that can be served, any model of the named providers will do', () => {
    const by = rules({ capabilities: [capability('fast', { preferredModels: ['gone'], providers: ['llama_cpp'] })] });
    const decision = decide({ capabilityHint: 'fast' }, by, home);
    expect(order(decision)).toEqual(['llama_cpp/tiny.gguf']);
  });
  const sized = (id: string, size: number | null) => model(id, { size });
  test('candidates must be known to be large enough; unknown ones count only if no other is', () => {
    const by = rules({ capabilities: [capability('big', { minModelSize: 13e9 })] });
    const some = fleet(provider('a', { models: [sized('small', 8e9), sized('large', 70e9), sized('odd', null)] }));
    const decision = decide({ capabilityHint: 'big' }, by, some);
    expect(order(decision)).toEqual(['a/large']);
    expect(new Set(skippedOnes(decision))).toEqual(new Set(['a/small: too_small', 'a/odd: too_small']));
    const unknown = fleet(provider('a', { models: [sized('small', 8e9), sized('odd', null)] }));
    const doubtful = decide({ capabilityHint: 'big' }, by, unknown);
    expect(order(doubtful)).toEqual(['a/odd']);
    expect(doubtful.candidates[0]?.notes).toContain('its size is not known');
  });
  test('min_context counts the loaded context', () => {
    const by = rules({ capabilities: [capability('long', { minContext: 8192 })] });
    const some = fleet(
      provider('a', {
        models: [
          model('short', { contextLoaded: 4096, contextTrained: 131_072 }),
          model('long', { contextLoaded: 8192 }),
        ],
      }),
    );
    expect(order(decide({ capabilityHint: 'long' }, by, some))).toEqual(['a/long']);
  });
  test('an embedding model is no candidate for chat', () => {
    const some = fleet(
      provider('a', {
        models: [
          model('embed', { capabilities: new Set(['embedding']) }),
          model('chat', { capabilities: new Set(['completion']) }),
        ],
      }),
    );
    expect(order(decide('auto', rules(), some))).toEqual(['a/chat']);
  });
  test('auto takes every model that can do what the request needs', () => {
    const eyes = fleet(
      provider('a', {
        models: [
          model('blind', { capabilities: new Set(['completion']) }),
          model('eyes', { capabilities: new Set(['completion', 'vision']) }),
        ],
      }),
    );
    expect(order(decide({ model: 'auto', needs: ['vision'] }, rules(), eyes))).toEqual(['a/eyes']);
    expect(order(decide({ model: null, needs: ['vision'] }, rules(), eyes))).toEqual(['a/eyes']);
  });
  test('auto takes the whole model_list where there is one', () => {
    const by = rules({ groups: { primary: [deployment('ollama', LLAMA)], backup: [deployment('vllm', LLAMA)] } });
    expect(new Set(order(decide('auto', by, home)))).toEqual(new Set([`ollama/${LLAMA}`, `vllm/${LLAMA}`]));
  });
  test('a request without a model and without needs is left to the default provider', () => {
    const withDefault = fleet(provider('ollama', { models: [LLAMA], defaultModel: LLAMA }), vllm);
    expect(decide({ model: null }, rules({ defaultProvider: 'ollama' }), withDefault).rule).toBe('default');
    expect(decide({ model: null }, rules(), home).rule).toBe('capability:auto');
  });
});

describe('model size', () => {
  const sizes = [
    sizeRule('< 8B', { min: null, max: { size: 8e9, isIncluded: false } }, 'ollama'),
    sizeRule('8B - 13B', { min: { size: 8e9, isIncluded: true }, max: { size: 13e9, isIncluded: true } }, 'ollama'),
    sizeRule('> 13B', { min: { size: 13e9, isIncluded: false }, max: null }, 'vllm'),
  ];
  const listed = (id: string, size: number) =>
    fleet(provider('ollama', { models: [model(id, { size })] }), provider('vllm', { models: [model(id, { size })] }));
  test.each([
    [7.9e9, 'size:1', 'ollama'],
    [8e9, 'size:2', 'ollama'],
    [13e9, 'size:2', 'ollama'],
    [13.1e9, 'size:3', 'vllm'],
  ])('%d parameters are for %s', (size, rule, to) => {
    const decision = decide('m', rules({ sizeRules: sizes }), listed('m', size));
    expect(decision.rule).toBe(rule);
    expect(order(decision)).toEqual([`${to}/m`]);
  });
  test('an unknown size skips the step and says so', () => {
    const decision = decide(LLAMA, rules({ sizeRules: sizes }), home);
    expect(stepOf(decision, 'size')).toMatchObject({ result: 'skipped', why: expect.stringContaining('not known') });
    expect(decision.rule).toBe('catalog');
  });
  test('a substitute does not count', () => {
    const by = rules({
      sizeRules: [sizeRule('> 1B', { min: { size: 1e9, isIncluded: false }, max: null }, 'llama_cpp')],
    });
    const world = fleet(provider('ollama', { models: [model('m', { size: 7e9 })] }), single);
    expect(decide('m', by, world).rule).toBe('catalog');
  });
});

describe('catalog and default', () => {
  test('every enabled provider that lists the model is a candidate', () => {
    expect(new Set(order(decide(LLAMA, rules(), home)))).toEqual(new Set([`ollama/${LLAMA}`, `vllm/${LLAMA}`]));
  });
  test('a model that only a disabled provider lists is left to the default provider', () => {
    const off = fleet({ ...ollama, isEnabled: false }, single);
    const decision = decide(LLAMA, rules({ defaultProvider: 'llama_cpp' }), off);
    expect(decision.rule).toBe('default');
    expect(order(decision)).toEqual(['llama_cpp/tiny.gguf']);
    expect(skippedOnes(decision)).toEqual([`ollama/${LLAMA}: disabled`]);
  });
  test('the default provider may answer with its one model or its default model, and says which', () => {
    expect(decide('other', rules({ defaultProvider: 'llama_cpp' }), home).candidates[0]).toMatchObject({
      source: 'single_model',
    });
    const withDefault = fleet(provider('ollama', { models: [LLAMA], defaultModel: LLAMA }));
    expect(decide('other', rules({ defaultProvider: 'ollama' }), withDefault).candidates[0]).toMatchObject({
      model: LLAMA,
      source: 'default_model',
    });
  });
  test('for embeddings another model answers only where an exact rule says so', () => {
    const asked = { model: 'embed', endpoint: 'embeddings' as const };
    expect(decide(asked, rules({ defaultProvider: 'llama_cpp' }), home).error?.code).toBe('model_not_found');
    expect(decide(asked, rules({ patterns: [pattern('.*', 'llama_cpp')] }), home).error?.code).toBe('model_not_found');
    expect(decide({ ...asked, pin: 'llama_cpp' }, rules(), home).error?.code).toBe('model_not_found');
    expect(order(decide(asked, rules({ exact: [exact('embed', 'llama_cpp')] }), home))).toEqual([
      'llama_cpp/tiny.gguf',
    ]);
  });
});

describe('cloud deployments are called only where named', () => {
  const handedOn = model('big:cloud', { remoteHost: 'https://ollama.com', aliases: ['big'] });
  const withCloud = fleet(provider('ollama', { models: [LLAMA, handedOn] }), provider('far', { place: 'cloud' }));
  test('its exact name reaches it, and it is marked', () => {
    expect(decide('big:cloud', rules(), withCloud).candidates[0]).toMatchObject({
      provider: 'ollama',
      place: 'cloud',
      kept: true,
    });
  });
  test('an alias that its server reports does not', () => {
    const decision = decide('big', rules(), withCloud);
    expect(skippedOnes(decision)).toEqual(['ollama/big:cloud: cloud']);
    expect(decision.error?.code).toBe('model_not_found');
  });
  test('a rule that names its model does', () => {
    expect(
      order(decide('x', rules({ exact: [exact('x', 'ollama', { upstreamModel: 'big:cloud' })] }), withCloud)),
    ).toEqual(['ollama/big:cloud']);
  });
  test('any model of a provider does not include it', () => {
    const decision = decide('auto', rules(), withCloud);
    expect(order(decision)).toEqual([`ollama/${LLAMA}`]);
    expect(skippedOnes(decision)).toContain('ollama/big:cloud: cloud');
  });
  test('a provider that is somebody else’s machine is reached by a rule that names the provider', () => {
    expect(order(decide('gpt-4', rules({ patterns: [pattern('^gpt', 'far')] }), withCloud))).toEqual(['far/gpt-4']);
    expect(decide('gpt-4', rules(), withCloud).error?.code).toBe('model_not_found');
  });
  test('a name that a machine of one’s own serves too stays at home', () => {
    const both = fleet(ollama, provider('far', { place: 'cloud', models: [LLAMA] }));
    const decision = decide(LLAMA, rules(), both);
    expect(order(decision)).toEqual([`ollama/${LLAMA}`]);
    expect(skippedOnes(decision)).toEqual([`far/${LLAMA}: cloud`]);
  });
});

describe('fallbacks', () => {
  const world = fleet(ollama, vllm, single, provider('spare', { models: ['s'], isSingleModel: true }));
  test('stand behind the rule’s own candidates, in the written order', () => {
    const by = rules({ exact: [exact(LLAMA, 'ollama', { fallback: fallbackTo('llama_cpp', 'vllm') })] });
    const decision = decide(LLAMA, by, world);
    expect(order(decision)).toEqual([`ollama/${LLAMA}`, 'llama_cpp/tiny.gguf', `vllm/${LLAMA}`]);
    expect(decision.candidates.map(({ via }) => via)).toEqual([
      `exact:${LLAMA}`,
      'fallback:llama_cpp',
      'fallback:vllm',
    ]);
  });
  test('the default chain comes after them, each target once', () => {
    const by = rules({
      exact: [exact(LLAMA, 'ollama', { fallback: fallbackTo('vllm') })],
      chains: { default: [{ provider: 'ollama' }, { provider: 'vllm' }, { provider: 'spare' }] },
    });
    expect(order(decide(LLAMA, by, world))).toEqual([`ollama/${LLAMA}`, `vllm/${LLAMA}`, 'spare/s']);
  });
  test('none switches the default chain off', () => {
    const by = rules({
      exact: [exact(LLAMA, 'ollama', { fallback: { kind: 'none' } })],
      chains: { default: [{ provider: 'spare' }] },
    });
    expect(order(decide(LLAMA, by, world))).toEqual([`ollama/${LLAMA}`]);
  });
  test('a named chain takes the place of the default one', () => {
    const by = rules({
      exact: [exact(LLAMA, 'ollama', { fallback: fallbackTo('mine') })],
      chains: { default: [{ provider: 'spare' }], mine: [{ provider: 'llama_cpp' }] },
    });
    expect(order(decide(LLAMA, by, world))).toEqual([`ollama/${LLAMA}`, 'llama_cpp/tiny.gguf']);
  });
  test('a capability’s chain bears its name', () => {
    const by = rules({
      capabilities: [capability('code', { preferredModels: ['qwen2.5-coder:7b'] })],
      chains: { default: [{ provider: 'spare' }], code: [{ provider: 'vllm', model: LLAMA }] },
    });
    expect(order(decide({ capabilityHint: 'code' }, by, world))).toEqual(['ollama/qwen2.5-coder:7b', `vllm/${LLAMA}`]);
  });
  test('the chain decides where no rule did, and says which link', () => {
    const by = rules({ chains: { default: [{ provider: 'ollama' }, { provider: 'spare' }] } });
    const decision = decide('unknown', by, world);
    expect(decision.rule).toBe('chain:default:2');
    expect(order(decision)).toEqual(['spare/s']);
  });
  test('a link whose condition does not hold is passed over with the reason', () => {
    const by = rules({
      exact: [exact(LLAMA, 'ollama')],
      chains: {
        default: [
          { provider: 'vllm', condition: 'model_size >= "13B"' },
          { provider: 'spare', condition: 'always' },
        ],
      },
    });
    const decision = decide(LLAMA, by, world);
    expect(order(decision)).toEqual([`ollama/${LLAMA}`, 'spare/s']);
    expect(stepOf(decision, 'chain')?.why).toContain('model_size >= "13B" (not known)');
  });
  test('a provider is unavailable for the links that are reached only after it failed', () => {
    const by = rules({
      exact: [exact(LLAMA, 'ollama')],
      chains: {
        default: [
          { provider: 'spare', condition: 'ollama_unavailable' },
          { provider: 'llama_cpp', condition: 'vllm_unavailable' },
        ],
      },
    });
    expect(order(decide(LLAMA, by, world))).toEqual([`ollama/${LLAMA}`, 'spare/s']);
    const down = fleet(
      ollama,
      { ...vllm, observed: 'down' },
      single,
      provider('spare', { models: ['s'], isSingleModel: true }),
    );
    expect(order(decide(LLAMA, by, down))).toEqual([`ollama/${LLAMA}`, 'spare/s', 'llama_cpp/tiny.gguf']);
  });
  test('groups fall back on groups by either name, or by the list for all', () => {
    const groups = {
      a: [deployment('ollama', LLAMA)],
      b: [deployment('vllm', LLAMA)],
      c: [deployment('llama_cpp', 'tiny.gguf')],
    };
    const by = rules({ groups, reliability: { fallbacks: new Map([['a', ['b']]]), defaultFallbacks: ['c'] } });
    expect(order(decide('a', by, world))).toEqual([`ollama/${LLAMA}`, `vllm/${LLAMA}`, 'llama_cpp/tiny.gguf']);
    const all = rules({ groups, reliability: { fallbacks: new Map([['*', ['c']]]) } });
    expect(order(decide('a', all, world))).toEqual([`ollama/${LLAMA}`, 'llama_cpp/tiny.gguf']);
  });
  test('the request’s own list replaces the configured ones, and it may switch them off', () => {
    const by = rules({
      exact: [exact(LLAMA, 'ollama', { fallback: fallbackTo('vllm') })],
      chains: { default: [{ provider: 'spare' }] },
    });
    const own = { model: LLAMA, overrides: { ...noOverrides, fallbacks: ['llama_cpp'] } };
    expect(order(decide(own, by, world))).toEqual([`ollama/${LLAMA}`, 'llama_cpp/tiny.gguf']);
    const off = { model: LLAMA, overrides: { ...noOverrides, isFallbackDisabled: true } };
    expect(order(decide(off, by, world))).toEqual([`ollama/${LLAMA}`]);
  });
  test('there are at most max_fallbacks of them', () => {
    const by = rules({
      exact: [exact(LLAMA, 'ollama', { fallback: fallbackTo('vllm', 'llama_cpp', 'spare') })],
      reliability: { maxFallbacks: 2 },
    });
    expect(order(decide(LLAMA, by, world))).toHaveLength(3);
    expect(order(decide({ model: LLAMA, overrides: { ...noOverrides, maxFallbacks: 0 } }, by, world))).toHaveLength(1);
  });
  test('a longer context is looked for where only the context stood in the way', () => {
    const short = fleet(
      provider('a', { models: [model('m', { contextLoaded: 100 })] }),
      provider('b', { models: ['long'] }),
    );
    const groups = { m: [deployment('a', 'm')], long: [deployment('b', 'long')] };
    const by = rules({ groups, reliability: { contextWindowFallbacks: new Map([['m', ['long']]]) } });
    expect(order(decide({ model: 'm', promptTokens: 1000 }, by, short))).toEqual(['b/long']);
    expect(order(decide({ model: 'm', promptTokens: 50 }, by, short))).toEqual(['a/m']);
  });
});
