// Periods that are summed up, and how long what is kept: all in one place.

import type { HistorySettings } from '../config/settings.ts';

const minuteMs = 60_000;
const hourMs = 3_600_000;
export const dayMs = 86_400_000;

/** Their place here is stored. All periods are UTC: a day begins at 00:00 UTC whatever the clock on the wall says. */
export const grains = ['minute', 'hour', 'day'] as const;
export type Grain = (typeof grains)[number];

export const grainMs: Readonly<Record<Grain, number>> = { minute: minuteMs, hour: hourMs, day: dayMs };
export const grainCode: Readonly<Record<Grain, number>> = { minute: 0, hour: 1, day: 2 };

/** Days that sums are kept. */
const grainDays: Readonly<Record<Grain, number>> = { minute: 7, hour: 90, day: 730 };

/** The beginning of the period of that length that holds the instant. */
export function floorTo(atMs: number, periodMs: number): number {
  return Math.floor(atMs / periodMs) * periodMs;
}

/** Sums are kept for `grainDays`; with a retention shorter than that of the hours, none longer than what they were made of. */
export function keptSinceMs(grain: Grain, settings: HistorySettings, nowMs: number): number {
  const { retentionDays } = settings;
  const days = retentionDays < grainDays.hour ? Math.min(grainDays[grain], retentionDays) : grainDays[grain];
  return nowMs - days * dayMs;
}
