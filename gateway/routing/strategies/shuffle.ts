// At random, weighted by `weight`, else rpm, else tpm, else evenly: each place in the order is drawn from those left.

import { type Contender, degradedFactor, type Share, type Strategy } from './strategy.ts';

export const shuffle: Strategy = (contenders, { dice }) => {
  const weights = shuffleWeights(contenders);
  return { order: drawAll(weights, dice), terms: weights.map((weight) => ({ weight })) };
};

/** The weight of each contender: the first of the three kinds that anybody has; who lacks it counts as the smallest given. */
function shuffleWeights(contenders: readonly Contender[]): readonly number[] {
  const kinds: readonly (keyof Share)[] = ['weight', 'rpm', 'tpm'];
  for (const kind of kinds) {
    const given = contenders.map(({ share }) => share[kind]);
    const known = given.filter((value) => value !== null);
    if (known.length === 0) continue;
    const smallest = Math.min(...known);
    return contenders.map((contender, index) => (given[index] ?? smallest) / degradedFactor(contender));
  }
  return contenders.map((contender) => 1 / degradedFactor(contender));
}

function drawAll(weights: readonly number[], dice: () => number): number[] {
  const left = weights.map((_, index) => index);
  const order: number[] = [];
  while (left.length > 1) {
    const [drawn] = left.splice(draw(left, weights, dice), 1);
    if (drawn !== undefined) order.push(drawn);
  }
  return [...order, ...left];
}

/** A position in `left`, with the chance of its weight; weightless ones only once nothing else is left. */
function draw(left: readonly number[], weights: readonly number[], dice: () => number): number {
  let total = 0;
  for (const index of left) total += weights[index] ?? 0;
  if (total <= 0) return Math.min(left.length - 1, Math.floor(dice() * left.length));
  let rest = dice() * total;
  let lastWeighty = 0;
  for (const [position, index] of left.entries()) {
    const weight = weights[index] ?? 0;
    if (weight <= 0) continue;
    lastWeighty = position;
    rest -= weight;
    if (rest < 0) return position;
  }
  return lastWeighty;
}
