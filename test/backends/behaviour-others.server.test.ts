import { createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { deadAddress, freePort, post, readStream, send } from '../support/http.ts';
import { body, chat, contentsOf, running, slow, words } from './asking.ts';
import type { StandIn } from './core/server.ts';
import { startLlamaCppPython } from './llama-cpp-python.ts';
import { startLlamaRouter } from './llama-router.ts';
import { startLlamaServer } from './llama-server.ts';
import { startOllama } from './ollama.ts';
import { startOpenAi } from './openai.ts';
import { rawAnswer, startRaw } from './raw.ts';
import { startVllm } from './vllm.ts';

describe('vLLM', () => {
  test('the head comes before a place in the batch, and the gauges count', async () => {
    await using server = await startVllm({ ...slow, maxRunning: 1 });
    const first = await running(server.url);
    const second = readStream(`${server.url}/v1/chat/completions`, { body: { ...body, stream: true } });
    await expect
      .poll(async () => (await send(`${server.url}/metrics`)).text)
      .toMatch(/num_requests_running\{[^}]*\} 1\.0[\s\S]*num_requests_waiting\{[^}]*\} 1\.0/);
    await first.whole;
    const { headersAfterMs, arrivals } = await second;
    expect((arrivals[0]?.atMs ?? 0) - headersAfterMs).toBeGreaterThan(100);
  });

  test('a frozen engine leaves everything well but silent', async () => {
    await using server = await startVllm(slow);
    const { whole } = await running(server.url);
    server.freeze();
    const answer = await readStream(`${server.url}/v1/chat/completions`, {
      body: { ...body, stream: true },
      quietMs: 60,
    });
    expect([answer.status, answer.text, answer.isComplete]).toEqual([200, '', false]);
    for (const path of ['/health', '/v1/models', '/metrics']) expect((await send(server.url + path)).status).toBe(200);
    server.thaw();
    expect(contentsOf((await whole).text)).toEqual(words);
  });

  test('a dead engine says so in the stream and ends it with [DONE]; then the port is closed', async () => {
    await using server = await startVllm(slow);
    const { whole } = await running(server.url);
    await server.killEngine();
    const answer = await whole;
    expect(answer.text).toContain('{"error": {"message": "EngineCore encountered an issue.');
    expect([answer.isComplete, answer.text.endsWith('data: [DONE]\n\n')]).toEqual([true, true]);
    await expect(send(`${server.url}/health`)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  test('pausing aborts what runs, with 200 and a finish reason of that name, and holds what comes', async () => {
    await using server = await startVllm({ ...slow, isDevMode: true });
    const { whole } = await running(server.url);
    expect((await post(`${server.url}/pause?mode=abort`, '')).text).toBe('{"status":"paused"}');
    expect((await whole).text).toMatch(/"finish_reason":"abort"[\s\S]*\[DONE\]/);
    expect((await send(`${server.url}/is_paused`)).text).toBe('{"is_paused":true}');
    const held = chat(server.url, { max_tokens: 1 });
    await post(`${server.url}/resume`, '');
    expect((await held).status).toBe(200);
  });

  test('asleep is told by its gauge and by the developer route, not by its health', async () => {
    await using server = await startVllm({ ...slow, isDevMode: true });
    expect((await post(`${server.url}/sleep?level=1`, '')).text).toBe('{"status":"sleeping","level":1}');
    expect((await send(`${server.url}/is_sleeping`)).text).toBe('{"is_sleeping":true}');
    expect((await send(`${server.url}/health`)).status).toBe(200);
    expect((await send(`${server.url}/metrics`)).text).toMatch(/sleep_state="awake"\} 0\.0/);
  });

  test('a full queue is 503, draining is 500, and the health does not tell', async () => {
    await using server = await startVllm({ ...slow, maxQueued: 1 });
    const { whole } = await running(server.url);
    expect((await chat(server.url)).status).toBe(503);
    await whole;
    server.drain();
    const refused = await chat(server.url);
    expect([refused.status, refused.text.includes('cannot schedule new futures after shutdown')]).toEqual([500, true]);
    expect((await send(`${server.url}/health`)).status).toBe(200);
  });

  test('a pooling model embeds and ranks and does not chat', async () => {
    await using server = await startVllm({ models: ['bge-embed'] });
    expect((await chat(server.url)).status).toBe(404);
    expect((await post(`${server.url}/v1/embeddings`, { input: ['a', 'b'] })).json).toMatchObject({
      data: [{ index: 0 }, { index: 1 }],
    });
    const ranked = await post(`${server.url}/rerank`, { query: 'red fox', documents: ['a blue cat', 'the red fox'] });
    expect(ranked.json).toMatchObject({ results: [{ index: 1 }, { index: 0 }] });
  });
});

describe('any compatible server', () => {
  test('waits in line, and refuses what does not fit into the line with Retry-After', async () => {
    await using server = await startOpenAi({ ...slow, slots: 1, maxQueued: 0 });
    const { whole } = await running(server.url);
    const refused = await chat(server.url);
    expect([refused.status, refused.headers['retry-after']]).toEqual([429, '1']);
    await whole;
    expect((await chat(server.url)).status).toBe(200);
  });

  test('sound and pictures pass', async () => {
    await using server = await startOpenAi();
    expect((await post(`${server.url}/v1/audio/speech`, {})).headers['content-type']).toBe('audio/mpeg');
    expect((await post(`${server.url}/v1/images/generations`, {})).json).toMatchObject({ data: [{}] });
  });
});

describe('every stand-in', () => {
  const held = { ...slow, tokenDelayMs: 5_000 };
  const starts: readonly (() => Promise<StandIn>)[] = [
    () => startOllama(held),
    () => startVllm(held),
    () => startLlamaServer(held),
    () => startLlamaRouter(held),
    () => startLlamaCppPython({ ...held, isInterrupting: false }),
    () => startOpenAi(held),
  ];

  test('closes with answers running, and leaves no socket and no timer behind', async () => {
    const before = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    for (const start of starts) {
      const server = await start();
      const streams = [1, 2, 3].map(() =>
        readStream(`${server.url}/v1/chat/completions`, { body: { ...body, stream: true } }).catch(() => null),
      );
      const plain = chat(server.url).catch(() => null);
      await expect.poll(() => server.inFlight).toBe(4);
      await server.close();
      await Promise.all([...streams, plain]);
      expect([server.inFlight, server.openSockets]).toEqual([0, 0]);
      await expect(send(`${server.url}/v1/models`)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    }
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    await expect.poll(timers).toBeLessThanOrEqual(before);
  });

  test('closes idle connections after the time its kind does', async () => {
    await using ollama = await startOllama(slow);
    await using vllm = await startVllm(slow);
    expect((await send(`${ollama.url}/api/version`)).headers['keep-alive']).toBeUndefined();
    expect((await send(`${vllm.url}/version`)).headers['keep-alive']).toBeUndefined();
  });
});

describe('helpers', () => {
  test('a dead address refuses, a free port can be had', async () => {
    await expect(send(await deadAddress())).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    const server = createServer().listen(await freePort(), '127.0.0.1');
    await new Promise((resolve) => server.on('listening', resolve));
    expect(server.listening).toBe(true);
    server.close();
  });

  test('a raw server sends what it is told, byte for byte', async () => {
    await using server = await startRaw(async (connection) => {
      await connection.request();
      connection.write(`${rawAnswer(200, { Odd: 'yes' }, 'half').slice(0, -2)}`);
      connection.end();
    });
    const answer = await send(server.url);
    expect([answer.status, answer.headers.odd, answer.text, answer.isComplete]).toEqual([200, 'yes', 'ha', false]);
  });
});
