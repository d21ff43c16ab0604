import { describe, expect, test } from 'vitest';
import { defaultReliability, emptySettings } from '../../gateway/config/defaults.ts';
import type { GroupDeployment, ReliabilitySettings, Settings } from '../../gateway/config/settings.ts';
import { type CooldownChange, Cooldowns, MOST_CELLS } from '../../gateway/dispatch/cooldowns.ts';
import type { FailureKind } from '../../gateway/types.ts';
import { FakeClock } from '../support/fake-clock.ts';

function settingsWith(reliability: Partial<ReliabilitySettings>): Settings {
  return { ...emptySettings(), reliability: { ...defaultReliability, ...reliability } };
}

function failure(kind: FailureKind, retryAfterMs: number | null = null) {
  return { kind, message: `${kind} happened`, status: null, retryAfterMs };
}

/** One gateway, with the deployment `p`/`m` where no other is named. */
function world(reliability: Partial<ReliabilitySettings> = {}) {
  const clock = new FakeClock();
  const changes: (CooldownChange & { readonly isAdopted: boolean })[] = [];
  const state = { settings: settingsWith(reliability) };
  const cooldowns = new Cooldowns({
    clock,
    settings: () => state.settings,
    onChange: (change, isAdopted) => changes.push({ ...change, isAdopted }),
  });
  const begin = (model = 'm', provider = 'p', entry: GroupDeployment | null = null) =>
    cooldowns.begin({ provider, model }, entry);
  return {
    clock,
    changes,
    cooldowns,
    begin,
    set: (changed: Partial<ReliabilitySettings>) => {
      state.settings = settingsWith(changed);
    },
    fail: (kind: FailureKind, times = 1, retryAfterMs: number | null = null) => {
      for (let count = 0; count < times; count += 1) begin().end(failure(kind, retryAfterMs));
    },
    succeed: () => begin().end(null),
    blocked: (model = 'm', provider = 'p') => cooldowns.blocked(provider, model),
    remaining: (model = 'm', provider = 'p') => cooldowns.blocked(provider, model)?.remainingMs ?? null,
    told: () => changes.map(({ is, model }) => `${is} ${model ?? '*'}`),
  };
}

const entry = (cooldownMs: number | null): GroupDeployment => ({
  provider: 'p',
  model: 'm',
  weight: null,
  rpm: null,
  tpm: null,
  priority: null,
  order: null,
  variant: null,
  maxParallelRequests: null,
  timeouts: null,
  answerTimeoutMs: null,
  streamTimeoutMs: null,
  numRetries: null,
  cooldownMs,
  position: { file: 'test.yaml', line: 1, column: 1 },
});

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

describe('what is told', () => {
  test('names deployment, cause and end in epoch ms, whatever is done to the wall clock', () => {
    let [wall, grown] = [1_000_000_000_000, 5];
    const clock = { now: () => wall, monotonic: () => grown, after: () => () => undefined };
    const changes: CooldownChange[] = [];
    const settings = settingsWith({ allowedFails: 1 });
    const cooldowns = new Cooldowns({ clock, settings: () => settings, onChange: (change) => changes.push(change) });
    cooldowns.begin({ provider: 'p', model: 'm' }, null).end(failure('broken'));
    const expected = {
      provider: 'p',
      model: 'm',
      is: 'cooling_down',
      because: 'broken',
      message: 'broken happened',
    };
    expect(changes).toEqual([{ ...expected, atMs: wall, untilMs: wall + 30_000 }]);
    wall -= 3_600_000;
    grown += 10_000;
    expect(cooldowns.blocked('p', 'm')?.remainingMs).toBe(20_000);
    expect(cooldowns.list()).toEqual([{ ...expected, atMs: wall, untilMs: wall + 20_000 }]);
  });

  test('holds already for whoever is told of it', () => {
    const clock = new FakeClock();
    const settings = settingsWith({ allowedFails: 1 });
    const seen: unknown[] = [];
    const cooldowns = new Cooldowns({
      clock,
      settings: () => settings,
      onChange: ({ is }) => seen.push([is, cooldowns.isIdle, cooldowns.blocked('p', 'm')?.reason ?? null]),
    });
    const begin = () => cooldowns.begin({ provider: 'p', model: 'm' }, null);
    begin().end(failure('server_error'));
    clock.advance(30_000);
    begin().end(null);
    expect(seen).toEqual([
      ['cooling_down', false, 'cooling_down'],
      ['half_open', false, 'breaker_open'],
      ['closed', true, null],
    ]);
  });

  test('lists one whose time is up as half-open, and counts it as out only while it is tried', () => {
    const { begin, fail, cooldowns, clock } = world();
    fail('server_error', 3);
    begin('n').end(failure('rate_limited', 90_000));
    begin('x', 'q').end(failure('unreachable'));
    expect([...cooldowns.counts()]).toEqual([
      ['p', 2],
      ['q', 1],
    ]);
    clock.advance(30_000);
    expect([...cooldowns.counts()]).toEqual([['p', 1]]);
    expect(cooldowns.list().map(({ is, untilMs }) => [is, untilMs === null])).toEqual([
      ['half_open', true],
      ['cooling_down', false],
      ['half_open', true],
    ]);
    begin();
    expect(cooldowns.counts().get('p')).toBe(2);
  });
});

describe('a reset', () => {
  test('forgets one deployment, failures before a cooldown included', () => {
    const { fail, begin, blocked, cooldowns } = world();
    fail('server_error', 2);
    cooldowns.reset('p', 'm');
    fail('server_error', 2);
    expect(blocked()).toBeNull();
    fail('server_error');
    for (let count = 0; count < 3; count += 1) begin('n').end(failure('server_error'));
    cooldowns.reset('p', 'm');
    expect([blocked(), blocked('n') === null]).toEqual([null, false]);
  });

  test('forgets a provider with all its deployments, and no other', () => {
    const { fail, begin, blocked, cooldowns, told } = world({ allowedFails: 1 });
    fail('auth');
    fail('server_error');
    begin('m', 'q').end(failure('server_error'));
    cooldowns.reset('p');
    expect([blocked(), blocked('other'), blocked('m', 'q') === null]).toEqual([null, null, false]);
    expect(told().slice(3)).toEqual(['closed *', 'closed m']);
  });
});

describe('what another gateway found', () => {
  function shared(change: Partial<CooldownChange> = {}, nowMs = Date.UTC(2026, 0, 1)): CooldownChange {
    const base = { atMs: nowMs, provider: 'p', model: 'm', is: 'cooling_down', message: 'told' } as const;
    return { ...base, untilMs: nowMs + 40_000, because: 'server_error', ...change };
  }

  test('holds here too, and is told on as adopted', () => {
    const { cooldowns, blocked, changes } = world();
    cooldowns.adopt(shared());
    expect(blocked()).toEqual({ reason: 'cooling_down', remainingMs: 40_000, isByRequest: false });
    cooldowns.adopt(shared({ model: 'n', because: 'rate_limited' }));
    expect(blocked('n')?.isByRequest).toBe(true);
    cooldowns.adopt(shared({ model: 'o', is: 'breaker_open' }));
    expect(blocked('o')?.reason).toBe('breaker_open');
    cooldowns.adopt(shared({ model: null, because: 'unreachable' }));
    cooldowns.probed('p');
    expect(blocked('third')).toBeNull();
    expect(changes.slice(0, 4).map(({ isAdopted }) => isAdopted)).toEqual([true, true, true, true]);
  });

  test('prolongs what was found here, and never shortens it', () => {
    const { cooldowns, fail, remaining, clock } = world();
    fail('server_error', 3);
    cooldowns.adopt(shared());
    expect(remaining()).toBe(40_000);
    cooldowns.adopt(shared({ untilMs: clock.now() + 1_000 }));
    expect(remaining()).toBe(40_000);
    cooldowns.adopt(shared({ is: 'closed', untilMs: null, because: null }));
    expect(remaining()).toBe(30_000);
  });

  test('makes a pause of a cooldown where it was a 429, however short', () => {
    const { cooldowns, fail, blocked, clock } = world();
    fail('server_error', 3);
    cooldowns.adopt(shared({ because: 'rate_limited', untilMs: clock.now() + 5_000 }));
    expect(blocked()).toEqual({ reason: 'cooling_down', remainingMs: 30_000, isByRequest: true });
  });

  test('ends when that gateway says so, without being told on as news of this one', () => {
    const { cooldowns, blocked, changes } = world();
    cooldowns.adopt(shared());
    cooldowns.adopt(shared({ is: 'half_open', untilMs: null }));
    expect(blocked()).not.toBeNull();
    cooldowns.adopt(shared({ is: 'closed', untilMs: null, because: null }));
    expect([blocked(), cooldowns.isIdle]).toEqual([null, true]);
    expect(changes.map(({ is, isAdopted }) => [is, isAdopted])).toEqual([
      ['cooling_down', true],
      ['closed', true],
    ]);
  });

  test('that is over already, or lasts absurdly long, does no harm', () => {
    const { cooldowns, blocked, remaining, clock } = world();
    cooldowns.adopt(shared({ untilMs: clock.now() }));
    expect(blocked()).toBeNull();
    cooldowns.adopt(shared({ untilMs: Number.MAX_SAFE_INTEGER }));
    expect(remaining()).toBe(86_400_000);
  });

  test('is tried here when its time is up, and what comes of it is news of this gateway', () => {
    const { cooldowns, fail, remaining, succeed, changes, clock } = world();
    cooldowns.adopt(shared());
    clock.advance(40_000);
    fail('server_error');
    expect(remaining()).toBe(80_000);
    clock.advance(80_000);
    succeed();
    expect(changes.map(({ is, isAdopted }) => [is, isAdopted])).toEqual([
      ['cooling_down', true],
      ['half_open', false],
      ['cooling_down', false],
      ['half_open', false],
      ['closed', false],
    ]);
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
