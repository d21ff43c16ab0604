import { describe, expect, test } from 'vitest';
import { startLlamaCppPython } from '../backends/llama-cpp-python.ts';
import { startLlamaRouter } from '../backends/llama-router.ts';
import { startLlamaServer } from '../backends/llama-server.ts';
import { startOllama } from '../backends/ollama.ts';
import { startVllm } from '../backends/vllm.ts';
import { ollamaRoutes, standIn } from '../catalog/stand-in.ts';
import { warmBench } from './support.ts';

/** Bodies of what was told, with the path in front. */
const told = (server: { readonly requests: readonly { method: string; path: string; json: unknown }[] }) =>
  server.requests
    .filter(({ method, path }) => method === 'POST' && path !== '/api/show')
    .map(({ path, json }) => [path, json]);

describe('Ollama', () => {
  test('a model is loaded by a request without a prompt, seen loaded at once, and unloaded', async () => {
    await using server = await startOllama({ loadDelayMs: 30 });
    await using bench = await warmBench('ollama', server.url);
    expect(bench.model('qwen3:0.6b')).toMatchObject({ isLoaded: false, loadedSinceMs: null, loadedUntilMs: null });
    const beforeMs = Date.now();
    expect(await bench.run('load', 'qwen3:0.6b')).toMatchObject({ result: 'done', message: 'was loaded' });
    expect(server.stateOf('qwen3:0.6b')).toBe('warm');
    const loaded = bench.model('qwen3:0.6b');
    expect(loaded?.isLoaded).toBe(true);
    expect(loaded?.loadedSinceMs).toBeGreaterThanOrEqual(beforeMs);
    expect(loaded?.loadedUntilMs).toBeGreaterThan(beforeMs + 200_000);
    expect(await bench.run('unload', 'qwen3:0.6b')).toMatchObject({ result: 'done', message: 'was unloaded' });
    expect(server.stateOf('qwen3:0.6b')).toBe('cold');
    expect(bench.model('qwen3:0.6b')).toMatchObject({ isLoaded: false, loadedSinceMs: null });
    expect(told(server)).toEqual([
      ['/api/generate', { model: 'qwen3:0.6b', stream: false }],
      ['/api/generate', { model: 'qwen3:0.6b', keep_alive: 0, stream: false }],
    ]);
  });

  test('a schedule keeps it loaded without limit, and a model that is loaded with a limit is not loaded anew', async () => {
    await using server = await startOllama({ warm: ['qwen3:0.6b'], loadDelayMs: 10_000 });
    await using bench = await warmBench('ollama', server.url);
    expect(await bench.run('load', 'qwen3:0.6b', { by: 'schedule' })).toMatchObject({ result: 'unchanged' });
    await bench.catalog.sweep();
    expect(bench.model('qwen3:0.6b')).toMatchObject({ isLoaded: true, loadedUntilMs: 'unlimited' });
    // The second time there is nothing left to tell.
    expect(await bench.run('load', 'qwen3:0.6b', { by: 'schedule' })).toMatchObject({ result: 'unchanged' });
    expect(told(server)).toHaveLength(1);
  });

  test('a model for embeddings alone is loaded by an embedding of nothing', async () => {
    await using server = await startOllama();
    await using bench = await warmBench('ollama', server.url);
    expect(await bench.run('load', 'nomic-embed-text')).toMatchObject({ result: 'done' });
    expect(server.stateOf('nomic-embed-text:latest')).toBe('warm');
  });

  test('what was never loaded is not unloaded', async () => {
    await using server = await startOllama();
    await using bench = await warmBench('ollama', server.url);
    expect(await bench.run('unload', 'qwen3:0.6b')).toMatchObject({ result: 'unchanged' });
    expect(told(server)).toEqual([]);
  });
});

describe("llama.cpp's router", () => {
  test('a model counts as loaded when it is, not when the server says that it will', async () => {
    await using server = await startLlamaRouter({ loadDelayMs: 60 });
    await using bench = await warmBench('llama_cpp', server.url);
    const done = await bench.run('load', 'qwen3-8b-q4_k_m');
    expect(done).toMatchObject({ result: 'done' });
    expect(done.durationMs).toBeGreaterThanOrEqual(59);
    expect(server.stateOf('qwen3-8b-q4_k_m')).toBe('loaded');
    expect(bench.model('qwen3-8b-q4_k_m')).toMatchObject({ isLoaded: true });
    expect(await bench.run('load', 'qwen3-8b-q4_k_m')).toMatchObject({ result: 'unchanged' });
    expect(await bench.run('unload', 'qwen3-8b-q4_k_m')).toMatchObject({ result: 'done' });
    expect(server.stateOf('qwen3-8b-q4_k_m')).toBe('unloaded');
  });

  test('a model that answers a client of its own is not unloaded: its answer would be cut', async () => {
    await using server = await startLlamaRouter({ tokenDelayMs: 20, warm: ['qwen3-8b-q4_k_m'] });
    await using bench = await warmBench('llama_cpp', server.url);
    const stranger = await fetch(`${server.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'qwen3-8b-q4_k_m', stream: true, messages: [{ role: 'user', content: 'x' }] }),
    });
    expect(await bench.run('unload', 'qwen3-8b-q4_k_m')).toMatchObject({
      result: 'busy',
      message: 'is at work for others',
    });
    expect(await stranger.text()).toContain('[DONE]');
    expect(told(server).map(([path]) => path)).toEqual(['/v1/chat/completions']);
  });
});

describe('vLLM', () => {
  test('is put to sleep and woken where that is enabled; asleep it is no candidate', async () => {
    await using server = await startVllm({ isDevMode: true });
    await using bench = await warmBench('vllm', server.url);
    expect(await bench.run('unload', 'Qwen/Qwen3-8B')).toMatchObject({ result: 'done', message: 'was put to sleep' });
    expect(bench.catalog.status()[0]).toMatchObject({ observed: 'down', cause: { class: 'asleep' } });
    expect(await bench.run('unload', 'Qwen/Qwen3-8B')).toMatchObject({ result: 'unchanged' });
    expect(await bench.run('load', 'Qwen/Qwen3-8B')).toMatchObject({ result: 'done', message: 'was woken' });
    expect(bench.catalog.status()[0]).toMatchObject({ observed: 'ready' });
    expect(server.requests.filter(({ path }) => path === '/sleep').map(({ url }) => url)).toEqual([
      '/sleep?level=1&mode=wait',
    ]);
  });

  test('says how to enable it where it is not', async () => {
    await using server = await startVllm();
    await using bench = await warmBench('vllm', server.url);
    const said = await bench.run('unload', 'Qwen/Qwen3-8B');
    expect(said).toMatchObject({ result: 'unsupported' });
    expect(said.message).toContain('VLLM_SERVER_DEV_MODE=1');
    expect(told(server)).toEqual([]);
  });

  test('a request of ours on any of its models is in the way, for all of them share one engine', async () => {
    await using server = await startVllm({ isDevMode: true });
    await using bench = await warmBench('vllm', server.url);
    const lease = bench.catalog.begin({ provider: 'p', model: 'an-adapter' });
    expect(await bench.run('unload', 'Qwen/Qwen3-8B')).toMatchObject({ result: 'busy' });
    lease.end();
    expect(await bench.run('unload', 'Qwen/Qwen3-8B')).toMatchObject({ result: 'done' });
  });
});

test.each([
  ['llama_cpp', () => startLlamaServer()],
  ['llama_cpp_python', () => startLlamaCppPython()],
] as const)('a %s that holds one model says so and is told nothing', async (kind, start) => {
  await using server = await start();
  await using bench = await warmBench(kind, server.url);
  const id = bench.catalog.status()[0]?.models[0]?.id ?? '';
  expect(await bench.run('unload', id)).toMatchObject({
    result: 'unsupported',
    message: expect.stringContaining('as long as it runs'),
  });
  expect(bench.catalog.status()[0]?.modelControl.is).toBe('unable');
  expect(told(server)).toEqual([]);
});

describe('requests of ours', () => {
  test('a model in use is not unloaded, and one beside it is', async () => {
    await using server = await startOllama({ warm: ['qwen3:0.6b', 'llama3.1:8b'] });
    await using bench = await warmBench('ollama', server.url);
    const lease = bench.catalog.begin({ provider: 'p', model: 'qwen3:0.6b' });
    expect(await bench.run('unload', 'qwen3:0.6b')).toMatchObject({
      result: 'busy',
      message: 'is in use: 1 request runs there',
    });
    expect(server.stateOf('qwen3:0.6b')).toBe('warm');
    expect(await bench.run('unload', 'llama3.1:8b')).toMatchObject({ result: 'done' });
    lease.end();
    expect(await bench.run('unload', 'qwen3:0.6b')).toMatchObject({ result: 'done' });
  });

  test('with time to wait it is unloaded once the last has ended', async () => {
    await using server = await startOllama({ warm: ['qwen3:0.6b'] });
    await using bench = await warmBench('ollama', server.url);
    const lease = bench.catalog.begin({ provider: 'p', model: 'qwen3:0.6b' });
    const unloading = bench.run('unload', 'qwen3:0.6b', { waitMs: 60_000 });
    await bench.catalog.sweep();
    expect(server.stateOf('qwen3:0.6b')).toBe('warm');
    lease.end();
    expect(await unloading).toMatchObject({ result: 'done' });
  });

  test('one that begins while the server is being asked keeps the word from it', async () => {
    await using server = await standIn(ollamaRoutes({ name: 'qwen3:0.6b', isLoaded: true }));
    await using bench = await warmBench('ollama', server.url);
    const asked = server.nextAsked('/api/ps');
    const unloading = bench.run('unload', 'qwen3:0.6b');
    await asked;
    const lease = bench.catalog.begin({ provider: 'p', model: 'qwen3:0.6b' });
    expect(await unloading).toMatchObject({ result: 'busy' });
    expect(server.asked.filter(({ path }) => path === '/api/generate')).toEqual([]);
    lease.end();
  });

  test('those that wait for a place there are in the way of unloading, too', async () => {
    await using server = await startOllama({ warm: ['qwen3:0.6b'] });
    await using bench = await warmBench('ollama', server.url);
    bench.catalog.setQueued('p', 2);
    expect(await bench.run('unload', 'qwen3:0.6b')).toMatchObject({ result: 'busy' });
  });

  test('a model in use needs no loading by hand', async () => {
    await using server = await startOllama();
    await using bench = await warmBench('ollama', server.url);
    const lease = bench.catalog.begin({ provider: 'p', model: 'qwen3:0.6b' });
    expect(await bench.run('load', 'qwen3:0.6b')).toMatchObject({ result: 'unchanged' });
    expect(told(server)).toEqual([]);
    lease.end();
  });
});

describe('order', () => {
  test('one action at a time for each provider, in the order asked; the same one is joined', async () => {
    await using server = await startOllama({ loadDelayMs: 30 });
    await using bench = await warmBench('ollama', server.url);
    const all = await Promise.all([
      bench.run('load', 'qwen3:0.6b'),
      bench.run('load', 'llama3.1:8b'),
      bench.run('load', 'qwen3:0.6b'),
      bench.run('unload', 'qwen3:0.6b'),
    ]);
    expect(all.map(({ result }) => result)).toEqual(['done', 'done', 'done', 'done']);
    expect(bench.ended.map(({ action, model }) => `${action} ${model}`)).toEqual([
      'load qwen3:0.6b',
      'load llama3.1:8b',
      'unload qwen3:0.6b',
    ]);
    expect(told(server)).toHaveLength(3);
    expect(bench.actions.underWay('p')).toEqual([]);
  });

  test('closing ends a load that lasts', async () => {
    await using server = await startOllama({ loadDelayMs: 600_000 });
    await using bench = await warmBench('ollama', server.url);
    const loading = bench.run('load', 'qwen3:0.6b');
    await expect.poll(() => server.stateOf('qwen3:0.6b')).toBe('loading');
    expect(bench.actions.underWay('p')).toMatchObject([{ action: 'load', model: 'qwen3:0.6b' }]);
    await bench.actions.close();
    expect(await loading).toMatchObject({ result: 'failed', message: expect.stringContaining('the gateway stopped') });
  });
});

test.each([
  ['a provider nobody has', { provider: 'q', model: 'm' }, /no such provider/],
  ['a model it does not list', { provider: 'p', model: 'nope' }, /is no model of p/],
])('%s is told as a result', async (_what, key, words) => {
  await using server = await startOllama();
  await using bench = await warmBench('ollama', server.url);
  const result = await bench.actions.run({ ...key, action: 'load', by: 'user' }, { waitMs: 0 });
  expect(result).toMatchObject({ result: 'failed', message: expect.stringMatching(words) });
  expect(bench.ended).toEqual([result]);
});

test('a server that is away is told as a result, and a provider that is off is not loaded', async () => {
  const server = await startOllama({ warm: ['qwen3:0.6b'] });
  await using bench = await warmBench('ollama', server.url);
  bench.catalog.setEnabled('p', false);
  expect(await bench.run('load', 'llama3.1:8b')).toMatchObject({
    result: 'failed',
    message: 'was left alone: p is switched off',
  });
  expect(await bench.run('unload', 'qwen3:0.6b')).toMatchObject({ result: 'done' });
  bench.catalog.setEnabled('p', true);
  await server[Symbol.asyncDispose]();
  expect(await bench.run('load', 'llama3.1:8b')).toMatchObject({
    result: 'failed',
    message: expect.stringMatching(/could not be reached: .*refuses connections/),
  });
});
