// The weighted score of latency, success and cost. What is not known yet counts as the best there is.

import { priceOf } from './cost.ts';
import { latencyOf } from './latency.ts';
import { type Contender, degradedFactor, rankByScore, type SteadyFacts, type Strategy } from './strategy.ts';

/** Highest `w_latency * best/latency + w_success * success_rate + w_cost * best/cost` first. Zero cost scores 1. */
export const usageBased: Strategy = (contenders, { dice, isStream, options }) => {
  const latencies = contenders.map((contender) => latencyOf(contender, isStream, steadyFacts(contender)));
  const costs = contenders.map(priceOf);
  const bestLatency = smallest(latencies);
  const bestCost = smallest(costs);
  const { weights } = options;
  return rankByScore(
    contenders.map((contender, index) => {
      const latency = ratio(bestLatency, latencies[index] ?? null);
      const success = steadyFacts(contender)?.successRate ?? 1;
      const cost = ratio(bestCost, costs[index] ?? 0);
      const score =
        (weights.latency * latency + weights.successRate * success + weights.cost * cost) / degradedFactor(contender);
      return { score: -score, terms: { score, latency, success, cost } };
    }),
    dice,
  );
};

/** As of the last refresh, which comes every ten requests. */
function steadyFacts({ learned }: Contender): SteadyFacts | null {
  return learned?.steady ?? learned;
}

function smallest(values: readonly (number | null)[]): number {
  const known = values.filter((value) => value !== null && value > 0);
  return known.length === 0 ? 0 : Math.min(...known.map(Number));
}

/** How near the best it comes, 0 to 1; unknown and free are as good as the best. */
function ratio(best: number, value: number | null): number {
  return value === null || value <= 0 ? 1 : best / value;
}
