import { Agent } from 'node:http';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { post, readStream, type StreamAnswer, send } from '../support/http.ts';
import type { FaultInput, StandIn } from './core/server.ts';
import { startLlamaCppPython } from './llama-cpp-python.ts';
import { startLlamaRouter } from './llama-router.ts';
import { startLlamaServer } from './llama-server.ts';
import { startOllama } from './ollama.ts';
import { startOpenAi } from './openai.ts';
import { startVllm } from './vllm.ts';

const options = { models: ['m'], answer: ['one', ' two', ' three', ' four'] };

const KINDS: readonly (readonly [name: string, start: () => Promise<StandIn>])[] = [
  ['ollama', () => startOllama(options)],
  ['vllm', () => startVllm(options)],
  ['llama-server', () => startLlamaServer(options)],
  ['llama-router', () => startLlamaRouter(options)],
  ['llama-cpp-python', () => startLlamaCppPython(options)],
  ['openai', () => startOpenAi(options)],
];

const contentsOf = (text: string) => [...text.matchAll(/"content": ?"([^"]+)"/g)].map(([, content]) => content);

describe.each(KINDS)('%s', (name, start) => {
  let server: StandIn;
  beforeAll(async () => {
    server = await start();
  });
  afterAll(() => server.close());
  beforeEach(() => server.setFault(null));

  const ask = (isStream: boolean, limits: { signal?: AbortSignal; quietMs?: number } = {}): Promise<StreamAnswer> =>
    readStream(`${server.url}/v1/chat/completions`, {
      body: { model: 'm', messages: [{ role: 'user', content: 'hi' }], stream: isStream },
      ...limits,
    });
  const broken = async (fault: FaultInput, isStream: boolean) => {
    await server.setFault(fault);
    return ask(isStream);
  };

  test('without a fault the answer is whole', async () => {
    const streamed = await ask(true);
    expect(contentsOf(streamed.text)).toEqual(options.answer);
    expect(streamed.text).toContain('data: [DONE]');
    expect((await ask(false)).text).toContain('one two three four');
  });

  describe.each([true, false])('stream: %s', (isStream) => {
    test.each([
      ['unauthorized', 401],
      ['not_found', 404],
      ['rate_limited', 429],
      ['server_error', 500],
      ['bad_gateway', 502],
      ['loading', 503],
      ['overloaded', 503],
    ] as const)('%s answers %i', async (kind, status) => {
      const answer = await broken(kind, isStream);
      expect(answer.status).toBe(status);
      expect(answer.isComplete).toBe(true);
      expect(answer.headers['retry-after']).toBe(kind === 'rate_limited' ? '1' : undefined);
    });

    test('reset and close end the connection before any byte', async () => {
      await expect(broken('reset', isStream)).rejects.toMatchObject({ code: 'ECONNRESET' });
      await expect(broken('close', isStream)).rejects.toMatchObject({ code: 'ECONNRESET', message: 'socket hang up' });
    });

    test('refuse closes the port, and lifting it opens the same port again', async () => {
      await expect(broken('refuse', isStream)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
      await server.setFault(null);
      expect((await ask(isStream)).status).toBe(200);
    });

    test('hang never answers', async () => {
      await server.setFault('hang');
      await expect(ask(isStream, { signal: AbortSignal.timeout(60) })).rejects.toMatchObject({ name: 'AbortError' });
    });

    test('hang_after_headers sends the head and nothing else', async () => {
      await server.setFault('hang_after_headers');
      const answer = await ask(isStream, { quietMs: 60 });
      expect([answer.status, answer.body.length, answer.isComplete]).toEqual([200, 0, false]);
    });

    test('hang_mid_stream stops after the first content', async () => {
      await server.setFault('hang_mid_stream');
      const answer = await ask(isStream, { quietMs: 60 });
      expect(answer.isComplete).toBe(false);
      expect(answer.body.length).toBeGreaterThan(0);
      if (isStream) expect(contentsOf(answer.text)).toEqual(['one']);
    });

    test.each(['drop', 'drop_reset'] as const)('%s breaks the body off', async (kind) => {
      const answer = await broken({ kind, afterContents: 2 }, isStream);
      expect(answer.isComplete).toBe(false);
      if (isStream) expect(contentsOf(answer.text)).toEqual(['one', ' two']);
    });

    test('empty is a proper 200 without a body', async () => {
      const answer = await broken('empty', isStream);
      expect([answer.status, answer.text, answer.isComplete]).toEqual([200, '', true]);
    });

    test('html is a proper 200 of the wrong sort', async () => {
      const answer = await broken('html', isStream);
      expect([answer.status, answer.headers['content-type']]).toEqual([200, 'text/html']);
    });

    test('wrong_content_type is the right answer under a wrong name', async () => {
      const answer = await broken('wrong_content_type', isStream);
      expect(answer.headers['content-type']).toBe('text/plain');
      expect(answer.text).toContain('four');
    });

    test('cut_json stops in the middle of an object, yet ends properly', async () => {
      const answer = await broken('cut_json', isStream);
      expect(answer.isComplete).toBe(true);
      if (isStream) expect(answer.text).not.toContain('four');
      expect(() => JSON.parse(answer.text.replace(/^data: /, ''))).toThrow();
    });

    test('slow_drip comes byte by byte, and all of it', async () => {
      const answer = await broken({ kind: 'slow_drip', delayMs: 0 }, isStream);
      expect(answer.text).toContain('four');
      expect(answer.arrivals.every(({ bytes }) => bytes.length < 200)).toBe(true);
      expect(answer.arrivals.length).toBeGreaterThan(100);
    });

    test('huge_body is as large as asked for and still valid', async () => {
      const answer = await broken({ kind: 'huge_body', bytes: 300_000 }, isStream);
      expect(answer.body.length).toBeGreaterThanOrEqual(300_000);
      if (!isStream) expect(answer.json).toBeDefined();
    });

    test('compressed answers say so and unpack to the right one', async () => {
      const gzip = await broken('compressed', isStream);
      expect(gzip.headers['content-encoding']).toBe('gzip');
      expect(gunzipSync(gzip.body).toString()).toContain('four');
      const brotli = await broken({ kind: 'compressed', encoding: 'br' }, isStream);
      expect(brotliDecompressSync(brotli.body).toString()).toContain('four');
    });

    test('redirect points elsewhere', async () => {
      const answer = await broken({ kind: 'redirect', location: 'http://127.0.0.1:1/x' }, isStream);
      expect([answer.status, answer.headers.location]).toEqual([307, 'http://127.0.0.1:1/x']);
    });

    test('no_finish and finish_abort change the finish reason alone', async () => {
      expect((await broken('no_finish', isStream)).text).not.toMatch(/"finish_reason": ?"/);
      expect((await broken('finish_abort', isStream)).text).toMatch(/"finish_reason": ?"abort"/);
    });
  });

  test('truncated_sse ends properly in the middle of an event', async () => {
    const answer = await broken({ kind: 'truncated_sse', afterContents: 2 }, true);
    expect(answer.isComplete).toBe(true);
    expect(answer.text.endsWith('\n\n')).toBe(false);
    expect(contentsOf(answer.text).slice(0, 2)).toEqual(['one', ' two']);
  });

  test('no_done leaves only the end marker out', async () => {
    const answer = await broken('no_done', true);
    expect(answer.isComplete).toBe(true);
    expect(answer.text).not.toContain('[DONE]');
    expect(contentsOf(answer.text)).toEqual(options.answer);
  });

  test('an error event first comes before any content, and then the kind ends as it would', async () => {
    const answer = await broken('error_event_first', true);
    expect(answer.status).toBe(200);
    expect(contentsOf(answer.text)).toEqual([]);
    expect(answer.isComplete).toBe(name !== 'llama-cpp-python');
  });

  test('an error event in the middle comes after so many contents', async () => {
    const answer = await broken({ kind: 'error_event', afterContents: 3 }, true);
    expect(contentsOf(answer.text)).toEqual(['one', ' two', ' three']);
    expect(answer.text).not.toMatch(/"finish_reason": ?"(stop|length)"/);
  });

  test('a wrong Content-Length is too long or too short by ten bytes', async () => {
    expect((await broken('length_too_long', false)).isComplete).toBe(false);
    // Clients differ: the rest counts as a broken second answer, or is not looked at.
    const short = await broken('length_too_short', false).then(
      ({ text, json }) => ({ text, json }),
      (error: unknown) => ({ text: String(error), json: undefined }),
    );
    expect(short.json).toBeUndefined();
    expect(short.text.length).toBeGreaterThan(10);
  });

  test('close_on_reuse spares the first request of a connection', async () => {
    await server.setFault({ kind: 'close_on_reuse', only: 'all' });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    try {
      const path = name === 'llama-router' ? '/health' : '/v1/models';
      expect((await send(server.url + path, { agent })).status).toBe(200);
      await expect(send(server.url + path, { agent })).rejects.toMatchObject({ code: 'ECONNRESET' });
    } finally {
      agent.destroy();
    }
  });

  test('a fault is for what generates unless it says otherwise', async () => {
    await server.setFault('server_error');
    expect((await send(`${server.url}/v1/models`)).status).toBe(200);
    await server.setFault({ kind: 'server_error', only: 'probes' });
    expect((await send(`${server.url}/v1/models`)).status).toBe(500);
    expect((await ask(false)).status).toBe(200);
  });
});

describe('rules', () => {
  const statuses = async (server: StandIn, count: number) => {
    const found: number[] = [];
    for (let index = 0; index < count; index += 1) {
      const body = { model: 'm', messages: [{ role: 'user', content: `${index}` }] };
      found.push((await post(`${server.url}/v1/chat/completions`, body)).status);
    }
    return found;
  };

  test('nth, times and a predicate choose the requests', async () => {
    await using server = await startOpenAi(options);
    await server.setFault({ kind: 'server_error', nth: [2, 4] });
    expect(await statuses(server, 4)).toEqual([200, 500, 200, 500]);
    await server.setFault({ kind: 'overloaded', times: 2 });
    expect(await statuses(server, 3)).toEqual([503, 503, 200]);
    await server.setFault({ kind: 'rate_limited', when: (request) => request.body.includes('"1"') });
    expect(await statuses(server, 3)).toEqual([200, 429, 200]);
  });

  test('they can be set, seen and lifted over HTTP', async () => {
    await using server = await startOpenAi(options);
    const set = await post(`${server.url}/__fault`, { kind: 'rate_limited', retryAfter: 7, times: 1 });
    expect(set.status).toBe(200);
    const limited = await post(`${server.url}/v1/chat/completions`, { model: 'm', messages: [] });
    expect([limited.status, limited.headers['retry-after']]).toEqual([429, '7']);
    expect((await send(`${server.url}/__fault`)).text).toContain('rate_limited');
    await send(`${server.url}/__fault`, { method: 'DELETE' });
    expect(server.faults).toEqual([]);
    expect((await post(`${server.url}/__fault`, { kind: 'nonsense' })).status).toBe(400);
  });

  test('a port closed over HTTP opens again by itself', async () => {
    await using server = await startOpenAi(options);
    await post(`${server.url}/__fault`, { kind: 'refuse', forMs: 50 });
    await expect(send(`${server.url}/v1/models`)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await expect
      .poll(() =>
        send(`${server.url}/v1/models`).then(
          ({ status }) => status,
          () => 0,
        ),
      )
      .toBe(200);
  });

  test('a stream can be cut into chunks anywhere, even inside a character', async () => {
    const answer = ['schöne', ' Grüße', ' 🚂'];
    for (const chunking of ['bytes', { random: 7, maxBytes: 5 }, { merge: 3 }] as const) {
      await using server = await startOpenAi({ models: ['m'], answer, chunking });
      const body = { model: 'm', messages: [], stream: true };
      const got = await readStream(`${server.url}/v1/chat/completions`, { body });
      expect(contentsOf(got.text)).toEqual(answer);
    }
  });

  test('requests are remembered with their bytes, and whether their client left', async () => {
    await using server = await startOpenAi({ ...options, tokenDelayMs: 20 });
    const body = '{"model":"m","messages":[],"stream":true}';
    await readStream(`${server.url}/v1/chat/completions`, {
      body,
      headers: { 'X-Mine': 'Yes' },
      onArrival: () => false,
    });
    await expect.poll(() => server.requests[0]?.aborted).toBe(true);
    const [request] = server.requests;
    expect(request?.body.toString()).toBe(body);
    expect(request?.rawHeaders).toContain('X-Mine');
    expect(server.inFlight).toBe(0);
  });
});
