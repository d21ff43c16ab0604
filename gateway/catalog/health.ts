// What the probes and live requests say of one provider, as a pure reducer: an event in, the new state and what changed out.
// Live traffic outranks probes, because a server can answer every health check and still serve nobody.

import type { Cause, Failure, FailureKind, ObservedState } from '../types.ts';

/** How long a finding of live traffic stands against probes that say otherwise, in ms. */
export const liveVerdictMs = 60_000;

/** Requests that fail in a row before a provider whose probes are fine counts as degraded. */
export const failuresUntilDegraded = 3;

export interface Health {
  readonly observed: ObservedState;
  readonly cause: Cause | null;
  /** Epoch ms of the last change of `observed`. */
  readonly sinceMs: number;
  /** Probes in a row that found nothing usable. */
  readonly failedProbes: number;
  /** Live requests in a row that failed by the provider's fault. */
  readonly failedRequests: number;
  /** Epoch ms; null once a request succeeded after it. */
  readonly requestFailedAtMs: number | null;
  /** Epoch ms of the last live success. */
  readonly requestSucceededAtMs: number | null;
}

/** What the end of one live request says of the provider; `silent` says nothing. */
export type Verdict = 'success' | 'answered' | 'failed' | 'unreachable' | 'unanswered' | 'auth' | 'loading' | 'silent';

export type HealthEvent =
  | {
      readonly kind: 'probe_found';
      readonly atMs: number;
      readonly startedAtMs: number;
      readonly observed: Extract<ObservedState, 'ready' | 'warming' | 'degraded' | 'down' | 'auth'>;
      readonly cause: Cause | null;
    }
  | {
      readonly kind: 'probe_failed';
      readonly atMs: number;
      readonly startedAtMs: number;
      readonly cause: Cause;
      /** Requests of ours were running there while the probe got no answer. */
      readonly hasRequestsRunning: boolean;
    }
  | { readonly kind: 'request_ended'; readonly atMs: number; readonly verdict: Verdict; readonly cause: Cause | null }
  | { readonly kind: 'switched_off' | 'paused' | 'resumed' | 'verdict_expired'; readonly atMs: number };

export interface HealthTransition {
  readonly from: ObservedState;
  readonly to: ObservedState;
  readonly cause: Cause | null;
  readonly atMs: number;
}

export interface HealthStep {
  readonly health: Health;
  /** Null: neither the state nor the class of its cause changed. */
  readonly transition: HealthTransition | null;
}

export interface HealthPolicy {
  /** Further probes after a failed one before the provider counts as down. */
  readonly retries: number;
}

/** The state before anything is known: `pending`, or `ready` for a provider that is never probed, or `off`. */
export function initialHealth(observed: Extract<ObservedState, 'pending' | 'ready' | 'off'>, atMs: number): Health {
  return {
    observed,
    cause: null,
    sinceMs: atMs,
    failedProbes: 0,
    failedRequests: 0,
    requestFailedAtMs: null,
    requestSucceededAtMs: null,
  };
}

const verdicts: Readonly<Record<FailureKind, Verdict>> = {
  unreachable: 'unreachable',
  timeout_connect: 'unanswered',
  timeout_first_byte: 'failed',
  timeout_idle: 'failed',
  // The limit is the client's or the user's own: a long answer cut short says nothing about the server.
  timeout_total: 'silent',
  rate_limited: 'answered',
  overloaded: 'answered',
  loading: 'loading',
  bad_answer: 'failed',
  server_error: 'failed',
  model_missing: 'answered',
  context_exceeded: 'answered',
  content_filtered: 'answered',
  auth: 'auth',
  unsupported: 'answered',
  bad_request: 'answered',
  broken: 'failed',
  cancelled: 'silent',
};

/** What an attempt's end says of its provider; null is a success. */
export function verdictOf(failure: Pick<Failure, 'kind'> | null): Verdict {
  return failure === null ? 'success' : verdicts[failure.kind];
}

/** Whether probes should come every 2 s: the state is about to change, or a request has just failed. */
export function isWatchedClosely(health: Health, nowMs: number): boolean {
  if (health.observed === 'pending' || health.observed === 'warming') return true;
  return health.requestFailedAtMs !== null && nowMs - health.requestFailedAtMs < liveVerdictMs;
}

/** The next state of one provider. Pure: time comes with the event. */
export function reduceHealth(health: Health, event: HealthEvent, policy: HealthPolicy): HealthStep {
  const next = nextHealth(health, event, policy);
  const hasChanged = next.observed !== health.observed;
  const isNews = hasChanged || next.cause?.class !== health.cause?.class;
  return {
    health: hasChanged ? { ...next, sinceMs: event.atMs } : next,
    transition: isNews ? { from: health.observed, to: next.observed, cause: next.cause, atMs: event.atMs } : null,
  };
}

function nextHealth(health: Health, event: HealthEvent, policy: HealthPolicy): Health {
  if (event.kind === 'switched_off') return initialHealth('off', event.atMs);
  if (health.observed === 'off') return health;
  switch (event.kind) {
    case 'paused':
      return { ...health, observed: 'paused', cause: null };
    case 'resumed':
      return health.observed === 'paused' ? initialHealth('pending', event.atMs) : health;
    case 'verdict_expired':
      return health.observed === 'paused' ? health : initialHealth('ready', event.atMs);
    case 'probe_found':
      return health.observed === 'paused' ? health : afterFinding(health, event, policy);
    case 'probe_failed':
      return health.observed === 'paused' ? health : afterSilence(health, event, policy);
    case 'request_ended':
      return afterRequest(health, event, policy);
  }
}

type Found = Extract<HealthEvent, { kind: 'probe_found' }>;
type Silence = Extract<HealthEvent, { kind: 'probe_failed' }>;
type RequestEnded = Extract<HealthEvent, { kind: 'request_ended' }>;

function afterFinding(health: Health, event: Found, policy: HealthPolicy): Health {
  const isSuccessFresh = isWithin(health.requestSucceededAtMs, event.atMs);
  if (event.observed === 'down') {
    const cause = event.cause ?? { class: 'http_status', message: 'the probe was not answered as expected' };
    // It says so itself, and every request would wait for somebody to wake it.
    if (cause.class === 'asleep') return { ...health, observed: 'down', cause, failedProbes: policy.retries + 1 };
    // It answers requests, whatever it says to the probe.
    if (isSuccessFresh) return { ...health, observed: 'degraded', cause };
    return afterFailedProbe(health, cause, policy);
  }
  const isOlderThanFailure = health.requestFailedAtMs !== null && event.startedAtMs <= health.requestFailedAtMs;
  if (isOlderThanFailure) return health;
  if (event.observed === 'auth') {
    if (isSuccessFresh) return { ...health, failedProbes: 0 };
    return { ...health, observed: 'auth', cause: event.cause, failedProbes: 0 };
  }
  const contradictsRequests = health.cause?.class === 'requests_fail' || health.observed === 'auth';
  if (contradictsRequests && isWithin(health.requestFailedAtMs, event.atMs)) return { ...health, failedProbes: 0 };
  return { ...health, observed: event.observed, cause: event.cause, failedProbes: 0, failedRequests: 0 };
}

function afterSilence(health: Health, event: Silence, policy: HealthPolicy): Health {
  // A request got through while the probe was waiting: the server was busy, not away.
  if (health.requestSucceededAtMs !== null && event.startedAtMs <= health.requestSucceededAtMs) return health;
  if (event.cause.class === 'timeout' && event.hasRequestsRunning && health.observed !== 'down') {
    return { ...health, observed: 'degraded', cause: event.cause };
  }
  return afterFailedProbe(health, event.cause, policy);
}

function afterFailedProbe(health: Health, cause: Cause, policy: HealthPolicy): Health {
  const failedProbes = health.failedProbes + 1;
  const isDown = health.observed === 'down' || failedProbes > policy.retries;
  return { ...health, observed: isDown ? 'down' : 'pending', cause, failedProbes };
}

function afterRequest(health: Health, event: RequestEnded, policy: HealthPolicy): Health {
  const failed = { ...health, failedRequests: health.failedRequests + 1, requestFailedAtMs: event.atMs };
  switch (event.verdict) {
    case 'success':
      return afterSuccess(health, event.atMs);
    case 'silent':
      return health;
    case 'answered':
      return health.observed === 'down' ? { ...health, observed: 'pending', cause: null, failedProbes: 0 } : health;
    case 'unreachable':
      if (health.observed === 'paused') return health;
      return { ...failed, observed: 'down', cause: event.cause ?? unnamed('refused', 'a request could not reach it') };
    case 'unanswered':
      if (health.observed === 'paused') return health;
      return afterFailedProbe(
        failed,
        event.cause ?? unnamed('timeout', 'it did not take a connection in time'),
        policy,
      );
    case 'auth':
      return { ...failed, observed: 'auth', cause: event.cause ?? unnamed('auth', 'it refused our key') };
    case 'loading':
      return { ...failed, observed: 'warming', cause: event.cause ?? unnamed('loading', 'it is loading a model') };
    case 'failed':
      return afterFailedRequest(failed, event.cause);
  }
}

function afterSuccess(health: Health, atMs: number): Health {
  const isProbesOwnFinding = health.observed === 'degraded' && health.cause?.class !== 'requests_fail';
  return {
    ...health,
    observed: isProbesOwnFinding ? 'degraded' : 'ready',
    cause: isProbesOwnFinding ? health.cause : null,
    failedProbes: 0,
    failedRequests: 0,
    requestFailedAtMs: null,
    requestSucceededAtMs: atMs,
  };
}

function afterFailedRequest(failed: Health, cause: Cause | null): Health {
  switch (failed.observed) {
    case 'down':
      return { ...failed, observed: 'pending', cause: null, failedProbes: 0 };
    case 'ready':
    case 'degraded':
    case 'warming':
      if (failed.failedRequests < failuresUntilDegraded) return failed;
      return { ...failed, observed: 'degraded', cause: failing(failed.failedRequests, cause) };
    default:
      return failed;
  }
}

function failing(count: number, cause: Cause | null): Cause {
  const last = cause === null ? '' : `: ${cause.message}`;
  return unnamed('requests_fail', `the last ${count} requests failed${last}`);
}

function unnamed(causeClass: Cause['class'], message: string): Cause {
  return { class: causeClass, message };
}

function isWithin(atMs: number | null, nowMs: number): boolean {
  return atMs !== null && nowMs - atMs < liveVerdictMs;
}

/** The cause that an attempt's failure names; null for a success. */
export function causeOf(failure: Failure | null): Cause | null {
  if (failure === null) return null;
  const { kind, message } = failure;
  switch (kind) {
    case 'unreachable':
      return { class: 'refused', message };
    case 'timeout_connect':
      return { class: 'timeout', message };
    case 'auth':
      return { class: 'auth', message };
    case 'loading':
      return { class: 'loading', message };
    default:
      return { class: 'requests_fail', message };
  }
}
