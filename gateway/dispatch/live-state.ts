// What one decision about a live request sees besides rules and snapshot: what was learned, what live traffic has taken out,
// and what failed in this request. Reading changes nothing, so that dry runs read the same.

import { type Blocked, type DeploymentUse, deploymentId, type RouteState } from '../routing/question.ts';
import type { Cooldowns } from './cooldowns.ts';
import { LearnedState } from './learned-state.ts';
import type { Learning } from './learning.ts';
import type { RateLimits } from './rate-limits.ts';

/** Everything that can take a deployment out for a while. */
export interface Guards {
  readonly cooldowns: Cooldowns;
  readonly rateLimits: RateLimits;
}

/** Nothing is asked again. */
export const NONE_AGAIN: ReadonlySet<string> = new Set();

export class LiveState extends LearnedState {
  readonly #guards: Guards;
  readonly #again: ReadonlySet<string>;

  /**
   * @param failed what failed in this request
   * @param again deployments (`deploymentId`) that this request may ask again although they are cooling down: it made its
   * wait for them
   */
  constructor(
    learning: Learning,
    guards: Guards,
    failed?: RouteState['failed'],
    again: ReadonlySet<string> = NONE_AGAIN,
  ) {
    super(learning, failed);
    this.#guards = guards;
    this.#again = again;
  }

  override blocked(use: DeploymentUse): Blocked | null {
    const { cooldowns, rateLimits } = this.#guards;
    if (!cooldowns.isIdle && !this.#isAskedAgain(use)) {
      const cooling = cooldowns.blocked(use.provider, use.model);
      if (cooling !== null) return cooling;
    }
    const limit = rateLimits.hasLimits ? rateLimits.blocked(use) : null;
    if (limit === null) return null;
    const { remainingMs, scope } = limit;
    return { reason: 'rate_limited', remainingMs, isByRequest: false, limit: `${limit.limit} of ${scope}` };
  }

  #isAskedAgain({ provider, model }: DeploymentUse): boolean {
    return this.#again.size > 0 && this.#again.has(deploymentId(provider, model));
  }
}
