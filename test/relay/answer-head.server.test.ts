// The head of an answer: the provider's own headers but for those of its connection, and what the gateway says of it.

import { expect, test } from 'vitest';
import { post } from '../support/http.ts';
import { type Script, startProvider } from './provider.ts';
import { chatAnswer, inFrontOf, json, requestFor } from './support.ts';

const talkative: Script = ({ response }) => {
  response.writeHead(200, [
    ...['content-type', 'application/json; charset=utf-8'],
    ...['x-request-id', 'id-of-the-provider', 'openai-processing-ms', '12', 'x-custom', 'a', 'x-custom', 'b'],
    ...['set-cookie', 'session=1', 'access-control-allow-origin', '*', 'access-control-expose-headers', 'x'],
    ...['keep-alive', 'timeout=5', 'proxy-authenticate', 'Basic', 'trailer', 'x-end', 'alt-svc', 'h3=":443"'],
    ...['strict-transport-security', 'max-age=1', 'x-switchyard-provider', 'forged', 'server', 'uvicorn'],
  ]);
  response.end(chatAnswer('hi'));
};

test('what belongs to the connection, to CORS and to cookies is dropped; everything else stays', async () => {
  await using provider = await startProvider(talkative);
  await using gateway = await inFrontOf([provider]);
  const { headers, rawHeaders, text } = await post(`${gateway.url}/v1/chat/completions`, requestFor('chat', false));
  expect(text).toBe(chatAnswer('hi'));
  for (const name of ['set-cookie', 'proxy-authenticate', 'trailer', 'alt-svc', 'strict-transport-security'])
    expect(headers[name]).toBeUndefined();
  expect(Object.keys(headers).filter((name) => name.startsWith('access-control-'))).toEqual([]);
  expect(headers['keep-alive']).not.toBe('timeout=5');
  expect(headers).toMatchObject({
    'content-type': 'application/json; charset=utf-8',
    'openai-processing-ms': '12',
    'x-custom': 'a, b',
    server: 'uvicorn',
    'content-length': String(Buffer.byteLength(chatAnswer('hi'))),
  });
  const ids = rawHeaders.filter((_value, index) => rawHeaders[index - 1]?.toLowerCase() === 'x-request-id');
  expect(ids).toHaveLength(1);
  expect(ids[0]).not.toBe('id-of-the-provider');
});

test('who answered, by which rule, after how many attempts and how long is told', async () => {
  await using broken = await startProvider(json('{}', 500));
  await using provider = await startProvider(talkative);
  await using gateway = await inFrontOf([broken, provider]);
  const { headers } = await post(`${gateway.url}/v1/chat/completions`, requestFor('chat', false));
  const outcome = await gateway.outcome(String(headers['x-request-id']));
  expect(headers).toMatchObject({
    'x-switchyard-provider': 'p2',
    'x-switchyard-model': 'tiny',
    'x-switchyard-rule': outcome.rule,
    'x-switchyard-attempts': '2',
  });
  expect(Number(headers['x-switchyard-decision-ms'])).toBeGreaterThan(0);
  expect(headers['server-timing']).toMatch(/^decision;dur=[\d.]+, queue;dur=[\d.]+, total;dur=[\d.]+$/);
});

test.each(['modèle:8b', '模型', 'a\nb', 'line\u2028', 'half \ud800 of a pair'])(
  'a name that no header can carry is percent-encoded: %j',
  async (model) => {
    await using provider = await startProvider(json(chatAnswer('hi')), { models: [model] });
    await using gateway = await inFrontOf([provider]);
    const answer = await post(`${gateway.url}/v1/chat/completions`, requestFor('chat', false, model));
    expect(answer.status).toBe(200);
    expect(decodeURIComponent(String(answer.headers['x-switchyard-model']))).toBe(model.toWellFormed());
  },
);
