// Fewest requests per slot first; equals at random.

import { busyPerSlot, degradedFactor, rankByScore, type Strategy } from './strategy.ts';

export const leastBusy: Strategy = (contenders, { dice }) =>
  rankByScore(
    contenders.map((contender) => {
      const busy = busyPerSlot(contender);
      // An idle one that fails would stay at zero, however often it is doubled.
      const score = contender.learned?.isDegraded ? (busy + 1) * degradedFactor(contender) : busy;
      return { score, terms: { busy_per_slot: busy } };
    }),
    dice,
  );
