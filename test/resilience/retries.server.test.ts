// The same deployment again: how often, after how long, and when not at all.

import { expect, test } from 'vitest';
import type { Outcome } from '../../gateway/types.ts';
import { startVllm } from '../backends/vllm.ts';
import { failing, MODEL, named, worldOf } from './support.ts';

/** Ms between the end of each attempt and the start of the next. */
function waitsOf({ attempts }: Outcome): readonly number[] {
  return attempts.slice(1).map(({ startedAtMs }, index) => {
    const before = attempts[index];
    return startedAtMs - ((before?.startedAtMs ?? 0) + (before?.endedAfterMs ?? 0));
  });
}

const NO_COOLDOWNS = 'disable_cooldowns: true';

test('a lone server that fails once is asked again, and the client sees nothing of it', async () => {
  await using world = await worldOf({ a: await named('a') });
  await world.servers.a.setFault({ kind: 'server_error', times: 1 });
  for (const stream of [false, true]) {
    const seen = await world.askThroughTime({ stream });
    expect([seen.status, seen.words]).toEqual([200, 'a']);
    if (!stream) {
      expect(seen.attempts).toBe(2);
      const outcome = await world.outcomeOf(seen);
      expect(outcome.attempts.map(({ because }) => because)).toEqual([null, expect.stringContaining('retry 1 of 2')]);
    }
  }
});

test('a request is repeated twice where nothing is configured, and then the client is told of each attempt', async () => {
  await using world = await worldOf({ a: await named('a') });
  await world.servers.a.setFault('server_error');
  const seen = await world.askThroughTime();
  expect([seen.status, world.asked('a')]).toEqual([502, 3]);
  expect(seen.answer.text.match(/a\/llama3\.1:8b: server_error/g)).toHaveLength(3);
  expect(await world.attemptsOf(seen)).toEqual(failing('a', 'server_error', 3));
});

test.each([
  { settings: 'num_retries: 0', fault: 'server_error', asks: 1 },
  { settings: 'num_retries: 4', fault: 'server_error', asks: 5 },
  { settings: 'retry_policy: { RateLimitErrorRetries: 3 }', fault: 'rate_limited', asks: 4 },
  { settings: 'retry_policy: { RateLimitError: { max_retries: 5 } }', fault: 'rate_limited', asks: 6 },
  { settings: 'retry_policy: { InternalServerErrorRetries: 1 }', fault: 'server_error', asks: 2 },
  { settings: 'retry_policy: { InternalServerError: { max_retries: 0 } }', fault: 'server_error', asks: 1 },
  { settings: 'retry_policy: { RateLimitErrorRetries: 5 }', fault: 'server_error', asks: 3 },
] as const)('$settings: a server with the fault $fault is asked $asks times', async ({ settings, fault, asks }) => {
  await using world = await worldOf(
    { a: await named('a') },
    { yaml: `router_settings: { ${settings}, ${NO_COOLDOWNS}, allowed_fails: 100 }` },
  );
  await world.servers.a.setFault(fault);
  const seen = await world.askThroughTime();
  expect([seen.status, world.asked('a')]).toEqual([fault === 'rate_limited' ? 429 : 502, asks]);
});

test('timeouts have a number of retries of their own', async () => {
  await using world = await worldOf(
    { a: await named('a') },
    {
      keys: { a: 'timeouts: { connect: 1m, first_byte: 100ms }' },
      yaml: 'router_settings: { retry_policy: { TimeoutErrorRetries: 1 } }',
    },
  );
  await world.servers.a.setFault('hang');
  const seen = await world.askThroughTime();
  expect([seen.status, seen.code, world.asked('a')]).toEqual([504, 'all_timed_out', 2]);
});

test('a group has a retry policy of its own, which counts before the general one', async () => {
  const a = await named('a', { models: ['m'] });
  const group = (name: string) =>
    `  - { model_name: ${name}, litellm_params: { model: openai/m, api_base: "${a.url}" } }`;
  await using world = await worldOf(
    { a },
    {
      yaml: `
model_list:
${group('patient')}
${group('other')}
router_settings:
  disable_cooldowns: true
  allowed_fails: 100
  retry_policy: { InternalServerErrorRetries: 1 }
  model_group_retry_policy: { patient: { InternalServerErrorRetries: 3 } }
`,
    },
  );
  await a.setFault('server_error');
  await world.askThroughTime({ model: 'patient' });
  expect(world.asked('a')).toBe(4);
  await world.askThroughTime({ model: 'other' });
  expect(world.asked('a')).toBe(6);
});

test("a request's own num_retries counts before everything configured", async () => {
  await using world = await worldOf(
    { a: await named('a') },
    { yaml: `router_settings: { num_retries: 4, ${NO_COOLDOWNS} }` },
  );
  await world.servers.a.setFault('server_error');
  await world.askThroughTime({ body: { num_retries: 1 } });
  expect(world.asked('a')).toBe(2);
  // It is the gateway's own field: no provider sees it.
  expect(world.servers.a.requests.some(({ body }) => body.includes('num_retries'))).toBe(false);
});

test('each wait is longer than the last at heart: half a second doubled, with jitter, and eight seconds at most', async () => {
  await using world = await worldOf(
    { a: await named('a') },
    { yaml: `router_settings: { num_retries: 7, ${NO_COOLDOWNS}, allowed_fails: 100 }` },
  );
  await world.servers.a.setFault('server_error');
  const waits = waitsOf(await world.outcomeOf(await world.askThroughTime()));
  expect(waits).toHaveLength(7);
  for (const [index, waitMs] of waits.entries()) {
    // Each wait is between half its step and the whole; the clock moves in steps of 100 ms.
    const stepMs = Math.min(8_000, 500 * 2 ** index);
    expect([index, waitMs >= stepMs / 2 - 5]).toEqual([index, true]);
    expect([index, waitMs <= stepMs + 4_000]).toEqual([index, true]);
  }
});

test("the server's Retry-After and `retry_after` are waited for, the longer of them", async () => {
  await using world = await worldOf({ a: await named('a') }, { yaml: 'router_settings: { retry_after: 5 }' });
  await world.servers.a.setFault({ kind: 'overloaded', times: 1 });
  const [ours = 0] = waitsOf(await world.outcomeOf(await world.askThroughTime()));
  expect(ours).toBeGreaterThanOrEqual(4_995);
  await world.servers.a.setFault({ kind: 'rate_limited', retryAfter: '12', times: 1 });
  const seen = await world.askThroughTime();
  expect(seen.words).toBe('a');
  const [theirs = 0] = waitsOf(await world.outcomeOf(seen));
  expect(theirs).toBeGreaterThanOrEqual(11_995);
});

test('a Retry-After of more than a minute is handed to the client instead of waited for', async () => {
  await using world = await worldOf({ a: await named('a') });
  await world.servers.a.setFault({ kind: 'rate_limited', retryAfter: '90' });
  const seen = await world.ask();
  expect([seen.status, world.asked('a')]).toEqual([429, 1]);
  expect(seen.retryAfter).toBeGreaterThan(80);
  expect(seen.retryAfter).toBeLessThanOrEqual(90);
});

test.each([
  { fault: 'unauthorized', status: 502 },
  { fault: 'not_found', status: 404 },
] as const)('what does not pass by itself is not tried again: $fault', async ({ fault, status }) => {
  await using world = await worldOf({ a: await named('a') });
  await world.servers.a.setFault(fault);
  const seen = await world.ask();
  expect([seen.status, world.asked('a')]).toEqual([status, 1]);
  expect(seen.answer.headers['x-should-retry']).toBe('false');
});

test('a request that is itself at fault is not tried again, there or elsewhere', async () => {
  await using world = await worldOf({ a: await startVllm({ models: [MODEL] }), b: await named('b') });
  const seen = await world.ask({ body: { messages: 'no list' } });
  expect([seen.status >= 400 && seen.status < 500, world.asked('a') + world.asked('b')]).toEqual([true, 1]);
});

test('a server that loads its model is asked again every second', async () => {
  await using world = await worldOf(
    { a: await named('a') },
    { keys: { a: 'timeouts: { connect: 1m, first_byte: 2m }' } },
  );
  await world.servers.a.setFault({ kind: 'loading', times: 10 });
  const seen = await world.askThroughTime();
  expect(seen.words).toBe('a');
  const waits = waitsOf(await world.outcomeOf(seen));
  expect(waits).toHaveLength(10);
  for (const waitMs of waits) expect([waitMs >= 990, waitMs < 4_000]).toEqual([true, true]);
});

test('nobody waits while a candidate is untried: the next one is asked at once, and that is no retry', async () => {
  await using world = await worldOf(
    { a: await named('a'), b: await named('b'), c: await named('c') },
    { yaml: 'routing_mode: order\nrouter_settings: { num_retries: 0, retry_after: 30 }' },
  );
  await world.servers.a.setFault('server_error');
  await world.servers.b.setFault('rate_limited');
  const seen = await world.ask();
  expect(seen.words).toBe('c');
  expect(await world.attemptsOf(seen)).toEqual(['a server_error', 'b rate_limited', 'c ok']);
  expect(world.clock.aheadMs).toBe(0);
});

test('nobody is asked twice while another one is untried', async () => {
  await using world = await worldOf({ a: await named('a'), b: await named('b') });
  await world.servers.a.setFault({ kind: 'server_error', times: 1 });
  await world.servers.b.setFault({ kind: 'server_error', times: 1 });
  const seen = await world.askThroughTime();
  expect(seen.status).toBe(200);
  const attempts = await world.attemptsOf(seen);
  expect(attempts.slice(0, 2)).toEqual(['a server_error', 'b server_error']);
  expect(attempts).toHaveLength(3);
});
