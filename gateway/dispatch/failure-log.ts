// What failed in one request: for the next decision, for the plan of retries, and for what the client is told in the end.

import { deploymentId } from '../routing/question.ts';
import type { DeploymentKey, Failure, FailureKind } from '../types.ts';
import type { FailedAttempt } from './final-error.ts';
import type { FailedDeployment } from './retry-plan.ts';

/** An attempt that failed before the client saw anything. */
export interface NotedFailure extends FailedAttempt {
  /** As in `Candidate.via`. */
  readonly via: string;
  /** Of the clock that only grows. */
  readonly atMs: number;
  /** `num_retries` of the \`model_list\` entry; null: it says nothing. */
  readonly numRetries: number | null;
  /** How long its first content would have been waited for, in ms. */
  readonly firstContentMs: number;
}

export class FailureLog {
  /** Every failure in order. */
  readonly attempts: FailedAttempt[] = [];
  readonly #kinds = new Map<string, FailureKind>();
  readonly #deployments = new Map<string, FailedDeployment>();

  /** The latest failure of each deployment. */
  get deployments(): readonly FailedDeployment[] {
    return [...this.#deployments.values()];
  }

  /** As a decision wants it, without those that may be asked again. */
  kindsWithout(again: ReadonlySet<string>): ReadonlyMap<string, FailureKind> {
    if (again.size === 0) return this.#kinds;
    return new Map([...this.#kinds].filter(([id]) => !again.has(id)));
  }

  note(noted: NotedFailure): void {
    const { provider, model, via, failure, atMs, numRetries, firstContentMs } = noted;
    const id = deploymentId(provider, model);
    const before = this.#deployments.get(id);
    this.attempts.push(noted);
    this.#kinds.set(id, failure.kind);
    this.#deployments.set(id, {
      id,
      name: `${provider}/${model}`,
      provider,
      model,
      kind: failure.kind,
      via,
      atMs,
      retryAfterMs: failure.retryAfterMs,
      numRetries,
      loadingUntilMs: failure.kind === 'loading' ? (before?.loadingUntilMs ?? atMs + firstContentMs) : null,
    });
  }

  /** A failure made up by a test switch: nobody is asked again for it. */
  pretend(keys: readonly DeploymentKey[], failure: Failure): void {
    for (const { provider, model } of keys) {
      this.#kinds.set(deploymentId(provider, model), failure.kind);
      this.attempts.push({ provider, model, failure, refusal: null });
    }
  }
}

/** Those that are left to be asked again. */
export function without(again: ReadonlySet<string>, id: string): ReadonlySet<string> {
  if (!again.has(id)) return again;
  const rest = new Set(again);
  rest.delete(id);
  return rest;
}
