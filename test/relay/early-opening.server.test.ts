// A stream whose providers keep it waiting is opened before anything is decided, and everything can still happen then.

import { expect, test } from 'vitest';
import { readStream } from '../support/http.ts';
import { type Script, startProvider } from './provider.ts';
import {
  askOfficially,
  chat,
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
const SOON = { dispatchLimits: { openAfterSilenceMs: 100, openAfterQueueMs: 100, fillerEveryMs: 50 } };
const LATER_MS = 400;

const later =
  (script: Script): Script =>
  (turn) =>
    void setTimeout(() => script(turn), LATER_MS);

const refusing = json(JSON.stringify({ error: { message: 'bad temperature', type: 'invalid_request_error' } }), 400);

test('a silent stream is opened with a comment, kept alive, and then is the answer', async () => {
  await using provider = await startProvider(later(events(chatStream('late'))));
  await using gateway = await inFrontOf([provider], SOON);
  const answer = await readStream(gateway.url + CHAT, { body: requestFor('chat', true) });
  expect(answer.headersAfterMs).toBeLessThan(LATER_MS);
  expect(answer.status).toBe(200);
  expect(answer.headers).toMatchObject({
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache',
  });
  expect(answer.headers['x-switchyard-provider']).toBeUndefined();
  expect(answer.arrivals[0]?.bytes.toString()).toMatch(/^: waiting\n\n/);
  expect(answer.text.split(': waiting\n\n').length).toBeGreaterThan(2);
  const outcome = await gateway.outcome(String(answer.headers['x-request-id']));
  expect(outcome).toMatchObject({ isOpenedEarly: true, result: 'complete', status: 200 });
  // What the headers would have said stands in one comment just before the provider's first byte.
  const [before = '', after] = answer.text
    .split(/(?=data: )/s, 1)
    .concat(answer.text.slice(answer.text.indexOf('data: ')));
  expect(before).toMatch(/: x-request-id: [^\n]*x-switchyard-provider: p1; x-switchyard-model: tiny; [^\n]*\n\n$/);
  expect(before).toContain(`x-switchyard-rule: ${outcome.rule}; x-switchyard-attempts: 1;`);
  expect(after).toBe(chatStream('late'));
});

test('on the messages endpoint the filler is a ping, and the official client reads the answer', async () => {
  await using provider = await startProvider(later(healthy('messages', 'late')));
  await using gateway = await inFrontOf([provider], SOON);
  const answer = await readStream(`${gateway.url}/v1/messages`, { body: requestFor('messages', true) });
  expect(answer.text).toMatch(/^event: ping\ndata: {"type":"ping"}\n\n/);
  const seen = await askOfficially(gateway.url, 'messages', true);
  expect([seen.raised, seen.text]).toEqual([null, 'late']);
});

test.each([
  ['fails', later(json('{}', 500))],
  ['is silent', eventsThenSilence()],
] as const)('an open stream whose provider %s fails over unseen', async (_how, script) => {
  await using first = await startProvider(script);
  await using second = await startProvider(events(chatStream('second')));
  await using gateway = await inFrontOf([first, second], { ...SOON, timeouts: '{first_byte_ms: 600}' });
  const seen = await askOfficially(gateway.url, 'chat', true);
  expect([seen.raised, seen.text]).toEqual([null, 'second']);
  const outcome = await gateway.outcome(seen.requestId);
  expect([outcome.isOpenedEarly, outcome.attempts.length, outcome.provider]).toEqual([true, 2, 'p2']);
});

test.each([
  ['chat', json('{}', 500), 'all_attempts_failed'],
  ['chat', refusing, 'bad temperature'],
  ['messages', json('{}', 500), 'no provider answered'],
  ['messages', refusing, 'bad temperature'],
] as const)(
  'an open %s stream that fails for good raises in the official client, under status 200',
  async (endpoint, script, word) => {
    await using provider = await startProvider(later(script));
    await using gateway = await inFrontOf([provider], SOON);
    const seen = await askOfficially(gateway.url, endpoint, true);
    expect(seen.raised).not.toBeNull();
    const { path, body } = { path: endpoint === 'chat' ? CHAT : '/v1/messages', body: requestFor(endpoint, true) };
    const answer = await readStream(gateway.url + path, { body });
    expect([answer.status, answer.isComplete]).toEqual([200, true]);
    expect(answer.text).toContain(word);
    const outcome = await gateway.outcome(seen.requestId);
    expect(outcome).toMatchObject({ isOpenedEarly: true, result: 'failed', status: 200 });
  },
);

test('an open stream that begins and then breaks raises as well', async () => {
  await using provider = await startProvider(later(events(sse(chat.text('half')))));
  await using gateway = await inFrontOf([provider], SOON);
  const seen = await askOfficially(gateway.url, 'chat', true);
  expect(seen.text).toBe('half');
  expect(seen.raised).not.toBeNull();
  expect(await gateway.outcome(seen.requestId)).toMatchObject({ isOpenedEarly: true, result: 'broken' });
});

test('a whole answer to a request for a stream is no answer to an open one either', async () => {
  await using first = await startProvider(later(json('{"text":"whole"}')));
  await using second = await startProvider(
    events(
      'data: {"type":"transcript.text.delta","delta":"x"}\n\ndata: {"type":"transcript.text.done","text":"x"}\n\n',
    ),
  );
  await using gateway = await inFrontOf([first, second], SOON);
  const form =
    '--b\r\nContent-Disposition: form-data; name="model"\r\n\r\ntiny\r\n--b\r\nContent-Disposition: form-data; name="stream"\r\n\r\ntrue\r\n--b--\r\n';
  const answer = await readStream(`${gateway.url}/v1/audio/transcriptions`, {
    body: form,
    headers: { 'content-type': 'multipart/form-data; boundary=b' },
  });
  expect(answer.status).toBe(200);
  const outcome = await gateway.outcome(String(answer.headers['x-request-id']));
  expect(failuresOf(outcome)).toEqual(['p1: bad_answer', 'p2: ok']);
  expect(answer.text).toContain('transcript.text.done');
});

test.each(['ollama_chat', 'ollama_generate'] as const)(
  'a stream of %s, whose protocol has nothing to say while it waits, is never opened',
  async (endpoint) => {
    await using provider = await startProvider(later(healthy(endpoint, 'late')), { kind: 'ollama' });
    await using gateway = await inFrontOf([provider], SOON);
    const path = endpoint === 'ollama_chat' ? '/api/chat' : '/api/generate';
    const answer = await readStream(gateway.url + path, { body: requestFor(endpoint, true) });
    expect(answer.headersAfterMs).toBeGreaterThanOrEqual(LATER_MS - 20);
    expect(answer.headers['x-switchyard-provider']).toBe('p1');
    expect((await gateway.outcome(String(answer.headers['x-request-id']))).isOpenedEarly).toBe(false);
  },
);

test('a whole answer is never opened', async () => {
  await using provider = await startProvider(later(json('{}', 500)));
  await using gateway = await inFrontOf([provider], SOON);
  expect((await readStream(gateway.url + CHAT, { body: requestFor('chat', false) })).status).toBe(502);
});

test('a stream that waits in the queue is opened, and is served when its turn comes', async () => {
  await using provider = await startProvider(later(events(chatStream('said'))), { kind: 'llama_cpp_python' });
  await using gateway = await inFrontOf([provider], {
    dispatchLimits: { openAfterSilenceMs: 60_000, openAfterQueueMs: 100, fillerEveryMs: 50 },
  });
  const first = readStream(gateway.url + CHAT, { body: requestFor('chat', true) });
  await expect.poll(() => provider.received.length).toBe(1);
  const second = await readStream(gateway.url + CHAT, { body: requestFor('chat', true) });
  expect((await first).text).toBe(chatStream('said'));
  expect(second.text.startsWith(': waiting\n\n')).toBe(true);
  expect(second.text.endsWith(chatStream('said'))).toBe(true);
  const outcome = await gateway.outcome(String(second.headers['x-request-id']));
  expect(outcome).toMatchObject({ isOpenedEarly: true, result: 'complete' });
  expect(outcome.queuedMs).toBeGreaterThan(50);
});

test('a client that leaves an open stream takes its filler with it', async () => {
  await using provider = await startProvider(eventsThenSilence());
  await using gateway = await inFrontOf([provider], SOON);
  const answer = await readStream(gateway.url + CHAT, { body: requestFor('chat', true), onArrival: () => false });
  await expect.poll(() => provider.hasRunning).toBe(false);
  const outcome = await gateway.outcome(String(answer.headers['x-request-id']));
  expect(outcome).toMatchObject({ isOpenedEarly: true, result: 'cancelled' });
});
