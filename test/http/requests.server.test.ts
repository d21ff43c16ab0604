// What reaches the proxy, what does not, and in which words: over real sockets.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { FakeClock } from '../support/fake-clock.ts';
import { post, send } from '../support/http.ts';
import { type RawAnswer, sendRaw, startHttp, withLimits } from './support.ts';

const BODY = '{"model":"m","messages":[]}';
const head = (lines: readonly string[]) => `${lines.join('\r\n')}\r\n\r\n`;
const POST_LINE = 'POST /v1/chat/completions HTTP/1.1';

function openaiError(answer: { readonly json: unknown }): { message: string; code: string; type: string } {
  expect(answer.json).toMatchObject({ error: { message: expect.any(String), code: expect.any(String) } });
  return (answer.json as { error: { message: string; code: string; type: string } }).error;
}

describe('a request for a model', () => {
  test('reaches the proxy with its bytes, its JSON and its query, whatever its Content-Type', async () => {
    await using harness = await startHttp();
    const text = '{ "model" : "m",\n "stream":false }';
    for (const type of ['application/json', 'application/x-www-form-urlencoded', 'text/plain', '']) {
      const answer = await post(`${harness.url}/v1/chat/completions?beta=true`, text, { 'content-type': type });
      expect(answer.status).toBe(200);
      expect(answer.headers['x-request-id']).toBe(harness.exchanges.at(-1)?.id);
    }
    const exchange = harness.exchanges[0];
    expect(exchange?.body.toString()).toBe(text);
    expect(exchange).toMatchObject({
      endpoint: 'chat',
      protocol: 'openai',
      search: '?beta=true',
      json: { model: 'm', stream: false },
      apiKeyName: null,
    });
    expect(new Set(harness.exchanges.map(({ id }) => id)).size).toBe(4);
  });

  test.each([
    ['/v1/chat/completions', 'chat'],
    ['/chat/completions', 'chat'],
    ['/v1/v1/chat/completions', 'chat'],
    ['//v1/chat/completions', 'chat'],
    ['/v1/chat/completions/', 'chat'],
    ['/v1/embeddings', 'embeddings'],
    ['/v1/messages?beta=true', 'messages'],
    ['/api/chat', 'ollama_chat'],
    ['/api/show', 'ollama_show'],
    ['/v1/responses', 'responses'],
  ])('may spell its path %s', async (path, endpoint) => {
    await using harness = await startHttp();
    expect((await post(harness.url + path, BODY)).status).toBe(200);
    expect(harness.exchanges.map((exchange) => exchange.endpoint)).toEqual([endpoint]);
  });

  test('names the API key it came with, never its value', async () => {
    const { createHash } = await import('node:crypto');
    const apiKeys = [{ name: 'laptop', sha256: createHash('sha256').update('sk-1').digest('hex') }];
    await using harness = await startHttp({ server: { apiKeys } });
    expect((await post(`${harness.url}/v1/chat/completions`, BODY)).status).toBe(401);
    const answer = await post(`${harness.url}/v1/chat/completions`, BODY, { authorization: 'Bearer sk-1' });
    expect([answer.status, harness.exchanges[0]?.apiKeyName]).toEqual([200, 'laptop']);
  });

  test('uploads stay bytes', async () => {
    await using harness = await startHttp();
    const form = '--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper\r\n--x--\r\n';
    const headers = { 'content-type': 'multipart/form-data; boundary=x' };
    expect((await post(`${harness.url}/v1/audio/transcriptions`, form, headers)).status).toBe(200);
    expect(harness.exchanges[0]?.json).toBeNull();
    expect(harness.exchanges[0]?.body.toString()).toBe(form);
  });

  test('is served on both loopback addresses', async () => {
    await using harness = await startHttp();
    expect(harness.urls).toEqual([`http://127.0.0.1:${harness.port}`, `http://[::1]:${harness.port}`]);
    for (const url of harness.urls) expect((await post(`${url}/v1/chat/completions`, BODY)).status).toBe(200);
  });

  test('keeps its connection for the next one', async () => {
    await using harness = await startHttp();
    const one = head([POST_LINE, 'Host: localhost', `Content-Length: ${BODY.length}`]) + BODY;
    const answer = await sendRaw(harness.port, [one + one], { waitMs: 500 });
    expect(harness.exchanges).toHaveLength(2);
    expect(answer.isClosed).toBe(false);
  });
});

describe('an encoded body', () => {
  const packers = {
    gzip: gzipSync,
    'x-gzip': gzipSync,
    GZIP: gzipSync,
    deflate: deflateSync,
    br: brotliCompressSync,
    zstd: zstdCompressSync,
    identity: (bytes: Buffer) => bytes,
  };

  test.each(Object.entries(packers))('in %s is unpacked', async (encoding, pack) => {
    await using harness = await startHttp();
    const answer = await post(`${harness.url}/v1/chat/completions`, pack(Buffer.from(BODY)), {
      'content-encoding': encoding,
    });
    expect(answer.status).toBe(200);
    expect(harness.exchanges[0]?.body.toString()).toBe(BODY);
  });

  test('that is a bomb ends at the limit', async () => {
    await using harness = await startHttp({ server: withLimits({ bodyBytes: 1024 * 1024 }) });
    const bomb = Buffer.alloc(64 * 1024 * 1024, ' ');
    for (const [encoding, packed] of [
      ['gzip', gzipSync(bomb)],
      ['zstd', zstdCompressSync(bomb)],
      ['br', brotliCompressSync(bomb, { params: { 1: 1 } })],
    ] as const) {
      expect(packed.length).toBeLessThan(1024 * 1024);
      const answer = await post(`${harness.url}/v1/chat/completions`, packed, { 'content-encoding': encoding });
      expect([encoding, answer.status, openaiError(answer).code]).toEqual([encoding, 413, 'body_too_large']);
    }
    expect(harness.exchanges).toHaveLength(0);
  });

  test('that is not what it says is refused, as is an encoding nobody knows', async () => {
    await using harness = await startHttp();
    const url = `${harness.url}/v1/chat/completions`;
    const wrong = await post(url, BODY, { 'content-encoding': 'gzip' });
    const cut = await post(url, gzipSync(BODY).subarray(0, 20), { 'content-encoding': 'gzip' });
    const unknown = await post(url, BODY, { 'content-encoding': 'compress' });
    const inherited = await post(url, BODY, { 'content-encoding': 'constructor' });
    expect([wrong, cut, unknown, inherited].map((answer) => [answer.status, openaiError(answer).code])).toEqual([
      [400, 'invalid_request'],
      [400, 'invalid_request'],
      [415, 'unsupported_encoding'],
      [415, 'unsupported_encoding'],
    ]);
  });
});

describe('a body that is not right', () => {
  test.each([
    ['', 'invalid_json', 'no body'],
    ['   ', 'invalid_json', 'no body'],
    ['{"model": secret-word}', 'invalid_json', 'line 1, column 11'],
    ['{"model":\n"m",}', 'invalid_json', 'line 2, column 5'],
    ['{"model":"m"', 'invalid_json', 'ends too soon'],
    ['[]', 'invalid_request', 'a JSON list'],
    ['"text"', 'invalid_request', 'not an object'],
    [`{"a":${'['.repeat(200)}${']'.repeat(200)}}`, 'json_too_deep', '200'],
  ])('%j is refused as %s', async (body, code, words) => {
    await using harness = await startHttp();
    const answer = await post(`${harness.url}/v1/chat/completions`, body);
    const error = openaiError(answer);
    expect([answer.status, error.code]).toEqual([400, code]);
    expect(error.message).toContain(words);
    expect(error.message).not.toContain('secret-word');
    expect(answer.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    expect(harness.exchanges).toHaveLength(0);
    expect(harness.rejections.map((rejection) => [rejection.endpoint, rejection.error.code, rejection.id])).toEqual([
      ['chat', code, answer.headers['x-request-id']],
    ]);
  });

  test('is told in the shape of its protocol', async () => {
    await using harness = await startHttp();
    const shapes = await Promise.all(
      ['/v1/messages', '/api/chat', '/v1/responses'].map((path) => post(harness.url + path, '{')),
    );
    expect(shapes.map(({ json }) => json)).toEqual([
      expect.objectContaining({ type: 'error', error: expect.objectContaining({ type: 'invalid_request_error' }) }),
      { error: expect.stringContaining('ends too soon') },
      { error: expect.objectContaining({ code: 'invalid_json' }) },
    ]);
  });

  test('nested as deep as allowed is fine', async () => {
    await using harness = await startHttp();
    const body = `{"a":${'['.repeat(199)}${']'.repeat(199)}}`;
    expect((await post(`${harness.url}/v1/chat/completions`, body)).status).toBe(200);
  });

  test('too large is refused before it is sent where its length is told, and at the limit where not', async () => {
    await using harness = await startHttp({ server: withLimits({ bodyBytes: 1_000 }) });
    const url = `${harness.url}/v1/chat/completions`;
    const big = `{"a":"${'x'.repeat(2_000)}"}`;
    const told = await post(url, big);
    const chunked = await sendRaw(harness.port, [
      head([POST_LINE, 'Host: localhost', 'Transfer-Encoding: chunked']),
      `${big.length.toString(16)}\r\n${big}\r\n0\r\n\r\n`,
    ]);
    const exact = await post(url, `{"a":"${'x'.repeat(1_000 - 8)}"}`);
    expect([told.status, chunked.status, exact.status]).toEqual([413, 413, 200]);
    expect(openaiError(told).code).toBe('body_too_large');
  });

  test('is answered although the client is still sending; one that never stops is cut off after a while', async () => {
    const clock = new FakeClock();
    await using harness = await startHttp({ server: withLimits({ bodyBytes: 1_000 }), deps: { clock } });
    const socket = connect(harness.port, '127.0.0.1');
    socket.write(head([POST_LINE, 'Host: localhost', 'Content-Length: 99999999']));
    socket.write('x'.repeat(100_000));
    const [answer] = await once(socket, 'data');
    expect(String(answer)).toMatch(/^HTTP\/1.1 413 /);
    expect([socket.readyState, clock.pending]).toEqual(['open', 1]);
    clock.advance(5_000);
    await once(socket, 'close');
    await expect.poll(() => clock.pending).toBe(0);
  });
});

test('a client that closes after one request reads its refusal although it sent all of a body too large', async () => {
  await using harness = await startHttp({ server: withLimits({ bodyBytes: 1_000 }) });
  const length = 20_000_000;
  const socket = connect(harness.port, '127.0.0.1');
  const answer: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => answer.push(chunk));
  socket.write(head([POST_LINE, 'Host: localhost', 'Connection: close', `Content-Length: ${length}`]));
  // A simple client: it writes everything it has, and only then looks at what was said.
  for (let sent = 0; sent < length; sent += 500_000) {
    if (!socket.write('x'.repeat(500_000))) await once(socket, 'drain');
  }
  await once(socket, 'end');
  expect(Buffer.concat(answer).toString()).toMatch(/^HTTP\/1.1 413 .*body_too_large/s);
});

describe('all bodies together', () => {
  test('are bounded: what does not fit is told to come again, and what was held is given back', async () => {
    const release = Promise.withResolvers<void>();
    await using harness = await startHttp({
      server: withLimits({ heldBodiesBytes: 100_000 }),
      proxy: async ({ response }) => {
        await release.promise;
        response.end('{}');
      },
    });
    const url = `${harness.url}/v1/chat/completions`;
    const big = `{"a":"${'x'.repeat(80_000)}"}`;
    const first = post(url, big);
    await expect.poll(() => harness.exchanges.length).toBe(1);
    const told = await post(url, big);
    const chunked = await sendRaw(harness.port, [
      head([POST_LINE, 'Host: localhost', 'Transfer-Encoding: chunked']),
      `${big.length.toString(16)}\r\n${big}\r\n0\r\n\r\n`,
    ]);
    const unpacked = await post(url, gzipSync(big), { 'content-encoding': 'gzip' });
    const small = post(url, BODY);
    await expect.poll(() => harness.exchanges.length).toBe(2);
    release.resolve();
    expect([told.status, chunked.status, unpacked.status]).toEqual([503, 503, 503]);
    expect(openaiError(told).code).toBe('memory_exhausted');
    expect(told.headers['retry-after']).toBeDefined();
    expect([(await first).status, (await small).status]).toEqual([200, 200]);
    for (let round = 0; round < 5; round++) expect((await post(url, big)).status).toBe(200);
  });

  test('give back what refused, broken and left ones had taken', async () => {
    await using harness = await startHttp({ server: withLimits({ heldBodiesBytes: 100_000 }) });
    const url = `${harness.url}/v1/chat/completions`;
    const bad = `{"a":${'x'.repeat(80_000)}`;
    for (let round = 0; round < 3; round++) {
      expect((await post(url, bad)).status).toBe(400);
      expect(
        (await post(url, gzipSync('x'.repeat(80_000)).subarray(0, 60), { 'content-encoding': 'gzip' })).status,
      ).toBe(400);
      const socket = connect(harness.port, '127.0.0.1');
      socket.write(`${head([POST_LINE, 'Host: localhost', 'Content-Length: 90000'])}${'x'.repeat(80_000)}`);
      await once(socket, 'connect');
      await expect.poll(() => harness.http.inFlight).toBe(1);
      socket.destroy();
      await expect.poll(() => harness.http.inFlight).toBe(0);
    }
    expect((await post(url, `{"a":"${'x'.repeat(90_000)}"}`)).status).toBe(200);
    expect(harness.rejections.filter(({ error }) => error.code === 'client_closed_request')).toHaveLength(3);
  });

  test('count a packed body once: what it took packed is given back when it is unpacked', async () => {
    await using harness = await startHttp({ server: withLimits({ heldBodiesBytes: 100_000 }) });
    // Random digits hardly shrink, so both forms take their part of the bound.
    const packed = gzipSync(`{"a":"${randomBytes(30_000).toString('hex')}"}`);
    expect(packed.length).toBeGreaterThan(30_000);
    for (let round = 0; round < 5; round++) {
      const answer = await post(`${harness.url}/v1/chat/completions`, packed, { 'content-encoding': 'gzip' });
      expect(answer.status).toBe(200);
    }
  });

  test('a body of many pieces arrives whole, with and without its length', async () => {
    await using harness = await startHttp();
    const text = `{"a":"${'0123456789'.repeat(100_000)}"}`;
    expect((await post(`${harness.url}/v1/chat/completions`, text)).status).toBe(200);
    const chunks = (text.match(/.{1,70000}/g) ?? []).map((part) => `${part.length.toString(16)}\r\n${part}\r\n`);
    const answer = await sendRaw(
      harness.port,
      [head([POST_LINE, 'Host: localhost', 'Transfer-Encoding: chunked']), ...chunks, '0\r\n\r\n'],
      { betweenMs: 1 },
    );
    expect(answer.status).toBe(200);
    expect(harness.exchanges.map(({ body }) => body.toString() === text)).toEqual([true, true]);
  });
});

describe('Expect: 100-continue', () => {
  const ask = (port: number, length: number, headers = {}) => {
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; wasContinued: boolean }>();
    let wasContinued = false;
    const request = httpRequest({
      port,
      host: '127.0.0.1',
      method: 'POST',
      path: '/v1/chat/completions',
      headers: { expect: '100-continue', 'content-length': length, ...headers },
    });
    request.on('continue', () => {
      wasContinued = true;
      request.end(BODY);
    });
    request.on('response', (response) => {
      response.resume();
      resolve({ status: response.statusCode ?? 0, wasContinued });
      if (!wasContinued) request.destroy();
    });
    request.on('error', reject);
    request.flushHeaders();
    return promise;
  };

  test('is granted when the body can be taken, and refused without the body when not', async () => {
    await using harness = await startHttp({ server: withLimits({ bodyBytes: 1_000 }) });
    expect(await ask(harness.port, BODY.length)).toEqual({ status: 200, wasContinued: true });
    expect(await ask(harness.port, 5_000)).toEqual({ status: 413, wasContinued: false });
    expect(await ask(harness.port, BODY.length, { host: 'evil.example' })).toEqual({
      status: 403,
      wasContinued: false,
    });
  });
});

describe('bytes that are no proper request', () => {
  const cases: readonly [string, string, number][] = [
    ['a bare LF after a header', `POST /v1/chat/completions HTTP/1.1\nHost: localhost\nContent-Length: 2\n\n{}`, 400],
    [
      'two different lengths',
      head([POST_LINE, 'Host: localhost', 'Content-Length: 2', 'Content-Length: 3']) + BODY,
      400,
    ],
    [
      'a length and chunks',
      head([POST_LINE, 'Host: localhost', 'Content-Length: 2', 'Transfer-Encoding: chunked']) + BODY,
      400,
    ],
    ['an unknown transfer coding', head([POST_LINE, 'Host: localhost', 'Transfer-Encoding: xchunked']) + BODY, 400],
    ['a folded header', `${head([POST_LINE, 'Host: localhost', 'X-Long: a', ' b', 'Content-Length: 2'])}{}`, 400],
    ['a space before the colon', `${head([POST_LINE, 'Host : localhost', 'Content-Length: 2'])}{}`, 400],
    ['a length that is no number', `${head([POST_LINE, 'Host: localhost', 'Content-Length: 2x'])}{}`, 400],
    ['a negative length', `${head([POST_LINE, 'Host: localhost', 'Content-Length: -2'])}{}`, 400],
    [
      'a chunk size that is no number',
      `${head([POST_LINE, 'Host: localhost', 'Transfer-Encoding: chunked'])}zz\r\n{}\r\n0\r\n\r\n`,
      400,
    ],
    ['a NUL in a header', `${head([POST_LINE, 'Host: localhost', 'X-A: a\0b', 'Content-Length: 2'])}{}`, 400],
    ['no HTTP at all', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
    ['an unknown method', head(['BREW /v1/chat/completions HTTP/1.1', 'Host: localhost']), 400],
    ['no Host', `${head([POST_LINE, 'Content-Length: 2'])}{}`, 400],
    ['no Host in HTTP/1.0', head(['GET /v1/models HTTP/1.0']), 400],
    ['an asterisk as target', head(['OPTIONS * HTTP/1.1', 'Host: localhost']), 404],
    ['a foreign host as target', head(['GET http://evil.example/v1/models HTTP/1.1', 'Host: localhost']), 403],
    [
      'a foreign host beside its own as target',
      head(['GET http://localhost/v1/models HTTP/1.1', 'Host: localhost']),
      200,
    ],
    [
      'headers of 40 kB',
      `${head([POST_LINE, 'Host: localhost', `X-Big: ${'x'.repeat(40_000)}`, 'Content-Length: 2'])}{}`,
      431,
    ],
    ['a request line of 40 kB', head([`GET /v1/models?${'x'.repeat(40_000)} HTTP/1.1`, 'Host: localhost']), 431],
  ];

  test.each(cases)('%s', async (_name, bytes, status) => {
    await using harness = await startHttp();
    const answer = await sendRaw(harness.port, [Buffer.from(bytes, 'latin1')]);
    expect(answer.status).toBe(status);
    if (status >= 400) expect(openaiError(answer).message).not.toBe('');
    expect(harness.exchanges).toHaveLength(0);
    // The gateway is well afterwards.
    expect((await post(`${harness.url}/v1/chat/completions`, BODY)).status).toBe(200);
  });

  test('headers just below the bound pass, however many they are', async () => {
    await using harness = await startHttp();
    const many = Array.from({ length: 2_500 }, (_, index) => `X-${index}: 1`);
    const bytes = head([
      'GET /v1/models HTTP/1.1',
      'Host: localhost',
      ...many,
      'X-Switchyard-Hop: instance-of-the-tests',
    ]);
    expect(bytes.length).toBeLessThan(32_000);
    // The last of so many headers is seen as well as the first.
    expect((await sendRaw(harness.port, [bytes])).status).toBe(508);
  });

  test('are answered in the shape of the protocol their path belongs to', async () => {
    await using harness = await startHttp();
    const bytes = (path: string) => head([`POST ${path} HTTP/1.1`, 'Host: localhost', 'Content-Length: x']);
    const anthropic = await sendRaw(harness.port, [bytes('/v1/messages')]);
    const ollama = await sendRaw(harness.port, [bytes('/api/chat')]);
    expect(anthropic.json).toMatchObject({ type: 'error' });
    expect(ollama.json).toEqual({ error: expect.stringContaining('not a valid HTTP/1.1 request') });
  });

  test('a body longer than its length is no valid request, and what was begun for it ends', async () => {
    const left = Promise.withResolvers<void>();
    await using harness = await startHttp({
      proxy: async ({ response }) => {
        response.once('close', left.resolve);
        await left.promise;
      },
    });
    const long = head([POST_LINE, 'Host: localhost', `Content-Length: ${BODY.length}`]) + BODY;
    const answer = await sendRaw(harness.port, [`${long}garbage\r\n\r\n`]);
    await left.promise;
    expect([answer.status, answer.isClosed]).toEqual([400, true]);
  });

  test('behind an answer that has begun cut it off instead of being answered in the middle of it', async () => {
    const begun = Promise.withResolvers<void>();
    const left = Promise.withResolvers<void>();
    await using harness = await startHttp({
      proxy: async ({ response }) => {
        response.once('close', left.resolve);
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write('data: 1\n\n', () => begun.resolve());
        await left.promise;
      },
    });
    const socket = connect(harness.port, '127.0.0.1');
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.write(head([POST_LINE, 'Host: localhost', `Content-Length: ${BODY.length}`]) + BODY);
    await begun.promise;
    socket.write('garbage\r\n\r\n');
    await once(socket, 'close');
    expect(text).toContain('data: 1');
    expect(text.match(/HTTP\/1.1/g)).toHaveLength(1);
  });

  test('a client that closes half way through its body leaves nothing behind', async () => {
    await using harness = await startHttp();
    const answer = await sendRaw(harness.port, [head([POST_LINE, 'Host: localhost', 'Content-Length: 50']), '{"mo'], {
      isHalfClosed: true,
    });
    await expect.poll(() => harness.http.inFlight).toBe(0);
    expect([answer.status, harness.exchanges.length]).toEqual([400, 0]);
  });

  test('a client that only closes its sending side gets its answer', async () => {
    await using harness = await startHttp();
    const answer = await sendRaw(
      harness.port,
      [head([POST_LINE, 'Host: localhost', `Content-Length: ${BODY.length}`]) + BODY],
      { isHalfClosed: true },
    );
    expect(answer.status).toBe(200);
  });

  test('a body that does not arrive in time is given up', async () => {
    await using harness = await startHttp({
      deps: { requestTimeoutMs: 200, headersTimeoutMs: 200, timeoutCheckMs: 50 },
    });
    const slow: RawAnswer = await sendRaw(harness.port, [
      head([POST_LINE, 'Host: localhost', 'Content-Length: 50']),
      '{',
    ]);
    expect([slow.status, openaiError(slow).code]).toEqual([408, 'request_timeout']);
    const slowHead = await sendRaw(harness.port, ['POST /v1/messages HTTP/1.1\r\nHost: localhost\r\n']);
    expect(slowHead.status).toBe(408);
    await expect.poll(() => harness.http.inFlight).toBe(0);
  });
});

describe('connections', () => {
  test('beyond the bound are told so, on both addresses together, and a closed one makes room', async () => {
    await using harness = await startHttp({ server: withLimits({ connections: 3 }) });
    const open = await Promise.all(
      ['127.0.0.1', '::1', '127.0.0.1'].map(async (host) => {
        const socket = connect(harness.port, host);
        await once(socket, 'connect');
        return socket;
      }),
    );
    await expect
      .poll(
        async () =>
          (await sendRaw(harness.port, ['GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'], { waitMs: 500 })).status,
      )
      .toBe(503);
    open[1]?.destroy();
    await expect
      .poll(
        async () =>
          (await sendRaw(harness.port, ['GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'], { waitMs: 500 })).status,
      )
      .toBe(200);
    for (const socket of open) socket.destroy();
  });
});

describe('an error inside the gateway', () => {
  test('is logged with its request and told without its text', async () => {
    await using harness = await startHttp({
      proxy: async () => {
        throw new Error('secret detail');
      },
    });
    const answer = await post(`${harness.url}/v1/chat/completions`, BODY);
    expect([answer.status, openaiError(answer).code]).toEqual([500, 'internal']);
    expect(answer.text).not.toContain('secret detail');
    expect(harness.logged).toEqual([
      {
        message: expect.stringContaining('failed'),
        fields: expect.objectContaining({ id: answer.headers['x-request-id'], error: expect.any(Error) }),
      },
    ]);
  });

  test('after the answer began cuts the connection: nothing can pass for its end', async () => {
    await using harness = await startHttp({
      proxy: async ({ response }) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        await new Promise<void>((resolve) => response.write('data: 1\n\n', () => resolve()));
        throw new Error('boom');
      },
    });
    const answer = await send(`${harness.url}/v1/chat/completions`, { method: 'POST', body: BODY });
    expect([answer.status, answer.isComplete]).toEqual([200, false]);
  });
});

describe('web pages', () => {
  test('of allowed origins may read answers, errors included; others get nothing', async () => {
    await using harness = await startHttp();
    const url = `${harness.url}/v1/chat/completions`;
    const good = await post(url, BODY, { origin: 'http://localhost:3000' });
    const bad = await post(url, '{', { origin: 'app://obsidian.md' });
    const evil = await post(url, BODY, { origin: 'http://evil.example' });
    expect(good.headers).toMatchObject({ 'access-control-allow-origin': 'http://localhost:3000', vary: 'Origin' });
    expect(bad.headers['access-control-allow-origin']).toBe('app://obsidian.md');
    expect([evil.status, evil.headers['access-control-allow-origin']]).toEqual([403, undefined]);
    expect((await post(url, BODY)).headers['access-control-allow-origin']).toBeUndefined();
    expect(harness.exchanges).toHaveLength(2);
  });

  test('are answered when they ask beforehand', async () => {
    await using harness = await startHttp();
    const headers = { origin: 'http://localhost:3000', 'access-control-request-method': 'POST' };
    const answer = await send(`${harness.url}/v1/chat/completions`, { method: 'OPTIONS', headers });
    expect([answer.status, answer.headers['access-control-allow-origin']]).toEqual([204, 'http://localhost:3000']);
    const evil = await send(`${harness.url}/v1/chat/completions`, {
      method: 'OPTIONS',
      headers: { ...headers, origin: 'http://evil.example' },
    });
    expect([evil.status, evil.headers['access-control-allow-methods']]).toEqual([403, undefined]);
  });
});
