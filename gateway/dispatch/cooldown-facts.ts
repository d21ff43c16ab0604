// What is told of cooldowns: to the log, the metrics, the status page and other gateways.

import type { FailureKind } from '../types.ts';
import type { FailureFamily } from './breaker.ts';
import type { Cell } from './cooldown-cells.ts';

/** Something was taken out, is tried again or is back. Times are epoch ms. */
export interface CooldownChange {
  readonly atMs: number;
  readonly provider: string;
  /** Null: the whole provider. */
  readonly model: string | null;
  readonly is: 'cooling_down' | 'breaker_open' | 'half_open' | 'closed';
  /** Null: nobody waits for a time (closed, or being tried). */
  readonly untilMs: number | null;
  /** The failure that took it out; null where it is back. */
  readonly because: FailureKind | null;
  /** A sentence for people. */
  readonly message: string;
}

/** One that is not closed now; `atMs` is when that was looked at. */
export interface CoolingDown extends CooldownChange {
  readonly is: Exclude<CooldownChange['is'], 'closed'>;
  readonly because: FailureKind;
}

/** What kind of opening another gateway told of, by the failure behind it and whether it is of a whole provider. */
export function adoptedFamily(because: FailureKind, model: string | null): FailureFamily {
  if (because === 'rate_limited') return 'pause';
  if (model !== null) return 'failing';
  return because === 'auth' ? 'auth' : 'unreachable';
}

/** What is told of one that is not closed; null: it is. */
export function openingFacts({ provider, model, breaker }: Cell, atMs: number, nowMs: number): CoolingDown | null {
  const { opening } = breaker;
  if (opening === null) return null;
  const { because, message } = opening;
  const remainingMs = opening.untilMs - nowMs;
  if (remainingMs <= 0) return { atMs, provider, model, is: 'half_open', untilMs: null, because, message };
  const untilMs = Math.ceil(atMs + remainingMs);
  return { atMs, provider, model, is: opening.is, untilMs, because, message };
}
