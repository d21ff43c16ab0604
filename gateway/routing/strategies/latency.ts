// Lowest smoothed latency: time to first content for streams, time per output token for the rest.

import { type Contender, degradedFactor, rankByScore, type SteadyFacts, type Strategy } from './strategy.ts';

/** The share of requests that goes to a random one, so that a slow one can prove it became fast. */
const EXPLORATION = 0.05;

/** Never measured ones come first; those within `lowestLatencyBuffer` of the lowest are equals. */
export const latency: Strategy = (contenders, { dice, isStream, options }) => {
  const measured = contenders.map((contender) => latencyOf(contender, isStream));
  const known = measured.filter((value) => value !== null);
  const lowest = known.length === 0 ? 0 : Math.min(...known);
  const isExploring = dice() < EXPLORATION;
  return rankByScore(
    measured.map((value) => {
      const terms = { latency_ms: value ?? -1, explored: isExploring ? 1 : 0 };
      if (isExploring) return { score: 0, terms };
      if (value === null) return { score: -1, terms };
      return { score: value <= lowest * (1 + options.lowestLatencyBuffer) ? lowest : value, terms };
    }),
    dice,
  );
};

/** In ms; null: never measured. */
export function latencyOf(
  contender: Contender,
  isStream: boolean,
  learned: SteadyFacts | null = contender.learned,
): number | null {
  const value = isStream ? learned?.firstContentMs : learned?.perTokenMs;
  return value === undefined || value === null ? null : value * degradedFactor(contender);
}

const ENOUGH_SAMPLES = 5;

/** Lowest 95th percentile of the time to first content; who has fewer than five samples of the last hour goes first. */
export const fastestResponse: Strategy = (contenders, { dice }) =>
  rankByScore(
    contenders.map((contender) => {
      const { learned } = contender;
      const p95 = learned?.firstContentP95Ms ?? null;
      const samples = learned?.samplesInHour ?? 0;
      const terms = { p95_first_content_ms: p95 ?? -1, samples };
      const isKnown = p95 !== null && samples >= ENOUGH_SAMPLES;
      return { score: isKnown ? p95 * degradedFactor(contender) : -1, terms };
    }),
    dice,
  );
