// What goes to a client from the cache, and what is recorded of what goes to one, over real connections.

import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { AnswerRecorder } from '../../gateway/dispatch/answer-recorder.ts';
import { sendCached } from '../../gateway/dispatch/cached-reply.ts';
import { ClientReply } from '../../gateway/dispatch/exchange.ts';
import { HeldBytes } from '../../gateway/dispatch/held-bytes.ts';
import type { ReplyFacts } from '../../gateway/dispatch/reply-head.ts';
import { answer } from '../cache/support.ts';
import { chatAnswer, chatStream } from '../relay/support.ts';
import { post } from '../support/http.ts';

const facts: ReplyFacts = {
  requestId: 'req-2',
  provider: null,
  model: null,
  rule: 'catalog',
  attempts: 0,
  decisionMs: 0.5,
  queuedMs: 0,
  elapsedMs: 1,
};

/** A server whose every reply is made by that function. */
async function serving(reply: (reply: ClientReply) => void): Promise<string> {
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    request.resume();
    request.on('end', () => reply(new ClientReply(response)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('a kept JSON answer comes with its length, the provider’s headers and ours', async () => {
  const body = Buffer.from(chatAnswer('zwölf 🦙'));
  const kept = answer({ body, headers: ['content-type', 'application/json', 'x-vendor', 'a', 'x-vendor', 'b'] });
  const url = await serving((reply) => sendCached(reply, kept, facts, kept.storedAtMs + 61_500));
  const { status, headers, body: received } = await post(url, {});
  expect(status).toBe(200);
  expect(received.equals(body)).toBe(true);
  expect(headers).toMatchObject({
    'content-type': 'application/json',
    'content-length': String(body.length),
    'x-vendor': 'a, b',
    'x-request-id': 'req-2',
    'x-switchyard-provider': 'p1',
    'x-switchyard-model': 'tiny',
    'x-switchyard-rule': 'catalog',
    'x-switchyard-attempts': '0',
    'x-switchyard-cache': 'hit',
    age: '61',
  });
});

test.each([
  ['small', 'x'],
  ['of more than one write', 'x'.repeat(100_000)],
])('a kept stream, %s, comes byte for byte and without a length', async (_, text) => {
  const body = Buffer.from(chatStream(`${text}é`));
  const kept = answer({ body, headers: ['content-type', 'text/event-stream; charset=utf-8'] });
  const url = await serving((reply) => sendCached(reply, kept, facts, kept.storedAtMs - 5_000));
  const { headers, body: received, isComplete } = await post(url, {});
  expect(received.equals(body)).toBe(true);
  expect(isComplete).toBe(true);
  expect(headers['content-length']).toBeUndefined();
  expect(headers.age).toBe('0');
});

/** Records what that function sends; what the client got comes beside it. */
async function recorded(send: (reply: ClientReply) => void) {
  const held = new HeldBytes(1_048_576);
  const recorder = new AnswerRecorder(held, 1_048_576);
  const url = await serving((reply) => {
    reply.recorder = recorder;
    send(reply);
  });
  const received = await post(url, {}).catch(() => null);
  return { answer: recorder.answer(), received };
}

const head = ['content-type', 'text/event-stream', 'x-request-id', 'req-1'];

test('a stream is recorded as the provider sent it', async () => {
  const { answer, received } = await recorded((reply) => {
    reply.commit(200, head);
    reply.write(Buffer.from('data: 1\n\n'));
    reply.write(Buffer.from('data: [DONE]\n\n'));
    reply.end();
  });
  expect(answer?.body.toString()).toBe('data: 1\n\ndata: [DONE]\n\n');
  expect(answer).toMatchObject({ status: 200, headers: ['content-type', 'text/event-stream'] });
  expect(received?.text).toBe(answer?.body.toString());
});

test('fillers and the comment of a stream opened early are not recorded', async () => {
  const { answer, received } = await recorded((reply) => {
    reply.openEarly(head, ': wait\n\n');
    reply.filler(': wait\n\n');
    reply.commit(200, []);
    reply.filler(': x-switchyard-provider: p1\n\n');
    reply.write(Buffer.from('data: 1\n\n'));
    reply.end();
  });
  expect(answer?.body.toString()).toBe('data: 1\n\n');
  expect(answer?.headers).toEqual(['content-type', 'text/event-stream']);
  expect(received?.text).toContain('wait');
});

test.each([
  ['small', 100],
  ['of more than one write', 100_000],
])('an answer in one piece, %s, is recorded once', async (_, bytes) => {
  const { answer, received } = await recorded((reply) => reply.send(200, head, Buffer.alloc(bytes, 'a')));
  expect(answer?.body.length).toBe(bytes);
  expect(received?.body.length).toBe(bytes);
});

test.each<[string, (reply: ClientReply) => void]>([
  ['a stream that ends with an error of ours', (reply) => reply.end('data: {"error":{}}\n\n')],
  ['one that is cut off', (reply) => reply.cutOff()],
])('%s is not recorded', async (_, end) => {
  const { answer } = await recorded((reply) => {
    reply.commit(200, head);
    reply.write(Buffer.from('data: 1\n\n'));
    end(reply);
  });
  expect(answer).toBeNull();
});

test('an error in place of an answer is not recorded', async () => {
  const { answer, received } = await recorded((reply) => reply.send(502, head, '{"error":{}}'));
  expect(received?.status).toBe(502);
  expect(answer).toBeNull();
});
