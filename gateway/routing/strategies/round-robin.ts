// In turn: the weighted form gives each its exact share of every full cycle.

import { turnCycle } from './smooth-turns.ts';
import { type Contender, degradedFactor, type Strategy, type StrategyInput } from './strategy.ts';

/** Weights where they are given, else 1. */
export const roundRobin: Strategy = (contenders, input) => takeTurns('round_robin', contenders, input);

/** The same algorithm; the name says that the weights are the point. */
export const weightedRoundRobin: Strategy = (contenders, input) => takeTurns('weighted_round_robin', contenders, input);

function takeTurns(name: string, contenders: readonly Contender[], input: StrategyInput) {
  const weights = contenders.map((contender) => (contender.share.weight ?? 1) / degradedFactor(contender));
  const cycle = turnCycle(weights);
  const turn = input.turn(poolName(name, contenders, weights)) % cycle.length;
  return { order: orderFrom(cycle, turn, contenders.length), terms: weights.map((weight) => ({ weight, turn })) };
}

/** Members and weights: another set of kept candidates is another pool with turns of its own. */
function poolName(name: string, contenders: readonly Contender[], weights: readonly number[]): string {
  let pool = name;
  for (const [index, { provider, model }] of contenders.entries()) {
    pool += `\u0000${provider.name}\u0000${model}\u0000${weights[index]}`;
  }
  return pool;
}

/** Whether a deployment is a member of the pool of that name, as `StrategyInput.turn` was given it. */
export function isInPool(pool: string, provider: string, model: string): boolean {
  return pool.includes(`\u0000${provider}\u0000${model}\u0000`);
}

/** Who has this turn, then the others in the order in which their turns come; those without a turn last. */
function orderFrom(cycle: Uint16Array, turn: number, count: number): readonly number[] {
  const order = new Set<number>();
  for (let step = 0; step < cycle.length && order.size < count; step += 1) {
    order.add(cycle[(turn + step) % cycle.length] ?? 0);
  }
  for (let index = 0; index < count; index += 1) order.add(index);
  return [...order];
}
