// How long what happened is kept, and how long the sums of it.

import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Backlog } from '../../gateway/history/backlog.ts';
import { HealthRollup } from '../../gateway/history/health-rollup.ts';
import { migrate, readMigrations } from '../../gateway/history/migrate.ts';
import { RequestRollup } from '../../gateway/history/request-rollup.ts';
import { retain } from '../../gateway/history/retention.ts';
import { Store } from '../../gateway/history/store.ts';
import { outcome, temporaryFolder } from './support.ts';

const dayMs = 86_400_000;
const startMs = Date.UTC(2026, 0, 1, 6);
const settings = { retentionDays: 90, maxMb: 1_024 };

let folder: ReturnType<typeof temporaryFolder>;
let database: Database.Database;
let store: Store;
let backlog: Backlog;

beforeEach(() => {
  folder = temporaryFolder();
  database = new Database(join(folder.path, 'history.db'));
  database.pragma('auto_vacuum = INCREMENTAL');
  migrate(database, readMigrations());
  store = new Store(database, { id: 'session', startedAtMs: startMs });
  backlog = new Backlog();
});

afterEach(() => {
  database.close();
  folder.remove();
});

function write(atMs: number): void {
  backlog.showLife();
  backlog.seal(atMs);
  for (let batch = backlog.first(); batch; batch = backlog.first()) {
    store.write(batch);
    backlog.drop(batch.number);
  }
}

/** An hour of it: a request a minute, a beat every ten seconds, one of each other kind. */
function writeHour(fromMs: number): void {
  for (let second = 0; second < 3_600; second += 10) {
    const atMs = fromMs + second * 1_000;
    if (second % 60 === 0) backlog.add(outcome({ receivedAtMs: atMs }));
    const beat = { atMs, provider: 'ollama', isOk: true, latencyMs: 2, observed: 'ready', cause: null } as const;
    backlog.addNote('beats', beat);
  }
  const of = { atMs: fromMs, provider: 'ollama' };
  backlog.addNote('transitions', { ...of, before: 'pending', after: 'ready', cause: null });
  backlog.addNote('events', { ...of, model: null, kind: 'breaker', message: 'open' });
  backlog.addNote('hardware', { atMs: fromMs, cpuShare: 1, memoryUsedBytes: 1, memoryTotalBytes: 1, gpus: [] });
  write(fromMs + 3_600_000);
}

function clean(nowMs: number, changes: Partial<typeof settings> = {}): void {
  for (const _ of retain(database, { ...settings, ...changes }, nowMs));
}

function count(sql: string): number {
  return Number(database.prepare(`SELECT count(*) FROM ${sql}`).pluck().get());
}

const details = ['requests', 'attempts', 'beats', 'transitions', 'events', 'hardware'];
const left = (): number[] => details.map(count);
const sumsLeft = (): boolean[][] =>
  ['request_rollups', 'health_rollups'].map((table) =>
    [0, 1, 2].map((grain) => count(`${table} WHERE grain = ${grain}`) > 0),
  );

test('details are kept as configured, minutes 7 days, hours 90, days two years', () => {
  writeHour(startMs);
  const all = [60, 120, 360, 1, 1, 1];
  clean(startMs + 6 * dayMs);
  expect([left(), sumsLeft()]).toEqual([
    all,
    [
      [true, true, true],
      [true, true, true],
    ],
  ]);
  clean(startMs + 8 * dayMs);
  expect([left(), sumsLeft()]).toEqual([
    all,
    [
      [false, true, true],
      [false, true, true],
    ],
  ]);
  clean(startMs + 91 * dayMs);
  expect([left(), sumsLeft()]).toEqual([
    [0, 0, 0, 0, 0, 0],
    [
      [false, false, true],
      [false, false, true],
    ],
  ]);
  clean(startMs + 732 * dayMs);
  expect(sumsLeft()).toEqual([
    [false, false, false],
    [false, false, false],
  ]);
});

test('who wants less kept than 90 days has the sums go with the details', () => {
  writeHour(startMs);
  clean(startMs + 3 * dayMs, { retentionDays: 2 });
  expect([left(), sumsLeft()]).toEqual([
    [0, 0, 0, 0, 0, 0],
    [
      [false, false, false],
      [false, false, false],
    ],
  ]);
  expect(count('sessions')).toBe(0);
});

test('nothing goes before it is summed up', () => {
  writeHour(startMs);
  clean(startMs + 95 * dayMs);
  const sum = 'SELECT sum(complete) AS complete FROM request_rollups WHERE grain = 2 AND provider = ?';
  expect(database.prepare(sum).get('ollama')).toEqual({ complete: 60 });
  expect(database.prepare('SELECT beats, ready_ms FROM health_rollups WHERE grain = 2').get()).toEqual({
    ...{ beats: 360, ready_ms: 3_600_000 },
  });
});

test('what comes later than its hour was kept changes no sum of that time', () => {
  writeHour(startMs);
  clean(startMs + 95 * dayMs);
  const late = { provider: 'ollama', isOk: false, latencyMs: null, observed: 'down', cause: null } as const;
  backlog.addNote('beats', { ...late, atMs: startMs + 1_000_000 });
  write(startMs + 95 * dayMs);
  const rollup = new HealthRollup(database);
  while (rollup.step());
  const sum = `SELECT beats, down_ms FROM health_rollups WHERE grain = 2 AND at_ms < ${startMs}`;
  expect(database.prepare(sum).get()).toEqual({ beats: 360, down_ms: 0 });
});

test('when it is too large the oldest details of all kinds go first, and the sums of all days stay', () => {
  for (let hour = 0; hour < 60; hour++) writeHour(startMs + hour * 3_600_000);
  clean(startMs + 3 * dayMs, { maxMb: 2 });
  const oldest = (table: string, time: string): number =>
    Number(database.prepare(`SELECT min(${time}) FROM ${table}`).pluck().get());
  const requestMs = oldest('requests', 'received_at_ms');
  expect(requestMs).toBeGreaterThan(startMs + 5 * 3_600_000);
  expect(requestMs).toBeLessThan(startMs + 59 * 3_600_000);
  expect(Math.abs(oldest('beats', 'at_ms') - requestMs)).toBeLessThanOrEqual(3_600_000);
  const pages = Number(database.pragma('page_count', { simple: true }));
  expect(pages * 4_096).toBeLessThanOrEqual(2 * 1_048_576);
  const sum = 'SELECT sum(complete) FROM request_rollups WHERE grain = 2 AND provider = ?';
  expect(database.prepare(sum).pluck().get('ollama')).toBe(3_600);
  expect(database.prepare('SELECT sum(beats) FROM health_rollups WHERE grain = 2').pluck().get()).toBe(60 * 360);
});

test('sums go on after everything has gone', () => {
  writeHour(startMs);
  clean(startMs + 95 * dayMs);
  writeHour(startMs + 96 * dayMs);
  for (const rollup of [new RequestRollup(database), new HealthRollup(database)]) while (rollup.step());
  const sum = 'SELECT sum(complete) FROM request_rollups WHERE grain = 2 AND provider = ?';
  expect(database.prepare(sum).pluck().get('ollama')).toBe(120);
  expect(database.prepare('SELECT sum(beats) FROM health_rollups WHERE grain = 2').pluck().get()).toBe(720);
});
