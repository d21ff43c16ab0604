// All strategies by name: the one list.

import type { StrategyName } from '../../config/settings.ts';
import { costWith } from './cost.ts';
import { fastestResponse, latency } from './latency.ts';
import { leastBusy } from './least-busy.ts';
import { mostCapacity } from './most-capacity.ts';
import { predicted } from './predicted.ts';
import { roundRobin, weightedRoundRobin } from './round-robin.ts';
import { shuffle } from './shuffle.ts';
import type { Strategy, StrategyInput } from './strategy.ts';
import { usage } from './usage.ts';
import { usageBased } from './usage-based.ts';

const cost: Strategy = (contenders, input: StrategyInput) => {
  const inner = input.options.fallbackStrategy;
  return costWith(inner === null || inner === 'cost' ? null : strategies[inner])(contenders, input);
};

export const strategies: Readonly<Record<StrategyName, Strategy>> = Object.freeze({
  shuffle,
  round_robin: roundRobin,
  weighted_round_robin: weightedRoundRobin,
  least_busy: leastBusy,
  latency,
  fastest_response: fastestResponse,
  usage,
  usage_based: usageBased,
  cost,
  most_capacity: mostCapacity,
  predicted,
});
