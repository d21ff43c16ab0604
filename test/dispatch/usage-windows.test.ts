import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { UsageWindow } from '../../gateway/dispatch/usage-windows.ts';
import { FakeClock } from '../support/fake-clock.ts';

const MINUTE_MS = 60_000;

/** The same, said plainly: every start and every correction is kept, and all are looked at each time. */
class Model {
  #entries: { atMs: number; requests: number; tokens: number }[] = [];

  add(atMs: number, tokens: number) {
    const entry = { atMs, requests: 1, tokens };
    this.#entries.push(entry);
    return entry;
  }

  correct(nowMs: number, entry: { atMs: number; tokens: number }, reserved: number, taken: number): void {
    if (nowMs - entry.atMs < MINUTE_MS) entry.tokens += taken - reserved;
    else if (taken > reserved) this.#entries.push({ atMs: nowMs, requests: 0, tokens: taken - reserved });
  }

  takeBack(nowMs: number, entry: { atMs: number; requests: number; tokens: number }, reserved: number): void {
    if (nowMs - entry.atMs >= MINUTE_MS) return;
    entry.requests -= 1;
    entry.tokens -= reserved;
  }

  /** The first of all moments at which something leaves, and at which no more than that is left. */
  msUntil(nowMs: number, of: 'requests' | 'tokens', most: number): number {
    const moments = [nowMs, ...this.#entries.map(({ atMs }) => atMs + MINUTE_MS).filter((atMs) => atMs > nowMs)];
    const free = moments.filter((atMs) => this.sums(atMs)[of] <= most);
    return Math.min(...free) - nowMs;
  }

  sums(nowMs: number): { requests: number; tokens: number } {
    const counting = this.#entries.filter(({ atMs }) => nowMs - atMs < MINUTE_MS);
    return {
      requests: counting.reduce((sum, { requests }) => sum + requests, 0),
      tokens: counting.reduce((sum, { tokens }) => sum + tokens, 0),
    };
  }
}

const steps = fc.array(
  fc.oneof(
    fc.record({ is: fc.constant('wait' as const), ms: fc.oneof(fc.nat(5), fc.nat(20_000), fc.nat(130_000)) }),
    fc.record({ is: fc.constant('begin' as const), tokens: fc.nat(5_000) }),
    fc.record({ is: fc.constant('end' as const), which: fc.nat(), tokens: fc.nat(5_000) }),
    fc.record({ is: fc.constant('takeBack' as const), which: fc.nat() }),
  ),
  { maxLength: 300 },
);

describe('what a deployment took in the sliding minute', () => {
  test('is what counting every single request gives, at any moment', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const clock = new FakeClock(0);
        const window = new UsageWindow();
        const model = new Model();
        const running: { place: number; entry: ReturnType<Model['add']>; reserved: number }[] = [];
        for (const step of all) {
          const now = clock.monotonic();
          if (step.is === 'wait') clock.advance(step.ms);
          else if (step.is === 'begin')
            running.push({
              place: window.add(now, step.tokens),
              entry: model.add(now, step.tokens),
              reserved: step.tokens,
            });
          else {
            const [ended] = running.splice(step.which % Math.max(1, running.length), 1);
            if (ended === undefined) continue;
            if (step.is === 'takeBack') {
              window.takeBack(now, ended.place, ended.reserved);
              model.takeBack(now, ended.entry, ended.reserved);
              continue;
            }
            window.correct(now, ended.place, ended.reserved, step.tokens);
            model.correct(now, ended.entry, ended.reserved, step.tokens);
          }
          const at = clock.monotonic();
          expect({ requests: window.requests(at), tokens: window.tokens(at) }).toEqual(model.sums(at));
          for (const most of [-1, 0, 3, 100]) {
            expect(window.msUntilRequests(at, most)).toBe(model.msUntil(at, 'requests', most));
            expect(window.msUntilTokens(at, most * 50)).toBe(model.msUntil(at, 'tokens', most * 50));
          }
        }
      }),
    );
  });

  test('lets a limit of N admit N in any minute, never one more and never one less', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.array(fc.nat(9_000), { maxLength: 300 }), (limit, waits) => {
        const clock = new FakeClock(0);
        const window = new UsageWindow();
        const admitted: number[] = [];
        for (const wait of waits) {
          clock.advance(wait);
          const now = clock.monotonic();
          const inMinute = admitted.filter((atMs) => now - atMs < MINUTE_MS).length;
          const isAdmitted = window.requests(now) < limit;
          expect(isAdmitted).toBe(inMinute < limit);
          if (!isAdmitted) continue;
          window.add(now, 0);
          admitted.push(now);
        }
      }),
    );
  });

  test('counts a request until the minute after its start is over, to the millisecond', () => {
    const window = new UsageWindow();
    window.add(1_000, 10);
    expect([window.requests(60_999), window.tokens(60_999)]).toEqual([1, 10]);
    expect([window.requests(61_000), window.tokens(61_000)]).toEqual([0, 0]);
  });

  test('never forgets a request early where the clock has fractions of a millisecond', () => {
    const window = new UsageWindow();
    window.add(0.9, 1);
    expect(window.requests(60_000.8)).toBe(1);
    expect(window.requests(60_001)).toBe(0);
  });

  test('keeps what a request took beyond its reservation from the moment it is known, when its start counts no more', () => {
    const window = new UsageWindow();
    const place = window.add(0, 100);
    window.correct(90_000, place, 100, 700);
    expect([window.requests(90_000), window.tokens(90_000)]).toEqual([0, 600]);
    expect(window.tokens(150_000)).toBe(0);
  });

  test('forgets a request that never took place, and only once its minute is over has nothing to forget', () => {
    const window = new UsageWindow();
    const place = window.add(0, 100);
    window.add(0, 7);
    window.takeBack(59_999, place, 100);
    expect([window.requests(59_999), window.tokens(59_999)]).toEqual([1, 7]);
    const late = window.add(60_000, 5);
    window.add(100_000, 3);
    window.takeBack(120_000, late, 5);
    expect([window.requests(120_000), window.tokens(120_000)]).toEqual([1, 3]);
  });

  test('stays exact when very many come, and is empty again a minute later', () => {
    const window = new UsageWindow();
    for (let at = 0; at < 200_000; at += 1) window.add(at, 3);
    expect([window.requests(199_999), window.tokens(199_999)]).toEqual([MINUTE_MS, 3 * MINUTE_MS]);
    expect([window.requests(259_999), window.tokens(259_999)]).toEqual([0, 0]);
    const place = window.add(260_000, 5);
    window.correct(260_001, place, 5, 8);
    expect([window.requests(260_001), window.tokens(260_001)]).toEqual([1, 8]);
  });
});
