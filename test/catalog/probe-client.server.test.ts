import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ProbeConnection, type ProbeTarget } from '../../gateway/catalog/probe-client.ts';
import { systemClock } from '../../gateway/clock.ts';
import { ProbeError } from '../../gateway/providers/provider.ts';
import type { Cause } from '../../gateway/types.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { hang, type Routes, type StandIn, standIn } from './stand-in.ts';
import { testCertificate, testKey } from './test-certificate.ts';

const limits = { timeoutMs: 2_000, wholeMs: 10_000 };
const ending: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

function connect(target: Partial<ProbeTarget> & { baseUrl: string }, authHeaders: Record<string, string> = {}) {
  const connection = new ProbeConnection({
    target: { headers: {}, caFile: null, isTlsInsecure: false, ...target },
    authHeaders,
    clock: systemClock,
  });
  ending.push(() => connection.close());
  return connection;
}

async function serving(routes: Routes): Promise<StandIn> {
  const server = await standIn(routes);
  ending.push(() => server.stop());
  return server;
}

async function causeOf(answer: Promise<unknown>): Promise<Cause> {
  const error = await answer.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ProbeError);
  return (error as ProbeError).failure;
}

describe('an answer is a finding, whatever it says', () => {
  test.each([
    ['JSON', { json: { a: 1 } }, 200, { a: 1 }],
    ['HTML', { text: '<html>login</html>' }, 200, undefined],
    ['401', { json: { error: 'Unauthorized' }, status: 401 }, 401, { error: 'Unauthorized' }],
    ['500', { text: 'Internal Server Error', status: 500 }, 500, undefined],
    ['nothing', { text: '' }, 200, undefined],
  ] as const)('%s', async (_, route, status, json) => {
    const server = await serving({ '/x': route });
    const answer = await connect({ baseUrl: server.url }).client(limits).get('/x');
    expect(answer).toMatchObject({ status, json });
    expect(answer.headers['content-type']).toBeDefined();
  });

  test('a redirect is not followed', async () => {
    const server = await serving({ '/x': { text: '', status: 302, headers: { location: '/y' } }, '/y': { json: {} } });
    const answer = await connect({ baseUrl: server.url }).client(limits).get('/x');
    expect(answer.status).toBe(302);
    expect(server.asked.map((asked) => asked.path)).toEqual(['/x']);
  });
});

describe('what is sent', () => {
  test('the key, the configured headers and the Host of the provider', async () => {
    const server = await serving({ '/base/x': { json: {} } });
    const target = { baseUrl: `${server.url}/base`, headers: { 'x-team': 'red' } };
    await connect(target, { authorization: 'Bearer secret' }).client(limits).get('/x');
    expect(server.asked[0]).toMatchObject({
      method: 'GET',
      headers: {
        authorization: 'Bearer secret',
        'x-team': 'red',
        host: `127.0.0.1:${server.port}`,
        accept: 'application/json',
      },
    });
  });

  test('the one POST names a model and nothing else', async () => {
    const server = await serving({ '/api/show': { json: {} } });
    await connect({ baseUrl: server.url }).client(limits).show('a"b');
    expect(server.asked).toMatchObject([{ method: 'POST', path: '/api/show', body: '{"model":"a\\"b"}' }]);
  });
});

describe('no answer has a class of cause, and no secret in its words', () => {
  test('refused', async () => {
    const server = await serving({});
    await server.stop();
    const baseUrl = `http://user:secret@127.0.0.1:${server.port}`;
    const cause = await causeOf(connect({ baseUrl }).client(limits).get('/x'));
    expect(cause.class).toBe('refused');
    expect(cause.message).toContain(`127.0.0.1:${server.port}`);
    expect(cause.message).not.toContain('secret');
  });

  test('a name that does not resolve', async () => {
    const cause = await causeOf(connect({ baseUrl: 'http://no-such-host.invalid' }).client(limits).get('/x'));
    expect(cause.class).toBe('dns');
  });

  test.each([
    ['before the head', hang],
    [
      'within the body',
      (_: unknown, response: { writeHead(status: number): void; write(text: string): void }) => {
        response.writeHead(200);
        response.write('{');
      },
    ],
  ])('silence %s', async (_, route) => {
    const server = await serving({ '/x': route });
    const clock = new FakeClock();
    const target = { baseUrl: server.url, headers: {}, caFile: null, isTlsInsecure: false };
    const connection = new ProbeConnection({ target, authHeaders: {}, clock });
    ending.push(() => connection.close());
    const asked = server.nextAsked('/x');
    const answer = causeOf(connection.client(limits).get('/x'));
    await asked;
    clock.advance(1_999);
    expect(clock.pending).toBe(1);
    clock.advance(1);
    expect((await answer).class).toBe('timeout');
    expect(clock.pending).toBe(0);
  });

  test('all requests of a probe together have a limit too', async () => {
    const server = await serving({ '/x': hang });
    const client = connect({ baseUrl: server.url }).client({ timeoutMs: 60_000, wholeMs: 20 });
    expect((await causeOf(client.get('/x'))).class).toBe('timeout');
  });

  test('a connection closed without an answer', async () => {
    const server = await serving({ '/x': (request) => request.socket.destroy() });
    expect((await causeOf(connect({ baseUrl: server.url }).client(limits).get('/x'))).class).toBe('network');
  });

  test('something that is not HTTP', async () => {
    const port = await listen(createServer((socket) => socket.on('data', () => socket.end('SSH-2.0-OpenSSH\r\n'))));
    const cause = await causeOf(
      connect({ baseUrl: `http://127.0.0.1:${port}` })
        .client(limits)
        .get('/x'),
    );
    expect(cause.class).toBe('wrong_kind');
  });

  test('more than 8 MB', async () => {
    const server = await serving({ '/x': { text: 'x'.repeat(9 * 1024 * 1024) } });
    expect((await causeOf(connect({ baseUrl: server.url }).client(limits).get('/x'))).class).toBe('wrong_kind');
  });
});

describe('TLS', () => {
  let folder: string;
  let server: StandIn;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'switchyard-tls-'));
    writeFileSync(join(folder, 'ca.pem'), testCertificate);
    server = await standIn({ '/x': { json: {} } }, { key: testKey, cert: testCertificate });
    ending.push(
      () => server.stop(),
      () => rmSync(folder, { recursive: true }),
    );
  });

  test('a certificate nobody vouches for is a cause of its own', async () => {
    expect((await causeOf(connect({ baseUrl: server.url }).client(limits).get('/x'))).class).toBe('tls');
  });

  test('ca_file vouches for it', async () => {
    const client = connect({ baseUrl: server.url, caFile: join(folder, 'ca.pem') }).client(limits);
    expect((await client.get('/x')).status).toBe(200);
  });

  test('tls_insecure asks nobody', async () => {
    const client = connect({ baseUrl: server.url, isTlsInsecure: true }).client(limits);
    expect((await client.get('/x')).status).toBe(200);
  });

  test('a ca_file that cannot be read is told', async () => {
    const cause = await causeOf(
      connect({ baseUrl: server.url, caFile: join(folder, 'none.pem') })
        .client(limits)
        .get('/x'),
    );
    expect(cause).toMatchObject({ class: 'tls' });
    expect(cause.message).toContain('none.pem');
  });
});

test('closing ends what is under way', async () => {
  const server = await serving({ '/x': hang });
  const connection = connect({ baseUrl: server.url });
  const asked = server.nextAsked('/x');
  const answer = causeOf(connection.client(limits).get('/x'));
  await asked;
  await connection.close();
  expect((await answer).class).toBe('network');
});

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ending.push(() => new Promise((resolve) => server.close(resolve)));
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
