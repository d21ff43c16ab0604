import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  Breaker,
  FAILURE_WINDOW_MS,
  type FailurePlan,
  MOST_DOUBLED,
  QUIET_MS,
  TRIAL_MS,
} from '../../gateway/dispatch/breaker.ts';
import type { Failure } from '../../gateway/types.ts';

const failure: Failure = { kind: 'server_error', message: 'it failed', status: 500, retryAfterMs: null };

const plan: FailurePlan = {
  family: 'failing',
  is: 'cooling_down',
  bucket: 'default',
  threshold: 3,
  baseMs: 1_000,
  doubles: true,
  successThreshold: 1,
};

const at = (begunAt: number) => ({ begunAt, hasAnswered: false });

/** Taken out at 0 ms for 1,000 ms, as opening number 1. */
function opened(changes: Partial<FailurePlan> = {}): Breaker {
  const breaker = new Breaker();
  breaker.failed(at(0), failure, { ...plan, ...changes, threshold: 1 }, 0, 1);
  return breaker;
}

describe('closed', () => {
  test('lets everybody through and opens at the threshold, for the time of the plan', () => {
    const breaker = new Breaker();
    expect(breaker.failed(at(0), failure, plan, 10, 1)).toBeNull();
    expect(breaker.failed(at(0), failure, plan, 20, 1)).toBeNull();
    expect([breaker.opening, breaker.blocked(20)]).toEqual([null, null]);
    expect(breaker.failed(at(0), failure, plan, 30, 1)).toBe('opened');
    expect(breaker.opening).toMatchObject({ because: 'server_error', message: 'it failed', untilMs: 1_030 });
    expect(breaker.blocked(30)).toEqual({ reason: 'cooling_down', remainingMs: 1_000, isByRequest: false });
  });

  test('begins to count anew after a success', () => {
    const breaker = new Breaker();
    for (let count = 0; count < 4; count += 1) {
      breaker.failed(at(0), failure, plan, count, 1);
      if (count === 1) breaker.succeeded(at(0), count);
    }
    expect(breaker.opening).toBeNull();
  });

  test('counts each bucket by itself, and none whose plan opens nothing', () => {
    const breaker = new Breaker();
    for (const bucket of ['a', 'b', 'a', 'b']) breaker.failed(at(0), failure, { ...plan, bucket }, 0, 1);
    for (let count = 0; count < 2_000; count += 1) breaker.failed(at(0), failure, { ...plan, threshold: null }, 0, 1);
    expect(breaker.opening).toBeNull();
    expect(breaker.failed(at(0), failure, { ...plan, bucket: 'b' }, 0, 1)).toBe('opened');
  });

  test('is forgettable when its last failure no longer counts', () => {
    const breaker = new Breaker();
    expect(breaker.isForgettable(0)).toBe(true);
    breaker.failed(at(0), failure, plan, 5, 1);
    expect(breaker.isForgettable(5 + FAILURE_WINDOW_MS - 1)).toBe(false);
    expect(breaker.isForgettable(5 + FAILURE_WINDOW_MS)).toBe(true);
  });

  test('opens at a threshold in the thousands as if it were a thousand: it remembers no more', () => {
    const breaker = new Breaker();
    let failures = 0;
    while (breaker.opening === null && failures < 5_000) {
      breaker.failed(at(0), failure, { ...plan, threshold: 1_000_000 }, 0, 1);
      failures += 1;
    }
    expect(failures).toBe(1_000);
  });
});

describe('open', () => {
  test('has no trial before its time is up', () => {
    const breaker = opened();
    expect([breaker.begin(at(1), 999), breaker.isTried]).toEqual([null, false]);
    expect([breaker.begin(at(1), 1_000), breaker.isTried]).toEqual(['tried', true]);
  });

  test('is forgettable when nobody tried for long after its time was up', () => {
    const breaker = opened();
    expect(breaker.isForgettable(1_000 + QUIET_MS - 1)).toBe(false);
    expect(breaker.isForgettable(1_000 + QUIET_MS)).toBe(true);
    breaker.begin(at(1), 5_000);
    expect(breaker.isForgettable(1_000 + QUIET_MS)).toBe(false);
    expect(breaker.isForgettable(5_000 + TRIAL_MS + QUIET_MS)).toBe(true);
  });

  test('is prolonged by an attempt that began after it, and not by one from before', () => {
    const breaker = opened();
    expect(breaker.failed(at(0), failure, plan, 500, 2)).toBeNull();
    expect(breaker.opening?.untilMs).toBe(1_000);
    expect(breaker.failed(at(1), failure, plan, 500, 2)).toBe('prolonged');
    expect(breaker.opening?.untilMs).toBe(1_500);
  });
});

describe('half-open', () => {
  test('has one trial, and says when the next may be', () => {
    const breaker = opened();
    const trial = at(1);
    breaker.begin(trial, 1_000);
    expect(breaker.begin(at(1), 1_000)).toBeNull();
    expect(breaker.blocked(1_000)).toEqual({ reason: 'breaker_open', remainingMs: TRIAL_MS, isByRequest: false });
    breaker.giveBack(at(1));
    expect(breaker.blocked(1_000)).not.toBeNull();
    breaker.giveBack(trial);
    expect(breaker.blocked(1_000)).toBeNull();
  });

  test('closes when the trial succeeds, even where another attempt fails meanwhile', () => {
    const breaker = opened();
    const trial = at(1);
    breaker.begin(trial, 1_000);
    breaker.failed(at(1), failure, plan, 1_100, 2);
    expect(breaker.succeeded(trial, 1_200)).toBe('closed');
  });

  test('counts one success of an attempt that answers and then ends well, and no failure in a row less', () => {
    const breaker = opened({ successThreshold: 2 });
    const trial = at(1);
    breaker.begin(trial, 1_000);
    expect([breaker.answered(trial, 1_100), breaker.isTried, breaker.opening?.successes]).toEqual([null, false, 1]);
    breaker.succeeded({ ...trial, hasAnswered: true }, 1_200);
    expect(breaker.opening?.successes).toBe(1);
    expect(breaker.answered(at(1), 1_300)).toBe('closed');
    for (let count = 0; count < 3; count += 1) {
      breaker.answered(at(1), 1_400);
      breaker.failed({ ...at(1), hasAnswered: true }, failure, plan, 1_400, 2);
    }
    expect(breaker.opening?.number).toBe(2);
  });

  test('opens again from the moment the trial fails, with the doubled time', () => {
    const breaker = opened();
    const trial = at(1);
    breaker.begin(trial, 1_000);
    expect(breaker.failed(trial, failure, plan, 4_000, 2)).toBe('opened');
    expect(breaker.opening).toMatchObject({ number: 2, untilMs: 6_000, durationMs: 2_000 });
  });

  test('closes when the trial fails under settings that know no cooldown any more', () => {
    const breaker = opened();
    const trial = at(1);
    breaker.begin(trial, 1_000);
    expect(breaker.failed(trial, failure, { ...plan, baseMs: 0 }, 1_000, 2)).toBe('closed');
  });

  test('doubles the time only of failures that are cured alike', () => {
    const breaker = opened();
    const trial = at(1);
    breaker.begin(trial, 1_000);
    breaker.failed(trial, failure, { ...plan, family: 'pause', baseMs: 700, doubles: false }, 1_000, 2);
    expect(breaker.opening?.durationMs).toBe(700);
  });
});

test('however it is used, it is never out for longer than ten times its base after the last failure', () => {
  const step = fc.record({ does: fc.constantFrom('fail', 'try', 'wait', 'give'), ms: fc.nat(5_000) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const breaker = new Breaker();
      let [nowMs, openings, lastFailureMs] = [0, 0, 0];
      let trial = at(0);
      for (const { does, ms } of steps) {
        if (does === 'wait') nowMs += ms;
        else if (does === 'give') breaker.giveBack(trial);
        else if (does === 'try') {
          trial = at(openings);
          breaker.begin(trial, nowMs);
        } else {
          if (breaker.failed(trial, failure, plan, nowMs, openings + 1) === 'opened') openings += 1;
          lastFailureMs = nowMs;
        }
        const untilMs = breaker.opening?.untilMs ?? 0;
        expect(untilMs - lastFailureMs).toBeLessThanOrEqual(plan.baseMs * MOST_DOUBLED);
      }
    }),
  );
});
