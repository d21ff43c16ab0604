// Health, /admin, the root and everything that is not there, over real sockets.

import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../gateway/errors.ts';
import { challengeProof } from '../../gateway/http/management-token.ts';
import type { Outcome } from '../../gateway/types.ts';
import { send } from '../support/http.ts';
import { INSTANCE, model, provider, sendRaw, startHttp, TOKEN } from './support.ts';

const bearer = { authorization: `Bearer ${TOKEN}` };
const json = { ...bearer, 'content-type': 'application/json' };

describe('health', () => {
  test('is a report of models by state, from memory', async () => {
    await using harness = await startHttp({
      providers: [
        provider('ok', [model('a'), model('b')]),
        provider('bad', [model('c')], {
          observed: 'down',
          cause: { class: 'refused', message: 'it refuses connections' },
        }),
        provider('empty', [], { observed: 'down' }),
        provider('off', [model('d')], { isEnabled: false }),
      ],
    });
    const answer = await send(`${harness.url}/health`);
    expect(answer.json).toMatchObject({
      healthy_endpoints: [
        { model: 'ollama/a', provider: 'ok', state: 'ready' },
        { model: 'ollama/b', provider: 'ok' },
      ],
      unhealthy_endpoints: [
        { model: 'ollama/c', provider: 'bad', error: 'it refuses connections' },
        { model: null, provider: 'empty' },
      ],
      healthy_count: 2,
      unhealthy_count: 2,
    });
  });

  test('liveliness is a JSON string, readiness tells who is there', async () => {
    await using harness = await startHttp({
      providers: [provider('a', []), provider('b', [], { observed: 'down' }), provider('c', [], { isEnabled: false })],
    });
    for (const path of ['/health/liveliness', '/health/liveness'])
      expect((await send(harness.url + path)).text).toBe('"I\'m alive!"');
    const answer = await send(`${harness.url}/health/readiness`);
    expect([answer.status, answer.json]).toEqual([
      200,
      {
        status: 'ready',
        product: 'switchyard',
        version: '9.9.9',
        instance: INSTANCE,
        providers: { a: 'ready', b: 'down', c: 'off' },
      },
    ]);
  });

  test('metrics come in the text format', async () => {
    await using harness = await startHttp();
    const answer = await send(`${harness.url}/metrics`);
    expect([answer.text, answer.headers['content-type']]).toEqual([
      '# metrics\n',
      'text/plain; version=0.0.4; charset=utf-8',
    ]);
  });
});

describe('the root', () => {
  test('poses as Ollama to programs and leads browsers to the page', async () => {
    await using harness = await startHttp();
    expect(await send(`${harness.url}/`)).toMatchObject({ status: 200, text: 'Ollama is running' });
    expect(await send(`${harness.url}/`, { method: 'HEAD' })).toMatchObject({ status: 200, text: '' });
    const headers = { accept: 'text/html,application/xhtml+xml' };
    expect(await send(`${harness.url}/`, { headers })).toMatchObject({ status: 302, headers: { location: '/ui/' } });
    expect(await send(`${harness.url}/ui`)).toMatchObject({ status: 302, headers: { location: '/ui/' } });
  });
});

describe('what is not there', () => {
  test.each([
    ['GET', '/v1/chat/completion', '/v1/chat/completions', 'openai'],
    ['GET', '/v1/modles', '/v1/models', 'openai'],
    ['POST', '/api/chatt', '/api/chat', 'ollama'],
    ['POST', '/v1/messages/count_token', '/v1/messages/count_tokens', 'anthropic'],
    ['GET', '/metric', '/metrics', 'openai'],
    ['GET', '/v1/MODELS', '/v1/models', 'openai'],
  ])('%s %s is 404 and names %s', async (method, path, near, protocol) => {
    await using harness = await startHttp();
    const answer = await send(harness.url + path, { method, ...(method === 'POST' ? { body: {} } : {}) });
    expect(answer.status).toBe(404);
    expect(answer.text).toContain(`did you mean \\"${near}\\"?`);
    const shapes = {
      openai: { error: { code: 'not_found' } },
      ollama: { error: expect.any(String) },
      anthropic: { type: 'error' },
    };
    expect(answer.json).toMatchObject(shapes[protocol as keyof typeof shapes]);
    expect(answer.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
  });

  test('a path that is nothing like any is told so without a proposal, and cut when it is long', async () => {
    await using harness = await startHttp();
    const answer = await send(`${harness.url}/${'q'.repeat(5_000)}`);
    expect(answer.status).toBe(404);
    expect(answer.text).not.toContain('did you mean');
    expect(answer.text.length).toBeLessThan(600);
  });

  test.each([
    ['GET', '/v1/chat/completions', 'POST, OPTIONS'],
    ['GET', '/chat/completions', 'POST, OPTIONS'],
    ['PUT', '/api/chat', 'POST, OPTIONS'],
    ['POST', '/v1/models', 'GET, HEAD, OPTIONS'],
    ['DELETE', '/v1/models/org/name', 'GET, HEAD, OPTIONS'],
    ['GET', '/api/delete', 'DELETE, OPTIONS'],
    ['POST', '/health', 'GET, HEAD, OPTIONS'],
  ])('%s %s is 405 with Allow: %s', async (method, path, allow) => {
    await using harness = await startHttp();
    const answer = await send(harness.url + path, { method });
    expect([answer.status, answer.headers.allow]).toEqual([405, allow]);
    const options = await send(harness.url + path, { method: 'OPTIONS' });
    expect([options.status, options.headers.allow]).toEqual([204, allow]);
  });

  test('no header names the software below', async () => {
    await using harness = await startHttp();
    const { headers } = await send(`${harness.url}/v1/models`);
    expect([headers['x-powered-by'], headers.etag, headers.server]).toEqual([undefined, undefined, undefined]);
  });
});

describe('/admin', () => {
  test('status is the whole state', async () => {
    await using harness = await startHttp({ providers: [provider('a', [model('m')])] });
    const answer = await send(`${harness.url}/admin/status`, { headers: bearer });
    expect(answer.status).toBe(200);
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(answer.json).toMatchObject({
      product: 'switchyard',
      version: '9.9.9',
      instance: INSTANCE,
      startedAtMs: 1_000,
      url: harness.url,
      isDraining: false,
      config: { files: [], isCurrent: true, problems: [] },
      dataFolder: '/nowhere',
      history: { is: 'off', because: 'the test needs none' },
      providers: [{ name: 'a', isEnabled: true, models: [{ id: 'm' }] }],
      inFlight: 0,
    });
  });

  test('a wrong or missing token is 401 with the way to the right one', async () => {
    await using harness = await startHttp();
    for (const headers of [{}, { authorization: 'Bearer x' }]) {
      const answer = await send(`${harness.url}/admin/status`, { headers });
      expect([answer.status, answer.headers['www-authenticate']]).toEqual([401, 'Bearer']);
      expect(answer.text).toContain('switchyard token');
      expect(answer.text).not.toContain(TOKEN);
    }
    expect((await send(`${harness.url}/admin/nothing`)).status).toBe(401);
    expect((await send(`${harness.url}/admin/nothing`, { headers: bearer })).status).toBe(404);
    // Other spellings of the path are no way around it.
    for (const path of ['//admin/status', '/ADMIN/status', '/admin/./status', '/%61dmin/status', '/admin%2Fstatus'])
      expect([path, (await send(harness.url + path)).status]).toEqual([
        path,
        expect.toSatisfy((s) => s === 401 || s === 404),
      ]);
  });

  test('a provider is switched off and on', async () => {
    await using harness = await startHttp({ providers: [provider('a/b c', [])] });
    const patch = (body: unknown) =>
      send(`${harness.url}/admin/providers/a%2Fb%20c`, { method: 'PATCH', headers: json, body });
    expect(await patch({ enabled: false })).toMatchObject({ status: 200, json: { name: 'a/b c', isEnabled: false } });
    expect(harness.providers[0]?.isEnabled).toBe(false);
    expect(await patch({ enabled: true })).toMatchObject({ status: 200, json: { isEnabled: true } });
  });

  test.each([
    [{ enabled: 'no' }, 400, 'enabled', 'expected true or false'],
    [{}, 400, 'enabled', 'missing'],
    [{ enable: false }, 400, 'enable', 'did you mean \\"enabled\\"?'],
    ['[]', 400, null, 'not an object'],
    ['{', 400, null, 'ends too soon'],
  ])('a change of %j is %i at %j', async (body, status, param, words) => {
    await using harness = await startHttp({ providers: [provider('a', [])] });
    const answer = await send(`${harness.url}/admin/providers/a`, { method: 'PATCH', headers: json, body });
    expect(answer).toMatchObject({ status, json: { error: { param } } });
    expect(answer.text).toContain(words);
    expect(harness.providers[0]?.isEnabled).toBe(true);
  });

  test('a provider nobody knows is 404 with the nearest name', async () => {
    await using harness = await startHttp({ providers: [provider('ollama', [])] });
    const answer = await send(`${harness.url}/admin/providers/olama`, {
      method: 'PATCH',
      headers: json,
      body: { enabled: false },
    });
    expect(answer.status).toBe(404);
    expect(answer.text).toContain('did you mean \\"ollama\\"?');
  });

  test('a file that changed meanwhile is a conflict', async () => {
    await using harness = await startHttp({
      providers: [provider('a', [])],
      deps: {
        setProviderEnabled: async () => {
          throw new GatewayError('conflict', 'the file changed');
        },
      },
    });
    const answer = await send(`${harness.url}/admin/providers/a`, {
      method: 'PATCH',
      headers: json,
      body: { enabled: false },
    });
    expect(answer).toMatchObject({ status: 409, json: { error: { code: 'conflict' } } });
  });

  test.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', ''])(
    'a change sent as %j is 415: a web page could send it without asking',
    async (type) => {
      await using harness = await startHttp({ providers: [provider('a', [])] });
      const answer = await send(`${harness.url}/admin/providers/a`, {
        method: 'PATCH',
        headers: { ...bearer, 'content-type': type },
        body: { enabled: false },
      });
      expect([answer.status, harness.providers[0]?.isEnabled]).toEqual([415, true]);
    },
  );

  test('a stored request is found, any other is 404', async () => {
    const outcome = { id: 'r1' } as Partial<Outcome> as Outcome;
    await using harness = await startHttp({ deps: { findRequest: async (id) => (id === 'r1' ? outcome : null) } });
    expect(await send(`${harness.url}/admin/requests/r1`, { headers: bearer })).toMatchObject({
      status: 200,
      json: { id: 'r1' },
    });
    expect(await send(`${harness.url}/admin/requests/r2`, { headers: bearer })).toMatchObject({ status: 404 });
  });

  test('a challenge is answered without the token, for this very listener', async () => {
    await using harness = await startHttp();
    const nonce = 'abcdefghijklmnop';
    for (const [url, address] of [
      [harness.urls[0], '127.0.0.1'],
      [harness.urls[1], '::1'],
    ] as const) {
      const answer = await send(`${url}/admin/challenge?nonce=${nonce}`);
      expect(answer.json).toEqual({
        product: 'switchyard',
        instance: INSTANCE,
        proof: challengeProof(TOKEN, nonce, address, harness.port),
      });
    }
    for (const query of ['', '?nonce=', '?nonce=short', `?nonce=${'x'.repeat(129)}`, '?nonce=abcdefghijklmno%0A'])
      expect([query, (await send(`${harness.url}/admin/challenge${query}`)).status]).toEqual([query, 400]);
  });

  test('pages other than our own are turned away whatever they send', async () => {
    await using harness = await startHttp({ providers: [provider('a', [])] });
    const answer = await send(`${harness.url}/admin/status`, {
      headers: { ...bearer, origin: 'http://localhost:3000' },
    });
    expect([answer.status, answer.headers['access-control-allow-origin']]).toEqual([403, undefined]);
    const own = await send(`${harness.url}/admin/status`, { headers: { ...bearer, origin: harness.url } });
    expect(own.status).toBe(200);
  });

  test('a proxy on this machine that names a client makes it another machine', async () => {
    await using harness = await startHttp();
    const answer = await sendRaw(harness.port, [
      `GET /admin/status HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${TOKEN}\r\nX-Forwarded-For: 10.0.0.7\r\n\r\n`,
    ]);
    expect(answer.json).toMatchObject({ error: { code: 'remote_admin_disabled' } });
  });
});

test('settings that change while it runs hold from the next request on', async () => {
  await using harness = await startHttp();
  expect((await send(`${harness.url}/v1/models`)).status).toBe(200);
  const apiKeys = [{ name: 'k', sha256: '0'.repeat(64) }];
  harness.settings = { ...harness.settings, server: { ...harness.settings.server, apiKeys } };
  expect((await send(`${harness.url}/v1/models`)).status).toBe(401);
});
