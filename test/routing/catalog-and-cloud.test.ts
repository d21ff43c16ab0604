import { describe, expect, test } from 'vitest';
import { decide, exact, fleet, model, order, pattern, provider, rules, skippedOnes } from './worlds.ts';

const LLAMA = 'llama3.1:8b';
const ollama = provider('ollama', { models: [LLAMA, 'qwen2.5-coder:7b'] });
const vllm = provider('vllm', { models: ['meta-llama/Llama-2-7b', LLAMA] });
const single = provider('llama_cpp', { models: ['tiny.gguf'], isSingleModel: true });
const home = fleet(ollama, vllm, single);

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
