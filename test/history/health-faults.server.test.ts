// Beats, events and the rest of what is no request, while the disk or the file is in trouble.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type History, HistoryUnavailable } from '../../gateway/history/history.ts';
import { openHistory } from '../../gateway/history/recorder.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { canMount, memoryLog, mountDisk, statusWhere, temporaryFolder } from './support.ts';

const startMs = Date.UTC(2026, 0, 1);

let folder: ReturnType<typeof temporaryFolder>;
let file: string;
let clock: FakeClock;
let closing: (() => unknown)[];

function open(): History {
  const settings = { retentionDays: 90, maxMb: 1_024 };
  const history = openHistory({ folder: folder.path, settings, log: memoryLog(), clock, instance: 'ours' });
  closing.push(() => history.close());
  return history;
}

/** One of each kind, `second` seconds after the start. */
function recordAll(history: History, second: number): void {
  const atMs = startMs + second * 1_000;
  history.recordBeat({ atMs, provider: 'ollama', isOk: true, latencyMs: 2, observed: 'ready', cause: null });
  history.recordTransition({ atMs, provider: 'ollama', before: 'pending', after: 'ready', cause: null });
  history.recordEvent({ atMs, provider: 'ollama', model: null, kind: 'breaker', message: 'open' });
  history.recordHardware({ atMs, cpuShare: 1, memoryUsedBytes: null, memoryTotalBytes: null, gpus: [] });
  history.noteSleep(atMs, atMs + 1);
}

const range = { fromMs: startMs, toMs: startMs + 3_600_000, limit: 100 };

async function counts(history: History): Promise<number[]> {
  const events = await history.events(range);
  const of = (kind: string): number => events.filter((event) => event.kind === kind).length;
  const beats = (await history.beats(range)).length;
  // One sample at most is given of each part of a range: here of each second.
  const samples = (await history.hardware({ fromMs: startMs, toMs: startMs + 500_000 }, 500)).length;
  return [beats, of('transition'), of('breaker'), samples, of('slept')];
}

beforeEach(() => {
  folder = temporaryFolder();
  file = join(folder.path, 'history.db');
  clock = new FakeClock(startMs);
  closing = [() => folder.remove()];
});

afterEach(async () => {
  for (const close of closing.reverse()) await close();
  expect(clock.pending).toBe(0);
});

test('while the file is locked they are held, and written once when it is free again', async () => {
  const history = open();
  recordAll(history, 1);
  await history.flush();
  const other = new Database(file);
  other.exec('BEGIN IMMEDIATE');
  recordAll(history, 2);
  clock.advance(250);
  await statusWhere(history, ({ is }) => is === 'degraded');
  recordAll(history, 3);
  other.exec('ROLLBACK');
  other.close();
  clock.advance(1_000);
  await statusWhere(history, ({ is }) => is === 'on');
  await history.flush();
  expect(await counts(history)).toEqual([3, 3, 3, 3, 3]);
});

test.runIf(canMount)('on a full disk they are held, and written when there is room', async () => {
  const disk = mountDisk(folder.path, '1m');
  closing.push(() => disk.unmount());
  const filler = join(folder.path, 'filler');
  const history = open();
  recordAll(history, 1);
  await history.flush();
  try {
    writeFileSync(filler, Buffer.alloc(2 * 1_048_576));
  } catch {
    // It took what there was.
  }
  let second = 1;
  while (history.status().is === 'on') {
    recordAll(history, ++second);
    await history.flush();
  }
  writeFileSync(filler, '');
  clock.advance(1_000);
  await statusWhere(history, ({ is }) => is === 'on');
  await history.flush();
  const written = Math.min(second, 100);
  expect((await history.beats(range)).length).toBe(written);
});

test.runIf(canMount)(
  'on a disk that has become read-only nothing throws, and it goes on when the disk can be written again',
  async () => {
    const disk = mountDisk(folder.path, '8m');
    closing.push(() => disk.unmount());
    const before = open();
    recordAll(before, 1);
    await before.close();
    disk.remount('ro');
    const history = open();
    const status = await statusWhere(history, ({ is }) => is === 'off');
    expect(status.is).toBe('off');
    recordAll(history, 2);
    await expect(history.health({ ...range, buckets: 5 })).rejects.toThrow(HistoryUnavailable);
    disk.remount('rw');
    clock.advance(30_000);
    await statusWhere(history, ({ is }) => is === 'on');
    expect((await counts(history))[0]).toBe(1);
  },
);

test('a damaged file is set aside and they go into the new one', async () => {
  const before = open();
  for (let second = 0; second < 500; second++) recordAll(before, second);
  await before.close();
  const bytes = readFileSync(file);
  bytes.fill(0xaa, 4_096);
  writeFileSync(file, bytes);
  const history = open();
  recordAll(history, 1);
  await history.flush();
  expect(await counts(history)).toEqual([1, 1, 1, 1, 1]);
  expect(readdirSync(folder.path).filter((name) => name.startsWith('history.db.corrupt-'))).toHaveLength(1);
});

test('of a newer version nothing is changed, and what is recorded is dropped without a word', async () => {
  const before = open();
  recordAll(before, 1);
  await before.close();
  const database = new Database(file);
  database.pragma('user_version = 999');
  database.close();
  const bytes = readFileSync(file);
  const history = open();
  await statusWhere(history, ({ is }) => is === 'off');
  recordAll(history, 2);
  clock.advance(600_000);
  for (const asked of [
    history.health({ ...range, buckets: 5 }),
    history.requestPage({}, 5),
    history.incidents(range),
  ]) {
    await expect(asked).rejects.toThrow(HistoryUnavailable);
  }
  await expect(history.exportRequests({}, 'csv').next()).rejects.toThrow(HistoryUnavailable);
  await history.close();
  expect(readFileSync(file)).toEqual(bytes);
});

test('hours of trouble hold a bounded number of them, the oldest going first', async () => {
  const history = open();
  await history.flush();
  const other = new Database(file);
  other.exec('BEGIN IMMEDIATE');
  recordAll(history, 1);
  clock.advance(250);
  await statusWhere(history, ({ is }) => is === 'degraded');
  const of = { provider: 'ollama', isOk: true, latencyMs: 1, observed: 'ready', cause: null } as const;
  for (let index = 0; index < 60_000; index++) history.recordBeat({ ...of, atMs: startMs + 10_000 + index });
  other.exec('ROLLBACK');
  other.close();
  clock.advance(1_000);
  await statusWhere(history, ({ is }) => is === 'on');
  await history.flush();
  const read = new Database(file, { readonly: true });
  const row = read
    .prepare<[], { count: number; last: number }>('SELECT count(*) AS count, max(at_ms) AS last FROM beats')
    .get();
  read.close();
  expect(row?.count).toBeGreaterThan(35_000);
  expect(row?.count).toBeLessThanOrEqual(41_000);
  expect(row?.last).toBe(startMs + 10_000 + 59_999);
});
