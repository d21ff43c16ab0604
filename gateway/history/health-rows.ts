// Writes what is recorded besides requests: beats, transitions, events, samples of the machine, and when the gateway ran.
// Synchronous, in the worker, inside the batch's transaction.

import type Database from 'better-sqlite3';
import { causeCode, stateCode } from './beat-codes.ts';
import type { Transition } from './history.ts';
import { floorTo, grainMs } from './limits.ts';
import type { Batch, SessionStart } from './messages.ts';
import { Meta } from './meta.ts';
import { ProviderNames } from './provider-names.ts';
import type { Column } from './rows.ts';
import type { Interval } from './state-time.ts';

export class HealthRows {
  readonly #session: SessionStart;
  readonly #meta: Meta;
  readonly #names: ProviderNames;
  readonly #insertBeat: Database.Statement<Column[]>;
  readonly #insertTransition: Database.Statement<Column[]>;
  readonly #insertEvent: Database.Statement<Column[]>;
  readonly #insertHardware: Database.Statement<[number, string]>;
  readonly #insertSleep: Database.Statement<[number, number]>;
  readonly #lastBatch: Database.Statement<[string], { last_batch: number }>;
  readonly #live: Database.Statement<Column[]>;
  readonly #end: Database.Statement<Column[]>;

  constructor(database: Database.Database, session: SessionStart) {
    this.#session = session;
    this.#meta = new Meta(database);
    this.#names = new ProviderNames(database);
    this.#insertBeat = database.prepare(
      'INSERT OR IGNORE INTO beats (provider, at_ms, is_ok, latency_us, state, cause) VALUES (?, ?, ?, ?, ?, ?)',
    );
    this.#insertTransition = database.prepare(
      `INSERT OR IGNORE INTO transitions (at_ms, provider, state_before, state_after, cause_class, cause_message)
       VALUES (?, ?, ?, ?, ?, ?)`,
    );
    this.#insertEvent = database.prepare(
      'INSERT OR IGNORE INTO events (at_ms, provider, model, kind, message) VALUES (?, ?, ?, ?, ?)',
    );
    this.#insertHardware = database.prepare('INSERT OR IGNORE INTO hardware (at_ms, sample) VALUES (?, ?)');
    this.#insertSleep = database.prepare('INSERT OR IGNORE INTO sleeps (from_ms, to_ms) VALUES (?, ?)');
    this.#lastBatch = database.prepare('SELECT last_batch FROM sessions WHERE session = ?');
    this.#live = database.prepare(
      `INSERT INTO sessions (session, started_at_ms, alive_at_ms, last_batch) VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET alive_at_ms = max(alive_at_ms, excluded.alive_at_ms), last_batch = excluded.last_batch`,
    );
    this.#end = database.prepare(
      `INSERT INTO sessions (session, started_at_ms, alive_at_ms, ended_at_ms, last_batch) VALUES (?, ?, ?, ?, 0)
       ON CONFLICT DO UPDATE SET alive_at_ms = max(alive_at_ms, excluded.alive_at_ms), ended_at_ms = excluded.ended_at_ms`,
    );
  }

  /** The receipt was lost in a crash, and the batch comes again. */
  isWritten(batch: Batch): boolean {
    return (this.#lastBatch.get(this.#session.id)?.last_batch ?? 0) >= batch.number;
  }

  /** Throws SQLite's error. */
  write(batch: Batch): void {
    let earliestMs = Number.POSITIVE_INFINITY;
    let aliveAtMs = Math.max(batch.atMs, this.#session.startedAtMs);
    for (const beat of batch.beats) {
      const { atMs, latencyMs, observed, cause } = beat;
      const latencyUs = latencyMs === null ? null : Math.round(latencyMs * 1_000);
      const provider = this.#names.idOf(beat.provider);
      const causeOrNull = cause === null ? null : causeCode(cause);
      this.#insertBeat.run(provider, Math.trunc(atMs), beat.isOk ? 1 : 0, latencyUs, stateCode(observed), causeOrNull);
      if (atMs < earliestMs) earliestMs = atMs;
      if (atMs > aliveAtMs) aliveAtMs = atMs;
    }
    for (const transition of batch.transitions) {
      this.#writeTransition(transition);
      if (transition.atMs < earliestMs) earliestMs = transition.atMs;
    }
    for (const { atMs, provider, model, kind, message } of batch.events) {
      this.#insertEvent.run(Math.trunc(atMs), provider, model, kind, message);
    }
    for (const sample of batch.hardware) this.#insertHardware.run(Math.trunc(sample.atMs), JSON.stringify(sample));
    for (const { fromMs, toMs } of batch.sleeps) {
      this.#insertSleep.run(Math.trunc(fromMs), Math.trunc(toMs));
      if (fromMs < earliestMs) earliestMs = fromMs;
    }
    const { id, startedAtMs } = this.#session;
    this.#live.run(id, Math.trunc(startedAtMs), Math.trunc(aliveAtMs), batch.number);
    this.#sumUpAgainFrom(earliestMs);
  }

  /** This start of the gateway ends in order. */
  end(atMs: number): void {
    const { id, startedAtMs } = this.#session;
    this.#end.run(id, Math.trunc(startedAtMs), Math.trunc(atMs), Math.trunc(atMs));
  }

  #writeTransition({ atMs, provider, before, after, cause }: Transition): void {
    this.#names.idOf(provider);
    this.#insertTransition.run(atMs, provider, before, after, cause?.class ?? null, cause?.message ?? null);
  }

  /** What comes late changes sums that were made: they are made again from there on. */
  #sumUpAgainFrom(atMs: number): void {
    const rolledToMs = this.#meta.get('health_rolled_to_ms');
    if (rolledToMs === null || !(atMs < rolledToMs)) return;
    const floorMs = this.#meta.get('health_floor_ms') ?? Number.NEGATIVE_INFINITY;
    this.#meta.set('health_rolled_to_ms', Math.min(rolledToMs, Math.max(floorMs, floorTo(atMs, grainMs.minute))));
  }
}

/** Sessions and sleeps that touch a range, as intervals in order of their start. */
export class LifeRows {
  readonly #sessions: Database.Statement<[number, number], { fromMs: number; toMs: number }>;
  readonly #sleeps: Database.Statement<[number, number], { fromMs: number; toMs: number }>;
  readonly #alive: Database.Statement<[], { at: number | null }>;
  readonly #first: Database.Statement<[number], { at: number | null }>;

  constructor(database: Database.Database) {
    this.#sessions = database.prepare(
      `SELECT started_at_ms AS fromMs, alive_at_ms AS toMs FROM sessions
       WHERE alive_at_ms > ? AND started_at_ms < ? ORDER BY started_at_ms, alive_at_ms`,
    );
    this.#sleeps = database.prepare(
      'SELECT from_ms AS fromMs, to_ms AS toMs FROM sleeps WHERE to_ms > ? AND from_ms < ? ORDER BY from_ms',
    );
    this.#alive = database.prepare('SELECT max(alive_at_ms) AS at FROM sessions');
    this.#first = database.prepare('SELECT min(started_at_ms) AS at FROM sessions WHERE alive_at_ms > ?');
  }

  sessions({ fromMs, toMs }: Interval): Interval[] {
    return this.#sessions.all(fromMs, toMs);
  }

  sleeps({ fromMs, toMs }: Interval): Interval[] {
    return this.#sleeps.all(fromMs, toMs);
  }

  /** When a gateway was last heard of; null: never. */
  aliveAtMs(): number | null {
    return this.#alive.get()?.at ?? null;
  }

  /** The start of the earliest session that lived after that instant. */
  firstStartMs(afterMs: number): number | null {
    return this.#first.get(afterMs)?.at ?? null;
  }
}
