// The shape all strategies share: contenders in, an order with its figures out. Pure: chance and turns are arguments.

import type { StrategyOptions } from '../../config/settings.ts';
import type { ModelFacts, ProviderSnapshot } from '../../types.ts';

/** What the configuration says of one deployment's share of the work. Null: not given. */
export interface Share {
  readonly weight: number | null;
  readonly rpm: number | null;
  readonly tpm: number | null;
  /** Higher first. */
  readonly priority: number | null;
  /** Lower first. */
  readonly order: number | null;
  readonly inputCostPerToken: number | null;
  readonly outputCostPerToken: number | null;
}

/** What a score goes by: it stays the same for ten requests, so that one slow answer does not turn all of them elsewhere. */
export type SteadyFacts = Pick<LearnedFacts, 'firstContentMs' | 'perTokenMs' | 'successRate'>;

/** What was learned of one deployment from requests that really happened. Null: not learned yet. */
export interface LearnedFacts {
  /** Smoothed time to first content of streams on a loaded model, in ms. */
  readonly firstContentMs: number | null;
  /** Smoothed total time per output token of other answers, in ms. */
  readonly perTokenMs: number | null;
  /** 95th percentile of the time to first content in the window, in ms. */
  readonly firstContentP95Ms: number | null;
  /** Samples of the last hour. */
  readonly samplesInHour: number;
  /** Of the window, 0 to 1. */
  readonly successRate: number | null;
  /** In the sliding minute, those in flight included. */
  readonly requestsInMinute: number;
  /** In the sliding minute, reserved ones included. */
  readonly tokensInMinute: number;
  readonly loadMs: number | null;
  readonly prefillTokensPerSecond: number | null;
  /** How long one request keeps a slot, in ms. */
  readonly serviceMs: number | null;
  /** Prompt tokens of this conversation that are still cached there. */
  readonly cachedTokens: number;
  /** More failures lately than `error_based_routing` tolerates. */
  readonly isDegraded: boolean;
  /** As of the last refresh; absent: whoever hands these facts in refreshes all of them at once. */
  readonly steady?: SteadyFacts;
}

/** One kept candidate. */
export interface Contender {
  readonly provider: ProviderSnapshot;
  readonly model: string;
  readonly facts: ModelFacts | null;
  readonly share: Share;
  readonly learned: LearnedFacts | null;
}

export interface StrategyInput {
  readonly promptTokens: number;
  readonly isStream: boolean;
  /** Uniform in [0, 1). */
  readonly dice: () => number;
  /** The number of the coming pick from a pool, counted from 0; a pool is its members with their weights. */
  readonly turn: (pool: string) => number;
  readonly options: StrategyOptions;
}

/** Figures by name, shown in the explanation. */
export type Terms = Readonly<Record<string, number>>;

export interface Ranking {
  /** Positions in the list of contenders, best first; each exactly once. */
  readonly order: readonly number[];
  /** By position in the list of contenders. */
  readonly terms: readonly Terms[];
}

/** Orders one or more contenders. */
export type Strategy = (contenders: readonly Contender[], input: StrategyInput) => Ranking;

export const noShare: Share = Object.freeze({
  weight: null,
  rpm: null,
  tpm: null,
  priority: null,
  order: null,
  inputCostPerToken: null,
  outputCostPerToken: null,
});

/** A score of one contender, lower is better, with the figures it came from. */
export interface Score {
  readonly score: number;
  readonly terms: Terms;
}

/** Orders by score, the lowest first, equal ones at random. */
export function rankByScore(scores: readonly Score[], dice: () => number): Ranking {
  const order = scores.map((_, index) => index);
  if (order.length > 1) {
    const ties = scores.map(() => dice());
    order.sort(
      (a, b) => compareNumbers(scores[a]?.score ?? 0, scores[b]?.score ?? 0) || (ties[a] ?? 0) - (ties[b] ?? 0),
    );
  }
  return { order, terms: scores.map(({ terms }) => terms) };
}

/** Ascending; also for infinities, whose difference is not a number. */
export function compareNumbers(a: number, b: number): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

/** Work at the deployment per slot: the larger of our own requests and what the engine reports. */
export function busyPerSlot({ provider }: Contender): number {
  return requestsAt(provider) / Math.max(1, provider.maxParallelRequests ?? 1);
}

/** Requests running or waiting there, whoever sent them. */
export function requestsAt(provider: ProviderSnapshot): number {
  const reported = provider.busy ? provider.busy.running + provider.busy.waiting : 0;
  return Math.max(provider.load.inFlight, reported);
}

/** A deployment that failed often lately counts half of what it would. */
export function degradedFactor({ learned }: Contender): number {
  return learned?.isDegraded ? 2 : 1;
}
