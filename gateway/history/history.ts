// What the rest of the gateway knows of the history.

import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import type { HistorySettings, Settings } from '../config/settings.ts';
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
  HistoryStatus,
} from '../contract.ts';
import type { Log } from '../telemetry/log.ts';
import type { Candidate, Cause, DeploymentKey, ObservedState, Outcome, RequestFacts, Snapshot } from '../types.ts';

export function databaseFile(folder: string): string {
  return join(folder, 'history.db');
}

/** A change of what is known of a provider's health. */
export interface Transition {
  readonly atMs: number;
  readonly provider: string;
  readonly before: ObservedState;
  readonly after: ObservedState;
  readonly cause: Cause | null;
}

/** Something that the gateway did or met besides requests and changes of health. */
export interface HistoryEvent {
  readonly atMs: number;
  readonly provider: string | null;
  readonly model: string | null;
  readonly kind: Extract<AdminEvent['kind'], 'keep_warm' | 'cooldown' | 'breaker'>;
  /** A sentence. */
  readonly message: string;
}

/** A range of time, epoch ms, the end not included. */
export interface TimeRange {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface HealthQuestion extends TimeRange {
  /** Wished for; 1 to 500. The answer has at most as many and may have fewer. */
  readonly buckets: number;
  /** All if absent. */
  readonly providers?: readonly string[];
}

export interface SeriesQuestion extends TimeRange {
  readonly metric: AdminSeries['metric'];
  /** Wished for; 1 to 500. */
  readonly buckets: number;
  readonly provider?: string;
  readonly model?: string;
}

export interface ListQuestion extends TimeRange {
  readonly provider?: string;
  /** At most 1,000. */
  readonly limit: number;
}

/** Lines of text: one JSON object each, or a table for spreadsheets whose first line names the columns. */
export type ExportFormat = 'ndjson' | 'csv';

/** The part of the settings that rules are made of. */
export type StoredSettings = Pick<Settings, 'providers' | 'routing' | 'reliability'>;

/** What a decision was made from. */
export interface DecisionBasis {
  readonly facts: RequestFacts;
  readonly snapshot: Snapshot;
  readonly settings: StoredSettings;
}

/** A deployment that live traffic had taken out for a while when the request was decided. */
export interface BlockedThen extends DeploymentKey {
  readonly reason: Extract<Candidate['reason'], 'cooling_down' | 'breaker_open' | 'rate_limited'>;
}

/**
 * A stored request as far as it can be decided again. Requests on one snapshot share the object, and so it is with
 * settings. Headers that conditions may not read and the conversation's key are missing, and settings have no keys.
 */
export interface ReplayableRequest extends DecisionBasis {
  readonly blocked: readonly BlockedThen[];
}

export interface HistoryOptions {
  /** Holds `history.db` and its lock; created if it is not there. */
  readonly folder: string;
  readonly settings: HistorySettings;
  readonly log: Log;
  readonly clock: Clock;
  /** This start of the gateway; another one that finds our folder is told it. */
  readonly instance: string;
  /** `process.versions.napi` unless told otherwise. */
  readonly nodeApi?: string | undefined;
  /** The worker's script, for tests that need one that dies. */
  readonly workerUrl?: URL | undefined;
}

/**
 * Keeps what happened. Nothing here ever waits for a disk or throws because of one, except where a promise is returned;
 * whatever is wrong shows in `status()`.
 */
export interface History {
  /**
   * Takes two to three microseconds, writing included as far as this thread does it. `basis`: what it was decided on, kept
   * for 48 hours; no prompt, no secret. A snapshot or settings not seen before cost a microsecond per model besides.
   */
  record(outcome: Outcome, basis?: DecisionBasis | null): void;
  recordTransition(transition: Transition): void;
  /** The result of a probe. */
  recordBeat(beat: AdminBeat): void;
  recordEvent(event: HistoryEvent): void;
  recordHardware(sample: AdminHardwareSample): void;
  /** The machine slept, or this process stood still: counts as neither up nor down. Times may overlap earlier ones. */
  noteSleep(fromMs: number, toMs: number): void;
  status(): HistoryStatus;
  /** Called after each change of `status()`; returns what ends the calls. */
  onStatusChange(listener: (status: HistoryStatus) => void): () => void;
  /** One request with its attempts and its decision; null: not known. Rejects with `HistoryUnavailable`. */
  request(id: string): Promise<Outcome | null>;
  /**
   * At most `limit` requests (and 10,000), those that ended last first, without their decisions (null).
   * `before`: only those that ended before the request with this id. Rejects with `HistoryUnavailable`.
   */
  recentRequests(limit: number, before?: string): Promise<readonly Outcome[]>;
  /** At most `limit` requests (and 10,000) of the last 48 hours that were decided, the latest first. Rejects with `HistoryUnavailable`. */
  replayable(limit: number): Promise<readonly ReplayableRequest[]>;
  /**
   * One page of the requests that the filter finds, newest first. `limit`: 1 to 500. `cursor`: `nextCursor` of the page
   * before. Rejects with `HistoryUnavailable`, as all questions below do.
   */
  requestPage(filter: AdminRequestFilter, limit: number, cursor?: string): Promise<AdminRequestPage>;
  /** The requests that the filter finds as text, newest first, some hundred at a time; the next are read when they are asked for. */
  exportRequests(filter: AdminRequestFilter, format: ExportFormat): AsyncGenerator<string, void, void>;
  /** At most `limit` probes of one provider (or all), the latest first. */
  beats(question: ListQuestion): Promise<readonly AdminBeat[]>;
  /** State and probe latency over time, with the uptime of the range and what it is based on. */
  health(question: HealthQuestion): Promise<AdminHealth>;
  incidents(question: ListQuestion): Promise<AdminIncidents>;
  /** Transitions, events, starts and sleeps in one list, the latest first. */
  events(question: ListQuestion): Promise<readonly AdminEvent[]>;
  series(question: SeriesQuestion): Promise<AdminSeries>;
  usage(by: AdminUsage['by'], range: TimeRange): Promise<AdminUsage>;
  /** At most `points` (and 500) samples, spread evenly over the range. */
  hardware(range: TimeRange, points: number): Promise<readonly AdminHardwareSample[]>;
  /** New limits of age and size, from the next clean-up on. */
  applySettings(settings: HistorySettings): void;
  /** Removes now what is older or more than the settings allow, as happens every hour. Resolves when it is done. */
  retain(): Promise<void>;
  /** Resolves when everything recorded so far is written, or cannot be for now (`status()` says so). */
  flush(): Promise<void>;
  /** Writes what is left, within five seconds, and gives the folder back. What is recorded afterwards is dropped. */
  close(): Promise<void>;
}

/** The history cannot be asked now; the message says why. */
export class HistoryUnavailable extends Error {
  override readonly name = 'HistoryUnavailable';
}
