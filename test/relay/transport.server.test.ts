// The connection to a provider: its four time limits, its reuse, what is not followed and what is not accepted.

import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { post, readStream, send } from '../support/http.ts';
import { type Script, startProvider } from './provider.ts';
import {
  askOfficially,
  chat,
  chatAnswer,
  chatStream,
  events,
  eventsThenSilence,
  failuresOf,
  healthy,
  inFrontOf,
  json,
  requestFor,
  sse,
} from './support.ts';

const CHAT = '/v1/chat/completions';

/** Drips content without ever coming to an end. */
const endless: Script = ({ response }) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const timer = setInterval(() => response.write(sse(chat.text('x'))), 20);
  response.on('close', () => clearInterval(timer));
};

describe('each time limit is a failure of its own name', () => {
  test.each([
    ['first_byte', 'timeout_first_byte', 'failed', true, eventsThenSilence()],
    ['first_byte', 'timeout_first_byte', 'failed', true, eventsThenSilence(sse(chat.role), ': still here\n\n')],
    ['first_byte', 'timeout_first_byte', 'failed', false, () => undefined],
    ['total', 'timeout_total', 'failed', false, () => undefined],
    ['idle', 'broken', 'broken', true, eventsThenSilence(sse(chat.text('one')))],
    ['total', 'broken', 'broken', true, endless],
  ] as const)('%s: %s', async (limit, kind, result, isStream, script) => {
    await using provider = await startProvider(script);
    await using gateway = await inFrontOf([provider], { timeouts: `{${limit}_ms: 200}` });
    const seen = await askOfficially(gateway.url, 'chat', isStream);
    expect(seen.raised).not.toBeNull();
    const outcome = await gateway.outcome(seen.requestId);
    expect([outcome.result, ...failuresOf(outcome)]).toEqual([result, `p1: ${kind}`]);
    expect(outcome.attempts[0]?.failure?.message).toContain('0.2 s');
    if (result === 'failed') expect(outcome).toMatchObject({ status: 504, errorCode: 'all_timed_out' });
  });

  test('connect: a server that does not accept any more', async () => {
    await using backup = await startProvider(healthy('chat', 'second'));
    const first = await startProvider();
    await using gateway = await inFrontOf([first, backup], { timeouts: '{connect_ms: 150}' });
    await first.close();
    await using _deaf = await startDeafServer(Number(new URL(first.url).port));
    const seen = await askOfficially(gateway.url, 'chat', false);
    expect([seen.raised, seen.text]).toEqual([null, 'second']);
    expect(failuresOf(await gateway.outcome(seen.requestId))).toEqual(['p1: timeout_connect', 'p2: ok']);
  });
});

/** Listens in a thread that never accepts; with its short queue filled up, further connections hang. */
async function startDeafServer(port: number): Promise<AsyncDisposable> {
  const worker = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads');
    require('node:net').createServer().listen({ port: workerData, host: '127.0.0.1', backlog: 1 }, () => {
      parentPort.postMessage('listening');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });`,
    { eval: true, workerData: port },
  );
  await once(worker, 'message');
  const fillers = Array.from({ length: 4 }, () => connect(port, '127.0.0.1').on('error', () => undefined));
  await Promise.all(fillers.slice(0, 2).map((socket) => once(socket, 'connect')));
  return {
    [Symbol.asyncDispose]: async () => {
      for (const socket of fillers) socket.destroy();
      await worker.terminate();
    },
  };
}

describe('a connection that served a request before', () => {
  /** Closes a connection the moment its second request arrives; what comes over a fresh one is answered. */
  const closesOnReuse: Script = (turn) => {
    if (turn.received.reuseCount > 0) turn.socket.destroy();
    else return json(chatAnswer(`number ${turn.number}`))(turn);
  };

  test('and is closed under the next one is replaced once, without a word', async () => {
    await using provider = await startProvider(closesOnReuse);
    await using gateway = await inFrontOf([provider]);
    const body = requestFor('chat', false);
    expect((await post(gateway.url + CHAT, body)).text).toBe(chatAnswer('number 1'));
    const second = await post(gateway.url + CHAT, body);
    expect([second.status, second.text]).toEqual([200, chatAnswer('number 3')]);
    expect(provider.received.map(({ reuseCount }) => reuseCount > 0)).toEqual([false, true, false]);
    const outcome = await gateway.outcome(String(second.headers['x-request-id']));
    expect(failuresOf(outcome)).toEqual(['p1: ok']);
  });

  test('is not replaced a second time', async () => {
    await using provider = await startProvider((turn) => {
      if (turn.number > 1) turn.socket.destroy();
      else return json(chatAnswer('first'))(turn);
    });
    await using gateway = await inFrontOf([provider]);
    const body = requestFor('chat', false);
    await post(gateway.url + CHAT, body);
    const second = await post(gateway.url + CHAT, body);
    expect(second.status).toBe(502);
    expect(provider.received).toHaveLength(3);
    const outcome = await gateway.outcome(String(second.headers['x-request-id']));
    expect(failuresOf(outcome)).toEqual(['p1: bad_answer']);
  });

  test('and answers what is no HTTP is not closed: its request is not sent again', async () => {
    await using provider = await startProvider((turn) => {
      if (turn.number > 1) turn.socket.end('SSH-2.0-OpenSSH_9.9\r\n');
      else return json(chatAnswer('first'))(turn);
    });
    await using gateway = await inFrontOf([provider]);
    const body = requestFor('chat', false);
    await post(gateway.url + CHAT, body);
    expect((await post(gateway.url + CHAT, body)).status).toBe(502);
    expect(provider.received).toHaveLength(2);
  });

  test('a fresh connection that closes is a failure of the provider', async () => {
    await using provider = await startProvider(({ socket }) => void socket.destroy());
    await using backup = await startProvider(json(chatAnswer('backup')));
    await using gateway = await inFrontOf([provider, backup]);
    const answer = await post(gateway.url + CHAT, requestFor('chat', false));
    expect(answer.text).toBe(chatAnswer('backup'));
    expect(provider.received).toHaveLength(1);
    const outcome = await gateway.outcome(String(answer.headers['x-request-id']));
    expect(failuresOf(outcome)).toEqual(['p1: bad_answer', 'p2: ok']);
  });

  test('serves the next one after a whole answer, streamed or not', async () => {
    await using provider = await startProvider((turn) =>
      (turn.received.body.includes('"stream":true') ? events(chatStream('x')) : json(chatAnswer('x')))(turn),
    );
    await using gateway = await inFrontOf([provider]);
    for (const isStream of [false, true, false, true]) await post(gateway.url + CHAT, requestFor('chat', isStream));
    expect(provider.received.map(({ reuseCount }) => Math.min(reuseCount, 1))).toEqual([0, 1, 1, 1]);
  });
});

describe('what is no answer goes to the next provider', () => {
  const head =
    (status: number, headers: Record<string, string>, body: string | Buffer): Script =>
    ({ response }) =>
      void response.writeHead(status, headers).end(body);
  const type = 'application/json';
  test.each([
    ['a redirect, which is not followed', head(307, { location: '/v1/elsewhere' }, '')],
    ['a permanent redirect', head(308, { location: 'http://127.0.0.1:1/' }, '')],
    [
      'a compressed answer',
      head(200, { 'content-type': type, 'content-encoding': 'gzip' }, gzipSync(chatAnswer('no'))),
    ],
    ['HTML', head(200, { 'content-type': 'text/html' }, '<html>welcome</html>')],
    ['plain text', head(200, { 'content-type': 'text/plain' }, 'welcome')],
    ['no content type at all and no JSON', head(200, {}, 'welcome')],
    ['an empty answer', head(200, { 'content-type': type }, '')],
    ['no content', head(204, {}, '')],
    ['JSON of another shape', head(200, { 'content-type': type }, '{"hello":"world"}')],
    ['what is no HTTP', ({ socket }) => void socket.end('hello\r\n\r\n')],
  ] as const satisfies readonly (readonly [string, Script])[])('%s', async (_what, script) => {
    for (const isStream of [false, true]) {
      await using first = await startProvider(script);
      await using second = await startProvider(healthy('chat', 'second'));
      await using gateway = await inFrontOf([first, second]);
      const seen = await askOfficially(gateway.url, 'chat', isStream);
      expect([seen.raised, seen.text]).toEqual([null, 'second']);
      expect(first.received.map(({ path }) => path)).toEqual([CHAT]);
      expect(failuresOf(await gateway.outcome(seen.requestId))).toEqual(['p1: bad_answer', 'p2: ok']);
    }
  });

  test('an error inside a 200, which counts as what it says', async () => {
    const busy = '{"error":{"message":"server busy","code":503}}';
    await using first = await startProvider(head(200, { 'content-type': type }, busy));
    await using second = await startProvider(healthy('chat', 'second'));
    await using gateway = await inFrontOf([first, second]);
    for (const isStream of [false, true]) {
      const seen = await askOfficially(gateway.url, 'chat', isStream);
      expect([seen.raised, seen.text]).toEqual([null, 'second']);
      expect(failuresOf(await gateway.outcome(seen.requestId))).toEqual(['p1: overloaded', 'p2: ok']);
    }
  });

  test('alone, each is named in a 502', async () => {
    await using provider = await startProvider(head(307, { location: '/v1/elsewhere' }, ''));
    await using gateway = await inFrontOf([provider]);
    const answer = await post(gateway.url + CHAT, requestFor('chat', false));
    expect(answer.status).toBe(502);
    expect(answer.text).toContain('redirects to /v1/elsewhere');
  });
});

describe('back-pressure', () => {
  test('a client that does not read stops the reading from the provider, and its slowness is not the provider’s', async () => {
    const piece = sse(chat.text('x'.repeat(64 * 1024)));
    const pieces = 1_000;
    let written = 0;
    await using provider = await startProvider(async ({ response }) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (; written < pieces && !response.destroyed; written += 1)
        if (!response.write(piece)) await once(response, 'drain');
      response.end(sse(chat.stop, '[DONE]'));
    });
    await using gateway = await inFrontOf([provider], { timeouts: '{idle_ms: 1500}' });
    const headers = { 'content-type': 'application/json' };
    const outgoing = request(gateway.url + CHAT, { method: 'POST', agent: false, headers });
    outgoing.end(JSON.stringify(requestFor('chat', true)));
    const [incoming] = await once(outgoing, 'response');
    incoming.pause();
    // It stops early, and stays so for longer than the provider might be idle.
    let before = -1;
    for (let quietRounds = 0; quietRounds < 20; quietRounds = written === before ? quietRounds + 1 : 0) {
      before = written;
      await delay(100);
    }
    expect(written).toBeLessThan(pieces / 2);
    let bytes = 0;
    incoming.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    incoming.resume();
    await once(incoming, 'end');
    expect(incoming.complete).toBe(true);
    expect(bytes).toBe(piece.length * pieces + sse(chat.stop, '[DONE]').length);
    const outcome = await gateway.outcome(String(incoming.headers['x-request-id']));
    expect(outcome.result).toBe('complete');
  });
});

test('a client that leaves ends the work of the provider at once, and blames nobody', async () => {
  await using provider = await startProvider(endless);
  await using gateway = await inFrontOf([provider]);
  const answer = await readStream(gateway.url + CHAT, { body: requestFor('chat', true), onArrival: () => false });
  await expect.poll(() => provider.hasRunning).toBe(false);
  expect(await gateway.outcome(String(answer.headers['x-request-id']))).toMatchObject({ result: 'cancelled' });
  expect((await send(`${gateway.url}/v1/models`)).status).toBe(200);
});
