// What a heartbeat bar is made of: which beats fit, and the shape of each. Pure.

import type { ObservedState } from '../../gateway/types.ts';

/** Sizes of one beat, in CSS pixels. */
export interface BeatSize {
  readonly width: number;
  readonly height: number;
  readonly gap: number;
}

export const MINI_BEAT: BeatSize = { width: 3, height: 16, gap: 1 };
export const FULL_BEAT: BeatSize = { width: 6, height: 22, gap: 3 };

/** Height repeats the state, for who does not tell the colours apart. */
const SHARES: Readonly<Record<ObservedState, number>> = {
  ready: 1,
  degraded: 0.75,
  warming: 0.6,
  down: 1,
  auth: 0.75,
  pending: 0.5,
  paused: 0.25,
  off: 0.25,
};

export interface BeatShape {
  readonly x: number;
  readonly y: number;
  readonly height: number;
  /** A line cut through the middle. */
  readonly isCut: boolean;
  /** A notch in its top. */
  readonly isNotched: boolean;
}

/** How many whole beats fit into that width. */
export function beatsThatFit(width: number, { width: beat, gap }: BeatSize): number {
  return Math.max(0, Math.floor((width + gap) / (beat + gap)));
}

/** The shape of a beat `fromRight` places from the right edge, the newest being 0. */
export function beatShape(state: ObservedState, fromRight: number, barWidth: number, size: BeatSize): BeatShape {
  const height = Math.round(size.height * SHARES[state]);
  return {
    x: barWidth - size.width - fromRight * (size.width + size.gap),
    y: size.height - height,
    height,
    isCut: state === 'down',
    isNotched: state === 'degraded' || state === 'auth',
  };
}
