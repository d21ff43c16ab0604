// Keeps the history within its age and size, a few rows at a time so that writing is never held up for long.

import type Database from 'better-sqlite3';
import type { HistorySettings } from '../config/settings.ts';

const rowsPerStep = 500;
const pagesPerStep = 500;
const dayMs = 86_400_000;
const megabyte = 1_048_576;
/** How long requests can be decided again. */
const replayableForMs = 48 * 3_600_000;
/** Once too large, it is brought down to that share of its limit, so that clean-up is not at work all the time. */
const shareLeft = 0.9;

/**
 * Removes requests and transitions that are too old, then the oldest until the size is right, then gives the room back.
 * Yields after each short transaction how many rows that one removed. Throws SQLite's errors.
 */
export function* retain(
  database: Database.Database,
  settings: HistorySettings,
  nowMs: number,
): Generator<number, void, void> {
  const oldestMs = nowMs - settings.retentionDays * dayMs;
  yield* inSteps(database, 'DELETE FROM transitions WHERE at_ms < ?', oldestMs);
  yield* inSteps(database, 'DELETE FROM requests WHERE received_at_ms < ?', oldestMs);
  yield* forgetBases(database, nowMs - replayableForMs);
  yield* untilSmaller(database, settings.maxMb * megabyte);
  yield* vacuum(database);
  database
    .prepare("INSERT OR REPLACE INTO meta (name, value) VALUES ('retained_at_ms', ?)")
    .run(String(Math.trunc(nowMs)));
}

function* inSteps(database: Database.Database, sql: string, oldestMs: number): Generator<number, void, void> {
  const [from, condition] = sql.replace('DELETE FROM ', '').split(' WHERE ');
  const rows = database.prepare<[number, number]>(
    `DELETE FROM ${from} WHERE seq IN (SELECT seq FROM ${from} WHERE ${condition} LIMIT ?)`,
  );
  for (;;) {
    const removed = removeWith(database, () => rows.run(oldestMs, rowsPerStep).changes);
    if (removed > 0) yield removed;
    if (removed < rowsPerStep) return;
  }
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

function* untilSmaller(database: Database.Database, maxBytes: number): Generator<number, void, void> {
  if (usedBytes(database) <= maxBytes) return;
  const oldest = database.prepare<[number]>(
    'DELETE FROM requests WHERE seq IN (SELECT seq FROM requests ORDER BY seq LIMIT ?)',
  );
  while (usedBytes(database) > maxBytes * shareLeft) {
    const removed = removeWith(database, () => oldest.run(rowsPerStep).changes);
    if (removed === 0) return;
    yield removed;
  }
}

/** Attempts go with their request by foreign key. A block of decisions goes when no request refers to it or to an older one. */
function removeWith(database: Database.Database, remove: () => number): number {
  return database.transaction(() => {
    const removed = remove();
    database.exec(
      'DELETE FROM decisions WHERE block < ifnull((SELECT decision_block FROM requests WHERE decision_block > 0 ORDER BY seq LIMIT 1), 9e18)',
    );
    database.exec('DELETE FROM facts WHERE last_request < ifnull((SELECT min(seq) FROM requests), 9e18)');
    return removed;
  })();
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
