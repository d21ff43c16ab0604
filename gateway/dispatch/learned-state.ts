// What one decision sees of what was learned. Reading changes nothing, so that dry runs read the same.

import type { StrategyOptions } from '../config/settings.ts';
import type { Blocked, DeploymentUse, RouteState } from '../routing/question.ts';
import { isInPool } from '../routing/strategies/round-robin.ts';
import type { LearnedFacts, SteadyFacts } from '../routing/strategies/strategy.ts';
import type { Decision, RequestFacts } from '../types.ts';
import type { LearnedDeployment } from './learned-deployment.ts';

/** Where the state reads from. */
export interface LearnedSource {
  deployment(provider: string, model: string): LearnedDeployment | null;
  /** The number of the coming pick. */
  turnOf(pool: string): number;
  isFirstRequest(name: string | null): boolean;
  readonly options: StrategyOptions;
  /** Counts up whenever the scores are to be refreshed. */
  readonly generation: number;
  /** Epoch ms. */
  readonly nowMs: number;
  /** Of a clock that only grows. */
  readonly monotonicMs: number;
}

/** One moment, read once from both clocks. */
type Instant = Pick<LearnedSource, 'nowMs' | 'monotonicMs'>;

const NONE: RouteState['failed'] = new Map();

/** The state of one decision: one instant for all its candidates. What has failed or is blocked is not learned: see `LiveState`. */
export class LearnedState implements RouteState {
  readonly failed: RouteState['failed'];
  readonly #source: LearnedSource;
  readonly #instant: Instant;
  #pools: string[] | null = null;

  constructor(source: LearnedSource, failed: RouteState['failed'] = NONE) {
    this.failed = failed;
    this.#source = source;
    this.#instant = { nowMs: source.nowMs, monotonicMs: source.monotonicMs };
  }

  blocked(_use: DeploymentUse): Blocked | null {
    return null;
  }

  learned(provider: string, model: string, facts: RequestFacts): LearnedFacts | null {
    const deployment = this.#source.deployment(provider, model);
    return deployment === null ? null : new LearnedView(deployment, this.#source, this.#instant, facts);
  }

  turn(pool: string): number {
    this.#pools ??= [];
    this.#pools.push(pool);
    return this.#source.turnOf(pool);
  }

  isFirstRequest(name: string | null): boolean {
    return this.#source.isFirstRequest(name);
  }

  /** The pool whose turn it was, because its pick is the one to ask: those of fallbacks keep theirs. Null: none. */
  poolPicked({ candidates }: Decision): string | null {
    const first = candidates[0];
    if (this.#pools === null || first === undefined || !first.kept) return null;
    for (const pool of this.#pools) if (isInPool(pool, first.provider, first.model)) return pool;
    return null;
  }
}

/** One deployment for one request; each fact is worked out when a strategy asks for it. */
class LearnedView implements LearnedFacts {
  readonly #deployment: LearnedDeployment;
  readonly #source: LearnedSource;
  readonly #instant: Instant;
  readonly #facts: RequestFacts;

  constructor(deployment: LearnedDeployment, source: LearnedSource, instant: Instant, facts: RequestFacts) {
    this.#deployment = deployment;
    this.#source = source;
    this.#instant = instant;
    this.#facts = facts;
  }

  get firstContentMs(): number | null {
    return this.#deployment.firstContentMs(this.#instant.nowMs, this.#source.options);
  }

  get perTokenMs(): number | null {
    return this.#deployment.perTokenMs(this.#instant.nowMs, this.#source.options);
  }

  get firstContentP95Ms(): number | null {
    return this.#deployment.firstContentP95Ms(this.#instant.nowMs, this.#source.options);
  }

  get samplesInHour(): number {
    return this.#deployment.samplesInHour(this.#instant.nowMs);
  }

  get successRate(): number | null {
    return this.#deployment.successRate(this.#instant.nowMs, this.#source.options);
  }

  get requestsInMinute(): number {
    return this.#deployment.usage.requests(this.#instant.monotonicMs);
  }

  get tokensInMinute(): number {
    return this.#deployment.usage.tokens(this.#instant.monotonicMs);
  }

  get loadMs(): number | null {
    return this.#deployment.loadMs;
  }

  get prefillTokensPerSecond(): number | null {
    return this.#deployment.prefillTokensPerSecond;
  }

  get serviceMs(): number | null {
    return this.#deployment.serviceMs;
  }

  get cachedTokens(): number {
    const { conversationKey } = this.#facts;
    if (conversationKey === null) return 0;
    return this.#deployment.conversations.cachedTokens(conversationKey, this.#instant.monotonicMs);
  }

  get isDegraded(): boolean {
    return this.#deployment.isDegraded(this.#instant.nowMs);
  }

  get steady(): SteadyFacts {
    const { generation, options } = this.#source;
    return this.#deployment.steady(generation, this.#instant.nowMs, options);
  }
}
