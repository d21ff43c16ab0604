import { describe, expect, test } from 'vitest';
import {
  failuresUntilDegraded,
  type Health,
  type HealthEvent,
  initialHealth,
  isWatchedClosely,
  liveVerdictMs,
  reduceHealth,
  type Verdict,
  verdictOf,
} from '../../gateway/catalog/health.ts';
import type { Cause, FailureKind, ObservedState } from '../../gateway/types.ts';

const policy = { retries: 2 };
const refused: Cause = { class: 'refused', message: 'nothing listens there' };
const timeout: Cause = { class: 'timeout', message: 'no answer within 2000 ms' };
const wrongKind: Cause = { class: 'wrong_kind', message: 'GET /api/version was answered 404' };

/** Something that happens `at` ms after the beginning; a probe starts when it ends unless told otherwise. */
type Happening = { at: number; startedAt?: number } & (
  | { found: 'ready' | 'warming' | 'degraded' | 'down' | 'auth'; cause?: Cause }
  | { silence: Cause; hasRequestsRunning?: boolean }
  | { request: Verdict; cause?: Cause }
  | { now: 'switched_off' | 'paused' | 'resumed' | 'verdict_expired' }
);

function toEvent(happening: Happening): HealthEvent {
  const { at: atMs, startedAt: startedAtMs = atMs } = happening;
  if ('found' in happening) {
    return { kind: 'probe_found', atMs, startedAtMs, observed: happening.found, cause: happening.cause ?? null };
  }
  if ('silence' in happening) {
    const { silence: cause, hasRequestsRunning = false } = happening;
    return { kind: 'probe_failed', atMs, startedAtMs, cause, hasRequestsRunning };
  }
  if ('request' in happening) {
    return { kind: 'request_ended', atMs, verdict: happening.request, cause: happening.cause ?? null };
  }
  return { kind: happening.now, atMs };
}

function healthAfter(happenings: readonly Happening[], from: Health = initialHealth('pending', 0)): Health {
  return happenings.reduce((health, happening) => reduceHealth(health, toEvent(happening), policy).health, from);
}

const up: Happening = { at: 1, found: 'ready' };

const stories: readonly {
  rule: string;
  story: readonly Happening[];
  ends: ObservedState;
  because?: Cause['class'] | null;
}[] = [
  { rule: 'nothing is known before the first probe', story: [], ends: 'pending', because: null },
  { rule: 'one good probe makes it ready', story: [up], ends: 'ready', because: null },
  {
    rule: 'one failed probe makes it pending',
    story: [up, { at: 2, silence: refused }],
    ends: 'pending',
    because: 'refused',
  },
  {
    rule: 'two failed probes leave it pending',
    story: [up, { at: 2, silence: refused }, { at: 3, silence: refused }],
    ends: 'pending',
  },
  {
    rule: 'the third failed probe in a row makes it down',
    story: [up, { at: 2, silence: refused }, { at: 3, silence: refused }, { at: 4, silence: timeout }],
    ends: 'down',
    because: 'timeout',
  },
  {
    rule: 'a good probe between failed ones starts the count anew',
    story: [
      { at: 1, silence: refused },
      { at: 2, silence: refused },
      { at: 3, found: 'ready' },
      { at: 4, silence: refused },
    ],
    ends: 'pending',
  },
  {
    rule: 'an answer of another kind of server counts as a failed probe',
    story: [1, 2, 3].map((at) => ({ at, found: 'down', cause: wrongKind }) as const),
    ends: 'down',
    because: 'wrong_kind',
  },
  {
    rule: 'one good probe ends down at once',
    story: [...[1, 2, 3].map((at) => ({ at, silence: refused })), { at: 4, found: 'ready' }],
    ends: 'ready',
    because: null,
  },
  { rule: 'a refused key is auth at once', story: [up, { at: 2, found: 'auth' }], ends: 'auth' },
  { rule: 'loading is warming at once', story: [up, { at: 2, found: 'warming' }], ends: 'warming' },
  {
    rule: 'a refused connection of a request makes it down at once',
    story: [up, { at: 2, request: 'unreachable', cause: refused }],
    ends: 'down',
    because: 'refused',
  },
  {
    rule: 'a probe begun before the refused connection does not make it ready again',
    story: [up, { at: 10, request: 'unreachable' }, { at: 11, startedAt: 9, found: 'ready' }],
    ends: 'down',
  },
  {
    rule: 'a probe begun after the refused connection makes it ready again',
    story: [up, { at: 10, request: 'unreachable' }, { at: 12, startedAt: 11, found: 'ready' }],
    ends: 'ready',
  },
  {
    rule: 'a request that succeeds ends down at once',
    story: [...[1, 2, 3].map((at) => ({ at, silence: refused })), { at: 4, request: 'success' }],
    ends: 'ready',
    because: null,
  },
  {
    rule: 'a probe that failed while a request succeeded is not believed',
    story: [up, { at: 10, request: 'success' }, { at: 11, startedAt: 9, silence: timeout }],
    ends: 'ready',
  },
  {
    rule: 'a slow probe beside our own running requests is no proof of death',
    story: [up, ...[2, 3, 4, 5].map((at) => ({ at, silence: timeout, hasRequestsRunning: true }))],
    ends: 'degraded',
    because: 'timeout',
  },
  {
    rule: 'a refused probe beside our own running requests counts',
    story: [up, ...[2, 3, 4].map((at) => ({ at, silence: refused, hasRequestsRunning: true }))],
    ends: 'down',
  },
  {
    rule: 'a key refused to a request is auth',
    story: [up, { at: 2, request: 'auth' }],
    ends: 'auth',
    because: 'auth',
  },
  {
    rule: 'a good probe does not end the auth of a request soon after',
    story: [up, { at: 2, request: 'auth' }, { at: 1_000, found: 'ready' }],
    ends: 'auth',
  },
  {
    rule: 'a good probe ends the auth of a request after a minute',
    story: [up, { at: 2, request: 'auth' }, { at: 3 + liveVerdictMs, found: 'ready' }],
    ends: 'ready',
  },
  {
    rule: 'requests that fail now and then do not degrade it',
    story: [
      up,
      { at: 2, request: 'failed' },
      { at: 3, request: 'success' },
      { at: 4, request: 'failed' },
      { at: 5, request: 'failed' },
    ],
    ends: 'ready',
  },
  {
    rule: 'requests that fail in a row degrade it though its probes are good',
    story: [up, ...[2, 3, 4].map((at) => ({ at, request: 'failed' }) as const), { at: 5_000, found: 'ready' }],
    ends: 'degraded',
    because: 'requests_fail',
  },
  {
    rule: 'a success ends the degradation',
    story: [up, ...[2, 3, 4].map((at) => ({ at, request: 'failed' }) as const), { at: 5, request: 'success' }],
    ends: 'ready',
    because: null,
  },
  {
    rule: 'a success does not end a degradation that the probe found',
    story: [
      { at: 1, found: 'degraded', cause: timeout },
      { at: 2, request: 'success' },
    ],
    ends: 'degraded',
    because: 'timeout',
  },
  {
    rule: 'a request that the server blamed on the client changes nothing',
    story: [up, { at: 2, request: 'answered' }],
    ends: 'ready',
  },
  {
    rule: 'any answer to a request takes it out of down, for the next probe to tell',
    story: [
      { at: 1, request: 'unreachable' },
      { at: 2, request: 'answered' },
    ],
    ends: 'pending',
  },
  {
    rule: 'loading told to a request is warming',
    story: [up, { at: 2, request: 'loading' }],
    ends: 'warming',
    because: 'loading',
  },
  {
    rule: 'three connections not taken in time make it down',
    story: [up, ...[2, 3, 4].map((at) => ({ at, request: 'unanswered' }) as const)],
    ends: 'down',
    because: 'timeout',
  },
  {
    rule: 'a server that serves requests is not down because its probe is answered oddly',
    story: [
      up,
      { at: 2, request: 'success' },
      ...[3, 4, 5].map((at) => ({ at, found: 'down', cause: wrongKind }) as const),
    ],
    ends: 'degraded',
    because: 'wrong_kind',
  },
  {
    rule: 'off ends everything that was known',
    story: [up, { at: 2, now: 'switched_off' }, { at: 3, found: 'ready' }, { at: 4, request: 'success' }],
    ends: 'off',
    because: null,
  },
  {
    rule: 'paused outlasts a probe that was under way',
    story: [up, { at: 2, now: 'paused' }, { at: 3, silence: timeout }],
    ends: 'paused',
  },
  {
    rule: 'after a pause everything is found anew',
    story: [up, { at: 2, now: 'paused' }, { at: 3, now: 'resumed' }],
    ends: 'pending',
  },
  {
    rule: 'a pause does not switch on what is off',
    story: [
      { at: 1, now: 'switched_off' },
      { at: 2, now: 'paused' },
      { at: 3, now: 'resumed' },
    ],
    ends: 'off',
  },
  {
    rule: 'what no probe can clear is cleared by time',
    story: [
      { at: 1, request: 'unreachable' },
      { at: 2, now: 'verdict_expired' },
    ],
    ends: 'ready',
    because: null,
  },
];

describe('the state of a provider', () => {
  test.each(stories)('$rule', ({ story, ends, because }) => {
    const health = healthAfter(story);
    expect(health.observed).toBe(ends);
    if (because !== undefined) expect(health.cause?.class ?? null).toBe(because);
  });

  test('a change is returned as data, with cause and time', () => {
    const step = reduceHealth(healthAfter([up]), toEvent({ at: 7, request: 'unreachable', cause: refused }), policy);
    expect(step.transition).toEqual({ from: 'ready', to: 'down', cause: refused, atMs: 7 });
    expect(step.health.sinceMs).toBe(7);
  });

  test('what stays the same is no transition, a new class of cause is one', () => {
    const down = healthAfter([1, 2, 3].map((at) => ({ at, silence: refused })));
    expect(reduceHealth(down, toEvent({ at: 4, silence: refused }), policy).transition).toBeNull();
    expect(reduceHealth(down, toEvent({ at: 4, silence: timeout }), policy).transition).toMatchObject({
      to: 'down',
      cause: timeout,
    });
    expect(down.sinceMs).toBe(3);
  });

  test('no retries: the first failed probe makes it down', () => {
    const { health } = reduceHealth(healthAfter([up]), toEvent({ at: 2, silence: refused }), { retries: 0 });
    expect(health.observed).toBe('down');
  });

  test('it takes as many failures as it says', () => {
    const failed = Array.from(
      { length: failuresUntilDegraded },
      (_, index) => ({ at: 2 + index, request: 'failed' }) as const,
    );
    expect(healthAfter([up, ...failed.slice(1)]).observed).toBe('ready');
    expect(healthAfter([up, ...failed]).observed).toBe('degraded');
  });
});

describe('how closely a provider is watched', () => {
  test.each([
    { rule: 'pending', story: [], isClose: true },
    { rule: 'warming', story: [{ at: 1, found: 'warming' }], isClose: true },
    { rule: 'ready', story: [up], isClose: false },
    { rule: 'down', story: [1, 2, 3].map((at) => ({ at, silence: refused })), isClose: false },
    { rule: 'a request has just failed', story: [up, { at: 2, request: 'failed' }], isClose: true },
    {
      rule: 'and then one succeeded',
      story: [up, { at: 2, request: 'failed' }, { at: 3, request: 'success' }],
      isClose: false,
    },
  ] satisfies { rule: string; story: Happening[]; isClose: boolean }[])('$rule: $isClose', ({ story, isClose }) => {
    expect(isWatchedClosely(healthAfter(story), 10)).toBe(isClose);
  });

  test('a failed request is forgotten after a minute', () => {
    expect(isWatchedClosely(healthAfter([up, { at: 2, request: 'failed' }]), 2 + liveVerdictMs)).toBe(false);
  });
});

test('only failures by the provider count against it', () => {
  const blameless: readonly FailureKind[] = ['cancelled', 'timeout_total'];
  const alive: readonly FailureKind[] = [
    'bad_request',
    'context_exceeded',
    'content_filtered',
    'unsupported',
    'model_missing',
    'rate_limited',
    'overloaded',
  ];
  for (const kind of blameless) expect(verdictOf({ kind })).toBe('silent');
  for (const kind of alive) expect(verdictOf({ kind })).toBe('answered');
  for (const kind of ['server_error', 'bad_answer', 'broken', 'timeout_first_byte', 'timeout_idle'] as const) {
    expect(verdictOf({ kind })).toBe('failed');
  }
  expect(verdictOf(null)).toBe('success');
});
