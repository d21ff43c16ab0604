// Lists of what was recorded: events of all kinds in one list, single beats, samples of the machine.

import type Database from 'better-sqlite3';
import type { AdminBeat, AdminEvent, AdminHardwareSample } from '../contract.ts';
import type { ObservedState } from '../types.ts';
import { causeOf, stateOf } from './beat-codes.ts';
import type { ListQuestion, TimeRange } from './history.ts';
import { ProviderNames } from './provider-names.ts';
import { withinCount } from './ranges.ts';

const mostRows = 1_000;

interface EventRow {
  readonly at_ms: number;
  readonly kind: AdminEvent['kind'];
  readonly provider: string | null;
  readonly model: string | null;
  readonly message: string;
  readonly state_before: ObservedState | null;
  readonly state_after: ObservedState | null;
}

interface BeatWithCause {
  readonly at_ms: number;
  readonly is_ok: number;
  readonly latency_us: number | null;
  readonly state: number;
  readonly cause: number | null;
}

/** Each reads the latest of one table; a provider's name of null asks for all. */
const eventSources = [
  `SELECT at_ms, 'transition' AS kind, provider, NULL AS model, ifnull(cause_message, '') AS message,
   state_before, state_after FROM transitions
   WHERE at_ms >= $fromMs AND at_ms < $toMs AND ($provider IS NULL OR provider = $provider)
   ORDER BY at_ms DESC, seq DESC LIMIT $limit`,
  `SELECT at_ms, kind, provider, model, message, NULL AS state_before, NULL AS state_after FROM events
   WHERE at_ms >= $fromMs AND at_ms < $toMs AND ($provider IS NULL OR provider = $provider)
   ORDER BY at_ms DESC, seq DESC LIMIT $limit`,
  `SELECT started_at_ms AS at_ms, 'gateway_started' AS kind, NULL AS provider, NULL AS model,
   'the gateway was started' AS message, NULL AS state_before, NULL AS state_after FROM sessions
   WHERE alive_at_ms >= $fromMs AND started_at_ms >= $fromMs AND started_at_ms < $toMs AND $provider IS NULL
   ORDER BY alive_at_ms DESC LIMIT $limit`,
  `SELECT to_ms AS at_ms, 'slept' AS kind, NULL AS provider, NULL AS model,
   'asleep for ' || ((to_ms - from_ms) / 1000) || ' s' AS message, NULL AS state_before, NULL AS state_after FROM sleeps
   WHERE to_ms >= $fromMs AND to_ms < $toMs AND $provider IS NULL ORDER BY to_ms DESC LIMIT $limit`,
] as const;

interface EventParameters {
  readonly fromMs: number;
  readonly toMs: number;
  readonly provider: string | null;
  readonly limit: number;
}

export class EventAnswers {
  readonly #names: ProviderNames;
  readonly #sources: readonly Database.Statement<[EventParameters], EventRow>[];
  readonly #beats: Database.Statement<[number, number, number, number], BeatWithCause>;
  readonly #sample: Database.Statement<[number, number], { at_ms: number; sample: string }>;

  constructor(database: Database.Database) {
    this.#names = new ProviderNames(database);
    this.#sources = eventSources.map((sql) => database.prepare(sql));
    this.#beats = database.prepare(
      `SELECT at_ms, is_ok, latency_us, state, cause FROM beats WHERE provider = ? AND at_ms >= ? AND at_ms < ?
       ORDER BY at_ms DESC LIMIT ?`,
    );
    this.#sample = database.prepare(
      'SELECT at_ms, sample FROM hardware WHERE at_ms >= ? AND at_ms < ? ORDER BY at_ms LIMIT 1',
    );
  }

  /** The latest first. */
  events({ fromMs, toMs, provider, limit }: ListQuestion): AdminEvent[] {
    const parameters = { fromMs, toMs, provider: provider ?? null, limit: withinRows(limit) };
    const rows = this.#sources.flatMap((source) => source.all(parameters));
    rows.sort((a, b) => b.at_ms - a.at_ms);
    return rows.slice(0, parameters.limit).map(({ at_ms, state_before, state_after, ...row }) => ({
      ...{ atMs: at_ms, kind: row.kind, provider: row.provider, model: row.model, message: row.message },
      ...{ before: state_before, after: state_after },
    }));
  }

  /** The latest first. */
  beats({ fromMs, toMs, provider, limit }: ListQuestion): AdminBeat[] {
    const names = this.#names.all().filter(({ name }) => provider === undefined || name === provider);
    const beats = names.flatMap((one) =>
      this.#beats.all(one.provider, fromMs, toMs, withinRows(limit)).map((row) => beatOf(one.name, row)),
    );
    return beats.sort((a, b) => b.atMs - a.atMs).slice(0, withinRows(limit));
  }

  /** The first of each of so many equal parts of the range. */
  hardware({ fromMs, toMs }: TimeRange, points: number): AdminHardwareSample[] {
    const stepMs = Math.max(1, (toMs - fromMs) / withinCount(points));
    const samples: AdminHardwareSample[] = [];
    for (let atMs = fromMs; atMs < toMs; ) {
      const row = this.#sample.get(atMs, toMs);
      if (!row) break;
      samples.push(JSON.parse(row.sample) as AdminHardwareSample);
      // The beginning of the next part; parts without a sample are passed over.
      atMs = fromMs + (Math.floor((row.at_ms - fromMs) / stepMs) + 1) * stepMs;
    }
    return samples;
  }
}

function beatOf(provider: string, row: BeatWithCause): AdminBeat {
  return {
    ...{ atMs: row.at_ms, provider, isOk: row.is_ok === 1 },
    latencyMs: row.latency_us === null ? null : row.latency_us / 1_000,
    ...{ observed: stateOf(row.state), cause: causeOf(row.cause) },
  };
}

function withinRows(limit: number): number {
  return Math.min(mostRows, Math.max(0, Math.trunc(limit) || 0));
}
