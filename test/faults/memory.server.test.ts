import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { post } from '../support/http.ts';
import { ChildGateway, type MemoryReading } from './child-gateway.ts';
import { MixedProviders, runMixedLoad } from './mixed-load.ts';

const MEGABYTE = 1_024 * 1_024;
/** The whole load; a third of it lies between two readings. */
const SECONDS = Number(process.env.SWITCHYARD_TEST_MEMORY_SECONDS ?? 20);

function inWords({ heapUsed, rss }: MemoryReading): string {
  return `${(heapUsed / MEGABYTE).toFixed(1)} MB heap, ${(rss / MEGABYTE).toFixed(0)} MB RSS`;
}

test('under a mixed load the heap stays flat', async () => {
  await using providers = await MixedProviders.start();
  await using gateway = await ChildGateway.start(providers.yaml());
  const readings: MemoryReading[] = [];
  let requests = 0;
  let requestsAfterFirst = 0;
  for (const third of [1, 2, 3]) {
    const tally = await runMixedLoad(gateway.url, SECONDS / 3, third);
    requests += tally.requests;
    if (third > 1) requestsAfterFirst += tally.requests;
    expect(tally.unanswered).toBe(0);
    expect(tally.statuses.get(500)).toBeUndefined();
    readings.push(await gateway.memory());
  }
  console.log(`memory: ${requests} requests in ${SECONDS} s; ${readings.map(inWords).join('; ')}`);
  const [first = 0, ...later] = readings.map(({ heapUsed }) => heapUsed);
  for (const heapUsed of later) expect(heapUsed).toBeLessThan(first * 1.1);
  // The same held against the requests: a slow machine serves too few of them for a leak to reach a tenth.
  expect(Math.max(...later) - first).toBeLessThan(MEGABYTE + 1_024 * requestsAfterFirst);
}, 120_000);

const CONNECTIONS = 32;
const BODY_BYTES = 64 * MEGABYTE;
/** What the gateway may hold of bodies together, by default. */
const HELD_BYTES = 512 * MEGABYTE;

/** A provider that takes bodies in without keeping them, and answers when it is told to. */
async function startPatientProvider() {
  const waiting: ServerResponse[] = [];
  const receive = (incoming: IncomingMessage, response: ServerResponse) => {
    incoming.resume();
    incoming.on('end', () => {
      if (incoming.method === 'GET')
        response.end(JSON.stringify({ object: 'list', data: [{ id: 'm', object: 'model' }] }));
      else waiting.push(response);
    });
  };
  const server = createServer(receive);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const answer = JSON.stringify({
    id: 'x',
    object: 'chat.completion',
    created: 1,
    model: 'm',
    choices: [{ index: 0, message: { role: 'assistant', content: 'read it all' }, finish_reason: 'stop' }],
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get waiting() {
      return waiting.length;
    },
    answerAll() {
      for (const response of waiting.splice(0)) {
        response.setHeader('content-type', 'application/json');
        response.end(answer);
      }
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Sends a body of exactly that length; resolves with the status and the error code of the answer. */
async function sendLarge(url: string, bytes: number): Promise<{ status: number; code: string | null }> {
  const head = '{"model":"m","messages":[{"role":"user","content":"';
  const tail = '"}]}';
  const agent = new Agent({ keepAlive: true });
  const outgoing = request(`${url}/v1/chat/completions`, {
    method: 'POST',
    agent,
    headers: { 'content-type': 'application/json', 'content-length': bytes },
  });
  // Once the answer is there, the connection may end under what is still being sent.
  outgoing.on('error', () => undefined);
  const answered = once(outgoing, 'response') as Promise<[IncomingMessage]>;
  // An answer that comes before the body is through ends the sending.
  let hasAnswer = false;
  const stop = () => {
    hasAnswer = true;
  };
  answered.then(stop, stop);
  outgoing.write(head);
  const piece = Buffer.alloc(MEGABYTE, 'a');
  for (let left = bytes - head.length - tail.length; left > 0 && !hasAnswer; left -= piece.length) {
    if (!outgoing.write(left >= piece.length ? piece : piece.subarray(0, left))) {
      await Promise.race([once(outgoing, 'drain'), answered]);
    }
  }
  if (!hasAnswer) outgoing.end(tail);
  const [response] = await answered;
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  outgoing.destroy();
  agent.destroy();
  const answer = JSON.parse(Buffer.concat(chunks).toString()) as { error?: { code: string } };
  return { status: response.statusCode ?? 0, code: answer.error?.code ?? null };
}

test('bodies of 64 MB on 32 connections stay within the memory bound: what is too much is told so', async () => {
  await using provider = await startPatientProvider();
  await using gateway = await ChildGateway.start(`providers: { p: { kind: openai, base_url: "${provider.url}" } }`);
  let answered = 0;
  // The provider answers when every other request has its refusal, so that all bodies it took are held at the same time.
  const watch = setInterval(() => {
    if (answered + provider.waiting >= CONNECTIONS) provider.answerAll();
  }, 20);
  const sending = Array.from({ length: CONNECTIONS }, async () => {
    const answer = await sendLarge(gateway.url, BODY_BYTES);
    answered += 1;
    return answer;
  });
  const answers = await Promise.all(sending).finally(() => clearInterval(watch));
  const served = answers.filter(({ status }) => status === 200).length;
  const refused = answers.filter(({ status }) => status === 503).length;
  const { peakRss, rss } = await gateway.memory();
  console.log(
    `64 MB bodies at ${CONNECTIONS} connections: ${served} served, ${refused} refused, peak RSS ${Math.round(peakRss / MEGABYTE)} MB, after it ${Math.round(rss / MEGABYTE)} MB`,
  );
  expect(answers.filter(({ status }) => status !== 200)).toEqual(
    Array.from({ length: refused }, () => ({ status: 503, code: 'memory_exhausted' })),
  );
  expect(served + refused).toBe(CONNECTIONS);
  expect(served).toBeGreaterThanOrEqual(1);
  expect(served * BODY_BYTES).toBeLessThanOrEqual(HELD_BYTES);
  // Each body exists as bytes and as what was parsed from it, and one more is being parsed.
  expect(peakRss).toBeLessThan(3 * HELD_BYTES);

  const later = post(`${gateway.url}/v1/chat/completions`, { model: 'm', messages: [{ role: 'user', content: 'hi' }] });
  const watchLater = setInterval(() => provider.answerAll(), 5);
  expect((await later).status).toBe(200);
  clearInterval(watchLater);
}, 120_000);
