import { describe, expect, test } from 'vitest';
import { noOverrides } from '../../gateway/routing/overrides.ts';
import { capability, decide, deployment, exact, fallbackTo, fleet, model, order, provider, rules } from './worlds.ts';

const LLAMA = 'llama3.1:8b';
const ollama = provider('ollama', { models: [LLAMA, 'qwen2.5-coder:7b'] });
const vllm = provider('vllm', { models: ['meta-llama/Llama-2-7b', LLAMA] });
const single = provider('llama_cpp', { models: ['tiny.gguf'], isSingleModel: true });

const stepOf = (decision: ReturnType<typeof decide>, step: string) => decision.steps.find((one) => one.step === step);

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
  test('a provider behind a capability is asked for a preferred model, else for any of its own that is fit', () => {
    const named = rules({
      capabilities: [
        capability('code', { providers: ['vllm'], preferredModels: [LLAMA], fallback: fallbackTo('ollama') }),
      ],
    });
    expect(order(decide({ capabilityHint: 'code' }, named, world))).toEqual([`vllm/${LLAMA}`, `ollama/${LLAMA}`]);
    const small = rules({
      capabilities: [
        capability('code', {
          providers: ['vllm'],
          preferredModels: ['meta-llama/Llama-2-7b'],
          fallback: fallbackTo('ollama'),
        }),
      ],
    });
    const chosen = order(decide({ capabilityHint: 'code' }, small, world));
    expect(chosen[0]).toBe('vllm/meta-llama/Llama-2-7b');
    expect(new Set(chosen.slice(1))).toEqual(new Set([`ollama/${LLAMA}`, 'ollama/qwen2.5-coder:7b']));
  });
  test('so is a link of a chain that names no model', () => {
    const by = rules({
      capabilities: [capability('code', { providers: ['vllm'], preferredModels: [LLAMA] })],
      chains: { default: [{ provider: 'ollama' }] },
    });
    expect(order(decide('code', by, world))).toEqual([`vllm/${LLAMA}`, `ollama/${LLAMA}`]);
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
