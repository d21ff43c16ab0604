// Lowest share of its limits used in the sliding minute; tiers of priority and order come before it.

import { type Contender, compareNumbers, degradedFactor, type Ranking, type Strategy } from './strategy.ts';

/** Priority: higher first. Then order: lower first. Then the lowest used fraction of rpm or tpm; equals at random. */
export const usage: Strategy = (contenders, { dice, promptTokens }): Ranking => {
  const used = contenders.map((contender) => usedFraction(contender, promptTokens) * degradedFactor(contender));
  const ties = contenders.map(() => dice());
  const order = contenders.map((_, index) => index);
  order.sort(
    (a, b) =>
      compareNumbers(priorityOf(contenders[b]), priorityOf(contenders[a])) ||
      compareNumbers(orderOf(contenders[a]), orderOf(contenders[b])) ||
      compareNumbers(used[a] ?? 0, used[b] ?? 0) ||
      (ties[a] ?? 0) - (ties[b] ?? 0),
  );
  const terms = contenders.map((contender, index) => ({
    priority: priorityOf(contender),
    order: orderOf(contender),
    used: used[index] ?? 0,
  }));
  return { order, terms };
};

/** The larger of the two fractions as they would be with this request; without limits, requests of the minute decide. */
function usedFraction({ share, learned }: Contender, promptTokens: number): number {
  const requests = learned?.requestsInMinute ?? 0;
  const tokens = learned?.tokensInMinute ?? 0;
  // Without any limit a deployment never fills up: the fewer requests the better, and always below the smallest fraction.
  if (share.rpm === null && share.tpm === null) return -1 / (requests + 1);
  const byRequests = share.rpm === null ? 0 : fraction(requests + 1, share.rpm);
  const byTokens = share.tpm === null ? 0 : fraction(tokens + promptTokens, share.tpm);
  return Math.max(byRequests, byTokens);
}

function fraction(used: number, limit: number): number {
  return limit > 0 ? used / limit : Number.POSITIVE_INFINITY;
}

function priorityOf(contender: Contender | undefined): number {
  return contender?.share.priority ?? 0;
}

function orderOf(contender: Contender | undefined): number {
  return contender?.share.order ?? 0;
}

/** The provider's own priority, higher first, in place of any strategy; equals at random. */
export const byOrder: Strategy = (contenders, { dice }) => {
  const ties = contenders.map(() => dice());
  const order = contenders.map((_, index) => index);
  order.sort(
    (a, b) =>
      compareNumbers(contenders[b]?.provider.priority ?? 0, contenders[a]?.provider.priority ?? 0) ||
      (ties[a] ?? 0) - (ties[b] ?? 0),
  );
  return { order, terms: contenders.map(({ provider }) => ({ priority: provider.priority })) };
};
