// Each time limit has a failure of its own, and leaving early costs nobody his answer.

import { expect, test } from 'vitest';
import { startOllama } from '../backends/ollama.ts';
import { deadAddress } from '../support/http.ts';
import { MODEL, named, worldOf, worldOn } from './support.ts';

test.each([
  { limit: 'first_byte: 150ms', fault: 'hang', failure: 'timeout_first_byte' },
  { limit: 'first_byte: 150ms', fault: 'hang_after_headers', failure: 'timeout_first_byte' },
  { limit: 'total: 150ms', fault: 'hang', failure: 'timeout_total' },
] as const)('$limit of a server that falls silent ($fault): $failure, and the next is asked', async (one) => {
  await using world = await worldOf(
    { a: await named('a'), b: await named('b') },
    { keys: { a: `timeouts: { connect: 1m, ${one.limit} }` } },
  );
  await world.servers.a.setFault(one.fault);
  for (const stream of [false, true]) {
    const seen = await world.ask({ stream });
    expect([stream, await world.attemptsOf(seen)]).toEqual([stream, [`a ${one.failure}`, 'b ok']]);
  }
});

test('silence between contents ends a stream with an error, for its beginning was seen', async () => {
  await using world = await worldOf(
    { a: await named('a', { answer: ['one ', 'two '] }), b: await named('b') },
    { keys: { a: 'timeouts: { connect: 1m, idle: 150ms }' } },
  );
  await world.servers.a.setFault('hang_mid_stream');
  const seen = await world.ask({ stream: true });
  expect([seen.status, seen.words, world.asked('b')]).toEqual([200, 'one ', 0]);
  expect(seen.answer.text).toContain('"error"');
  expect(seen.answer.isComplete).toBe(true);
  expect((await world.outcomeOf(seen)).result).toBe('broken');
});

test.each([
  ['request_timeout', 'litellm_settings: { request_timeout: 0.2, num_retries: 0 }'],
  ['timeout', 'router_settings: { timeout: 0.2, num_retries: 0 }'],
])('%s is the whole of a JSON answer and the first content of a stream', async (_name, settings) => {
  await using world = await worldOf({ a: await named('a') }, { yaml: settings });
  await world.servers.a.setFault('hang');
  for (const [stream, failure] of [
    [false, 'a timeout_total'],
    [true, 'a timeout_first_byte'],
  ] as const) {
    const seen = await world.ask({ stream });
    expect([seen.status, seen.code]).toEqual([504, 'all_timed_out']);
    expect(await world.attemptsOf(seen)).toEqual([failure]);
  }
});

test('a dead address costs no more than its refusal', async () => {
  const b = await named('b');
  const yaml = `
routing_mode: order
providers:
  a: { kind: openai, base_url: "${await deadAddress()}", priority: 2, models: { "${MODEL}": {} } }
  b: { kind: openai, base_url: "${b.url}", priority: 1 }
`;
  await using world = await worldOn(yaml, { b });
  const seen = await world.ask();
  expect(seen.words).toBe('b');
  const { attempts } = await world.outcomeOf(seen);
  expect(attempts.slice(0, -1).every(({ failure }) => failure?.kind === 'unreachable')).toBe(true);
});

test('a cold load is never cut short while nobody else is left to try', async () => {
  const a = await startOllama({ models: [MODEL], loadDelayMs: 300, answer: ['loaded'] });
  await using world = await worldOf({ a });
  const asked = world.ask({ stream: true });
  while (a.inFlight === 0) await new Promise((resolve) => setImmediate(resolve));
  // Far more than any limit for a server that has its model ready.
  world.clock.advance(250_000);
  const seen = await asked;
  expect(seen.words).toBe('loaded');
  expect(await world.attemptsOf(seen)).toEqual(['a ok']);
});

test('a prompt that Ollama would cut in silence goes where it fits, or is refused; it is never cut', async () => {
  const small = await startOllama({ models: [MODEL], warm: [MODEL], contextLength: 256, answer: ['small'] });
  const large = await named('large');
  const content = 'many words '.repeat(400);
  await using world = await worldOf({ small, large });
  const seen = await world.ask({ content });
  expect(seen.words).toBe('large');
  expect(await world.reasonsOf(seen)).toMatchObject({ small: 'context_too_small' });
  await using alone = await worldOf({
    small: await startOllama({ models: [MODEL], warm: [MODEL], contextLength: 256, answer: ['small'] }),
  });
  const refused = await alone.ask({ content });
  expect([refused.status, refused.code, alone.asked('small')]).toEqual([400, 'context_length_exceeded', 0]);
});
