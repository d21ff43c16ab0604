// Brings the sums of health up to date: each minute is made from what was recorded of it, hours from minutes, days from
// hours. A period made again gives the same, so a crash in between costs nothing, and what comes late is made good.

import type Database from 'better-sqlite3';
import { LifeRows } from './health-rows.ts';
import {
  addBeat,
  addHealthRow,
  emptyHealth,
  type HealthRow,
  type HealthSum,
  healthColumns,
  healthValues,
} from './health-sums.ts';
import { dayMs, floorTo, type Grain, grainCode, grainMs } from './limits.ts';
import { Meta } from './meta.ts';
import { ObservationRows } from './observations.ts';
import { ProviderNames } from './provider-names.ts';
import type { Value } from './rows.ts';
import { type AwakePiece, awakePieces, type Interval, spread, stateSegments } from './state-time.ts';

export class HealthRollup {
  readonly #meta: Meta;
  readonly #names: ProviderNames;
  readonly #life: LifeRows;
  readonly #observed: ObservationRows;
  readonly #read: Database.Statement<[number, number, number, number], HealthRow>;
  readonly #starts: Database.Statement<[number, number, number, number], { at_ms: number }>;
  readonly #remove: Database.Statement<[number, number, number, number]>;
  readonly #write: Database.Statement<Value[]>;
  readonly #step: () => boolean;

  constructor(database: Database.Database) {
    this.#meta = new Meta(database);
    this.#names = new ProviderNames(database);
    this.#life = new LifeRows(database);
    this.#observed = new ObservationRows(database);
    const where = 'grain = ? AND provider = ? AND at_ms >= ? AND at_ms < ?';
    this.#read = database.prepare(`SELECT at_ms, ${healthColumns.join(', ')} FROM health_rollups WHERE ${where}`);
    this.#starts = database.prepare(`SELECT at_ms FROM health_rollups WHERE ${where}`);
    this.#remove = database.prepare(`DELETE FROM health_rollups WHERE ${where}`);
    this.#write = database.prepare(
      `INSERT OR REPLACE INTO health_rollups (grain, provider, at_ms, ${healthColumns.join(', ')})
       VALUES (?, ?, ?${', ?'.repeat(healthColumns.length)})`,
    );
    this.#step = database.transaction(() => this.#sumUp());
  }

  /** At most an hour of the past, in one transaction. True: there is more to do. Throws SQLite's error. */
  step(): boolean {
    return this.#step();
  }

  /** Health before that instant is in the sums; null: nothing was ever recorded. */
  rolledToMs(): number | null {
    const floorMs = this.#meta.get('health_floor_ms') ?? Number.NEGATIVE_INFINITY;
    const rolledToMs = this.#meta.get('health_rolled_to_ms') ?? this.#life.firstStartMs(Number.NEGATIVE_INFINITY);
    return rolledToMs === null ? null : floorTo(Math.max(rolledToMs, floorMs), grainMs.minute);
  }

  #sumUp(): boolean {
    const fromMs = this.rolledToMs();
    const aliveAtMs = this.#life.aliveAtMs();
    if (fromMs === null || aliveAtMs === null) return false;
    // Of the minute in which the gateway was last heard of, more may come.
    const targetMs = floorTo(aliveAtMs, grainMs.minute);
    if (fromMs >= targetMs) return false;
    const hour = { fromMs, toMs: Math.min(floorTo(fromMs, grainMs.hour) + grainMs.hour, targetMs) };
    const range = this.#life.sessions(hour).length > 0 ? hour : this.#untilNextStart(hour, targetMs);
    const pieces = awakePieces(this.#life.sessions(range), this.#life.sleeps(range));
    for (const provider of this.#names.all()) this.#sumUpProvider(provider, range, pieces);
    this.#meta.set('health_rolled_to_ms', range.toMs);
    return range.toMs < targetMs;
  }

  /** Long times without a gateway are passed over at once. */
  #untilNextStart({ fromMs, toMs }: Interval, targetMs: number): Interval {
    const startMs = this.#life.firstStartMs(fromMs) ?? targetMs;
    return { fromMs, toMs: Math.min(targetMs, Math.max(toMs, floorTo(startMs, grainMs.minute))) };
  }

  #sumUpProvider(
    provider: { readonly provider: number; readonly name: string },
    range: Interval,
    pieces: readonly AwakePiece[],
  ): void {
    const minutes = this.#minutes(provider, range, pieces);
    const before = this.#starts.all(grainCode.minute, provider.provider, range.fromMs, range.toMs);
    this.#remove.run(grainCode.minute, provider.provider, range.fromMs, range.toMs);
    for (const [atMs, sum] of minutes) this.#store('minute', provider.provider, atMs, sum);
    const touched = [...before.map(({ at_ms }) => at_ms), ...minutes.keys()];
    const hours = new Set(touched.map((atMs) => floorTo(atMs, grainMs.hour)));
    const days = new Set(touched.map((atMs) => floorTo(atMs, dayMs)));
    for (const atMs of hours) this.#makeFrom('minute', 'hour', provider.provider, atMs);
    for (const atMs of days) this.#makeFrom('hour', 'day', provider.provider, atMs);
  }

  #minutes(
    provider: { readonly provider: number; readonly name: string },
    range: Interval,
    pieces: readonly AwakePiece[],
  ): Map<number, HealthSum> {
    const { beats, observations } = this.#observed.read(provider, range);
    const minutes = new Map<number, HealthSum>();
    const minute = (atMs: number): HealthSum => {
      const sum = minutes.get(atMs) ?? emptyHealth();
      minutes.set(atMs, sum);
      return sum;
    };
    for (const beat of beats) addBeat(minute(floorTo(beat.at_ms, grainMs.minute)), beat);
    spread(stateSegments(observations, pieces, range), 0, grainMs.minute, (period, state, ms) => {
      minute(period * grainMs.minute).times[state] += ms;
    });
    return minutes;
  }

  #makeFrom(finer: Grain, grain: Grain, provider: number, atMs: number): void {
    const sum = emptyHealth();
    const rows = this.#read.all(grainCode[finer], provider, atMs, atMs + grainMs[grain]);
    for (const row of rows) addHealthRow(sum, row);
    if (rows.length > 0) this.#store(grain, provider, atMs, sum);
    else this.#remove.run(grainCode[grain], provider, atMs, atMs + 1);
  }

  #store(grain: Grain, provider: number, atMs: number, sum: HealthSum): void {
    this.#write.run(grainCode[grain], provider, atMs, ...healthValues(sum));
  }
}
