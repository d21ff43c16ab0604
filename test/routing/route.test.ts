import { describe, expect, test } from 'vitest';
import {
  capability,
  decide,
  deployment,
  exact,
  fallbackTo,
  fleet,
  metadata,
  order,
  pattern,
  position,
  provider,
  rules,
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
  test('what rules did not hold is told for each request anew', () => {
    const by = rules({
      metadataRules: ['a', 'b'].map((name) => metadata(name, `header.x-${name} == "yes"`, 'vllm')),
      exact: [exact(LLAMA, 'ollama')],
    });
    const why = (headers: Record<string, string>) => stepOf(decide({ headers }, by, home), 'metadata')?.why;
    const neither = 'a: header.x-a == "yes" (it is ""); b: header.x-b == "yes" (it is "")';
    expect(why({})).toBe(neither);
    expect(why({ 'x-a': 'no' })).toBe('a: header.x-a == "yes" (it is "no"); b: header.x-b == "yes" (it is "")');
    expect(why({})).toBe(neither);
    expect(why({ 'x-b': 'no' })).toBe('a: header.x-a == "yes" (it is ""); b: header.x-b == "yes" (it is "no")');
  });
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
