// Requests and tokens per minute: of a deployment, of a provider, of the whole gateway; exact over any sixty seconds.

import { describe, expect, test } from 'vitest';
import { MODEL, named, type Seen, type World, worldOf } from './support.ts';

const SECOND = 1_000;

async function statuses<Name extends string>(world: World<Name>, times: number): Promise<readonly number[]> {
  const all: number[] = [];
  for (let time = 0; time < times; time += 1) all.push((await world.ask()).status);
  return all;
}

test('a provider with rpm 3 takes three requests in any minute, and the fourth is told when to come again', async () => {
  await using world = await worldOf({ a: await named('a') }, { keys: { a: 'rpm: 3' } });
  expect(await statuses(world, 2)).toEqual([200, 200]);
  world.clock.advance(20 * SECOND);
  expect(await statuses(world, 1)).toEqual([200]);
  const refused = await world.ask();
  expect([refused.status, refused.code]).toEqual([429, 'rate_limited']);
  expect(refused.retryAfter).toBeGreaterThan(30);
  expect(refused.retryAfter).toBeLessThanOrEqual(41);
  world.clock.advance(42 * SECOND);
  // The first two have left the minute, the third has not.
  expect(await statuses(world, 3)).toEqual([200, 200, 429]);
  expect(world.asked('a')).toBe(5);
});

test('many at once are admitted one by one: never one more than the limit', async () => {
  await using world = await worldOf({ a: await named('a', { tokenDelayMs: 1 }) }, { keys: { a: 'rpm: 7' } });
  const all = await Promise.all(Array.from({ length: 30 }, () => world.ask()));
  expect(all.filter(({ status }) => status === 200)).toHaveLength(7);
  expect(all.filter(({ status }) => status === 429)).toHaveLength(23);
  expect(world.asked('a')).toBe(7);
});

test('the next candidate takes what the first may not', async () => {
  await using world = await worldOf({ a: await named('a'), b: await named('b') }, { keys: { a: 'rpm: 2' } });
  const said: (string | null)[] = [];
  for (let time = 0; time < 4; time += 1) said.push((await world.ask()).words);
  expect(said).toEqual(['a', 'a', 'b', 'b']);
  expect(await world.reasonsOf(await world.ask())).toMatchObject({ a: 'rate_limited' });
  world.clock.advance(61 * SECOND);
  expect((await world.ask()).words).toBe('a');
});

test('a limit of a model holds for that model alone', async () => {
  const models = [MODEL, 'other'];
  await using world = await worldOf(
    { a: await named('a', { models }) },
    { keys: { a: `models: { "${MODEL}": { rpm: 1 } }` } },
  );
  expect(await statuses(world, 2)).toEqual([200, 429]);
  expect((await world.ask({ model: 'other' })).status).toBe(200);
});

test('the global limit holds for all providers together', async () => {
  const yaml = `routing_mode: order\nrouter_settings: { rpm: 3 }\nexact_matches: { "${MODEL}": { provider: a, fallback: b } }`;
  await using world = await worldOf({ a: await named('a'), b: await named('b') }, { yaml });
  expect(await statuses(world, 4)).toEqual([200, 200, 200, 429]);
  expect((await world.ask()).retryAfter).toBeGreaterThan(50);
  world.clock.advance(61 * SECOND);
  expect(await statuses(world, 1)).toEqual([200]);
});

test('an entry without litellm_params limits that name wherever it is served', async () => {
  const yaml = `routing_mode: order\nmodel_list: [{ model_name: "${MODEL}", rpm: 2 }]`;
  await using world = await worldOf({ a: await named('a') }, { yaml });
  expect(await statuses(world, 3)).toEqual([200, 200, 429]);
});

describe('tokens', () => {
  /** About 100 tokens of prompt and a handful of answer. */
  const ask = (world: World<'a'>): Promise<Seen> => world.ask({ content: 'x'.repeat(400) });

  test('a prompt counts by its estimate before it is sent, and by what the provider reports afterwards', async () => {
    await using world = await worldOf({ a: await named('a') }, { keys: { a: 'tpm: 300' } });
    expect((await ask(world)).status).toBe(200);
    expect((await ask(world)).status).toBe(200);
    const seen = await ask(world);
    expect([seen.status, seen.code]).toEqual([429, 'rate_limited']);
    world.clock.advance(61 * SECOND);
    expect((await ask(world)).status).toBe(200);
  });

  test('what a failed request had reserved is given back', async () => {
    await using world = await worldOf(
      { a: await named('a') },
      { keys: { a: 'tpm: 300' }, yaml: 'router_settings: { num_retries: 0, disable_cooldowns: true }' },
    );
    await world.servers.a.setFault({ kind: 'close', times: 6 });
    for (let time = 0; time < 6; time += 1) expect((await ask(world)).status).toBe(502);
    expect((await ask(world)).status).toBe(200);
  });

  test('a prompt that is larger than a whole minute is refused without a time to come again', async () => {
    await using world = await worldOf({ a: await named('a') }, { keys: { a: 'tpm: 50' } });
    const seen = await ask(world);
    expect([seen.status, seen.retryAfter]).toEqual([429, null]);
    expect(world.asked('a')).toBe(0);
  });

  test('many at once reserve before any of them has answered', async () => {
    await using world = await worldOf({ a: await named('a', { prefillDelayMs: 30 }) }, { keys: { a: 'tpm: 350' } });
    const all = await Promise.all(Array.from({ length: 10 }, () => ask(world)));
    const answered = all.filter(({ status }) => status === 200).length;
    expect([answered >= 2, answered <= 3]).toEqual([true, true]);
  });
});
