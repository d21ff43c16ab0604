// One attempt as the cooldowns see it: it began at some moment, and ends once.

import type { GroupDeployment } from '../config/settings.ts';
import type { DeploymentKey, Failure } from '../types.ts';
import type { AttemptMark } from './breaker.ts';

/** One attempt under way. Ending it twice does nothing. */
export interface Trial {
  /** @param failure null: the whole answer came */
  end(failure: Failure | null): void;
  /** It ended in a way that says nothing of the deployment: ended by us, or by a limit of the client's own. */
  abandon(): void;
}

/** Who is told of ends, once for each attempt. `failure` undefined: nothing is known of it. */
export interface TrialOwner {
  ended(attempt: RunningTrial, failure: Failure | null | undefined): void;
}

/** Ends once; after that it knows of nothing. */
export class RunningTrial implements Trial, AttemptMark {
  readonly key: DeploymentKey;
  readonly begunAt: number;
  readonly #owner: TrialOwner;
  readonly #entry: GroupDeployment | null;
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
