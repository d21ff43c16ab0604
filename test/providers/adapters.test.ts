import { describe, expect, test } from 'vitest';
import { adapters } from '../../gateway/providers/index.ts';
import type { ProviderAdapter } from '../../gateway/providers/provider.ts';
import type { ProviderKind } from '../../gateway/types.ts';

const all = Object.entries(adapters) as [ProviderKind, ProviderAdapter][];

describe.each(all)('%s', (kind, adapter) => {
  test('is in the table under its own kind', () => {
    expect(adapter.kind).toBe(kind);
  });

  test('has paths below the base URL, which has no /v1', () => {
    for (const path of Object.values(adapter.paths)) expect(path).toMatch(/^\/(?:v1|api)\/[a-z_/]+[a-z]$/);
  });

  test('sends its key as a bearer token', () => {
    expect(adapter.authHeaders('k')).toEqual({ authorization: 'Bearer k' });
  });

  test('knows a name as the same as itself', () => {
    for (const name of ['a', 'Org/Model:Tag', '']) expect(adapter.isSameName(name, name)).toBe(true);
  });
});

test('connections are dropped before uvicorn and llama.cpp close them after 5 s', () => {
  for (const kind of ['vllm', 'llama_cpp', 'llama_cpp_python', 'openai'] as const) {
    expect(adapters[kind].keepAliveMs).toBeLessThan(5_000);
    expect(adapters[kind].keepAliveMs).toBeGreaterThan(1_000);
  }
});

test('Ollama alone may be silent for 300 s while it writes a tool call', () => {
  for (const [kind, adapter] of all) {
    expect([kind, adapter.defaultIdleMs(true)]).toEqual([kind, kind === 'ollama' ? 300_000 : 120_000]);
    expect([kind, adapter.defaultIdleMs(false)]).toEqual([kind, 120_000]);
  }
});

test.each<[ProviderKind, 'embeddings' | 'chat', boolean, boolean]>([
  ['ollama', 'chat', true, true],
  ['ollama', 'chat', false, true],
  ['ollama', 'embeddings', false, true],
  ['llama_cpp_python', 'chat', true, true],
  ['llama_cpp_python', 'chat', false, false],
  ['llama_cpp_python', 'embeddings', false, true],
  ['vllm', 'chat', true, false],
  ['llama_cpp', 'chat', true, false],
])('%s cuts a long prompt of %s (stream: %s) without a word: %s', (kind, endpoint, isStream, cuts) => {
  expect(adapters[kind].cutsLongPrompts(endpoint, isStream)).toBe(cuts);
});

test('only Ollama speaks its native endpoints, and only some count tokens for Anthropic clients', () => {
  const speaking = (endpoint: 'ollama_chat' | 'messages' | 'messages_count_tokens' | 'rerank' | 'responses') =>
    all.filter(([, adapter]) => adapter.paths[endpoint] !== undefined).map(([kind]) => kind);
  expect(speaking('ollama_chat')).toEqual(['ollama']);
  expect(speaking('messages')).toEqual(['ollama', 'vllm', 'llama_cpp', 'openai']);
  // Measured: Ollama and llama-cpp-python answer 404.
  expect(speaking('messages_count_tokens')).toEqual(['vllm', 'llama_cpp', 'openai']);
  expect(speaking('rerank')).toEqual(['vllm', 'llama_cpp', 'openai']);
  expect(speaking('responses')).toEqual(['ollama', 'vllm', 'llama_cpp', 'openai']);
});
