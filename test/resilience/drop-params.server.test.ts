// `drop_params`: what a kind of server is known to refuse is left out where the configuration says so, and named in the record.

import { expect, test } from 'vitest';
import type { StandIn } from '../backends/core/server.ts';
import { startLlamaCppPython } from '../backends/llama-cpp-python.ts';
import { startVllm } from '../backends/vllm.ts';
import { type Ask, type World, worldOf } from './support.ts';

const model = 'tiny';

const SCHEMA: Ask = {
  model,
  body: { response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'object' } } } },
};
const STREAM_OPTIONS: Ask = { model, body: { stream_options: { include_usage: true } } };

function inFrontOf(server: StandIn, drops: boolean): Promise<World<'a'>> {
  return worldOf({ a: server }, { yaml: `litellm_settings: { drop_params: ${drops} }` });
}

test.each([
  ['vLLM', 'stream_options without a stream', startVllm, STREAM_OPTIONS, 'stream_options'],
  ['llama-cpp-python', 'a schema for the answer', startLlamaCppPython, SCHEMA, 'response_format'],
] as const)('%s refuses %s, and answers when it is dropped', async (_server, _what, start, ask, field) => {
  {
    await using world = await inFrontOf(await start({ models: [model], answer: ['fine'] }), false);
    const seen = await world.ask(ask);
    expect(seen.status).toBeGreaterThanOrEqual(400);
    expect((await world.outcomeOf(seen)).attempts[0]?.changes).not.toContain(`dropped:${field}`);
  }
  await using world = await inFrontOf(await start({ models: [model], answer: ['fine'] }), true);
  const seen = await world.ask(ask);
  expect([seen.status, seen.words]).toEqual([200, 'fine']);
  expect((await world.outcomeOf(seen)).attempts[0]?.changes).toContain(`dropped:${field}`);
  const sent = world.servers.a.requests.findLast(({ method }) => method === 'POST');
  expect(sent?.body.includes(field)).toBe(false);
});

test('nothing else is dropped', async () => {
  await using world = await inFrontOf(await startVllm({ models: [model], answer: ['fine'] }), true);
  const seen = await world.ask({ model, stream: true, body: { stream_options: { include_usage: true }, made_up: 1 } });
  expect(seen.words).toBe('fine');
  expect((await world.outcomeOf(seen)).attempts[0]?.changes).toEqual([]);
  const sent = world.servers.a.requests.findLast(({ method }) => method === 'POST');
  for (const field of ['stream_options', 'made_up']) expect(sent?.body.includes(field)).toBe(true);
});
