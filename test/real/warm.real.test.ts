// Real servers told to load and unload: what they list afterwards, and what they were doing meanwhile.

import { describe, expect, test } from 'vitest';
import { warmBench } from '../warm/support.ts';
import { type PresentServer, present } from './servers.ts';

async function post(url: string, body: unknown): Promise<Response> {
  return fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
}

/** What Ollama itself lists as loaded. */
async function running(server: PresentServer): Promise<readonly { name: string; context_length: number }[]> {
  const answer = await fetch(`${server.url}/api/ps`);
  return ((await answer.json()) as { models: { name: string; context_length: number }[] }).models;
}

const abilities = present('ollama', 'llama_router');

describe.skipIf(abilities.length === 0)('loading and unloading', () => {
  test.each(abilities)('$name: it happens, is seen at once, and is not done twice', async ({ kind, url }) => {
    await using bench = await warmBench(kind, url);
    const id = bench.catalog.status()[0]?.models.at(-1)?.id ?? '';
    await bench.run('unload', id);
    expect(bench.model(id)).toMatchObject({ isLoaded: false });
    const startedAtMs = Date.now();
    expect(await bench.run('load', id)).toMatchObject({ result: 'done', durationMs: expect.any(Number) });
    const loaded = bench.model(id);
    expect(loaded?.isLoaded).toBe(true);
    expect(loaded?.loadedSinceMs).toBeGreaterThanOrEqual(startedAtMs);
    expect(await bench.run('load', id)).toMatchObject({ result: 'unchanged' });
    expect(await bench.run('unload', id)).toMatchObject({ result: 'done' });
    expect(bench.model(id)).toMatchObject({ isLoaded: false, loadedSinceMs: null });
    expect(await bench.run('unload', id)).toMatchObject({ result: 'unchanged' });
  });
});

for (const server of present('ollama')) {
  test('ollama keeps what a schedule loads, in the context that it was loaded with', async () => {
    await using bench = await warmBench('ollama', server.url);
    const id = bench.catalog.status()[0]?.models.at(-1)?.id ?? '';
    await bench.run('unload', id);
    await post(`${server.url}/api/generate`, { model: id, options: { num_ctx: 1_024 }, stream: false });
    expect(await running(server)).toMatchObject([{ name: id, context_length: 1_024 }]);
    expect(await bench.run('load', id, { by: 'schedule' })).toMatchObject({ result: 'unchanged' });
    expect(await running(server)).toMatchObject([{ name: id, context_length: 1_024 }]);
    await bench.catalog.sweep();
    expect(bench.model(id)).toMatchObject({ loadedUntilMs: 'unlimited', contextLoaded: 1_024 });
    const answer = await post(`${server.url}/api/generate`, {
      model: id,
      prompt: 'a',
      stream: false,
      options: { num_ctx: 1_024, num_predict: 1 },
    });
    // Nanoseconds: a load takes a quarter of a second and more.
    expect(((await answer.json()) as { load_duration: number }).load_duration).toBeLessThan(150_000_000);
    expect(await bench.run('unload', id)).toMatchObject({ result: 'done' });
  });
}

for (const server of present('llama_router')) {
  test("llama.cpp's router is not told to unload what answers somebody else", async () => {
    await using bench = await warmBench('llama_cpp', server.url);
    const id = bench.catalog.status()[0]?.models.at(-1)?.id ?? '';
    await bench.run('load', id);
    const body = { model: id, stream: true, max_tokens: 400, messages: [{ role: 'user', content: 'tell me' }] };
    const stranger = await post(`${server.url}/v1/chat/completions`, { ...body, ignore_eos: true });
    const reader = stranger.body?.getReader();
    await reader?.read();
    expect(await bench.run('unload', id)).toMatchObject({ result: 'busy' });
    await reader?.cancel();
    await expect.poll(async () => (await bench.run('unload', id)).result, { timeout: 20_000 }).toBe('done');
  });
}
