// Where it listens, what it says when it cannot, and how it ends.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { IncomingExchange } from '../../gateway/dispatch/exchange.ts';
import { ListenError } from '../../gateway/http/listen.ts';
import {
  ensureManagementToken,
  managementTokenFile,
  readManagementToken,
} from '../../gateway/http/management-token.ts';
import { post, send } from '../support/http.ts';
import { sendRaw, startHttp } from './support.ts';

const BODY = '{"model":"m"}';

async function listenError(start: Promise<unknown>): Promise<string> {
  const error = await start.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ListenError);
  return error instanceof Error ? error.message : '';
}

describe('listening', () => {
  test('a taken port names its holder, on either address, and leaves nothing bound', async () => {
    const script = `require('net').createServer().listen(0, process.argv[1], function () { console.log(this.address().port) })`;
    for (const address of ['127.0.0.1', '::1']) {
      const holder = spawn(process.execPath, ['-e', script, address], { stdio: ['ignore', 'pipe', 'inherit'] });
      try {
        const [line] = await once(holder.stdout, 'data');
        const port = Number(String(line));
        const message = await listenError(startHttp({ deps: { port } }));
        expect(message).toContain(`(process ${holder.pid})`);
        expect(message).toContain(`port ${port}`);
        expect(message).toContain('--port');
        const other = createServer().listen(port, address === '::1' ? '127.0.0.1' : '::1');
        await once(other, 'listening');
        other.close();
      } finally {
        holder.kill();
      }
    }
  });

  test('another Switchyard is called by its name', async () => {
    await using harness = await startHttp();
    const message = await listenError(startHttp({ deps: { port: harness.port } }));
    expect(message).toContain(`another Switchyard (version 9.9.9, process ${process.pid})`);
  });

  test('other machines are let in only where there are keys', async () => {
    for (const host of ['0.0.0.0', '::', '192.168.1.5'])
      expect(await listenError(startHttp({ deps: { host } }))).toMatch(/server\.api_keys/);
    const apiKeys = [{ name: 'k', sha256: '0'.repeat(64) }];
    await using harness = await startHttp({ deps: { host: '0.0.0.0' }, server: { apiKeys } });
    expect(harness.urls).toEqual([`http://0.0.0.0:${harness.port}`]);
    expect((await send(`http://127.0.0.1:${harness.port}/health/liveliness`)).status).toBe(200);
    expect((await send(`http://127.0.0.1:${harness.port}/v1/models`)).status).toBe(401);
  });

  test('an address or a certificate that is not there is told in words', async () => {
    const apiKeys = [{ name: 'k', sha256: '0'.repeat(64) }];
    expect(await listenError(startHttp({ deps: { host: '203.0.113.7' }, server: { apiKeys } }))).toMatch(
      /no such address/,
    );
    expect(await listenError(startHttp({ server: { tlsCertFile: '/none.pem', tlsKeyFile: '/none.key' } }))).toMatch(
      /none\.pem/,
    );
    expect(await listenError(startHttp({ server: { tlsCertFile: '/none.pem' } }))).toMatch(/together/);
  });
});

describe('ending', () => {
  /** Holds each answer until it is let go. */
  function holding() {
    const gate = Promise.withResolvers<void>();
    const proxy = async ({ response }: IncomingExchange) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: 1\n\n');
      await gate.promise;
      response.end(`data: ${'x'.repeat(1_000_000)}\n\n`);
    };
    return { proxy, open: gate.resolve };
  }

  test('running answers go on to their last byte, new ones are not taken, idle connections close', async () => {
    const { proxy, open } = holding();
    const harness = await startHttp({ proxy });
    const idle = connect(harness.port, '127.0.0.1');
    await once(idle, 'connect');
    const running = post(`${harness.url}/v1/chat/completions`, BODY);
    await expect.poll(() => harness.exchanges.length).toBe(1);
    const closing = harness.http.close({ timeoutMs: 10_000 });
    expect(harness.http.isDraining).toBe(true);
    await once(idle, 'close');
    await expect(send(`${harness.url}/health/readiness`)).rejects.toThrow(/ECONNREFUSED/);
    open();
    const answer = await running;
    expect([answer.isComplete, answer.body.length]).toEqual([true, 1_000_017]);
    await closing;
    expect(harness.http.inFlight).toBe(0);
  });

  test('a connection that is still open is told', async () => {
    const { proxy, open } = holding();
    const harness = await startHttp({ proxy });
    const length = `Content-Length: ${BODY.length}`;
    const socket = connect(harness.port, '127.0.0.1');
    // The head of a request has come, its body has not.
    socket.write(`POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\n${length}\r\n\r\n`);
    await expect.poll(() => harness.http.inFlight).toBe(1);
    const closing = harness.http.close({ timeoutMs: 10_000 });
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.write(`${BODY}GET /health/readiness HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    open();
    await once(socket, 'close');
    await closing;
    expect(text).toMatch(/^HTTP\/1.1 200 /);
    expect(text.match(/HTTP\/1.1 /g)).toHaveLength(1);
  });

  test('what runs beyond the time is told to end, and gets to say so', async () => {
    const stop = Promise.withResolvers<void>();
    const harness = await startHttp({
      proxy: async ({ response }) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write('data: 1\n\n');
        await stop.promise;
        response.end('data: {"error":"shutting down"}\n\n');
      },
    });
    const running = post(`${harness.url}/v1/chat/completions`, BODY);
    await expect.poll(() => harness.exchanges.length).toBe(1);
    await harness.http.close({ timeoutMs: 0, onTimeout: stop.resolve });
    expect(await running).toMatchObject({ isComplete: true, text: expect.stringContaining('shutting down') });
  });

  test('what does not end even then is cut', async () => {
    const harness = await startHttp({ proxy: () => new Promise(() => undefined) });
    const running = post(`${harness.url}/v1/chat/completions`, BODY);
    running.catch(() => undefined);
    await expect.poll(() => harness.exchanges.length).toBe(1);
    await harness.http.close({ timeoutMs: 0 });
    await expect(running).rejects.toThrow();
  });

  test('a second call hurries the first', async () => {
    const harness = await startHttp({ proxy: () => new Promise(() => undefined) });
    const running = post(`${harness.url}/v1/chat/completions`, BODY);
    running.catch(() => undefined);
    await expect.poll(() => harness.exchanges.length).toBe(1);
    const patient = harness.http.close({ timeoutMs: 600_000 });
    await harness.http.close({ timeoutMs: 0 });
    await patient;
  });

  test('the port is free afterwards', async () => {
    const harness = await startHttp();
    await harness[Symbol.asyncDispose]();
    await using again = await startHttp({ deps: { port: harness.port } });
    expect(again.port).toBe(harness.port);
  });
});

describe('the management token', () => {
  const folder = () => join(mkdtempSync(join(tmpdir(), 'switchyard-')), 'data');

  test('is made once, for its owner alone', () => {
    const data = folder();
    expect(readManagementToken(data)).toBeNull();
    const token = ensureManagementToken(data);
    expect(Buffer.from(token, 'base64url')).toHaveLength(32);
    expect(ensureManagementToken(data)).toBe(token);
    expect(readFileSync(managementTokenFile(data), 'utf8').trim()).toBe(token);
    expect(statSync(managementTokenFile(data)).mode & 0o777).toBe(0o600);
    expect(statSync(data).mode & 0o777).toBe(0o700);
    expect(ensureManagementToken(folder())).not.toBe(token);
  });

  test('that others could read is narrowed, one that is none is not overwritten', () => {
    const data = folder();
    const token = ensureManagementToken(data);
    chmodSync(managementTokenFile(data), 0o644);
    expect(ensureManagementToken(data)).toBe(token);
    expect(statSync(managementTokenFile(data)).mode & 0o777).toBe(0o600);
    writeFileSync(managementTokenFile(data), 'something else');
    expect(() => ensureManagementToken(data)).toThrow(/delete the file/);
    expect(readFileSync(managementTokenFile(data), 'utf8')).toBe('something else');
  });
});

test('a request in one write with its end of connection is answered', async () => {
  await using harness = await startHttp();
  const answer = await sendRaw(harness.port, [
    'GET /health/liveliness HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
  ]);
  expect([answer.status, answer.isClosed]).toEqual([200, true]);
});
