// Cheapest first. A price that is absent or zero is free.

import { type Contender, rankByScore, type Strategy } from './strategy.ts';

/** Those within this share of the cheapest are equally cheap. */
const NEAR_CHEAPEST = 1.05;

/** Input and output price of one token together. */
export function priceOf({ share }: Contender): number {
  return (share.inputCostPerToken ?? 0) + (share.outputCostPerToken ?? 0);
}

/**
 * @param amongEquals decides among those within 5 % of the cheapest; null: chance does
 */
export function costWith(amongEquals: Strategy | null): Strategy {
  return (contenders, input) => {
    const prices = contenders.map(priceOf);
    const cheapest = Math.min(...prices);
    const near = prices.map((price) => (price <= cheapest * NEAR_CHEAPEST ? cheapest : price));
    const terms = prices.map((price) => ({ cost_per_token: price }));
    if (!amongEquals)
      return rankByScore(
        near.map((score, index) => ({ score, terms: terms[index] ?? {} })),
        input.dice,
      );
    const equals = contenders.flatMap((_, index) => (near[index] === cheapest ? [index] : []));
    const inner = amongEquals(
      equals.map((index) => contenders[index]).filter((one) => one !== undefined),
      input,
    );
    const place = new Map(inner.order.map((position, rank) => [equals[position] ?? 0, rank]));
    const scores = near.map((score, index) => {
      const position = equals.indexOf(index);
      return { score, terms: { ...terms[index], ...(position < 0 ? {} : inner.terms[position]) } };
    });
    const ranking = rankByScore(scores, input.dice);
    const [first, rest] = [
      ranking.order.filter((index) => place.has(index)),
      ranking.order.filter((index) => !place.has(index)),
    ];
    first.sort((a, b) => (place.get(a) ?? 0) - (place.get(b) ?? 0));
    return { order: [...first, ...rest], terms: ranking.terms };
  };
}
