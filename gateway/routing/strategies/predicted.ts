// Lowest predicted time to first content: waiting, loading and reading the prompt, less what is cached.
// With nothing learned yet its terms make warm ones go first, then the least busy, equals at random.

import { type Contender, degradedFactor, rankByScore, requestsAt, type Strategy } from './strategy.ts';

/** Assumed until learned: a middling model from an SSD. */
const UNKNOWN_LOAD_MS = 10_000;
const UNKNOWN_PREFILL_TOKENS_PER_SECOND = 500;
/** How long one request keeps a slot. */
const UNKNOWN_SERVICE_MS = 4_000;

export const predicted: Strategy = (contenders, { dice, promptTokens }) =>
  rankByScore(
    contenders.map((contender) => {
      const terms = predictedTerms(contender, promptTokens);
      return { score: terms.predicted_ms, terms };
    }),
    dice,
  );

interface PredictedTerms {
  readonly [name: string]: number;
  readonly predicted_ms: number;
}

/** All in ms. */
function predictedTerms(contender: Contender, promptTokens: number): PredictedTerms {
  const { learned } = contender;
  const rate = learned?.prefillTokensPerSecond ?? UNKNOWN_PREFILL_TOKENS_PER_SECOND;
  const cached = Math.min(promptTokens, learned?.cachedTokens ?? 0);
  const queue = queueMs(contender);
  const load = isCold(contender) ? (learned?.loadMs ?? UNKNOWN_LOAD_MS) : 0;
  const prefill = (promptTokens / rate) * 1_000;
  const cachedPrefix = (cached / rate) * 1_000;
  const total = (queue + load + prefill - cachedPrefix) * degradedFactor(contender);
  return { predicted_ms: total, queue_ms: queue, load_ms: load, prefill_ms: prefill, cached_prefix_ms: cachedPrefix };
}

/** Known not to be loaded where a request would load it. */
function isCold({ provider, facts }: Contender): boolean {
  return provider.observed === 'warming' || (provider.loadsOnDemand && facts?.isLoaded === false);
}

/** Requests there now, ours or not, shared among its slots. */
function queueMs({ provider, learned }: Contender): number {
  const slots = Math.max(1, provider.maxParallelRequests ?? 1);
  return (requestsAt(provider) / slots) * (learned?.serviceMs ?? UNKNOWN_SERVICE_MS);
}
