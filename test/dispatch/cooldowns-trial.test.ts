import { describe, expect, test } from 'vitest';
import type { ReliabilitySettings } from '../../gateway/config/settings.ts';
import type { FailureKind } from '../../gateway/types.ts';
import { failure, world } from './cooldown-world.ts';

describe('a 429', () => {
  test('pauses the deployment at once, as long as any cooldown where nobody says how long', () => {
    const { fail, blocked } = world();
    fail('rate_limited');
    expect(blocked()).toEqual({ reason: 'cooling_down', remainingMs: 30_000, isByRequest: true });
    expect(blocked('other')).toBeNull();
  });

  test.each([
    [60_000, null, 60_000],
    [null, 7_000, 7_000],
    [60_000, 7_000, 60_000],
    [60_000, 90_000, 90_000],
    [null, 0, 30_000],
    [null, 7 * 86_400_000, 86_400_000],
  ])('pauses for the longer of %s (settings) and %s (server): %s', (durationMs, retryAfterMs, expected) => {
    const { fail, remaining } = world({ rateLimited: { isEnabled: true, durationMs } });
    fail('rate_limited', 1, retryAfterMs);
    expect(remaining()).toBe(expected);
  });

  test('keeps its name while a trial is out, so that nobody presses on', () => {
    const { fail, begin, blocked, clock } = world();
    fail('rate_limited', 1, 5_000);
    clock.advance(5_000);
    begin();
    expect(blocked()).toMatchObject({ reason: 'cooling_down', isByRequest: true });
  });

  test('asks for its time again on trial, without doubling what was asked for', () => {
    const { fail, remaining, clock } = world();
    fail('rate_limited', 1, 5_000);
    clock.advance(5_000);
    fail('rate_limited', 1, 5_000);
    expect(remaining()).toBe(5_000);
    clock.advance(5_000);
    fail('server_error');
    expect(remaining()).toBe(30_000);
  });

  test('of an earlier request prolongs a cooldown and makes it a pause', () => {
    const { fail, begin, blocked } = world();
    const early = begin();
    fail('server_error', 3);
    early.end(failure('rate_limited', 90_000));
    expect(blocked()).toEqual({ reason: 'cooling_down', remainingMs: 90_000, isByRequest: true });
  });

  test('is a failure like any other where rate_limited_fallback is off', () => {
    const { fail, blocked } = world({ rateLimited: { isEnabled: false, durationMs: null } });
    fail('rate_limited', 2, 90_000);
    expect(blocked()).toBeNull();
    fail('rate_limited', 1, 90_000);
    expect(blocked()).toEqual({ reason: 'cooling_down', remainingMs: 30_000, isByRequest: false });
  });
});

describe('one whose time is up', () => {
  function halfOpen(reliability: Partial<ReliabilitySettings> = {}) {
    const made = world(reliability);
    made.fail('server_error', 3);
    made.clock.advance(30_000);
    return made;
  }

  test('lets exactly one request through, and tells the others how long', () => {
    const { begin, blocked, told, clock } = halfOpen();
    expect(blocked()).toBeNull();
    begin();
    expect(blocked()).toEqual({ reason: 'breaker_open', remainingMs: 60_000, isByRequest: false });
    clock.advance(1_000);
    begin();
    expect(blocked()?.remainingMs).toBe(59_000);
    expect(told()).toEqual(['cooling_down m', 'half_open m']);
  });

  test('is closed by a trial that succeeds, and counts from the beginning', () => {
    const { begin, blocked, fail, told, cooldowns } = halfOpen();
    begin().end(null);
    expect(cooldowns.isIdle).toBe(true);
    fail('server_error', 2);
    expect(blocked()).toBeNull();
    expect(told()).toEqual(['cooling_down m', 'half_open m', 'closed m']);
  });

  test('needs success_threshold trials, one after another', () => {
    const { begin, blocked, succeed, cooldowns } = halfOpen({ successThreshold: 3 });
    for (let count = 0; count < 2; count += 1) {
      const trial = begin();
      expect(blocked()?.reason).toBe('breaker_open');
      trial.end(null);
      expect([blocked(), cooldowns.isIdle]).toEqual([null, false]);
    }
    succeed();
    expect(cooldowns.isIdle).toBe(true);
  });

  test('begins to count successes anew after a trial that fails', () => {
    const { succeed, fail, clock, cooldowns } = halfOpen({ successThreshold: 2 });
    succeed();
    fail('server_error');
    clock.advance(60_000);
    succeed();
    expect(cooldowns.isIdle).toBe(false);
    succeed();
    expect(cooldowns.isIdle).toBe(true);
  });

  test('is left alone twice as long after each trial that fails, up to ten times, and 30 s again once it was well', () => {
    const { fail, succeed, remaining, clock } = halfOpen();
    const times = [];
    for (let count = 0; count < 6; count += 1) {
      fail('server_error');
      times.push(remaining());
      clock.advance(remaining() ?? 0);
    }
    expect(times).toEqual([60_000, 120_000, 240_000, 300_000, 300_000, 300_000]);
    succeed();
    fail('server_error', 3);
    expect(remaining()).toBe(30_000);
  });

  test.each<FailureKind | 'abandoned'>([
    'cancelled',
    'bad_request',
    'context_exceeded',
    'content_filtered',
    'unsupported',
    'loading',
    'abandoned',
  ])('gets its trial back when that ends in %s', (kind) => {
    const { begin, blocked, cooldowns } = halfOpen();
    const trial = begin();
    if (kind === 'abandoned') trial.abandon();
    else trial.end(failure(kind));
    expect([blocked(), cooldowns.isIdle]).toEqual([null, false]);
    begin();
    expect(blocked()?.reason).toBe('breaker_open');
  });

  test('lets another request try when a trial has been out for a minute', () => {
    const { begin, blocked, clock } = halfOpen();
    const first = begin();
    clock.advance(60_000);
    expect(blocked()).toBeNull();
    const second = begin();
    expect(blocked()).not.toBeNull();
    first.end(failure('cancelled'));
    expect(blocked()).not.toBeNull();
    second.end(null);
    expect(blocked()).toBeNull();
  });

  test('is closed as soon as the trial begins to answer, however long the answer is', () => {
    const { begin, blocked, told } = halfOpen();
    const trial = begin();
    trial.answered();
    expect([blocked(), told().at(-1)]).toEqual([null, 'closed m']);
    trial.answered();
    trial.end(null);
    expect(told()).toEqual(['cooling_down m', 'half_open m', 'closed m']);
  });

  test('lets the next request try as soon as a trial begins to answer, and counts each attempt once', () => {
    const { begin, blocked, cooldowns } = halfOpen({ successThreshold: 3 });
    const [first, second] = [begin(), begin()];
    first.answered();
    expect([blocked(), cooldowns.isIdle]).toEqual([null, false]);
    first.answered();
    first.end(null);
    second.end(null);
    expect(cooldowns.isIdle).toBe(false);
    begin().answered();
    expect(cooldowns.isIdle).toBe(true);
  });

  test('is blamed for an answer that breaks off after it let others in', () => {
    const { begin, remaining, clock } = halfOpen({ successThreshold: 2 });
    const trial = begin();
    trial.answered();
    clock.advance(20_000);
    trial.end(failure('broken'));
    expect(remaining()).toBe(30_000);
  });

  test('knows nothing more of an attempt that ended', () => {
    const { begin, blocked } = halfOpen();
    const trial = begin();
    trial.abandon();
    begin();
    trial.answered();
    expect(blocked()?.reason).toBe('breaker_open');
  });

  test('is forgotten when nobody asks it for ten minutes', () => {
    const { fail, blocked, cooldowns, clock, told } = halfOpen();
    clock.advance(600_000);
    expect(cooldowns.list()).toEqual([]);
    expect(cooldowns.isIdle).toBe(true);
    expect(told().at(-1)).toBe('closed m');
    fail('server_error');
    expect(blocked()).toBeNull();
  });
});

describe('attempts beside the trial', () => {
  test('that began before it was taken out do not count against it again', () => {
    const { begin, remaining, clock } = world();
    const many = Array.from({ length: 100 }, () => begin());
    for (const attempt of many.slice(0, 50)) attempt.end(failure('server_error'));
    clock.advance(5_000);
    for (const attempt of many.slice(50)) attempt.end(failure('server_error'));
    expect(remaining()).toBe(25_000);
    clock.advance(25_000);
    begin().end(failure('server_error'));
    expect(remaining()).toBe(60_000);
  });

  test('that began before it was taken out do not end it either', () => {
    const { begin, fail, remaining } = world();
    const early = begin();
    fail('server_error', 3);
    early.end(null);
    expect(remaining()).toBe(30_000);
  });

  test('made all the same close it when they succeed', () => {
    const { fail, succeed, blocked, clock } = world();
    fail('server_error', 3);
    clock.advance(1_000);
    succeed();
    expect(blocked()).toBeNull();
  });

  test('made all the same make its time begin anew when they fail, and never double it', () => {
    const { begin, fail, remaining, clock } = world();
    fail('server_error', 3);
    clock.advance(10_000);
    const pressing = Array.from({ length: 20 }, () => begin());
    clock.advance(5_000);
    for (const attempt of pressing) attempt.end(failure('server_error'));
    expect(remaining()).toBe(30_000);
    clock.advance(30_000);
    fail('server_error');
    expect(remaining()).toBe(60_000);
  });
});
