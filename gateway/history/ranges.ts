// Cuts a range into buckets that end where the periods end that are summed up.

import type { TimeRange } from './history.ts';
import { floorTo, type Grain, grainMs, grains } from './limits.ts';

/** More periods than that are not read for one answer: a coarser grain is taken. */
const mostPeriods = 1_500;

export interface Buckets extends TimeRange {
  readonly bucketMs: number;
  readonly count: number;
}

export interface GrainRange extends TimeRange {
  readonly grain: Grain;
}

/** @param keptSinceMs before which the sums of that grain are gone */
function finestGrain(range: TimeRange, keptSinceMs: (grain: Grain) => number): GrainRange {
  for (const grain of grains) {
    const whole = wholePeriods(range, grainMs[grain]);
    if ((whole.toMs - whole.fromMs) / grainMs[grain] <= mostPeriods && range.fromMs >= keptSinceMs(grain)) {
      return { ...whole, grain };
    }
  }
  return { ...wholePeriods(range, grainMs.day), grain: 'day' };
}

/** The coarsest grain that still gives so many buckets. */
export function bucketGrain(range: TimeRange, buckets: number, keptSinceMs: (grain: Grain) => number): GrainRange {
  const finest = finestGrain(range, keptSinceMs);
  const widthMs = (range.toMs - range.fromMs) / buckets;
  const coarsest = grains.findLast((grain) => grainMs[grain] <= widthMs) ?? 'minute';
  if (grainMs[coarsest] <= grainMs[finest.grain]) return finest;
  return { ...wholePeriods(range, grainMs[coarsest]), grain: coarsest };
}

/** At most `wished` buckets, each a whole number of periods long. */
export function cut({ fromMs, toMs }: TimeRange, wished: number, periodMs: number): Buckets {
  const periods = Math.max(1, Math.ceil((toMs - fromMs) / periodMs));
  const bucketMs = Math.ceil(periods / wished) * periodMs;
  return { fromMs, toMs, bucketMs, count: Math.ceil(periods / (bucketMs / periodMs)) };
}

/**
 * A range as periods of all grains: whole days, at both ends what is left of them in hours, and of these in minutes, as far
 * as the finer ones are kept. Exact to the finest of them.
 */
export function inPeriods(range: TimeRange, keptSinceMs: (grain: Grain) => number): GrainRange[] {
  const from = grains.find((grain) => range.fromMs >= keptSinceMs(grain)) ?? 'day';
  const to = grains.find((grain) => range.toMs >= keptSinceMs(grain)) ?? 'day';
  const fromMs = floorTo(range.fromMs, grainMs[from]);
  const toMs = floorTo(range.toMs - 1, grainMs[to]) + grainMs[to];
  return split(fromMs, toMs, grains.length - 1);
}

function split(fromMs: number, toMs: number, place: number): GrainRange[] {
  const grain = grains[place];
  if (grain === undefined || fromMs >= toMs) return [];
  const firstMs = floorTo(fromMs + grainMs[grain] - 1, grainMs[grain]);
  const lastMs = floorTo(toMs, grainMs[grain]);
  if (firstMs >= lastMs) return split(fromMs, toMs, place - 1);
  return [
    ...split(fromMs, firstMs, place - 1),
    { grain, fromMs: firstMs, toMs: lastMs },
    ...split(lastMs, toMs, place - 1),
  ];
}

export function withinCount(wished: number): number {
  return Math.min(500, Math.max(1, Math.trunc(wished) || 1));
}

function wholePeriods({ fromMs, toMs }: TimeRange, periodMs: number): TimeRange {
  return { fromMs: floorTo(fromMs, periodMs), toMs: floorTo(toMs - 1, periodMs) + periodMs };
}
