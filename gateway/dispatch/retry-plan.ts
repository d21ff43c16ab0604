// Who is asked again when nobody is left who was not asked yet, and after what wait. Pure: time and chance are handed in.

import type { FallbackChain, ReliabilitySettings, RetryClass, RetryPolicy } from '../config/settings.ts';
import { assertNever } from '../errors.ts';
import type { FailureKind } from '../types.ts';
import { prospectAfter } from './after-failure.ts';

/** The latest failure of one deployment in this request. */
export interface FailedDeployment {
  /** `deploymentId`. */
  readonly id: string;
  /** For people: `ollama/qwen3`. */
  readonly name: string;
  readonly provider: string;
  readonly model: string;
  readonly kind: FailureKind;
  /** Which rule put it there, as in `Candidate.via`. */
  readonly via: string;
  /** When it failed, of the clock that only grows. */
  readonly atMs: number;
  /** What the server asked to wait; null: nothing. */
  readonly retryAfterMs: number | null;
  /** `num_retries` of its \`model_list\` entry. */
  readonly numRetries: number | null;
  /** Until then a loading model is asked again, of the clock that only grows; null: it is not loading. */
  readonly loadingUntilMs: number | null;
}

export interface RetrySituation {
  readonly failed: readonly FailedDeployment[];
  readonly reliability: ReliabilitySettings;
  /** Names that policies may be keyed by: as asked for, then after aliases. */
  readonly names: readonly string[];
  /** The request's own `num_retries`. */
  readonly requestRetries: number | null;
  /** The chain that the decision went along; null: none. */
  readonly chain: FallbackChain | null;
  /** How often the chain was walked again already. */
  readonly chainRounds: number;
  /** Retries made so far, those of loading models and of chains not counted. */
  readonly retries: number;
  readonly nowMs: number;
  /** Uniform in [0, 1). */
  readonly dice: () => number;
}

export interface RetryPlan {
  readonly is: 'retry' | 'loading' | 'chain';
  readonly waitMs: number;
  /** Deployments that may be asked again. */
  readonly again: ReadonlySet<string>;
  /** For the record and the log. */
  readonly because: string;
}

/** A loading model is asked again this often. */
const LOADING_EVERY_MS = 1_000;
/** A server that wants a longer wait is not asked again. */
const LONGEST_RETRY_AFTER_MS = 60_000;
const FIRST_BACKOFF_MS = 500;
const LONGEST_BACKOFF_MS = 8_000;
/** At most so much is added to a backoff, so that many clients do not come back as one. */
const JITTER = 0.25;

/** Null: nobody is worth asking again, or the retries are used up. */
export function planRetry(situation: RetrySituation): RetryPlan | null {
  return askLoading(situation) ?? walkChain(situation) ?? askAgain(situation);
}

/** Ends when the time to first content would have, counted from when it was first found loading. */
function askLoading({ failed, nowMs }: RetrySituation): RetryPlan | null {
  const loading = failed.filter(
    ({ kind, loadingUntilMs }) =>
      prospectAfter(kind) === 'loading' && loadingUntilMs !== null && nowMs + LOADING_EVERY_MS <= loadingUntilMs,
  );
  if (loading.length === 0) return null;
  const names = loading.map(({ name }) => name).join(', ');
  return { is: 'loading', waitMs: LOADING_EVERY_MS, again: idsOf(loading), because: `${names} was loading` };
}

/** A chain with `retry_attempts` has its own idea of retrying, in place of the general one. */
function walkChain({ chain, chainRounds, failed, nowMs }: RetrySituation): RetryPlan | null {
  if (chain === null || chainRounds >= chain.retryAttempts) return null;
  const hopeful = failed.filter((one) => mayPass(one) && isLink(one, chain, failed));
  if (hopeful.length === 0) return null;
  const waitMs = Math.max(chain.retryDelayMs, Math.min(...hopeful.map((one) => serverWaitMs(one, nowMs))));
  return {
    is: 'chain',
    waitMs,
    again: idsOf(hopeful.filter((one) => serverWaitMs(one, nowMs) <= waitMs)),
    because: `round ${chainRounds + 2} of the chain ${chain.name} after ${Math.round(waitMs)} ms`,
  };
}

/** Put there by the chain, or by a rule before it although it is the chain's as well: nobody is a candidate twice. */
function isLink({ via, provider, model }: FailedDeployment, chain: FallbackChain, failed: readonly FailedDeployment[]) {
  const prefix = `chain:${chain.name}:`;
  if (via.startsWith(prefix)) return true;
  return chain.links.some(
    (link, index) =>
      link.provider === provider &&
      link.condition === null &&
      (link.preferredModel === null || link.preferredModel === model) &&
      !failed.some((other) => other.via === `${prefix}${index + 1}`),
  );
}

function askAgain(situation: RetrySituation): RetryPlan | null {
  const { failed, retries, chain, reliability, nowMs, dice } = situation;
  if (chain !== null && chain.retryAttempts > 0) return null;
  const hopeful = failed.filter((one) => mayPass(one) && retries < allowedRetries(one, situation));
  if (hopeful.length === 0) return null;
  const backoffMs = FIRST_BACKOFF_MS * 2 ** retries * (1 + JITTER * dice());
  const ownMs = Math.max(Math.min(backoffMs, LONGEST_BACKOFF_MS), reliability.retryAfterMs);
  const waitMs = Math.max(ownMs, Math.min(...hopeful.map((one) => serverWaitMs(one, nowMs))));
  const ready = hopeful.filter((one) => serverWaitMs(one, nowMs) <= waitMs);
  const most = Math.max(...ready.map((one) => allowedRetries(one, situation)));
  return {
    is: 'retry',
    waitMs,
    again: idsOf(ready),
    because: `retry ${retries + 1} of ${most} after ${Math.round(waitMs)} ms`,
  };
}

function mayPass({ kind, retryAfterMs }: FailedDeployment): boolean {
  return prospectAfter(kind) === 'may_pass' && (retryAfterMs ?? 0) <= LONGEST_RETRY_AFTER_MS;
}

/** What is left of the wait that the server asked for. */
function serverWaitMs({ atMs, retryAfterMs }: FailedDeployment, nowMs: number): number {
  return retryAfterMs === null ? 0 : Math.max(0, atMs + retryAfterMs - nowMs);
}

/** The request's own number first, then the entry's, the group's policy, the general one, and the number for all. */
function allowedRetries(failed: FailedDeployment, { requestRetries, reliability, names }: RetrySituation): number {
  if (requestRetries !== null) return requestRetries;
  if (failed.numRetries !== null) return failed.numRetries;
  for (const name of names) {
    const count = countFor(failed.kind, reliability.groupRetryPolicies.get(name));
    if (count !== null) return count;
  }
  return countFor(failed.kind, reliability.retryPolicy) ?? reliability.numRetries;
}

function countFor(kind: FailureKind, policy: RetryPolicy | undefined): number | null {
  if (policy === undefined || policy.size === 0) return null;
  for (const retryClass of retryClassesOf(kind)) {
    const count = policy.get(retryClass);
    if (count !== undefined) return count;
  }
  return policy.get('default') ?? null;
}

/** The classes a failure counts under, the most particular first: a 503 is a server's error too. */
export function retryClassesOf(kind: FailureKind): readonly RetryClass[] {
  switch (kind) {
    case 'timeout_connect':
    case 'timeout_first_byte':
    case 'timeout_idle':
    case 'timeout_total':
      return ['timeout'];
    case 'rate_limited':
      return ['rate_limited'];
    case 'overloaded':
    case 'loading':
      return ['overloaded', 'server_error'];
    case 'unreachable':
    case 'bad_answer':
    case 'server_error':
    case 'broken':
      return ['server_error'];
    case 'model_missing':
      return ['model_missing'];
    case 'content_filtered':
      return ['content_filtered'];
    case 'auth':
      return ['auth'];
    case 'context_exceeded':
    case 'unsupported':
    case 'bad_request':
      return ['bad_request'];
    case 'cancelled':
      return [];
    default:
      return assertNever(kind);
  }
}

function idsOf(failed: readonly FailedDeployment[]): ReadonlySet<string> {
  return new Set(failed.map(({ id }) => id));
}
