// What the recorder on the serving side and the worker say to each other.

import type { HistorySettings } from '../config/settings.ts';
import type { Outcome } from '../types.ts';
import type { Fault } from './faults.ts';
import type { Transition } from './history.ts';
import type { PackedOutcomes } from './pack.ts';
import type { PackedBases } from './pack-basis.ts';
import type { StoredReplay } from './replay-rows.ts';

/** One transaction's worth of rows. */
export interface Batch {
  /** Counts up from 1; 0 is never used. */
  readonly number: number;
  readonly outcomes: PackedOutcomes;
  readonly transitions: readonly Transition[];
  /** Snapshots and settings that its outcomes are the first to name. */
  readonly bases: PackedBases;
}

export type Question =
  | { readonly about: 'request'; readonly id: string }
  | { readonly about: 'recent'; readonly limit: number; readonly before: string | null }
  | { readonly about: 'replayable'; readonly limit: number };

/** `request` is answered with at most one outcome. */
export type Answer =
  | { readonly is: 'outcomes'; readonly outcomes: readonly Outcome[] }
  | { readonly is: 'replayable'; readonly stored: StoredReplay };

export type ToWorker =
  | { readonly do: 'open' }
  | { readonly do: 'write'; readonly batch: Batch }
  | { readonly do: 'retain'; readonly nowMs: number; readonly settings: HistorySettings }
  | { readonly do: 'ask'; readonly number: number; readonly question: Question }
  | { readonly do: 'close' };

export type FromWorker =
  /** Rows can be written; `notice` tells what had to be done to get there. */
  | { readonly is: 'open'; readonly notice: string | null }
  | { readonly is: 'refused'; readonly fault: Fault }
  | { readonly is: 'written'; readonly batch: number }
  | { readonly is: 'failed'; readonly batch: number; readonly fault: Fault }
  | { readonly is: 'answered'; readonly number: number; readonly answer: Answer }
  | { readonly is: 'unanswered'; readonly number: number; readonly because: string }
  | { readonly is: 'retained'; readonly removed: number }
  | { readonly is: 'closed' };

/** Given to the worker when it is made. */
export interface WorkerSetup {
  readonly folder: string;
  /** This start of the gateway, written into the lock file. */
  readonly instance: string;
}
