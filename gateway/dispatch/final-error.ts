// What a client is told when nobody answered: the provider's own words if they blame the request, else all that was tried.

import { GatewayError } from '../errors.ts';
import type { DeploymentKey, Failure, FailureKind } from '../types.ts';
import { blamesRequest } from './after-failure.ts';

/** One attempt that failed, with what the provider said. */
export interface FailedAttempt extends DeploymentKey {
  readonly failure: Failure;
  readonly refusal: { readonly status: number; readonly text: string; readonly json: unknown } | null;
}

export type FinalError =
  /** The provider's own words, in the client's protocol, under this status. */
  | { readonly say: 'provider_words'; readonly attempt: FailedAttempt; readonly status: number }
  | { readonly say: 'own'; readonly error: GatewayError };

const TIMEOUTS: ReadonlySet<FailureKind> = new Set([
  'timeout_connect',
  'timeout_first_byte',
  'timeout_idle',
  'timeout_total',
]);

/** Which code sums up failures none of which blames the request. */
function summaryCode(
  failures: readonly Failure[],
): 'all_timed_out' | 'rate_limited' | 'all_busy' | 'all_attempts_failed' {
  if (failures.every(({ kind }) => TIMEOUTS.has(kind))) return 'all_timed_out';
  if (failures.every(({ kind }) => kind === 'rate_limited')) return 'rate_limited';
  if (failures.every(({ kind }) => kind === 'rate_limited' || kind === 'overloaded' || kind === 'loading'))
    return 'all_busy';
  return 'all_attempts_failed';
}

function blamed(attempts: readonly FailedAttempt[]): FailedAttempt | null {
  const culprit = attempts.findLast(({ failure }) => blamesRequest(failure));
  if (culprit !== undefined) return culprit;
  // A model that is missing everywhere is the request's mistake; missing at one provider it is that provider's.
  const last = attempts.at(-1);
  return last && attempts.every(({ failure }) => failure.kind === 'model_missing') ? last : null;
}

/** A provider's 5xx for what is the request's fault would make clients repeat it in vain. 501 already says never. */
function clientStatus(failure: Failure): number {
  const status = failure.status ?? 400;
  return (status >= 400 && status < 500) || status === 501 ? status : failure.kind === 'model_missing' ? 404 : 400;
}

/** @param attempts all that were made, in order; at least one */
export function finalError(attempts: readonly FailedAttempt[]): FinalError {
  const culprit = blamed(attempts);
  if (culprit !== null && culprit.refusal !== null) {
    return { say: 'provider_words', attempt: culprit, status: clientStatus(culprit.failure) };
  }
  const failures = attempts.map(({ failure }) => failure);
  if (culprit !== null && culprit.failure.kind === 'context_exceeded') {
    return { say: 'own', error: new GatewayError('context_length_exceeded', culprit.failure.message) };
  }
  const waits = failures.flatMap(({ retryAfterMs }) => (retryAfterMs === null ? [] : [retryAfterMs]));
  const code = summaryCode(failures);
  const isWaitUseful = code === 'rate_limited' || code === 'all_busy';
  const tried = attempts.map(
    ({ provider, model, failure }) => `${provider}/${model}: ${failure.kind} (${failure.message})`,
  );
  // A key that a provider refuses stays refused until somebody corrects the configuration.
  const isFinal = failures.every(({ kind }) => kind === 'auth' || kind === 'model_missing');
  return {
    say: 'own',
    error: new GatewayError(code, `no provider answered; tried ${tried.length}: ${tried.join('; ')}`, {
      retryAfterSeconds: waits.length > 0 ? Math.ceil(Math.min(...waits) / 1_000) : isWaitUseful ? 1 : null,
      ...(isFinal ? { isRetryable: false } : {}),
    }),
  };
}
