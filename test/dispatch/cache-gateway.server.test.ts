// The cache of answers through a whole gateway: what a second, identical request gets, and what is never kept.

import { expect, test } from 'vitest';
import type { Endpoint } from '../../gateway/types.ts';
import { type Provider, type Script, startProvider } from '../relay/provider.ts';
import {
  askOfficially,
  chat,
  chatAnswer,
  chatStream,
  events,
  healthy,
  inFrontOf,
  json,
  requestFor,
  sse,
} from '../relay/support.ts';
import { post } from '../support/http.ts';

const CHAT = '/v1/chat/completions';
const ON = { rules: 'litellm_settings: { cache: true }' };

/** A provider that never says the same twice. */
function counting(endpoint: Endpoint): Script {
  return (turn) => healthy(endpoint, `answer ${turn.number}`)(turn);
}

const asked = ({ received }: Provider): number => received.length;

test.each<[Endpoint, string, boolean, 'ollama' | 'openai']>([
  ['chat', CHAT, false, 'openai'],
  ['chat', CHAT, true, 'openai'],
  ['messages', '/v1/messages', false, 'ollama'],
  ['messages', '/v1/messages', true, 'ollama'],
  ['ollama_chat', '/api/chat', false, 'ollama'],
  ['ollama_chat', '/api/chat', true, 'ollama'],
  ['ollama_generate', '/api/generate', true, 'ollama'],
])(
  '%s at %s, stream %s: the second answer is the first, byte for byte, and nobody is asked',
  async (endpoint, path, isStream, kind) => {
    await using provider = await startProvider(counting(endpoint), { kind });
    await using gateway = await inFrontOf([provider], ON);
    const body = requestFor(endpoint, isStream);
    const first = await post(gateway.url + path, body);
    const second = await post(gateway.url + path, Object.fromEntries(Object.entries(body).reverse()));
    expect(first.headers['x-switchyard-cache']).toBe('miss');
    expect(second.headers).toMatchObject({
      'x-switchyard-cache': 'hit',
      'x-switchyard-attempts': '0',
      'x-switchyard-provider': 'p1',
      'x-switchyard-model': 'tiny',
      'content-type': first.headers['content-type'],
      age: '0',
    });
    expect(second.status).toBe(200);
    expect(second.body.equals(first.body)).toBe(true);
    expect(second.headers['x-request-id']).not.toBe(first.headers['x-request-id']);
    expect(asked(provider)).toBe(1);
  },
);

test('the record says who was asked and who was not, and nothing is charged twice', async () => {
  await using provider = await startProvider(counting('chat'));
  await using gateway = await inFrontOf([provider], ON);
  const first = await post(gateway.url + CHAT, requestFor('chat', false));
  const second = await post(gateway.url + CHAT, requestFor('chat', false));
  const stored = await gateway.outcome(String(first.headers['x-request-id']));
  const hit = await gateway.outcome(String(second.headers['x-request-id']));
  expect(stored).toMatchObject({ cache: 'stored', result: 'complete' });
  expect(hit).toMatchObject({
    cache: 'hit',
    result: 'complete',
    status: 200,
    provider: 'p1',
    model: 'tiny',
    attempts: [],
    errorCode: null,
    usage: stored.usage,
    bytesOut: second.body.length,
  });
  const page = await (await gateway.admin('/metrics')).text();
  expect(page).toMatch(/^cache_hit_rate 0\.5$/m);
  expect(page).toMatch(/^switchyard_cache_lookups_total\{result="hit"\} 1$/m);
  expect(page).toMatch(/^switchyard_tokens_total\{provider="p1",model="tiny",type="prompt"\} 3$/m);
});

test('off by default, and then no header speaks of it', async () => {
  await using provider = await startProvider(counting('chat'));
  await using gateway = await inFrontOf([provider]);
  for (let count = 0; count < 2; count += 1) {
    const { headers } = await post(gateway.url + CHAT, requestFor('chat', false));
    expect(headers['x-switchyard-cache']).toBeUndefined();
  }
  expect(asked(provider)).toBe(2);
});

test('a request says what the cache may do, and no provider sees that it did', async () => {
  await using provider = await startProvider(counting('chat'));
  await using gateway = await inFrontOf([provider], ON);
  const ask = async (cache?: object) => {
    const { headers, text } = await post(gateway.url + CHAT, { ...requestFor('chat', false), ...(cache && { cache }) });
    return `${headers['x-switchyard-cache'] ?? 'nothing'}: ${/answer \d+/.exec(text)?.[0]}`;
  };
  expect(await ask({ 'no-store': true })).toBe('miss: answer 1');
  expect(await ask({ ttl: 0 })).toBe('miss: answer 2');
  expect(await ask({ ttl: 60 })).toBe('miss: answer 3');
  expect(await ask()).toBe('hit: answer 3');
  expect(await ask({ 's-maxage': 0 })).toBe('miss: answer 4');
  expect(await ask({ 'no-cache': true })).toBe('nothing: answer 5');
  expect(await ask()).toBe('hit: answer 5');
  expect(await ask({ namespace: 'team' })).toBe('miss: answer 6');
  expect(await ask({ namespace: 'team' })).toBe('hit: answer 6');
  expect(provider.received.every(({ body }) => !body.includes('"cache"'))).toBe(true);
});

test('in mode default_off only requests that ask for it are kept', async () => {
  await using provider = await startProvider(counting('chat'));
  const rules = 'litellm_settings: { cache: true, cache_params: { type: local, mode: default_off } }';
  await using gateway = await inFrontOf([provider], { rules });
  await post(gateway.url + CHAT, requestFor('chat', false));
  const wanting = { ...requestFor('chat', false), cache: { 'use-cache': true } };
  await post(gateway.url + CHAT, wanting);
  const { headers } = await post(gateway.url + CHAT, wanting);
  expect(headers['x-switchyard-cache']).toBe('hit');
  expect(asked(provider)).toBe(2);
});

test.each<[string, Script, boolean]>([
  ['a broken stream', events(sse(chat.role, chat.text('half'))), true],
  ['an error', json('{"error":{"message":"bad temperature","type":"invalid_request_error"}}', 400), false],
  ['an answer that fails', json('{}', 500), false],
])('%s is not kept', async (_, script, isStream) => {
  await using provider = await startProvider(script);
  await using gateway = await inFrontOf([provider], ON);
  await post(gateway.url + CHAT, requestFor('chat', isStream));
  const before = asked(provider);
  provider.script = healthy('chat', 'whole');
  const { headers, text } = await post(gateway.url + CHAT, requestFor('chat', isStream));
  expect(headers['x-switchyard-cache']).toBe('miss');
  expect(text).toContain('whole');
  expect(asked(provider)).toBe(before + 1);
});

test('a stream opened early is kept without what the gateway put into it', async () => {
  await using provider = await startProvider((turn) => void setTimeout(() => events(chatStream('late'))(turn), 300));
  const dispatchLimits = { openAfterSilenceMs: 50, fillerEveryMs: 50 };
  await using gateway = await inFrontOf([provider], { ...ON, dispatchLimits });
  const first = await post(gateway.url + CHAT, requestFor('chat', true));
  expect(first.text).toMatch(/^: /);
  const second = await post(gateway.url + CHAT, requestFor('chat', true));
  expect(second.text).toBe(chatStream('late'));
  expect(second.headers).toMatchObject({
    'x-switchyard-cache': 'hit',
    'content-type': 'text/event-stream; charset=utf-8',
  });
});

test('a pinned request is not answered by what another provider said', async () => {
  await using first = await startProvider(json(chatAnswer('first')));
  await using second = await startProvider(json(chatAnswer('second')));
  await using gateway = await inFrontOf([first, second], ON);
  const ask = (pin?: string) =>
    post(gateway.url + CHAT, requestFor('chat', false), pin === undefined ? {} : { 'x-provider': pin });
  expect((await ask()).text).toContain('first');
  const pinned = await ask('p2');
  expect(pinned.text).toContain('second');
  expect(pinned.headers['x-switchyard-cache']).toBe('miss');
  expect((await ask('p2')).headers['x-switchyard-cache']).toBe('hit');
  expect((await ask()).text).toContain('first');
});

test('while every provider is away, what was kept is still answered', async () => {
  await using provider = await startProvider(counting('chat'));
  await using gateway = await inFrontOf([provider], ON);
  const first = await post(gateway.url + CHAT, requestFor('chat', false));
  await provider.close();
  expect((await post(gateway.url + CHAT, requestFor('chat', true))).status).toBeGreaterThan(400);
  const { text, headers } = await post(gateway.url + CHAT, requestFor('chat', false));
  expect(text).toBe(first.text);
  expect(headers['x-switchyard-cache']).toBe('hit');
});

test.each<[Endpoint, boolean]>([
  ['chat', true],
  ['chat', false],
  ['messages', true],
  ['ollama_chat', true],
])('the official client of %s, stream %s, reads a kept answer as it read the first', async (endpoint, isStream) => {
  await using provider = await startProvider(counting(endpoint), { kind: 'ollama' });
  await using gateway = await inFrontOf([provider], ON);
  for (let count = 0; count < 3; count += 1) {
    const seen = await askOfficially(gateway.url, endpoint, isStream);
    expect([seen.raised, seen.text]).toEqual([null, 'answer 1']);
  }
  expect(asked(provider)).toBe(1);
});
