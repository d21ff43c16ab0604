// One attempt as the cooldowns see it: it began at some moment, perhaps begins to answer, and ends once.

import type { GroupDeployment } from '../config/settings.ts';
import type { DeploymentKey, Failure } from '../types.ts';
import type { AttemptMark } from './breaker.ts';

/** One attempt under way. Ending it twice does nothing. */
export interface Trial {
  /**
   * Its answer began to reach the client: the deployment works, and others need not wait for the end of a long stream.
   * It is this attempt's success wherever successes let others in. Does nothing the second time, nor after the end.
   */
  answered(): void;
  /** @param failure null: the whole answer came; one that comes after `answered` is a failure like any other */
  end(failure: Failure | null): void;
  /** It ended in a way that says nothing of the deployment: ended by us, or by a limit of the client's own. */
  abandon(): void;
}

/** Who is told of answers and ends, once for each attempt. `failure` undefined: nothing is known of it. */
export interface TrialOwner {
  answered(attempt: RunningTrial): void;
  ended(attempt: RunningTrial, failure: Failure | null | undefined): void;
}

/** Ends once; after that it knows of nothing. */
export class RunningTrial implements Trial, AttemptMark {
  readonly key: DeploymentKey;
  readonly begunAt: number;
  readonly #owner: TrialOwner;
  readonly #entry: GroupDeployment | null;
  #hasAnswered = false;
  #isOver = false;

  constructor(owner: TrialOwner, key: DeploymentKey, entry: GroupDeployment | null, begunAt: number) {
    this.key = key;
    this.begunAt = begunAt;
    this.#owner = owner;
    this.#entry = entry;
  }

  get cooldownMs(): number | null {
    return this.#entry?.cooldownMs ?? null;
  }

  get hasAnswered(): boolean {
    return this.#hasAnswered;
  }

  answered(): void {
    if (this.#hasAnswered || this.#isOver) return;
    this.#owner.answered(this);
    this.#hasAnswered = true;
  }

  end(failure: Failure | null): void {
    this.#finish(failure);
  }

  abandon(): void {
    this.#finish(undefined);
  }

  #finish(failure: Failure | null | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#owner.ended(this, failure);
  }
}
