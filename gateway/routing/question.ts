// One request put to the rules: what every step of the decision looks at. Built once per decision, changed by none of them.

import type { Endpoint, ProviderSnapshot, ReasonCode, RequestFacts, Snapshot } from '../types.ts';
import type { NamedModel } from './model-index.ts';
import type { Rules } from './rules.ts';
import type { LearnedFacts } from './strategies/strategy.ts';

/** Why live traffic has taken a deployment out for a while. */
export interface Blocked {
  readonly reason: Extract<ReasonCode, 'cooling_down' | 'breaker_open' | 'rate_limited'>;
  /** Until it is over, in ms. */
  readonly remainingMs: number;
  /** A cooldown because the provider asked for it (429): waiting is the only cure. */
  readonly isByRequest: boolean;
}

/** What changes between two decisions on the same snapshot: handed in, so that the same state decides the same. */
export interface RouteState {
  /** Deployments that failed in this request already (`deploymentId`). */
  readonly failed: ReadonlySet<string>;
  /** Cooldown, breaker or rate limit of a deployment, or of its provider as a whole; null: none. */
  blocked(provider: string, model: string): Blocked | null;
  /** Null: nothing was learned yet. */
  learned(provider: string, model: string, facts: RequestFacts): LearnedFacts | null;
  /** The number of the coming pick from a pool; null: nobody counts, and the dice choose. */
  turn(pool: string): number | null;
  /** The model of that name has answered nothing yet, or was idle so long that it may have been unloaded since. */
  isFirstRequest(name: string | null): boolean;
}

/** Nothing failed, nothing is blocked, nothing was learned. */
export const freshState: RouteState = Object.freeze({
  failed: new Set<string>(),
  blocked: () => null,
  learned: () => null,
  turn: () => null,
  isFirstRequest: () => false,
});

export interface Question {
  readonly facts: RequestFacts;
  readonly rules: Rules;
  readonly snapshot: Snapshot;
  readonly state: RouteState;
  readonly dice: () => number;
  /** The name to find a model for, after aliases; null: the client named none. */
  readonly name: string | null;
  /** What is known of that name. */
  readonly named: NamedModel | null;
  /** Only this provider may be used; null: any. */
  readonly pin: string | null;
}

/** One word for a deployment, unique within a configuration. */
export function deploymentId(provider: string, model: string): string {
  return `${provider}\u0000${model}`;
}

const VECTOR_ENDPOINTS: ReadonlySet<Endpoint> = new Set<Endpoint>([
  'embeddings',
  'rerank',
  'ollama_embed',
  'ollama_embeddings',
]);

/** Vectors and scores of two models do not mix: another model may answer only where an exact rule says so. */
export function isVectorEndpoint(endpoint: Endpoint): boolean {
  return VECTOR_ENDPOINTS.has(endpoint);
}

/** Whether the provider has told what it has, now or before. A list that was never told excludes nothing. */
export function isListKnown(provider: ProviderSnapshot): boolean {
  if (provider.place === 'cloud') return false;
  if (provider.isListStale) return provider.models.size > 0;
  switch (provider.observed) {
    case 'ready':
    case 'degraded':
      return true;
    case 'warming':
      return provider.models.size > 0;
    default:
      return false;
  }
}
