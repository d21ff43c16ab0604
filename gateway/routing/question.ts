// One request put to the rules: what every step of the decision looks at. Built once per decision, changed by none of them.

import type { GroupDeployment } from '../config/settings.ts';
import type {
  DeploymentKey,
  Endpoint,
  FailureKind,
  ProviderSnapshot,
  ReasonCode,
  RequestFacts,
  Snapshot,
} from '../types.ts';
import type { NamedModel } from './model-index.ts';
import type { Rules } from './rules.ts';
import type { LearnedFacts } from './strategies/strategy.ts';

/** Why live traffic has taken a deployment out for a while. */
export interface Blocked {
  readonly reason: Extract<ReasonCode, 'cooling_down' | 'breaker_open' | 'rate_limited'>;
  /** Until it is over, in ms; null: time alone does not cure it (a prompt larger than the whole minute's tokens). */
  readonly remainingMs: number | null;
  /** A cooldown because the provider asked for it (429): waiting is the only cure. */
  readonly isByRequest: boolean;
  /** Which limit, for people: `rpm of provider ollama`. */
  readonly limit?: string;
}

/** A deployment as one request would use it. */
export interface DeploymentUse extends DeploymentKey {
  /** The `model_list` entry that names it, with limits of its own. */
  readonly entry: GroupDeployment | null;
  /** The name that was asked for, after aliases: limits may be set for a name wherever it is served. */
  readonly name: string | null;
  /** What the request is estimated to take; 0 asks about requests alone. */
  readonly promptTokens: number;
}

/** What changes between two decisions on the same snapshot: handed in, so that the same state decides the same. */
export interface RouteState {
  /** Deployments that failed in this request already (`deploymentId`), and what went wrong there last. */
  readonly failed: ReadonlyMap<string, FailureKind>;
  /** Cooldown, breaker or rate limit of a deployment, of its provider or of the whole gateway; null: none. */
  blocked(use: DeploymentUse): Blocked | null;
  /** Null: nothing was learned yet. */
  learned(provider: string, model: string, facts: RequestFacts): LearnedFacts | null;
  /** The number of the coming pick from a pool; null: nobody counts, and the dice choose. */
  turn(pool: string): number | null;
  /** The model of that name has answered nothing yet, or was idle so long that it may have been unloaded since. */
  isFirstRequest(name: string | null): boolean;
}

/** Nothing failed, nothing is blocked, nothing was learned. */
export const freshState: RouteState = Object.freeze({
  failed: new Map<string, FailureKind>(),
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

/** What live traffic has against a proposed deployment. */
export function blockOf(
  { state, facts, name, rules }: Question,
  {
    provider,
    model,
    target,
  }: {
    readonly provider: ProviderSnapshot;
    readonly model: string;
    readonly target: { readonly deployment: GroupDeployment | null } | null;
  },
): Blocked | null {
  const entry = target?.deployment ?? rules.entryAt(provider.name, model);
  return state.blocked({ provider: provider.name, model, entry, name, promptTokens: facts.promptTokens });
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
