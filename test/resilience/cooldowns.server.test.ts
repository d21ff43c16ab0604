// Who is left alone after failures, for how long, and how he comes back.

import { expect, test } from 'vitest';
import type { FaultKind } from '../backends/core/faults.ts';
import { startVllm } from '../backends/vllm.ts';
import { type Ask, MODEL, named, type World, worldOf } from './support.ts';

const SECOND = 1_000;
/** No repetition: each request is one attempt at each. */
const ONCE: Ask = { body: { num_retries: 0 } };

async function pair(settings = '', yaml = 'routing_mode: order'): Promise<World<'a' | 'b'>> {
  const routerSettings = settings === '' ? '' : `router_settings: { ${settings} }`;
  return worldOf({ a: await named('a'), b: await named('b') }, { yaml: `${yaml}\n${routerSettings}` });
}

/** Asks one after the other, and says who answered each. */
async function turns(world: World<'a' | 'b'>, times: number): Promise<string> {
  let said = '';
  for (let time = 0; time < times; time += 1) said += (await world.ask(ONCE)).words ?? '-';
  return said;
}

test('the third failure in a row takes a deployment out for thirty seconds', async () => {
  await using world = await pair();
  await world.servers.a.setFault('server_error');
  expect(await turns(world, 2)).toBe('bb');
  expect(world.asked('a')).toBe(2);
  expect(await turns(world, 5)).toBe('bbbbb');
  expect(world.asked('a')).toBe(3);
  expect(await world.reasonsOf(await world.ask(ONCE))).toMatchObject({ a: 'cooling_down', b: null });
  await world.servers.a.setFault(null);
  world.clock.advance(25 * SECOND);
  expect(await turns(world, 2)).toBe('bb');
  world.clock.advance(6 * SECOND);
  expect(await turns(world, 3)).toBe('aaa');
});

test('a success in between starts the count anew, and so does a minute', async () => {
  await using world = await pair();
  for (let round = 0; round < 4; round += 1) {
    await world.servers.a.setFault({ kind: 'server_error', times: 2 });
    expect(await turns(world, 3)).toBe('bba');
  }
  await world.servers.a.setFault('server_error');
  expect(await turns(world, 2)).toBe('bb');
  world.clock.advance(61 * SECOND);
  expect(await turns(world, 1)).toBe('b');
  await world.servers.a.setFault(null);
  expect(await turns(world, 1)).toBe('a');
});

test('allowed_fails and cooldown_time say how many and how long', async () => {
  await using world = await pair('allowed_fails: 2, cooldown_time: 300');
  await world.servers.a.setFault({ kind: 'server_error', times: 2 });
  expect(await turns(world, 3)).toBe('bbb');
  world.clock.advance(295 * SECOND);
  expect(await turns(world, 1)).toBe('b');
  world.clock.advance(6 * SECOND);
  expect(await turns(world, 1)).toBe('a');
});

test('after the pause one request tries it out, and the others go elsewhere meanwhile', async () => {
  await using world = await pair();
  await world.servers.a.setFault({ kind: 'server_error', times: 3 });
  expect(await turns(world, 3)).toBe('bbb');
  world.clock.advance(31 * SECOND);
  await world.servers.a.setFault('hang_after_headers');
  const leave = new AbortController();
  const trial = world.ask({ ...ONCE, stream: true, signal: leave.signal }).catch(() => null);
  while (world.servers.a.inFlight === 0) await new Promise((resolve) => setImmediate(resolve));
  expect(await turns(world, 3)).toBe('bbb');
  expect(world.asked('a')).toBe(4);
  // A client that leaves says nothing about the server: the next one tries it out.
  leave.abort();
  await trial;
  await world.servers.a.setFault(null);
  while (world.servers.a.inFlight > 0) await new Promise((resolve) => setImmediate(resolve));
  expect(await turns(world, 2)).toBe('aa');
});

test('a trial that has begun to answer lets the others in, however long its answer takes', async () => {
  await using world = await pair();
  await world.servers.a.setFault({ kind: 'server_error', times: 3 });
  expect(await turns(world, 3)).toBe('bbb');
  world.clock.advance(31 * SECOND);
  await world.servers.a.setFault({ kind: 'hang_mid_stream', times: 1 });
  const leave = new AbortController();
  const trial = world.ask({ ...ONCE, stream: true, signal: leave.signal }).catch(() => null);
  while (world.servers.a.inFlight === 0) await new Promise((resolve) => setImmediate(resolve));
  let said = await turns(world, 1);
  // The first content may still be on its way through the gateway.
  for (let more = 0; more < 20 && said !== 'a'; more += 1) said = await turns(world, 1);
  expect([said, world.servers.a.inFlight]).toEqual(['a', 1]);
  leave.abort();
  await trial;
});

test('a trial that fails doubles the pause', async () => {
  await using world = await pair('cooldown_time: 10');
  await world.servers.a.setFault('server_error');
  expect(await turns(world, 3)).toBe('bbb');
  for (const pauseS of [10, 20, 40, 80, 100, 100]) {
    const before = world.asked('a');
    world.clock.advance(pauseS * SECOND - 2 * SECOND);
    expect([pauseS, await turns(world, 1), world.asked('a')]).toEqual([pauseS, 'b', before]);
    world.clock.advance(3 * SECOND);
    expect([pauseS, await turns(world, 1), world.asked('a')]).toEqual([pauseS, 'b', before + 1]);
  }
});

test('success_threshold is how many successes it takes', async () => {
  await using world = await pair('success_threshold: 2');
  await world.servers.a.setFault({ kind: 'server_error', times: 3 });
  expect(await turns(world, 3)).toBe('bbb');
  world.clock.advance(31 * SECOND);
  expect(await turns(world, 1)).toBe('a');
  // Still on trial: one more failure is enough.
  await world.servers.a.setFault({ kind: 'server_error', times: 1 });
  expect(await turns(world, 2)).toBe('bb');
  expect(world.asked('a')).toBe(5);
});

test('a refused key takes the provider out at once, with all its models', async () => {
  const models = [MODEL, 'other'];
  await using world = await worldOf({ a: await named('a', { models }), b: await named('b', { models }) });
  await world.servers.a.setFault('unauthorized');
  expect((await world.ask(ONCE)).words).toBe('b');
  expect((await world.ask({ ...ONCE, model: 'other' })).words).toBe('b');
  expect(world.asked('a')).toBe(1);
});

test('a refused connection takes it out at once, and the first probe or request that gets through ends that', async () => {
  await using world = await pair();
  await world.servers.a.setFault({ kind: 'refuse', only: 'all' });
  expect(await turns(world, 3)).toBe('bbb');
  await world.servers.a.setFault(null);
  // Probed closely now: within seconds it is back, long before any pause is over.
  let said = '';
  for (let second = 0; second < 10 && said !== 'a'; second += 1) {
    world.clock.advance(SECOND);
    const before = world.servers.a.requests.length;
    said = await turns(world, 1);
    if (world.servers.a.requests.length > before) continue;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  expect(said).toBe('a');
  expect(world.clock.aheadMs).toBeLessThan(20 * SECOND);
});

test('a 429 pauses it for as long as the server says', async () => {
  await using world = await pair();
  await world.servers.a.setFault({ kind: 'rate_limited', retryAfter: '20', times: 1 });
  expect(await turns(world, 2)).toBe('bb');
  expect(world.asked('a')).toBe(1);
  world.clock.advance(17 * SECOND);
  expect(await turns(world, 1)).toBe('b');
  world.clock.advance(4 * SECOND);
  expect(await turns(world, 1)).toBe('a');
});

test('and for fallback_duration_seconds where the server says nothing', async () => {
  const yaml = 'routing_mode: order\nrate_limited_fallback: { enabled: true, fallback_duration_seconds: 60 }';
  await using world = await pair('', yaml);
  await world.servers.a.setFault({ kind: 'rate_limited', retryAfter: '', times: 1 });
  expect(await turns(world, 2)).toBe('bb');
  world.clock.advance(55 * SECOND);
  expect(await turns(world, 1)).toBe('b');
  world.clock.advance(6 * SECOND);
  expect(await turns(world, 1)).toBe('a');
});

test('disable_cooldowns leaves the pause after a 429 and nothing else', async () => {
  await using world = await pair('disable_cooldowns: true');
  await world.servers.a.setFault('server_error');
  expect(await turns(world, 6)).toBe('bbbbbb');
  expect(world.asked('a')).toBe(6);
  await world.servers.a.setFault({ kind: 'rate_limited', retryAfter: '20' });
  expect(await turns(world, 3)).toBe('bbb');
  expect(world.asked('a')).toBe(7);
});

test('an answer that blames the request counts against nobody', async () => {
  await using world = await worldOf({ a: await startVllm({ models: [MODEL], answer: ['a'] }), b: await named('b') });
  for (let time = 0; time < 6; time += 1) {
    const seen = await world.ask({ body: { messages: 'no list' } });
    expect(seen.status).toBe(400);
  }
  expect(await turns(world, 1)).toBe('a');
  expect(world.asked('a')).toBe(7);
});

test('nor does a client that leaves', async () => {
  await using world = await pair();
  await world.servers.a.setFault({ kind: 'hang', times: 6 });
  for (let time = 0; time < 6; time += 1) {
    const leave = new AbortController();
    const asked = world.ask({ signal: leave.signal }).catch(() => null);
    while (world.servers.a.inFlight === 0) await new Promise((resolve) => setImmediate(resolve));
    leave.abort();
    await asked;
    while (world.servers.a.inFlight > 0) await new Promise((resolve) => setImmediate(resolve));
  }
  expect(await turns(world, 2)).toBe('aa');
});

test('the circuit opens after as many failures as it says, lets one request through, and closes after as many successes', async () => {
  const breaker =
    'enable_circuit_breaker: true, failure_threshold: 5, success_threshold: 3, timeout: 120, allowed_fails: 100';
  await using world = await pair(breaker);
  await world.servers.a.setFault('server_error');
  expect(await turns(world, 7)).toBe('bbbbbbb');
  expect(world.asked('a')).toBe(5);
  expect(await world.reasonsOf(await world.ask(ONCE))).toMatchObject({ a: 'breaker_open' });
  await world.servers.a.setFault(null);
  world.clock.advance(110 * SECOND);
  expect(await turns(world, 1)).toBe('b');
  world.clock.advance(11 * SECOND);
  expect(await turns(world, 3)).toBe('aaa');
  // Closed: it takes five failures again.
  await world.servers.a.setFault('server_error');
  expect(await turns(world, 6)).toBe('bbbbbb');
  expect(world.asked('a')).toBe(13);
});

test('when nobody else is left, one that cools down is asked anyway: somebody may just have restarted it', async () => {
  await using world = await worldOf({ a: await named('a') });
  await world.servers.a.setFault({ kind: 'server_error', times: 3 });
  for (let time = 0; time < 3; time += 1) expect((await world.ask(ONCE)).status).toBe(502);
  const seen = await world.ask(ONCE);
  expect([seen.status, seen.words]).toEqual([200, 'a']);
  const outcome = await world.outcomeOf(seen);
  expect(outcome.decision?.steps.map(({ step }) => step)).toContain('panic');
  expect(world.clock.aheadMs).toBe(0);
});

test('but not one that asked to be left alone: the client is told how long', async () => {
  await using world = await worldOf({ a: await named('a') });
  await world.servers.a.setFault({ kind: 'rate_limited', retryAfter: '45' });
  expect((await world.ask(ONCE)).status).toBe(429);
  world.clock.advance(5 * SECOND);
  const seen = await world.ask(ONCE);
  expect([seen.status, world.asked('a')]).toEqual([429, 1]);
  expect(seen.retryAfter).toBeGreaterThan(35);
  expect(seen.retryAfter).toBeLessThanOrEqual(40);
});

test('error_based_routing gives a provider with recent errors half of its share, until its time is over', async () => {
  const yaml = `
redundant_models: { "${MODEL}": { providers: [{ provider: a, weight: 0.5 }, { provider: b, weight: 0.5 }] } }
error_based_routing: { enabled: true, error_threshold: 3, cooldown_seconds: 300 }
router_settings: { disable_cooldowns: true }
`;
  await using world = await pair('', yaml);
  const share = async (times: number) => (await turns(world, times)).replaceAll('b', '').length;
  expect(await share(12)).toBe(6);
  await world.servers.a.setFault({ kind: 'server_error', times: 4 });
  await turns(world, 8);
  const degraded = await share(30);
  expect([degraded >= 9, degraded <= 11]).toEqual([true, true]);
  world.clock.advance(301 * SECOND);
  expect(await share(30)).toBeGreaterThanOrEqual(14);
});

test.each<FaultKind>(['server_error', 'close', 'html', 'empty', 'error_event_first', 'bad_gateway', 'overloaded'])(
  'every failure before content counts: %s',
  async (fault) => {
    await using world = await pair();
    await world.servers.a.setFault(fault);
    for (let time = 0; time < 5; time += 1) expect((await world.ask({ ...ONCE, stream: true })).words).toBe('b');
    expect(world.asked('a')).toBe(3);
  },
);

test('an answer that breaks after its beginning was seen counts as well', async () => {
  const answer = ['one ', 'two ', 'three'];
  await using world = await worldOf({ a: await named('a', { answer }), b: await named('b') });
  await world.servers.a.setFault({ kind: 'error_event', afterContents: 1 });
  for (let time = 0; time < 3; time += 1) {
    const seen = await world.ask({ ...ONCE, stream: true });
    expect((await world.outcomeOf(seen)).result).toBe('broken');
  }
  expect((await world.ask({ ...ONCE, stream: true })).words).toBe('b');
});
