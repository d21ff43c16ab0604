// Keeps the history within its age and size, a few rows at a time so that writing is never held up for long.
// What happened goes first; sums of it stay longer.

import type Database from 'better-sqlite3';
import type { HistorySettings } from '../config/settings.ts';
import { HealthRollup } from './health-rollup.ts';
import { dayMs, floorTo, grainMs, keptSinceMs } from './limits.ts';
import { Meta } from './meta.ts';
import { ProviderNames } from './provider-names.ts';
import { RequestRollup } from './request-rollup.ts';
import { removeMinutes, removeOldSums } from './sum-retention.ts';

const rowsPerStep = 500;
const pagesPerStep = 500;
const megabyte = 1_048_576;
/** How long requests can be decided again. */
const replayableForMs = 48 * 3_600_000;
/** Once too large, it is brought down to that share of its limit, so that clean-up is not at work all the time. */
const shareLeft = 0.9;

/**
 * Brings the sums up to date, removes what is too old, then the oldest until the size is right, then gives the room back.
 * Yields after each short transaction how many rows that one removed. Throws SQLite's errors.
 */
export function* retain(
  database: Database.Database,
  settings: HistorySettings,
  nowMs: number,
): Generator<number, void, void> {
  const rollups = [new RequestRollup(database), new HealthRollup(database)];
  for (const rollup of rollups) while (rollup.step()) yield 0;
  const oldestMs = nowMs - settings.retentionDays * dayMs;
  const details = detailTables(database);
  // Whole hours: an hour whose beats are partly gone cannot be summed up again.
  for (const table of details)
    yield* removeBefore(table, table.isWholeHours ? floorTo(oldestMs, grainMs.hour) : oldestMs);
  raiseHealthFloor(database, floorTo(oldestMs, grainMs.hour));
  yield* removeOldSums(database, settings, nowMs);
  database.prepare('DELETE FROM sessions WHERE alive_at_ms < ?').run(keptSinceMs('day', settings, nowMs));
  database.prepare('DELETE FROM sleeps WHERE to_ms < ?').run(keptSinceMs('day', settings, nowMs));
  yield* forgetBases(database, nowMs - replayableForMs);
  yield* untilSmaller(database, settings.maxMb * megabyte, details, nowMs);
  yield* vacuum(database);
  new Meta(database).set('retained_at_ms', nowMs);
}

/** A table of single things that happened. */
interface DetailTable {
  readonly isWholeHours: boolean;
  /** Time of its oldest row; null: it is empty. */
  readonly oldestMs: () => number | null;
  /** Removes at most so many rows older than that, the oldest first. Returns how many. */
  readonly remove: (beforeMs: number, limit: number) => number;
}

function detailTables(database: Database.Database): DetailTable[] {
  return [
    requestTable(database),
    ...beatTables(database),
    plainTable(database, 'transitions', true),
    plainTable(database, 'events', false),
    plainTable(database, 'hardware', false),
  ];
}

/** Attempts go with their request by foreign key. A block of decisions goes when no request refers to it or to an older one. */
function requestTable(database: Database.Database): DetailTable {
  const rollup = new RequestRollup(database);
  const plain = plainTable(database, 'requests', false, 'received_at_ms');
  const remove = database.transaction((beforeMs: number, limit: number) => {
    const removed = plain.remove(beforeMs, limit);
    database.exec(
      `DELETE FROM decisions WHERE block <
       ifnull((SELECT decision_block FROM requests WHERE decision_block > 0 ORDER BY seq LIMIT 1), 9e18)`,
    );
    database.exec('DELETE FROM facts WHERE last_request < ifnull((SELECT min(seq) FROM requests), 9e18)');
    rollup.forgetRemoved();
    return removed;
  });
  return { ...plain, remove };
}

/** One per provider: that is how their index goes. */
function beatTables(database: Database.Database): DetailTable[] {
  const oldest = database.prepare<[number], { at: number | null }>(
    'SELECT min(at_ms) AS at FROM beats WHERE provider = ?',
  );
  const old = database.prepare<[number, number, number, number]>(
    `DELETE FROM beats WHERE provider = ? AND at_ms < ? AND at_ms <=
     (SELECT max(at_ms) FROM (SELECT at_ms FROM beats WHERE provider = ? ORDER BY at_ms LIMIT ?))`,
  );
  return new ProviderNames(database).all().map(({ provider }) => ({
    isWholeHours: true,
    oldestMs: () => oldest.get(provider)?.at ?? null,
    remove: (beforeMs, limit) => old.run(provider, beforeMs, provider, limit).changes,
  }));
}

function plainTable(database: Database.Database, table: string, isWholeHours: boolean, time = 'at_ms'): DetailTable {
  const oldest = database.prepare<[], { at: number | null }>(`SELECT min(${time}) AS at FROM ${table}`);
  const old = database.prepare<[number, number]>(
    `DELETE FROM ${table} WHERE rowid IN (SELECT rowid FROM ${table} WHERE ${time} < ? ORDER BY ${time} LIMIT ?)`,
  );
  return {
    isWholeHours,
    oldestMs: () => oldest.get()?.at ?? null,
    remove: (beforeMs, limit) => old.run(beforeMs, limit).changes,
  };
}

function* removeBefore(table: DetailTable, beforeMs: number): Generator<number, void, void> {
  for (;;) {
    const removed = table.remove(beforeMs, rowsPerStep);
    if (removed > 0) yield removed;
    if (removed < rowsPerStep) return;
  }
}

function raiseHealthFloor(database: Database.Database, floorMs: number): void {
  const meta = new Meta(database);
  if (floorMs > (meta.get('health_floor_ms') ?? 0)) meta.set('health_floor_ms', floorMs);
}

/** Facts, snapshots and rules that no request of the last 48 hours names. */
function* forgetBases(database: Database.Database, beforeMs: number): Generator<number, void, void> {
  for (const [table, key, used] of [
    ['facts', 'block', 'written_at_ms'],
    ['snapshots', 'snapshot', 'used_at_ms'],
    ['rule_sets', 'rule_set', 'used_at_ms'],
  ] as const) {
    const old = database.prepare<[number, number]>(
      `DELETE FROM ${table} WHERE ${key} IN (SELECT ${key} FROM ${table} WHERE ${used} < ? LIMIT ?)`,
    );
    while (old.run(beforeMs, rowsPerStep).changes > 0) yield 0;
  }
  database.exec('DELETE FROM model_lists WHERE list NOT IN (SELECT value FROM snapshots, json_each(snapshots.lists))');
}

/** The oldest go, of whatever table, an hour at a time; then sums of minutes. Those of hours and days are never too large. */
function* untilSmaller(
  database: Database.Database,
  maxBytes: number,
  details: readonly DetailTable[],
  nowMs: number,
): Generator<number, void, void> {
  if (usedBytes(database) <= maxBytes) return;
  while (usedBytes(database) > maxBytes * shareLeft) {
    const oldest = details.reduce(
      (least, { oldestMs }) => Math.min(least, oldestMs() ?? least),
      Number.POSITIVE_INFINITY,
    );
    if (oldest === Number.POSITIVE_INFINITY) {
      yield removeMinutes(database, nowMs);
      return;
    }
    const beforeMs = floorTo(oldest, grainMs.hour) + grainMs.hour;
    for (const table of details) {
      const removed = table.remove(beforeMs, rowsPerStep);
      if (removed > 0) yield removed;
      if (usedBytes(database) <= maxBytes * shareLeft) break;
    }
    raiseHealthFloor(database, beforeMs);
  }
}

function* vacuum(database: Database.Database): Generator<number, void, void> {
  while (pragma(database, 'freelist_count') > 0) {
    const before = pragma(database, 'freelist_count');
    database.pragma(`incremental_vacuum(${pagesPerStep})`);
    yield 0;
    if (pragma(database, 'freelist_count') >= before) break;
  }
  database.pragma('wal_checkpoint(PASSIVE)');
}

function usedBytes(database: Database.Database): number {
  return (pragma(database, 'page_count') - pragma(database, 'freelist_count')) * pragma(database, 'page_size');
}

function pragma(database: Database.Database, name: string): number {
  return Number(database.pragma(name, { simple: true }));
}
