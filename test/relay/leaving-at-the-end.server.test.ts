// Clients that close their connection at the protocol's own end, as the official OpenAI client does at `[DONE]`.

import OpenAI from 'openai';
import { expect, test } from 'vitest';
import { MODEL, startProvider } from './provider.ts';
import { chat, chatStream, eventsThenSilence, inFrontOf, sse } from './support.ts';

const QUESTION = { model: MODEL, messages: [{ role: 'user' as const, content: 'hello' }], stream: true as const };
/** The provider's connection stays open for longer than the test takes. */
const dispatchLimits = { lingerMs: 600_000 };

test('a client that has the whole answer and leaves before the connection ends was answered, not lost', async () => {
  await using provider = await startProvider(eventsThenSilence(chatStream('one')));
  await using gateway = await inFrontOf([provider], { dispatchLimits });
  const client = new OpenAI({ apiKey: 'none', baseURL: `${gateway.url}/v1`, maxRetries: 0 });
  const { data, response } = await client.chat.completions.create(QUESTION).withResponse();
  for await (const _chunk of data);
  const id = response.headers.get('x-request-id') ?? '';
  await expect.poll(() => gateway.outcome(id).catch(() => null)).not.toBeNull();
  expect(await gateway.outcome(id)).toMatchObject({ result: 'complete', attempts: [{ failure: null }] });
});

test('a client that leaves at the finish reason, before the end, has left', async () => {
  await using provider = await startProvider(eventsThenSilence(sse(chat.role, chat.text('one'), chat.stop)));
  await using gateway = await inFrontOf([provider], { dispatchLimits });
  const client = new OpenAI({ apiKey: 'none', baseURL: `${gateway.url}/v1`, maxRetries: 0 });
  const { data, response } = await client.chat.completions.create(QUESTION).withResponse();
  for await (const chunk of data) if (chunk.choices[0]?.finish_reason === 'stop') break;
  const id = response.headers.get('x-request-id') ?? '';
  await expect.poll(() => gateway.outcome(id).catch(() => null)).not.toBeNull();
  expect(await gateway.outcome(id)).toMatchObject({ result: 'cancelled' });
});
