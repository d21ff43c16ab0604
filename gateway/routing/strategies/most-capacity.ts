// Largest loaded context times free slots.

import { degradedFactor, rankByScore, requestsAt, type Strategy } from './strategy.ts';

/** Slots of a server that takes as many requests as come: more than a server with slots usually has. */
const UNLIMITED_SLOTS = 16;

export const mostCapacity: Strategy = (contenders, { dice }) =>
  rankByScore(
    contenders.map((contender) => {
      const { provider, facts } = contender;
      const slots = provider.maxParallelRequests ?? UNLIMITED_SLOTS;
      const freeSlots = Math.max(0, slots - requestsAt(provider));
      const context = facts?.contextLoaded ?? facts?.contextTrained ?? 0;
      const capacity = context * freeSlots;
      return { score: -capacity / degradedFactor(contender), terms: { context, free_slots: freeSlots, capacity } };
    }),
    dice,
  );
