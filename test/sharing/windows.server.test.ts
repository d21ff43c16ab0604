// Rate windows in a real Redis: exact over several gateways, against a naive model, and after everything Redis forgets.

import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { RedisWindows, type SharedLimit } from '../../gateway/sharing/windows.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { redisMissing, type TestRedis, testRedis } from '../support/redis.ts';
import { type LinkWatch, watchedLink } from './linked.ts';

const MINUTE_MS = 60_000;
/** Moves everything in a window back in time: as if that many microseconds had passed. */
const shiftScript = `
for _, set in ipairs(redis.call('KEYS', '*window:*')) do
  local members = redis.call('ZRANGE', set, 0, -1, 'WITHSCORES')
  for at = 1, #members, 2 do redis.call('ZADD', set, string.format('%.0f', members[at + 1] - ARGV[1]), members[at]) end
end
return 1`;

describe.skipIf(redisMissing !== null)(
  `rate windows in Redis${redisMissing === null ? '' : `: ${redisMissing}`}`,
  () => {
    let redis: TestRedis;
    let watches: readonly LinkWatch[];
    let windows: readonly [RedisWindows, RedisWindows];

    beforeAll(async () => {
      redis = await testRedis();
      // A clock that stands still: here it is about figures, and a busy machine may take its time.
      const clock = new FakeClock();
      watches = [watchedLink(redis.port, { clock }), watchedLink(redis.port, { clock })];
      await Promise.all(watches.map((watch) => watch.until('connected')));
      const [first, second] = watches.map(
        ({ link }, at) => new RedisWindows(link, { prefix: 's:', instance: `g${at}` }),
      );
      if (!first || !second) throw new Error('two gateways are needed');
      windows = [first, second];
    });
    afterAll(async () => {
      for (const { link } of watches) link.close();
      await redis[Symbol.asyncDispose]();
    });
    beforeEach(async () => void (await redis.raw('FLUSHALL')));

    const pass = (ms: number) => redis.raw('EVAL', shiftScript, '0', String(ms * 1_000));

    test('two gateways that reserve at once are given exactly as many places as there are', async () => {
      const limits: SharedLimit[] = [{ key: 'deployment', rpm: 57, tpm: null }];
      const tries = Array.from({ length: 100 }, (_, at) => windows[at % 2 === 0 ? 0 : 1].reserve(limits, 10));
      const answers = await Promise.all(tries);
      expect(answers.filter((answer) => answer?.taken === true)).toHaveLength(57);
      expect(answers.filter((answer) => answer === null)).toEqual([]);
      expect(new Set(answers.flatMap((answer) => (answer?.taken ? [answer.id] : []))).size).toBe(57);
    });

    test('a limit of tokens holds over both gateways, to the token', async () => {
      const limits: SharedLimit[] = [{ key: 'deployment', rpm: null, tpm: 1_000 }];
      const tries = Array.from({ length: 100 }, (_, at) => windows[at % 2 === 0 ? 0 : 1].reserve(limits, 30));
      const answers = await Promise.all(tries);
      expect(answers.filter((answer) => answer?.taken === true)).toHaveLength(33);
      expect(await windows[1].reserve(limits, 10)).toMatchObject({ taken: true });
      expect(await windows[0].reserve(limits, 1)).toMatchObject({ taken: false, limit: 'tpm', index: 0 });
    });

    test('a place is taken in all windows or in none', async () => {
      const wide: SharedLimit = { key: 'wide', rpm: 10, tpm: null };
      const narrow: SharedLimit = { key: 'narrow', rpm: 1, tpm: null };
      expect(await windows[0].reserve([wide, narrow], 1)).toMatchObject({ taken: true });
      for (let tries = 0; tries < 20; tries += 1)
        expect(await windows[1].reserve([wide, narrow], 1)).toMatchObject({ taken: false, index: 1, limit: 'rpm' });
      expect(await redis.raw('ZCARD', 's:window:wide')).toBe(':1\r\n');
    });

    test('what can never fit says so, and what fits later says when', async () => {
      expect(await windows[0].reserve([{ key: 'none', rpm: 0, tpm: null }], 1)).toMatchObject({ remainingMs: null });
      const small: SharedLimit = { key: 'small', rpm: null, tpm: 10 };
      expect(await windows[0].reserve([small], 11)).toMatchObject({ taken: false, remainingMs: null, limit: 'tpm' });
      expect(await windows[0].reserve([small], 6)).toMatchObject({ taken: true });
      await pass(20_000);
      const refused = await windows[0].reserve([small], 6);
      if (refused?.taken !== false) throw new Error('the window was full');
      expect(refused.remainingMs).toBeGreaterThan(39_000);
      expect(refused.remainingMs).toBeLessThanOrEqual(40_000);
      await pass(refused.remainingMs ?? 0);
      expect(await windows[0].reserve([small], 6)).toMatchObject({ taken: true });
    });

    test('random sequences of two gateways go as in a naive model', async () => {
      const step = fc.oneof(
        {
          weight: 6,
          arbitrary: fc.record({
            do: fc.constant('reserve' as const),
            gateway: fc.constantFrom(0 as const, 1 as const),
            keys: fc.subarray([0, 1, 2], { minLength: 1 }),
            tokens: fc.integer({ min: 1, max: 60 }),
          }),
        },
        {
          weight: 3,
          arbitrary: fc.record({
            do: fc.constant('correct' as const),
            which: fc.nat(50),
            tokens: fc.nat(120),
            wasSent: fc.boolean(),
          }),
        },
        {
          weight: 2,
          arbitrary: fc.record({
            do: fc.constant('pass' as const),
            seconds: fc.constantFrom(1, 7, 20, 30, 59, 60, 61),
          }),
        },
      );
      const figures = fc.record({
        rpm: fc.option(fc.integer({ min: 0, max: 5 })),
        tpm: fc.option(fc.integer({ min: 0, max: 150 })),
      });
      const property = fc.asyncProperty(
        fc.tuple(figures, figures, figures),
        fc.array(step, { minLength: 5, maxLength: 30 }),
        async (limits, steps) => {
          await redis.raw('FLUSHALL');
          const model = new NaiveWindows();
          const given: { readonly id: string; readonly at: number; readonly keys: readonly string[] }[] = [];
          const startedMs = performance.now();
          for (const one of steps) {
            if (one.do === 'pass') {
              await pass(one.seconds * 1_000);
              model.nowMs += one.seconds * 1_000;
            } else if (one.do === 'correct') {
              const place = given[one.which];
              if (!place) continue;
              given.splice(one.which, 1);
              windows[0].correct(place.keys, place.id, one.tokens, one.wasSent);
              // The next command of the same connection comes after it.
              await watches[0]?.link.ask(['PING'], 1_000);
              model.correct(place.keys, place.at, one.tokens, one.wasSent);
            } else {
              const asked = one.keys.map((key) => ({ key: `k${key}`, rpm: null, tpm: null, ...limits[key] }));
              const answer = await windows[one.gateway].reserve(asked, one.tokens);
              const expected = model.reserve(asked, one.tokens);
              if (answer?.taken === true) {
                expect(expected.taken).toBe(true);
                given.push({ id: answer.id, at: model.count, keys: asked.map(({ key }) => key) });
              } else {
                const elapsedMs = performance.now() - startedMs;
                expect(answer).toMatchObject({ taken: false });
                expect(expected.taken).toBe(false);
                const remainingMs = answer?.remainingMs ?? null;
                if (expected.remainingMs === null || remainingMs === null)
                  expect(remainingMs).toBe(expected.remainingMs);
                else {
                  expect(Math.abs(remainingMs - expected.remainingMs)).toBeLessThanOrEqual(elapsedMs + 1);
                  expect(remainingMs).toBeLessThanOrEqual(MINUTE_MS);
                }
              }
            }
          }
        },
      );
      await fc.assert(property, { numRuns: 150 });
    });

    test('a request whose minute is over adds only what it took beyond its reservation, and counts as none', async () => {
      const limits: SharedLimit[] = [{ key: 'slow', rpm: 1, tpm: 100 }];
      const place = await windows[0].reserve(limits, 10);
      if (place?.taken !== true) throw new Error('the window was empty');
      await pass(70_000);
      windows[0].correct(['slow'], place.id, 95, true);
      await watches[0]?.link.ask(['PING'], 1_000);
      expect(await windows[1].reserve(limits, 16)).toMatchObject({ taken: false, limit: 'tpm' });
      expect(await windows[1].reserve(limits, 15)).toMatchObject({ taken: true });
    });

    test('scripts that Redis has forgotten are sent again', async () => {
      const limits: SharedLimit[] = [{ key: 'k', rpm: 2, tpm: null }];
      expect(await windows[0].reserve(limits, 1)).toMatchObject({ taken: true });
      await redis.raw('SCRIPT', 'FLUSH');
      expect(await windows[0].reserve(limits, 1)).toMatchObject({ taken: true });
      expect(await windows[0].reserve(limits, 1)).toMatchObject({ taken: false });
    });

    test('refusals take no memory, and an unused window is gone after its minute', async () => {
      const limits: SharedLimit[] = [{ key: 'k', rpm: 3, tpm: 1_000 }];
      for (let tries = 0; tries < 50; tries += 1) await windows[0].reserve(limits, 1);
      expect(await redis.raw('ZCARD', 's:window:k')).toBe(':3\r\n');
      expect(await redis.raw('HLEN', 's:tokens:k')).toBe(':5\r\n');
      for (const key of ['s:window:k', 's:tokens:k']) {
        const leftMs = Number((await redis.raw('PTTL', key)).slice(1));
        expect(leftMs).toBeGreaterThan(59_000);
        expect(leftMs).toBeLessThanOrEqual(61_000);
      }
    });

    test.each(['s:window:k', 's:tokens:k'])('a window of which Redis has thrown out %s begins anew', async (lost) => {
      const limits: SharedLimit[] = [{ key: 'k', rpm: 2, tpm: 100 }];
      for (let tries = 0; tries < 3; tries += 1) await windows[0].reserve(limits, 10);
      await redis.raw('DEL', lost);
      const answers = [];
      for (let tries = 0; tries < 4; tries += 1) answers.push((await windows[1].reserve(limits, 10))?.taken);
      expect(answers).toEqual([true, true, false, false]);
    });

    test('a clock of Redis that was set back does not close a window', async () => {
      const limits: SharedLimit[] = [{ key: 'k', rpm: 1, tpm: null }];
      expect(await windows[0].reserve(limits, 10)).toMatchObject({ taken: true });
      await pass(-3_600_000);
      expect(await windows[0].reserve(limits, 10)).toMatchObject({ taken: true });
      expect(await windows[0].reserve(limits, 10)).toMatchObject({ taken: false });
    });
  },
);

interface ModelEntry {
  readonly key: string;
  readonly place: number;
  readonly atMs: number;
  readonly reserved: number;
  readonly requests: number;
  tokens: number;
}

/** Says the same with a list that is searched each time. */
class NaiveWindows {
  nowMs = 0;
  count = 0;
  #entries: ModelEntry[] = [];
  #reserved = new Map<number, number>();

  reserve(limits: readonly SharedLimit[], tokens: number): { taken: boolean; remainingMs: number | null } {
    const waits = limits.map((limit) => this.#waitMs(limit, tokens));
    if (waits.some((wait) => wait !== 0))
      return { taken: false, remainingMs: waits.includes(null) ? null : Math.max(...waits.map(Number)) };
    this.count += 1;
    this.#reserved.set(this.count, tokens);
    for (const { key } of limits)
      this.#entries.push({ key, place: this.count, atMs: this.nowMs, reserved: tokens, requests: 1, tokens });
    return { taken: true, remainingMs: 0 };
  }

  correct(keys: readonly string[], place: number, tokens: number, wasSent: boolean): void {
    const reserved = this.#reserved.get(place) ?? 0;
    for (const key of keys) {
      const entry = this.#alive(key).find((one) => one.place === place && one.requests === 1);
      if (!wasSent) this.#entries = this.#entries.filter((one) => one !== entry);
      else if (entry) entry.tokens = tokens;
      else if (tokens > reserved)
        this.#entries.push({ key, place, atMs: this.nowMs, reserved, requests: 0, tokens: tokens - reserved });
    }
  }

  /** 0: it fits now. Tried at each moment at which something leaves. */
  #waitMs(limit: SharedLimit, tokens: number): number | null {
    const moments = [0, ...this.#alive(limit.key).map((entry) => entry.atMs + MINUTE_MS - this.nowMs)];
    const fits = moments.filter((inMs) => {
      const left = this.#alive(limit.key, this.nowMs + inMs);
      const requests = left.reduce((sum, entry) => sum + entry.requests, 0);
      const used = left.reduce((sum, entry) => sum + entry.tokens, 0);
      return requests + 1 <= (limit.rpm ?? Infinity) && used + tokens <= (limit.tpm ?? Infinity);
    });
    return fits.length === 0 ? null : Math.min(...fits);
  }

  #alive(key: string, atMs = this.nowMs): ModelEntry[] {
    return this.#entries.filter((entry) => entry.key === key && atMs - entry.atMs < MINUTE_MS);
  }
}
