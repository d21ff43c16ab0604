// What the recorder on the serving side and the worker say to each other.

import type { HistorySettings } from '../config/settings.ts';
import type {
  AdminBeat,
  AdminEvent,
  AdminHardwareSample,
  AdminHealth,
  AdminIncidents,
  AdminRequestFilter,
  AdminRequestPage,
  AdminSeries,
  AdminUsage,
} from '../contract.ts';
import type { Outcome } from '../types.ts';
import type { Fault } from './faults.ts';
import type {
  ExportFormat,
  HealthQuestion,
  HistoryEvent,
  ListQuestion,
  SeriesQuestion,
  TimeRange,
  Transition,
} from './history.ts';
import type { PackedOutcomes } from './pack.ts';
import type { PackedBases } from './pack-basis.ts';
import type { StoredReplay } from './replay-rows.ts';

/** One transaction's worth of rows. */
export interface Batch {
  /** Counts up from 1; 0 is never used. */
  readonly number: number;
  readonly outcomes: PackedOutcomes;
  /** When it was made. */
  readonly atMs: number;
  readonly transitions: readonly Transition[];
  readonly beats: readonly AdminBeat[];
  readonly events: readonly HistoryEvent[];
  readonly hardware: readonly AdminHardwareSample[];
  readonly sleeps: readonly TimeRange[];
  /** Snapshots and settings that its outcomes are the first to name. */
  readonly bases: PackedBases;
}

export type Question =
  | { readonly about: 'request'; readonly id: string }
  | { readonly about: 'recent'; readonly limit: number; readonly before: string | null }
  | { readonly about: 'replayable'; readonly limit: number }
  | WindowQuestion;

/** What the window asks. */
export type WindowQuestion =
  | {
      readonly about: 'page';
      readonly filter: AdminRequestFilter;
      readonly limit: number;
      readonly cursor: string | null;
    }
  | {
      readonly about: 'export';
      readonly filter: AdminRequestFilter;
      readonly format: ExportFormat;
      readonly cursor: string | null;
    }
  | { readonly about: 'beats'; readonly question: ListQuestion }
  | { readonly about: 'health'; readonly question: HealthQuestion }
  | { readonly about: 'incidents'; readonly question: ListQuestion }
  | { readonly about: 'events'; readonly question: ListQuestion }
  | { readonly about: 'series'; readonly question: SeriesQuestion }
  | { readonly about: 'usage'; readonly by: AdminUsage['by']; readonly range: TimeRange }
  | { readonly about: 'hardware'; readonly range: TimeRange; readonly points: number };

/** `request` is answered with at most one outcome. */
export type Answer =
  | { readonly is: 'outcomes'; readonly outcomes: readonly Outcome[] }
  | { readonly is: 'replayable'; readonly stored: StoredReplay }
  | WindowAnswer;

export type WindowAnswer =
  | { readonly is: 'page'; readonly page: AdminRequestPage }
  | { readonly is: 'export'; readonly text: string; readonly cursor: string | null }
  | { readonly is: 'beats'; readonly beats: readonly AdminBeat[] }
  | { readonly is: 'health'; readonly health: AdminHealth }
  | { readonly is: 'incidents'; readonly incidents: AdminIncidents }
  | { readonly is: 'events'; readonly events: readonly AdminEvent[] }
  | { readonly is: 'series'; readonly series: AdminSeries }
  | { readonly is: 'usage'; readonly usage: AdminUsage }
  | { readonly is: 'hardware'; readonly samples: readonly AdminHardwareSample[] };

export type ToWorker =
  | { readonly do: 'open' }
  | { readonly do: 'write'; readonly batch: Batch }
  | { readonly do: 'retain'; readonly nowMs: number; readonly settings: HistorySettings }
  | { readonly do: 'ask'; readonly number: number; readonly question: Question }
  | { readonly do: 'close'; readonly atMs: number };

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

/** One start of a recorder. */
export interface SessionStart {
  readonly id: string;
  readonly startedAtMs: number;
}

/** Given to the worker when it is made. */
export interface WorkerSetup {
  readonly folder: string;
  /** This start of the gateway, written into the lock file. */
  readonly instance: string;
  readonly session: SessionStart;
}
