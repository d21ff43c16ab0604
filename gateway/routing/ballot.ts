// Collects what the tiers propose, judges each deployment once, and puts the kept ones in order.

import type { Candidate, ReasonCode } from '../types.ts';
import { type FilterTerms, judge, type Verdict } from './filters.ts';
import { type Ordered, orderTier } from './ordering.ts';
import type { Proposal, Tier } from './proposal.ts';
import { blockOf, deploymentId, type Question } from './question.ts';

/** A deployment with the filters' verdict. */
export interface Judged {
  readonly proposal: Proposal;
  readonly tier: Tier;
  readonly verdict: Verdict;
  /** Why it is skipped; null: kept. */
  readonly reason: ReasonCode | null;
}

type Placed = Ordered<Judged>;

/** How the note begins of a candidate that the panic rule has taken although it was skipped for its health. */
export const TRIED_ANYWAY = 'tried anyway';

export function isTriedAnyway({ notes }: Candidate): boolean {
  return notes.length > 0 && notes.some((note) => note.startsWith(TRIED_ANYWAY));
}

/** The running state of one decision; made, filled and read within `route`. */
export class Ballot {
  readonly #question: Question;
  readonly #seen = new Map<string, Judged>();
  readonly #free: Placed[] = [];
  readonly #full: Placed[] = [];

  constructor(question: Question) {
    this.#question = question;
  }

  get hasKept(): boolean {
    return this.#free.length + this.#full.length > 0;
  }

  /** All that were considered, kept or not, each once. */
  get judged(): Iterable<Judged> {
    return this.#seen.values();
  }

  /** Providers that have a candidate already: whoever stands behind them is asked only after they failed. */
  get keptProviders(): ReadonlySet<string> {
    return new Set([...this.#free, ...this.#full].map(({ item }) => item.proposal.provider.name));
  }

  /** Judges a tier and puts what is kept behind everything kept before. A deployment that an earlier tier has keeps its place there. */
  add(tier: Tier): void {
    const terms: FilterTerms = { demands: tier.demands, requiresWarm: tier.rule.requiresWarm };
    const kept: Judged[] = [];
    let isCertain = false;
    for (const proposal of tier.proposals) {
      const id = deploymentId(proposal.provider.name, proposal.model);
      const before = this.#seen.get(id);
      if (before && (before.proposal.barred === null || proposal.barred !== null)) continue;
      const verdict = judge(this.#question, proposal, terms);
      const judged: Judged = { proposal, tier, verdict, reason: verdict.reason };
      this.#seen.set(id, judged);
      if (verdict.reason !== null) continue;
      kept.push(judged);
      if (verdict.uncertain === null) isCertain = true;
    }
    this.#place(tier, isCertain ? this.#dropUncertain(kept) : kept);
  }

  /** The candidates, kept ones first; the first is the one to ask. */
  candidates(): readonly Candidate[] {
    const placed = [...this.#free, ...this.#full];
    const kept = placed.map((one, index) => keptCandidate(one, index + 1));
    const skipped: Candidate[] = [];
    for (const judged of this.#seen.values()) {
      if (judged.reason !== null) skipped.push(candidate(judged, { kept: false, reason: judged.reason, order: null }));
    }
    return kept.length === 0 ? skipped : [...kept, ...skipped];
  }

  /** With nothing kept: the best of those skipped only for their health is tried anyway. Returns it, or null. */
  panic(): Judged | null {
    const byTier = new Map<Tier, Judged[]>();
    for (const judged of this.#seen.values()) {
      if (!this.#mayPanic(judged)) continue;
      byTier.set(judged.tier, [...(byTier.get(judged.tier) ?? []), judged]);
    }
    const [first] = byTier;
    if (!first) return null;
    const [tier, hopeful] = first;
    const best = orderTier(this.#question, tier, hopeful)[0];
    if (!best) return null;
    const { proposal, verdict, reason } = best.item;
    const revived: Judged = {
      ...best.item,
      reason: null,
      verdict: { ...verdict, reason: null, notes: [...verdict.notes, `${TRIED_ANYWAY} (${reason})`] },
    };
    this.#seen.set(deploymentId(proposal.provider.name, proposal.model), revived);
    this.#free.push({ ...best, item: revived });
    return best.item;
  }

  #place(tier: Tier, kept: readonly Judged[]): void {
    for (const placed of orderTier(this.#question, tier, kept)) {
      (placed.item.verdict.isFull ? this.#full : this.#free).push(placed);
    }
  }

  #dropUncertain(kept: readonly Judged[]): readonly Judged[] {
    return kept.filter((judged) => {
      const { uncertain, notes } = judged.verdict;
      if (uncertain === null) return true;
      const { provider, model } = judged.proposal;
      const verdict = { ...judged.verdict, notes: [...notes, 'others are known to be fit'] };
      this.#seen.set(deploymentId(provider.name, model), { ...judged, verdict, reason: uncertain });
      return false;
    });
  }

  /** A provider that asked for patience (429) gets it. */
  #mayPanic({ reason, proposal }: Judged): boolean {
    if (reason === 'down' || reason === 'breaker_open') return true;
    if (reason !== 'cooling_down') return false;
    return blockOf(this.#question, proposal)?.isByRequest !== true;
  }
}

function keptCandidate({ item, terms }: Placed, order: number): Candidate {
  const lost = order === 1 ? null : 'lost_on_score';
  const reason: ReasonCode | null = item.verdict.isFull ? 'at_capacity' : lost;
  return { ...candidate(item, { kept: true, reason, order }), terms };
}

function candidate(
  { proposal, tier, verdict }: Judged,
  place: Pick<Candidate, 'kept' | 'reason' | 'order'>,
): Candidate {
  return {
    provider: proposal.provider.name,
    model: proposal.model,
    place: proposal.place,
    source: proposal.source,
    kept: place.kept,
    reason: place.reason,
    order: place.order,
    terms: {},
    via: tier.rule.id,
    notes: verdict.notes,
  };
}
