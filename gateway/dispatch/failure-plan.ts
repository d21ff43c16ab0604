// What the settings make of a failure: whether it counts against a deployment or its whole provider, and for how long it
// takes it out. Pure.

import type { ReliabilitySettings, RetryClass } from '../config/settings.ts';
import type { Failure, FailureKind } from '../types.ts';
import type { FailurePlan } from './breaker.ts';
import { retryClassesOf } from './retry-plan.ts';

/** The longest pause a server is granted, in ms: a quota may last until midnight, a slip of the pen must not last longer. */
export const LONGEST_PAUSE_MS = 86_400_000;

/** Whom a failure speaks against. `nobody`: the request is at fault, the client has left, or it is only a state. */
type Accused = 'deployment' | 'provider' | 'pause' | 'nobody';

const accused: Readonly<Record<FailureKind, Accused>> = {
  unreachable: 'provider',
  auth: 'provider',
  rate_limited: 'pause',
  timeout_connect: 'deployment',
  timeout_first_byte: 'deployment',
  timeout_idle: 'deployment',
  timeout_total: 'deployment',
  overloaded: 'deployment',
  bad_answer: 'deployment',
  server_error: 'deployment',
  broken: 'deployment',
  // The other models of that provider are there still: this one is asked less often until it is there again.
  model_missing: 'deployment',
  // Loading ends by itself, and those who wait for it ask again: taking it out would lengthen what it punishes.
  loading: 'nobody',
  bad_request: 'nobody',
  context_exceeded: 'nobody',
  content_filtered: 'nobody',
  unsupported: 'nobody',
  cancelled: 'nobody',
};

/** What a failure means for its deployment and for the whole of its provider; null: nothing. */
interface FailurePlans {
  readonly deployment: FailurePlan | null;
  readonly provider: FailurePlan | null;
}

const NOTHING: FailurePlans = { deployment: null, provider: null };

/**
 * @param ownCooldownMs `cooldown_time` of the `model_list` entry that named the deployment; null: the general one
 */
export function planFailure(
  failure: Pick<Failure, 'kind' | 'retryAfterMs'>,
  reliability: ReliabilitySettings,
  ownCooldownMs: number | null,
): FailurePlans {
  const { isCooldownDisabled, rateLimited } = reliability;
  const cooldownMs = ownCooldownMs ?? reliability.cooldownMs;
  const whom = accused[failure.kind];
  if (whom === 'pause' && rateLimited.isEnabled)
    return { deployment: pausePlan(failure, reliability, cooldownMs), provider: null };
  if (whom === 'nobody' || isCooldownDisabled) return NOTHING;
  const provider = providerPlan(failure.kind, reliability, cooldownMs);
  if (whom === 'provider') return { deployment: null, provider };
  return {
    deployment: countedPlan(failure.kind, reliability, ownCooldownMs),
    // Once does not take the provider out; but one that could not be reached is not back either.
    provider: failure.kind === 'timeout_connect' ? { ...provider, threshold: null } : null,
  };
}

/** Whether a provider that could not be reached has answered after all, however badly. */
export function hasReached(kind: FailureKind): boolean {
  switch (kind) {
    case 'unreachable':
    case 'timeout_connect':
    // Either may have ended while the connection was still being made.
    case 'timeout_total':
    case 'cancelled':
      return false;
    default:
      return true;
  }
}

/** How long a 429 pauses: what the settings and the server say, the longer where both do; else as long as any cooldown. */
function pausePlan(
  { retryAfterMs }: Pick<Failure, 'retryAfterMs'>,
  { rateLimited, allowedFailsPolicy, successThreshold }: ReliabilitySettings,
  cooldownMs: number,
): FailurePlan {
  // A Retry-After of 0 names no time.
  const isToldByServer = retryAfterMs !== null && retryAfterMs > 0;
  const isAsked = rateLimited.durationMs !== null || isToldByServer;
  const askedMs = Math.min(LONGEST_PAUSE_MS, Math.max(rateLimited.durationMs ?? 0, retryAfterMs ?? 0));
  return {
    family: 'pause',
    is: 'cooling_down',
    bucket: 'rate_limited',
    // A server that names the time is obeyed at once, whatever is allowed.
    threshold: isToldByServer ? 1 : (allowedFailsPolicy.get('rate_limited') ?? 1),
    baseMs: isAsked ? askedMs : cooldownMs,
    doubles: !isAsked,
    successThreshold,
  };
}

function providerPlan(
  kind: FailureKind,
  { allowedFailsPolicy, successThreshold }: ReliabilitySettings,
  cooldownMs: number,
): FailurePlan {
  const isAuth = kind === 'auth';
  return {
    family: isAuth ? 'auth' : 'unreachable',
    is: 'cooling_down',
    bucket: kind,
    threshold: isAuth ? (allowedFailsPolicy.get('auth') ?? 1) : 1,
    baseMs: cooldownMs,
    doubles: true,
    successThreshold,
  };
}

/** With a circuit breaker its threshold and time stand in for `allowed_fails` and `cooldown_time`; an entry's own time wins. */
function countedPlan(
  kind: FailureKind,
  { allowedFails, allowedFailsPolicy, circuitBreaker, cooldownMs, successThreshold }: ReliabilitySettings,
  ownCooldownMs: number | null,
): FailurePlan {
  const named: RetryClass | undefined = retryClassesOf(kind).find((word) => allowedFailsPolicy.has(word));
  const general = allowedFailsPolicy.get('default') ?? circuitBreaker?.failureThreshold ?? allowedFails;
  return {
    family: 'failing',
    is: circuitBreaker === null ? 'cooling_down' : 'breaker_open',
    // A class with a number of its own is counted by itself: what others may do more often must not use it up.
    bucket: named ?? 'default',
    threshold: named === undefined ? general : (allowedFailsPolicy.get(named) ?? general),
    baseMs: ownCooldownMs ?? circuitBreaker?.openMs ?? cooldownMs,
    doubles: true,
    successThreshold,
  };
}
