// How long a provider was in which state: a pure sum over what was observed while the gateway ran and the machine was awake.

import type { ObservedState } from '../types.ts';
import { stateCodes } from './beat-codes.ts';

/** From that instant on the provider is known to be in that state. */
export interface Observation {
  readonly atMs: number;
  readonly state: ObservedState;
}

export interface Interval {
  readonly fromMs: number;
  readonly toMs: number;
}

/** A time in which the gateway ran and was awake. */
export interface AwakePiece extends Interval {
  /** What was observed before is of an earlier start and says nothing. */
  readonly startedAtMs: number;
}

export interface Segment extends Interval {
  readonly state: ObservedState;
}

export type StateTimes = Record<ObservedState, number>;

export function noTimes(): StateTimes {
  const times: Partial<StateTimes> = {};
  for (const state of stateCodes) times[state] = 0;
  return times as StateTimes;
}

/**
 * The times in which the gateway ran and was awake, in order, without overlap. A session ends at the latest when the next
 * one begins (a folder has one gateway at a time). `sessions` in the order of their start; `sleeps` in any order.
 */
export function awakePieces(sessions: readonly Interval[], sleeps: readonly Interval[]): AwakePiece[] {
  const inOrder = [...sleeps].sort((a, b) => a.fromMs - b.fromMs);
  const pieces: AwakePiece[] = [];
  for (const [index, { fromMs: startedAtMs, toMs }] of sessions.entries()) {
    const endMs = Math.min(toMs, sessions[index + 1]?.fromMs ?? toMs);
    let fromMs = startedAtMs;
    for (const sleep of inOrder) {
      if (sleep.toMs <= fromMs || sleep.toMs <= sleep.fromMs) continue;
      if (sleep.fromMs >= endMs) break;
      if (sleep.fromMs > fromMs) pieces.push({ fromMs, toMs: sleep.fromMs, startedAtMs });
      fromMs = sleep.toMs;
    }
    if (fromMs < endMs) pieces.push({ fromMs, toMs: endMs, startedAtMs });
  }
  return pieces;
}

/**
 * The known part of a range, cut where the state may change. A state lasts until the next observation, through sleep
 * (which counts for nothing) but not into the next session. Both lists in order of time.
 */
export function stateSegments(
  observations: readonly Observation[],
  pieces: readonly AwakePiece[],
  range: Interval,
): Segment[] {
  const segments: Segment[] = [];
  let next = 0;
  for (const piece of pieces) {
    const endMs = Math.min(piece.toMs, range.toMs);
    let fromMs = Math.max(piece.fromMs, range.fromMs);
    while (fromMs < endMs) {
      while ((observations[next]?.atMs ?? Number.POSITIVE_INFINITY) <= fromMs) next++;
      const current = observations[next - 1];
      const toMs = Math.min(endMs, observations[next]?.atMs ?? endMs);
      if (current && current.atMs >= piece.startedAtMs) segments.push({ fromMs, toMs, state: current.state });
      fromMs = toMs;
    }
  }
  return segments;
}

/** Cuts segments at the borders of periods that begin at `originMs`, and calls with each part and the index of its period. */
export function spread(
  segments: readonly Segment[],
  originMs: number,
  periodMs: number,
  add: (period: number, state: ObservedState, ms: number) => void,
): void {
  for (const { fromMs, toMs, state } of segments) {
    let atMs = fromMs;
    while (atMs < toMs) {
      const period = Math.floor((atMs - originMs) / periodMs);
      const endMs = Math.min(toMs, originMs + (period + 1) * periodMs);
      add(period, state, endMs - atMs);
      atMs = endMs;
    }
  }
}

/** What of the range is in none of the intervals; these in order and without overlap. */
export function complement(range: Interval, intervals: readonly Interval[]): Interval[] {
  const rest: Interval[] = [];
  let fromMs = range.fromMs;
  for (const interval of intervals) {
    if (interval.toMs <= fromMs) continue;
    if (interval.fromMs >= range.toMs) break;
    if (interval.fromMs > fromMs) rest.push({ fromMs, toMs: interval.fromMs });
    fromMs = interval.toMs;
  }
  if (fromMs < range.toMs) rest.push({ fromMs, toMs: range.toMs });
  return rest;
}
