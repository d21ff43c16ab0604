// Until the first content nothing reaches the client, and from there on everything does.

import { describe, expect, test } from 'vitest';
import { post, readStream } from '../support/http.ts';
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
const stream = requestFor('chat', true);

/** Everything that proves nothing. */
const PRELUDE = [
  ': a comment\n\n',
  sse(chat.role),
  sse(chat.text('')),
  sse({ choices: [] }),
  'event: ping\ndata: {"choices":[]}\n\n',
];

describe('a stream', () => {
  test('shows nothing, not even its head, before its first content; then all that was held and all that follows', async () => {
    let sendContent = (): void => undefined;
    await using provider = await startProvider(({ response }) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const piece of PRELUDE) response.write(piece);
      sendContent = () => {
        response.write(sse(chat.text('one')));
        response.end(sse(chat.text(' two'), chat.stop, '[DONE]'));
      };
    });
    await using gateway = await inFrontOf([provider]);
    let hasHead = false;
    const answering = readStream(gateway.url + CHAT, { body: stream }).then((answer) => {
      hasHead = true;
      return answer;
    });
    // By now the prelude has long been through: whole other exchanges have been.
    while (provider.received.length === 0) await fetch(`${gateway.url}/v1/models`);
    for (let i = 0; i < 10; i += 1) await fetch(`${gateway.url}/v1/models`);
    expect(hasHead).toBe(false);
    sendContent();
    const answer = await answering;
    expect(answer.text).toBe(PRELUDE.join('') + sse(chat.text('one'), chat.text(' two'), chat.stop, '[DONE]'));
    expect(answer.isComplete).toBe(true);
  });

  test.each([
    ['ends', events(...PRELUDE)],
    [
      'breaks off',
      ({ response, socket }) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        for (const piece of PRELUDE) response.write(piece);
        response.write('data: {"cho', () => socket.resetAndDestroy());
      },
    ],
    ['falls silent', eventsThenSilence(...PRELUDE)],
    ['tells of an error', events(...PRELUDE, sse({ error: { message: 'no', code: 500 } }))],
    ['turns into HTML', events(...PRELUDE, '<html><body>gone</body></html>\n\n')],
    ['claims to be done', events(...PRELUDE, sse('[DONE]'))],
  ] as const satisfies readonly (readonly [string, Script])[])(
    'that %s after roles, empty texts, comments and pings is answered by the next provider',
    async (_how, script) => {
      await using first = await startProvider(script);
      await using second = await startProvider(events(chatStream('second')));
      await using gateway = await inFrontOf([first, second], { timeouts: '{first_byte_ms: 1000}' });
      const answer = await post(gateway.url + CHAT, stream);
      expect([answer.status, answer.text]).toEqual([200, chatStream('second')]);
      expect(first.received).toHaveLength(1);
    },
  );

  test.each([
    ['no text at all', sse(chat.role, chat.stop, '[DONE]')],
    ['an empty text', sse(chat.text(''), chat.stop, '[DONE]')],
  ])('that ends properly with %s passes as it is', async (_what, body) => {
    await using provider = await startProvider(events(body));
    await using backup = await startProvider(events(chatStream('backup')));
    await using gateway = await inFrontOf([provider, backup]);
    const answer = await post(gateway.url + CHAT, stream);
    expect([answer.status, answer.text, answer.isComplete]).toEqual([200, body, true]);
    expect(backup.received).toHaveLength(0);
    expect((await gateway.outcome(String(answer.headers['x-request-id']))).result).toBe('complete');
  });

  test('that sends more than may be held before any content goes to the next provider', async () => {
    await using first = await startProvider(events(': x\n\n'.repeat(2_000), chatStream('late')));
    await using second = await startProvider(events(chatStream('second')));
    await using gateway = await inFrontOf([first, second], { dispatchLimits: { heldAnswerBytes: 4_000 } });
    expect((await post(gateway.url + CHAT, stream)).text).toBe(chatStream('second'));
  });

  test('that breaks off in the midst of an event ends with whole events and an error event, cleanly', async () => {
    await using provider = await startProvider(({ response, socket }) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(sse(chat.text('one')));
      response.write('data: {"choices":[{"never whole', () => socket.destroySoon());
    });
    await using backup = await startProvider(events(chatStream('backup')));
    await using gateway = await inFrontOf([provider, backup]);
    const answer = await post(gateway.url + CHAT, stream);
    expect([answer.status, answer.isComplete]).toEqual([200, true]);
    expect(answer.text.startsWith(sse(chat.text('one')))).toBe(true);
    expect(answer.text).not.toContain('never whole');
    expect(answer.text).toContain('provider_broke_off');
    expect(backup.received).toHaveLength(0);
  });

  test('that is whole, but whose connection the provider keeps open, is ended, and the connection let go', async () => {
    await using provider = await startProvider(eventsThenSilence(chatStream('all')));
    await using gateway = await inFrontOf([provider], { dispatchLimits: { lingerMs: 50 } });
    const answer = await post(gateway.url + CHAT, stream);
    expect([answer.text, answer.isComplete]).toEqual([chatStream('all'), true]);
    const outcome = await gateway.outcome(String(answer.headers['x-request-id']));
    expect(outcome.result).toBe('complete');
    await expect.poll(() => provider.hasRunning, { timeout: 3_000 }).toBe(false);
  });
});

describe('a JSON answer', () => {
  const long = chatAnswer('x'.repeat(20_000));
  const limits = { dispatchLimits: { heldAnswerBytes: 8_000 } };
  const inPieces =
    (body: string, end: 'whole' | 'cut'): Script =>
    async ({ response, socket }) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      for (let at = 0; at < body.length; at += 1_000) response.write(body.slice(at, at + 1_000));
      if (end === 'whole') response.end();
      else response.write(' ', () => socket.destroySoon());
    };

  test('longer than may be held is relayed byte for byte', async () => {
    await using provider = await startProvider(inPieces(long, 'whole'));
    await using gateway = await inFrontOf([provider], limits);
    const answer = await post(gateway.url + CHAT, requestFor('chat', false));
    expect([answer.status, answer.isComplete, answer.text === long]).toEqual([200, true, true]);
  });

  test('that breaks off after that never ends cleanly, and is broken in the record', async () => {
    await using provider = await startProvider(inPieces(long.slice(0, -500), 'cut'));
    await using gateway = await inFrontOf([provider], limits);
    const answer = await post(gateway.url + CHAT, requestFor('chat', false));
    expect(answer.isComplete).toBe(false);
    const outcome = await gateway.outcome(String(answer.headers['x-request-id']));
    expect([outcome.result, ...failuresOf(outcome)]).toEqual(['broken', 'p1: broken']);
    expect((await askOfficially(gateway.url, 'chat', false)).raised).not.toBeNull();
  });

  test('that breaks off before is answered by the next provider', async () => {
    await using first = await startProvider(inPieces(long.slice(0, 5_000), 'cut'));
    await using second = await startProvider(healthy('chat', 'second'));
    await using gateway = await inFrontOf([first, second], limits);
    expect((await askOfficially(gateway.url, 'chat', false)).text).toBe('second');
  });

  test('to a request for a stream is no answer: the client could not read it', async () => {
    await using first = await startProvider(json(chatAnswer('whole')));
    await using second = await startProvider(events(chatStream('second')));
    await using gateway = await inFrontOf([first, second]);
    const seen = await askOfficially(gateway.url, 'chat', true);
    expect([seen.raised, seen.text]).toEqual([null, 'second']);
    expect(failuresOf(await gateway.outcome(seen.requestId))).toEqual(['p1: bad_answer', 'p2: ok']);
  });

  test('a stream to a request for a whole answer is none either', async () => {
    await using first = await startProvider(events(chatStream('events')));
    await using second = await startProvider(json(chatAnswer('second')));
    await using gateway = await inFrontOf([first, second]);
    const seen = await askOfficially(gateway.url, 'chat', false);
    expect([seen.raised, seen.text]).toEqual([null, 'second']);
  });
});
