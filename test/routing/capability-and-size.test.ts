import { describe, expect, test } from 'vitest';
import {
  capability,
  decide,
  deployment,
  fleet,
  model,
  order,
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
  test('a model that is declared to see goes before those of which nothing is known, and these when no other does', () => {
    const seeing = model('seeing', { capabilities: null, sureCapabilities: new Set(['vision']) });
    const some = fleet(provider('a', { models: [model('odd', { capabilities: null }), seeing] }));
    const decision = decide({ model: 'auto', needs: ['vision'] }, rules({}), some);
    expect(order(decision)).toEqual(['a/seeing']);
    expect(skippedOnes(decision)).toEqual(['a/odd: lacks_vision']);
    expect(order(decide({ model: 'auto', needs: ['vision', 'tools'] }, rules({}), some))).toHaveLength(2);
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
