// What a step proposes: deployments in tiers, before anything but the rules themselves has sorted out any of them.

import type { ModelFacts, ModelSource, Place, ProviderSnapshot, ReasonCode } from '../types.ts';
import type { Question } from './question.ts';
import type { Rule, Target } from './rules.ts';
import { placeOf, type ServeTerms, servedBy } from './servable.ts';

/** A deployment that a rule names, or would name. */
export interface Proposal {
  readonly provider: ProviderSnapshot;
  readonly model: string;
  readonly facts: ModelFacts | null;
  readonly source: ModelSource | null;
  readonly place: Place;
  /** Why the rules themselves pass it over; null: they do not. */
  readonly barred: Extract<ReasonCode, 'pinned_elsewhere' | 'excluded_by_rule' | 'cloud' | 'model_missing'> | null;
  readonly target: Target | null;
  readonly note: string | null;
}

/** What a capability demands of a model beyond what the request needs; facts that are not known count only if none are known. */
export interface Demands {
  readonly minSize: number | null;
  readonly minContext: number | null;
  readonly needsCompletion: boolean;
}

/** Proposals that one strategy orders among themselves. Tiers are asked one after the other. */
export interface Tier {
  readonly rule: Rule;
  readonly proposals: readonly Proposal[];
  readonly demands: Demands | null;
  /** In the written order instead of the strategy's. */
  readonly isInOrder: boolean;
}

/** What one step found. */
export type StepFinding =
  | { readonly is: 'matched'; readonly why: string; readonly tier: Tier }
  | {
      readonly is: 'no_match' | 'skipped';
      readonly why: string;
      /** Deployments it considered and that cannot serve. */
      readonly missed: readonly Proposal[];
    };

/** Stands for the model of a provider that was asked for none and has none of its own accord. */
const ANY_MODEL = '*';
const NOTHING: readonly Proposal[] = Object.freeze([]);

export function noMatch(why: string, missed: readonly Proposal[] = NOTHING): StepFinding {
  return { is: 'no_match', why, missed };
}

export function skipped(why: string, missed: readonly Proposal[] = NOTHING): StepFinding {
  return { is: 'skipped', why, missed };
}

export function matched(
  why: string,
  rule: Rule,
  proposals: readonly Proposal[],
  demands: Demands | null = null,
): StepFinding {
  return { is: 'matched', why, tier: { rule, proposals, demands, isInOrder: false } };
}

/**
 * One proposal per target whose provider is known: able to serve, or barred with the reason.
 * @param fill what `*` stands for in the targets of a wildcard
 */
export function proposeTargets(
  question: Question,
  targets: readonly Target[],
  terms: ServeTerms,
  fill: ((model: string) => string) | null = null,
): readonly Proposal[] {
  const proposals: Proposal[] = [];
  for (const target of targets) {
    const provider = question.snapshot.providers.get(target.provider);
    if (!provider) continue;
    const model = target.model !== null && fill ? fill(target.model) : target.model;
    proposals.push(propose(question, provider, model, terms, target));
  }
  return proposals;
}

/** What a provider would serve, or why it would not. */
export function propose(
  question: Question,
  provider: ProviderSnapshot,
  model: string | null,
  terms: ServeTerms,
  target: Target | null,
): Proposal {
  const served = servedBy(question, provider, model, terms);
  const missing = model ?? question.name ?? ANY_MODEL;
  if (isPinnedElsewhere(question, provider)) {
    return barredProposal(provider, served?.model ?? missing, served?.facts ?? null, 'pinned_elsewhere', target);
  }
  if (!served) return barredProposal(provider, missing, null, 'model_missing', target);
  const place = placeOf(provider, served.facts);
  const isAllowed = place !== 'cloud' || served.isNamed || (terms.namesProvider && provider.place === 'cloud');
  return {
    provider,
    model: served.model,
    facts: served.facts,
    source: served.source,
    place,
    barred: isAllowed ? null : 'cloud',
    target,
    note: served.note,
  };
}

export function isPinnedElsewhere({ pin }: Question, provider: ProviderSnapshot): boolean {
  return pin !== null && provider.name !== pin;
}

export function barredProposal(
  provider: ProviderSnapshot,
  model: string,
  facts: ModelFacts | null,
  barred: NonNullable<Proposal['barred']>,
  target: Target | null = null,
): Proposal {
  return { provider, model, facts, source: null, place: placeOf(provider, facts), barred, target, note: null };
}

/** The rules let it serve, whatever its health. */
export function canServe(proposal: Proposal): boolean {
  return proposal.barred === null;
}
