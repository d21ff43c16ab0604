// What /admin tells of live traffic, and how a provider gets a new chance: through a whole gateway.

import { describe, expect, test } from 'vitest';
import type { AdminProviderResetResult, AdminTraffic } from '../../gateway/contract.ts';
import { eventually, statusOf, whenReady } from '../faults/support.ts';
import { type Ask, MODEL, named, type World, worldOf } from '../resilience/support.ts';

const SECOND = 1_000;
const ONCE: Ask = { body: { num_retries: 0 } };

async function trafficOf(world: World<string>): Promise<AdminTraffic> {
  return (await statusOf(world.gateway)).traffic;
}

async function post(world: World<string>, path: string, body: unknown, method = 'POST'): Promise<Response> {
  const headers = { 'content-type': 'application/json' };
  return world.gateway.admin(path, { method, headers, body: JSON.stringify(body) });
}

async function failing(): Promise<World<'a' | 'b'>> {
  const world = await worldOf({ a: await named('a'), b: await named('b') });
  await world.servers.a.setFault('server_error');
  for (let time = 0; time < 3; time += 1) await world.ask(ONCE);
  return world;
}

describe('/admin/status', () => {
  test('tells what is taken out, until when and because of what, and when its time is up', async () => {
    await using world = await failing();
    const [one, ...others] = (await trafficOf(world)).cooldowns;
    expect(others).toEqual([]);
    expect(one).toMatchObject({ provider: 'a', model: MODEL, is: 'cooling_down', because: 'server_error' });
    const leftMs = (one?.untilMs ?? 0) - world.clock.now();
    expect(leftMs).toBeGreaterThan(5 * SECOND);
    expect(leftMs).toBeLessThanOrEqual(30 * SECOND);
    expect(one?.message).toMatch(/\w/);
    world.clock.advance(31 * SECOND);
    expect((await trafficOf(world)).cooldowns).toMatchObject([{ provider: 'a', is: 'half_open', untilMs: null }]);
    await world.servers.a.setFault(null);
    expect((await world.ask(ONCE)).words).toBe('a');
    await eventually(
      async () => (await trafficOf(world)).cooldowns.length,
      (count) => count === 0,
    );
  });

  test('tells of an open circuit by that name', async () => {
    await using world = await worldOf(
      { a: await named('a'), b: await named('b') },
      {
        yaml: 'routing_mode: order\nrouter_settings: { enable_circuit_breaker: true, failure_threshold: 1, timeout: 60 }',
      },
    );
    await world.servers.a.setFault('server_error');
    await world.ask(ONCE);
    expect((await trafficOf(world)).cooldowns).toMatchObject([{ provider: 'a', is: 'breaker_open' }]);
  });

  test('tells places and the line of each provider, with the longest wait of each class', async () => {
    await using world = await worldOf(
      { a: await named('a'), b: await named('b') },
      { keys: { a: 'max_parallel_requests: 1, queue_timeout: 10m' } },
    );
    await world.servers.a.setFault('hang');
    const leave = new AbortController();
    const pinned = (priority: string) =>
      world.ask({ headers: { 'x-provider': 'a', 'x-priority': priority }, signal: leave.signal }).catch(() => null);
    const all = [pinned('normal')];
    await eventually(
      async () => world.servers.a.inFlight,
      (count) => count === 1,
    );
    all.push(pinned('low'), pinned('high'));
    const queueOf = async (name: string) => (await trafficOf(world)).queues.find(({ provider }) => provider === name);
    await eventually(
      () => queueOf('a'),
      (queue) => queue?.waiting === 2,
    );
    world.clock.advance(7 * SECOND);
    const queue = await queueOf('a');
    expect(queue).toMatchObject({ used: 1, limit: 1, waiting: 2, longestWaitMs: { normal: null } });
    expect(queue?.longestWaitMs.low).toBeGreaterThanOrEqual(7 * SECOND);
    expect(queue?.longestWaitMs.high).toBeGreaterThanOrEqual(7 * SECOND);
    expect(await queueOf('b')).toEqual({
      ...{ provider: 'b', used: 0, limit: null, waiting: 0 },
      longestWaitMs: { high: null, normal: null, low: null },
    });
    leave.abort();
    await Promise.all(all);
  });

  test('tells what is used of each limit, and the cache, and that nothing is shared', async () => {
    await using world = await worldOf(
      { a: await named('a') },
      {
        keys: { a: 'rpm: 10, tpm: 5000' },
        yaml: 'router_settings: { rpm: 100 }\nlitellm_settings: { cache: true }',
      },
    );
    await world.ask();
    await world.ask();
    const { rateWindows, cache, sharing } = await trafficOf(world);
    expect(rateWindows).toEqual([
      { scope: 'gateway', limits: 'requests', used: 1, limit: 100 },
      { scope: 'provider a', limits: 'requests', used: 1, limit: 10 },
      { scope: 'provider a', limits: 'tokens', used: expect.any(Number), limit: 5_000 },
    ]);
    expect(rateWindows[2]?.used).toBeGreaterThan(0);
    expect(cache).toMatchObject({ is: 'memory', hits: 1, misses: 1, stored: 1, entries: 1 });
    expect(sharing).toMatchObject({ is: 'off', because: null });
    world.clock.advance(61 * SECOND);
    expect((await trafficOf(world)).rateWindows.map(({ used }) => used)).toEqual([0, 0, 0]);
  });

  test('tells that Redis is away, and where it should be', async () => {
    await using world = await worldOf(
      { a: await named('a') },
      { yaml: 'router_settings: { redis_host: 127.0.0.1, redis_port: 9 }' },
    );
    const { sharing } = await eventually(
      () => trafficOf(world),
      (traffic) => traffic.sharing.is === 'away',
    );
    expect(sharing.because).toContain('127.0.0.1:9');
    expect(world.clock.now() - sharing.sinceMs).toBeLessThan(60 * SECOND);
    expect((await world.ask()).words).toBe('a');
  });

  test('tells the time limit for a first content before anything was learned, and what was learned after', async () => {
    const answer = Array.from({ length: 10 }, () => 'word ');
    await using world = await worldOf({ a: await named('a', { answer, tokenDelayMs: 1 }) });
    await whenReady(world.gateway, 'a');
    const limitsOf = async () => (await trafficOf(world)).timeLimits.find(({ model }) => model === MODEL);
    const before = await limitsOf();
    // 30 s and 1,000 tokens at 20 tokens/s; for JSON 2,048 tokens at 5 tokens/s as well.
    expect(before).toEqual({
      ...{ provider: 'a', model: MODEL, isConfigured: false, isDegraded: false, answerMs: null },
      ...{ loadMs: null, prefillTokensPerSecond: null, tokensPerSecond: null },
      firstContentLimitMs: { stream: 80_000, json: 489_600 },
    });
    await world.ask({ stream: true });
    const after = await eventually(limitsOf, (limits) => limits?.answerMs != null);
    expect(after?.tokensPerSecond).toBeGreaterThan(0);
    expect(after?.prefillTokensPerSecond).toBeGreaterThan(0);
    expect(after?.firstContentLimitMs.json).toBeLessThan(489_600);
  });

  test('tells a configured time limit as it is written', async () => {
    await using world = await worldOf({ a: await named('a') }, { keys: { a: 'timeouts: { first_byte: 7s }' } });
    await whenReady(world.gateway, 'a');
    expect((await trafficOf(world)).timeLimits).toMatchObject([
      { provider: 'a', model: MODEL, isConfigured: true, firstContentLimitMs: { stream: 7_000, json: 7_000 } },
    ]);
  });
});

describe('POST /admin/providers/NAME/reset', () => {
  test('forgets what is taken out, says what it was, and the next request goes there', async () => {
    await using world = await failing();
    await world.servers.a.setFault(null);
    expect((await world.ask(ONCE)).words).toBe('b');
    const answer = await post(world, '/admin/providers/a/reset', {});
    expect(answer.status).toBe(200);
    const { provider, forgotten } = (await answer.json()) as AdminProviderResetResult;
    expect(provider.name).toBe('a');
    expect(forgotten).toMatchObject([{ provider: 'a', model: MODEL, is: 'cooling_down', because: 'server_error' }]);
    expect((await world.ask(ONCE)).words).toBe('a');
    expect(await (await post(world, '/admin/providers/a/reset', {})).json()).toMatchObject({ forgotten: [] });
  });

  test('forgets one model of it alone where one is named', async () => {
    await using world = await failing();
    await world.servers.a.setFault(null);
    const other = await post(world, '/admin/providers/a/reset', { model: 'another' });
    expect(await other.json()).toMatchObject({ forgotten: [] });
    expect((await world.ask(ONCE)).words).toBe('b');
    await post(world, '/admin/providers/a/reset', { model: MODEL });
    expect((await world.ask(ONCE)).words).toBe('a');
  });

  test('refuses what it does not understand', async () => {
    await using world = await worldOf({ alpha: await named('alpha') });
    const answers = [
      await post(world, '/admin/providers/alpa/reset', {}),
      await post(world, '/admin/providers/alpha/reset', { modell: 'm' }),
      await post(world, '/admin/providers/alpha/reset', { model: 7 }),
      await world.gateway.admin('/admin/providers/alpha/reset', { method: 'POST', body: '{}' }),
      await world.gateway.admin('/admin/providers/alpha/reset'),
    ];
    expect(answers.map(({ status }) => status)).toEqual([404, 400, 400, 415, 405]);
    expect(await answers[0]?.text()).toContain('alpha');
    expect(await answers[1]?.text()).toContain('model');
  });
});

test('switching a provider on again forgets what it was taken out for', async () => {
  await using world = await failing();
  await world.servers.a.setFault(null);
  await post(world, '/admin/providers/a', { enabled: false }, 'PATCH');
  expect((await trafficOf(world)).cooldowns).toHaveLength(1);
  await post(world, '/admin/providers/a', { enabled: true }, 'PATCH');
  expect((await trafficOf(world)).cooldowns).toEqual([]);
});
