// The connection to Redis when Redis stops, freezes, refuses and comes back: nobody waits longer than was said.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../gateway/clock.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { MovableClock } from '../support/movable-clock.ts';
import { redisMissing, type TestRedis, testRedis } from '../support/redis.ts';
import { type LinkWatch, watchedLink } from './linked.ts';

const withinMs = 100;
/** What a busy machine may add to a time limit. */
const slackMs = 400;

describe.skipIf(redisMissing !== null)(`the link to Redis${redisMissing === null ? '' : `: ${redisMissing}`}`, () => {
  let redis: TestRedis;
  const opened: LinkWatch[] = [];
  const watch = (...args: Parameters<typeof watchedLink>): LinkWatch => {
    const one = watchedLink(...args);
    opened.push(one);
    return one;
  };
  beforeEach(async () => {
    redis = await testRedis();
  });
  afterEach(async () => {
    for (const { link } of opened.splice(0)) link.close();
    await redis[Symbol.asyncDispose]();
  });

  test('commands are answered, and errors of Redis are no answer', async () => {
    const { link, until } = watch(redis.port);
    await until('connected');
    expect(await link.ask(['SET', 'a', 'b'], 5_000)).toBe('OK');
    expect(await link.ask(['GET', 'a'], 5_000)).toBe('b');
    expect(await link.ask(['GET', 'a'], 5_000, true)).toEqual(Buffer.from('b'));
    expect(await link.ask(['INCR', 'a'], 5_000)).toBeUndefined();
    expect(link.isConnected).toBe(true);
  });

  test('a Redis that crashes under load makes nobody wait or fail, and is used again when it is back', async () => {
    const { link, states, until } = watch(redis.port);
    await until('connected');
    let isOver = false;
    let longestMs = 0;
    let answered = 0;
    const load = async (): Promise<void> => {
      while (!isOver) {
        const startedMs = performance.now();
        if ((await link.run('return 1', [], [], withinMs)) === 1) answered += 1;
        longestMs = Math.max(longestMs, performance.now() - startedMs);
        await nextTurn();
      }
    };
    const workers = Array.from({ length: 20 }, load);
    for (let round = 0; round < 2; round += 1) {
      await redis.stop();
      await until('away');
      expect(await link.ask(['PING'], withinMs)).toBeUndefined();
      await redis.start();
      await until('connected');
      // A Redis that was started again knows no script: the same call must work all the same.
      const before = answered;
      while (answered < before + 20) await nextTurn();
    }
    isOver = true;
    await Promise.all(workers);
    expect(longestMs).toBeLessThan(withinMs + slackMs);
    // On a busy machine Redis may have been late besides.
    expect(states.map(({ is }) => is).join(' ')).toMatch(/^connected( away connected){2,}$/);
  });

  test('of a frozen Redis only the first wait for the limit; it is used again when it has answered', async () => {
    const { link, states, until } = watch(redis.port);
    await until('connected');
    redis.freeze();
    const startedMs = performance.now();
    const first = await Promise.all([link.ask(['PING'], withinMs), link.ask(['PING'], withinMs)]);
    const waitedMs = performance.now() - startedMs;
    expect(first).toEqual([undefined, undefined]);
    expect(waitedMs).toBeGreaterThanOrEqual(withinMs - 2);
    expect(waitedMs).toBeLessThan(withinMs + slackMs);
    const laterMs = performance.now();
    for (let tries = 0; tries < 1_000; tries += 1) expect(await link.ask(['PING'], withinMs)).toBeUndefined();
    expect(performance.now() - laterMs).toBeLessThan(slackMs);
    expect(states.at(-1)).toMatchObject({ is: 'away', because: 'no answer within 100 ms' });
    redis.thaw();
    await until('connected');
    expect(await link.ask(['PING'], withinMs)).toBe('PONG');
  });

  test('a connection that stays silent is given up, and dialling a frozen Redis too', async () => {
    const clock = new MovableClock();
    const { link, states, until } = watch(redis.port, { clock });
    await until('connected');
    redis.freeze();
    const asked = link.ask(['PING'], withinMs);
    clock.advance(withinMs);
    expect(await asked).toBeUndefined();
    clock.advance(500);
    clock.advance(5_000);
    expect(states.at(-1)?.because).toBe('no answer within 5000 ms');
    // The kernel still accepts connections: this one gets no further than that.
    clock.advance(10_000);
    await new Promise((resolve) => setTimeout(resolve, 50));
    clock.advance(5_000);
    expect(states.at(-1)?.because).toBe('no answer within 5000 ms');
    redis.thaw();
    clock.advance(10_000);
    await until('connected');
    expect(await link.ask(['PING'], 1_000)).toBe('PONG');
    expect(await redis.raw('CLIENT', 'LIST').then((list) => list.match(/name=switchyard/g)?.length)).toBe(1);
  });

  test('a link that nobody uses notices by itself that Redis is frozen', async () => {
    const clock = new MovableClock();
    const { until } = watch(redis.port, { clock });
    await until('connected');
    redis.freeze();
    clock.advance(10_000);
    clock.advance(1_000);
    await until('away');
    redis.thaw();
  });

  test('a gateway that was busy itself does not take Redis for silent', async () => {
    const { link, states, until } = watch(redis.port);
    await until('connected');
    const asked = link.ask(['PING'], 20);
    await nextTurn();
    const untilMs = performance.now() + 80;
    while (performance.now() < untilMs);
    expect(await asked).toBe('PONG');
    expect(states).toHaveLength(1);
  });

  test('a wrong password is told in words that do not show it', async () => {
    await redis.stop();
    await using locked = await testRedis({ extra: ['--requirepass', 'open sesame'] });
    const { states, until } = watch(locked.port, { url: `redis://:not-the-one@127.0.0.1:${locked.port}` });
    await until('away');
    expect(states.at(-1)?.because).toMatch(/WRONGPASS/);
    const right = watch(locked.port, { url: `redis://default:open%20sesame@127.0.0.1:${locked.port}/3` });
    await right.until('connected');
    expect(await right.link.ask(['CLIENT', 'LIST'], 1_000)).toMatch(/name=switchyard.* db=3 /);
    expect(JSON.stringify(states)).not.toContain('not-the-one');
  });

  test.each([
    [0, [500, 750, 1_500, 3_000, 6_000, 7_500, 7_500]],
    [1, [500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]],
  ])(
    'between two attempts to connect it waits longer and longer, up to ten seconds (chance %s)',
    async (chance, expected) => {
      await redis.stop();
      const clock = new FakeClock();
      const pauses: number[] = [];
      const noting = {
        now: () => clock.now(),
        monotonic: () => clock.monotonic(),
        after: (delayMs: number, callback: () => void) => {
          if (delayMs !== 5_000) pauses.push(delayMs);
          return clock.after(delayMs, callback);
        },
      };
      const { link, states } = watch(redis.port, { clock: noting, dice: () => chance });
      while (pauses.length < expected.length) {
        const told = states.length;
        while (states.length === told) await new Promise((resolve) => setTimeout(resolve, 1));
        clock.advance(pauses.at(-1) ?? 0);
      }
      expect(pauses).toEqual(expected);
      expect(states.at(-1)?.because).toMatch(/ECONNREFUSED/);
      link.close();
      expect(clock.pending).toBe(0);
    },
  );

  test.each([0, 1, 5])('closing it %s ms after opening leaves no connection and no timer behind', async (delayMs) => {
    const clock = new FakeClock();
    const { link } = watch(redis.port, { clock });
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
    link.close();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(clock.pending).toBe(0);
    expect(await redis.raw('CLIENT', 'LIST')).not.toContain('name=switchyard');
  });

  test('a Redis that cannot serve anybody at present counts as away', async () => {
    const join = async (connection: { send(args: string[], isBinary: boolean): Promise<unknown> }): Promise<void> =>
      void (await connection.send(['SET', 'probe', '1'], false));
    const { link, states, until } = watch(redis.port, { clock: systemClock, join });
    await until('connected');
    await redis.raw('CONFIG', 'SET', 'maxmemory', '1');
    expect(await link.ask(['SET', 'a', 'b'], withinMs)).toBeUndefined();
    await until('away');
    expect(states.at(-1)?.because).toMatch(/^OOM /);
    await redis.raw('CONFIG', 'SET', 'maxmemory', '0');
    await until('connected');
  });
});
