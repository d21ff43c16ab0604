// nginx's smooth weighted round robin as a function of the number of the turn: the same turn always picks the same one.

import { BoundedMemory } from '../bounded-memory.ts';

/** Longer cycles are shortened: shares are then kept to one part in this many. */
const LONGEST_CYCLE = 10_000;
const MOST_DECIMALS = 1e6;

const cycles = new BoundedMemory<string, Uint16Array>(200);

/** Which one is picked at each turn of a cycle; every window of the cycle's length holds each one exactly by its weight. */
export function turnCycle(weights: readonly number[]): Uint16Array {
  const key = weights.join(' ');
  let cycle = cycles.get(key);
  if (!cycle) {
    cycle = buildCycle(wholeWeights(weights));
    cycles.set(key, cycle);
  }
  return cycle;
}

/** The same proportions in the smallest whole numbers (0.7 and 0.3 are 7 and 3); negative ones count as nothing. */
export function wholeWeights(weights: readonly number[]): readonly number[] {
  const scaled = weights.map((weight) => Math.max(0, Math.round(weight * MOST_DECIMALS)));
  const divisor = scaled.reduce(greatestCommonDivisor, 0);
  if (divisor === 0) return weights.map(() => 1);
  const whole = scaled.map((weight) => weight / divisor);
  const total = whole.reduce((sum, weight) => sum + weight, 0);
  if (total <= LONGEST_CYCLE) return whole;
  // Whoever has a weight keeps at least one turn.
  return whole.map((weight) => (weight === 0 ? 0 : Math.max(1, Math.round((weight * LONGEST_CYCLE) / total))));
}

function greatestCommonDivisor(a: number, b: number): number {
  let [larger, smaller] = [a, b];
  while (smaller !== 0) [larger, smaller] = [smaller, larger % smaller];
  return larger;
}

function buildCycle(weights: readonly number[]): Uint16Array {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const current = weights.map(() => 0);
  return Uint16Array.from({ length: total }, () => {
    let best = -1;
    for (const [index, weight] of weights.entries()) {
      const raised = (current[index] ?? 0) + weight;
      current[index] = raised;
      if (weight > 0 && (best < 0 || raised > (current[best] ?? 0))) best = index;
    }
    current[best] = (current[best] ?? 0) - total;
    return best;
  });
}
