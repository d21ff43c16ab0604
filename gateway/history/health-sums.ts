// What is summed up of beats and states over a period, in memory and as a row of `health_rollups`.

import { stateCodes } from './beat-codes.ts';
import { Sketch } from './sketch.ts';
import { noTimes, type StateTimes } from './state-time.ts';

export interface HealthSum {
  beats: number;
  failedBeats: number;
  /** Beats that have a latency. */
  timedBeats: number;
  latencySumUs: number;
  /** Null: no beat had a latency. */
  latencyMinUs: number | null;
  latencyMaxUs: number | null;
  readonly latencyUs: Sketch;
  readonly times: StateTimes;
}

export const healthColumns = [
  'beats',
  'failed_beats',
  'timed_beats',
  'latency_sum_us',
  'latency_min_us',
  'latency_max_us',
  'latency',
  ...stateCodes.map((state) => `${state}_ms` as const),
] as const;

export interface HealthRow extends Readonly<Record<`${(typeof stateCodes)[number]}_ms`, number>> {
  readonly at_ms: number;
  readonly beats: number;
  readonly failed_beats: number;
  readonly timed_beats: number;
  readonly latency_sum_us: number;
  readonly latency_min_us: number | null;
  readonly latency_max_us: number | null;
  readonly latency: Uint8Array | null;
}

export interface BeatRow {
  readonly at_ms: number;
  readonly is_ok: number;
  readonly latency_us: number | null;
  readonly state: number;
}

export function emptyHealth(): HealthSum {
  return {
    ...{ beats: 0, failedBeats: 0, timedBeats: 0, latencySumUs: 0, latencyMinUs: null, latencyMaxUs: null },
    latencyUs: new Sketch(),
    times: noTimes(),
  };
}

export function addBeat(sum: HealthSum, beat: BeatRow): void {
  sum.beats++;
  sum.failedBeats += beat.is_ok ? 0 : 1;
  const { latency_us: latencyUs } = beat;
  if (latencyUs === null) return;
  sum.timedBeats++;
  sum.latencySumUs += latencyUs;
  sum.latencyMinUs = Math.min(sum.latencyMinUs ?? latencyUs, latencyUs);
  sum.latencyMaxUs = Math.max(sum.latencyMaxUs ?? latencyUs, latencyUs);
  sum.latencyUs.add(latencyUs);
}

export function addHealthRow(sum: HealthSum, row: HealthRow): void {
  addFigures(sum, {
    ...{ beats: row.beats, failedBeats: row.failed_beats, timedBeats: row.timed_beats },
    ...{ latencySumUs: row.latency_sum_us, latencyMinUs: row.latency_min_us, latencyMaxUs: row.latency_max_us },
  });
  sum.latencyUs.addBytes(row.latency);
  for (const state of stateCodes) sum.times[state] += row[`${state}_ms`];
}

/** All but the sketch. */
export function addFiguresAndTimes(sum: HealthSum, other: HealthSum): void {
  addFigures(sum, other);
  for (const state of stateCodes) sum.times[state] += other.times[state];
}

function addFigures(sum: HealthSum, other: Omit<HealthSum, 'latencyUs' | 'times'>): void {
  sum.beats += other.beats;
  sum.failedBeats += other.failedBeats;
  sum.timedBeats += other.timedBeats;
  sum.latencySumUs += other.latencySumUs;
  const { latencyMinUs, latencyMaxUs } = other;
  if (latencyMinUs !== null) sum.latencyMinUs = Math.min(sum.latencyMinUs ?? latencyMinUs, latencyMinUs);
  if (latencyMaxUs !== null) sum.latencyMaxUs = Math.max(sum.latencyMaxUs ?? latencyMaxUs, latencyMaxUs);
}

/** Values for `healthColumns`. */
export function healthValues(sum: HealthSum): (number | Uint8Array | null)[] {
  const { beats, failedBeats, timedBeats, latencySumUs, latencyMinUs, latencyMaxUs, latencyUs, times } = sum;
  const latency = [latencySumUs, latencyMinUs, latencyMaxUs, latencyUs.toBytes()];
  return [beats, failedBeats, timedBeats, ...latency, ...stateCodes.map((state) => times[state])];
}
