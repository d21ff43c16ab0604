import { describe, expect, test } from 'vitest';
import { MOST_CELLS } from '../../gateway/dispatch/cooldowns.ts';
import type { FailureKind } from '../../gateway/types.ts';
import { entry, failure, world } from './cooldown-world.ts';

describe('a deployment that fails', () => {
  test('is left alone for 30 s from the third failure in a row', () => {
    const { fail, blocked, clock } = world();
    fail('server_error', 2);
    expect(blocked()).toBeNull();
    fail('server_error');
    expect(blocked()).toEqual({ reason: 'cooling_down', remainingMs: 30_000, isByRequest: false });
    clock.advance(29_999);
    expect(blocked()?.remainingMs).toBe(1);
    clock.advance(1);
    expect(blocked()).toBeNull();
  });

  test('is counted anew after a success', () => {
    const { fail, succeed, blocked } = world();
    fail('server_error', 2);
    succeed();
    fail('server_error', 2);
    expect(blocked()).toBeNull();
    fail('server_error');
    expect(blocked()).not.toBeNull();
  });

  test('is not counted anew by answers that begin and break off', () => {
    const { begin, blocked } = world();
    for (let count = 0; count < 3; count += 1) {
      expect(blocked()).toBeNull();
      const attempt = begin();
      attempt.answered();
      attempt.end(failure('broken'));
    }
    expect(blocked()).not.toBeNull();
  });

  test('is forgiven what happened 60 s ago', () => {
    const { fail, blocked, clock } = world();
    fail('server_error');
    clock.advance(60_000);
    fail('server_error', 2);
    expect(blocked()).toBeNull();
    clock.advance(59_999);
    fail('server_error');
    expect(blocked()).not.toBeNull();
  });

  test('takes neither its provider nor its namesake elsewhere with it', () => {
    const { fail, blocked } = world();
    fail('server_error', 3);
    expect([blocked('other'), blocked('m', 'q')]).toEqual([null, null]);
  });

  test.each<FailureKind>([
    'timeout_connect',
    'timeout_first_byte',
    'timeout_idle',
    'timeout_total',
    'overloaded',
    'bad_answer',
    'server_error',
    'broken',
    'model_missing',
  ])('is taken out by %s, and only it', (kind) => {
    const { fail, blocked } = world();
    fail(kind, 3);
    expect([blocked()?.reason, blocked('other')]).toEqual(['cooling_down', null]);
  });

  test.each<FailureKind>([
    'bad_request',
    'context_exceeded',
    'content_filtered',
    'unsupported',
    'cancelled',
    'loading',
  ])('is never blamed for %s', (kind) => {
    const { fail, blocked, cooldowns } = world({ allowedFails: 1 });
    fail(kind, 500);
    expect(blocked()).toBeNull();
    expect(cooldowns.isIdle).toBe(true);
  });

  test('is not counted anew by an end that says nothing', () => {
    const { fail, begin, blocked } = world();
    fail('server_error', 2);
    fail('cancelled');
    fail('bad_request');
    begin().abandon();
    fail('server_error');
    expect(blocked()).not.toBeNull();
  });

  test('is counted once for each attempt, however often that is ended', () => {
    const { begin, blocked } = world();
    const attempt = begin();
    for (let count = 0; count < 9; count += 1) attempt.end(failure('server_error'));
    attempt.end(null);
    expect(blocked()).toBeNull();
  });
});

describe('the settings of failures', () => {
  test('allowed_fails says which failure is too many; 0 and 1 are the first', () => {
    for (const allowedFails of [0, 1, 5]) {
      const { fail, blocked } = world({ allowedFails });
      fail('server_error', Math.max(0, allowedFails - 1));
      expect(blocked()).toBeNull();
      fail('server_error');
      expect(blocked()).not.toBeNull();
    }
  });

  test('allowed_fails_policy counts a class it names by itself, and its default all others', () => {
    const allowedFailsPolicy = new Map([['timeout', 4] as const, ['default', 2] as const]);
    const { fail, blocked } = world({ allowedFailsPolicy });
    fail('timeout_idle', 3);
    fail('server_error');
    expect(blocked()).toBeNull();
    fail('bad_answer');
    expect(blocked()).not.toBeNull();
    const other = world({ allowedFailsPolicy });
    other.fail('server_error');
    other.fail('timeout_idle', 3);
    expect(other.blocked()).toBeNull();
    other.fail('timeout_total');
    expect(other.blocked()).not.toBeNull();
  });

  test('allowed_fails_policy also allows refused keys and 429s without a time, where it names them', () => {
    const allowedFailsPolicy = new Map([['auth', 2] as const, ['rate_limited', 2] as const]);
    for (const kind of ['auth', 'rate_limited'] as const) {
      const { fail, blocked } = world({ allowedFailsPolicy });
      fail(kind);
      expect(blocked()).toBeNull();
      fail(kind);
      expect(blocked()).not.toBeNull();
    }
    const { fail, remaining } = world({ allowedFailsPolicy });
    fail('rate_limited', 1, 5_000);
    expect(remaining()).toBe(5_000);
  });

  test("cooldown_time is the time, and an entry's own wins", () => {
    const { fail, remaining, begin } = world({ cooldownMs: 60_000, allowedFails: 1 });
    fail('server_error');
    expect(remaining()).toBe(60_000);
    begin('n', 'p', entry(5_000)).end(failure('server_error'));
    expect(remaining('n')).toBe(5_000);
    begin('o', 'p', entry(null)).end(failure('server_error'));
    expect(remaining('o')).toBe(60_000);
  });

  test('a cooldown_time of 0 takes nothing out', () => {
    const { fail, blocked, cooldowns } = world({ cooldownMs: 0, allowedFails: 1 });
    fail('server_error', 10);
    fail('unreachable');
    expect([blocked(), cooldowns.isIdle]).toEqual([null, true]);
  });

  test('a circuit breaker has its own threshold, time and name', () => {
    const circuitBreaker = { failureThreshold: 10, openMs: 120_000 };
    const { fail, blocked, begin } = world({ circuitBreaker });
    fail('server_error', 9);
    expect(blocked()).toBeNull();
    fail('server_error');
    expect(blocked()).toEqual({ reason: 'breaker_open', remainingMs: 120_000, isByRequest: false });
    for (let count = 0; count < 10; count += 1) begin('n', 'p', entry(5_000)).end(failure('broken'));
    expect(blocked('n')).toEqual({ reason: 'breaker_open', remainingMs: 5_000, isByRequest: false });
  });

  test('what holds when it starts holds to its end, and new settings from the next', () => {
    const { fail, set, remaining, clock } = world();
    fail('server_error', 3);
    set({ cooldownMs: 1_000 });
    expect(remaining()).toBe(30_000);
    clock.advance(30_000);
    fail('server_error');
    expect(remaining()).toBe(10_000);
  });
});

describe('disable_cooldowns', () => {
  test('leaves only the pause after a 429, and no trial after that', () => {
    const circuitBreaker = { failureThreshold: 1, openMs: 1_000 };
    const { fail, blocked, begin, clock } = world({ isCooldownDisabled: true, allowedFails: 1, circuitBreaker });
    fail('server_error', 20);
    fail('unreachable');
    fail('auth');
    expect(blocked()).toBeNull();
    fail('rate_limited', 1, 4_000);
    expect(blocked()).toEqual({ reason: 'cooling_down', remainingMs: 4_000, isByRequest: true });
    clock.advance(4_000);
    begin();
    expect(blocked()).toBeNull();
  });

  test('ends those that run when it is switched on, but for a pause', () => {
    const { fail, set, blocked, begin, cooldowns, told } = world();
    fail('server_error', 3);
    fail('auth');
    begin('n').end(failure('rate_limited', 5_000));
    set({ isCooldownDisabled: true });
    expect([blocked(), blocked('n')?.isByRequest]).toEqual([null, true]);
    expect(cooldowns.list().map(({ model }) => model)).toEqual(['n']);
    expect(told()).toEqual(['cooling_down m', 'cooling_down *', 'cooling_down n', 'closed m', 'closed *']);
  });
});

describe('a provider as a whole', () => {
  test.each<FailureKind>(['unreachable', 'auth'])('is taken out by one %s', (kind) => {
    const { fail, blocked, told } = world();
    fail(kind);
    expect(blocked('other')).toEqual({ reason: 'cooling_down', remainingMs: 30_000, isByRequest: false });
    expect(blocked('m', 'q')).toBeNull();
    expect(told()).toEqual(['cooling_down *']);
  });

  test('that could not be reached is back when a probe gets through', () => {
    const { fail, blocked, cooldowns, told } = world();
    fail('unreachable');
    cooldowns.probed('q');
    expect(blocked()).not.toBeNull();
    cooldowns.probed('p');
    expect([blocked(), cooldowns.isIdle]).toEqual([null, true]);
    expect(told()).toEqual(['cooling_down *', 'closed *']);
  });

  test('is not back by a probe that asked for no key, nor is a failing deployment', () => {
    const { fail, blocked, cooldowns } = world();
    fail('auth');
    fail('server_error', 3);
    cooldowns.probed('p');
    expect([blocked('other'), blocked()]).not.toContain(null);
  });

  test('that could not be reached is back by any request that gets through, at once and whatever comes of it', () => {
    for (const kind of [null, 'server_error', 'bad_request', 'rate_limited', 'loading'] as const) {
      const { fail, begin, blocked } = world({ successThreshold: 3 });
      fail('unreachable');
      begin('other').end(kind === null ? null : failure(kind));
      expect(blocked('third')).toBeNull();
    }
  });

  test('that could not be reached is back as soon as an answer begins', () => {
    const { begin, fail, blocked } = world();
    fail('unreachable');
    begin().answered();
    expect(blocked()).toBeNull();
  });

  test('is back by an answer that was under way before, but not by one that broke off', () => {
    const { fail, begin, blocked } = world();
    const [whole, half] = [begin(), begin()];
    fail('unreachable');
    half.end(failure('broken'));
    expect(blocked()).not.toBeNull();
    whole.end(null);
    expect(blocked()).toBeNull();
  });

  test('that takes no connection in time on trial is left alone for longer', () => {
    const { fail, remaining, clock } = world();
    fail('unreachable');
    clock.advance(30_000);
    fail('timeout_connect');
    expect(remaining('other')).toBe(60_000);
  });

  test('gives the trial of a deployment back when it is what failed', () => {
    const { fail, begin, blocked, cooldowns, clock } = world();
    fail('server_error', 3);
    clock.advance(30_000);
    begin().end(failure('unreachable'));
    cooldowns.probed('p');
    expect(blocked()).toBeNull();
  });

  test('and its deployment must both be well', () => {
    const { fail, blocked, clock } = world();
    fail('server_error', 3);
    clock.advance(10_000);
    fail('auth');
    expect(blocked()?.remainingMs).toBe(30_000);
    fail('rate_limited', 1, 2_000);
    expect(blocked()).toEqual({ reason: 'cooling_down', remainingMs: 30_000, isByRequest: true });
  });
});

test('stays bounded when very many deployments fail, and forgets none that is taken out for one that is not', () => {
  const { cooldowns, begin, fail, blocked, clock } = world();
  fail('server_error', 3);
  for (let count = 0; count < MOST_CELLS + 50; count += 1) begin(`made-up-${count}`).end(failure('model_missing'));
  expect(blocked()).not.toBeNull();
  const many = world({ allowedFails: 1 });
  for (let count = 0; count < MOST_CELLS + 50; count += 1) many.begin(`made-up-${count}`).end(failure('model_missing'));
  expect(many.cooldowns.list().length).toBe(MOST_CELLS);
  expect(many.blocked(`made-up-${MOST_CELLS + 49}`)).not.toBeNull();
  clock.advance(700_000);
  expect(cooldowns.list()).toEqual([]);
  expect(cooldowns.isIdle).toBe(true);
});
