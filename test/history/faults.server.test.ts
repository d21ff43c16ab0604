import { appendFileSync, readdirSync, readFileSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type History, type HistoryOptions, HistoryUnavailable } from '../../gateway/history/history.ts';
import { openHistory } from '../../gateway/history/recorder.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { canMount, memoryLog, mountDisk, outcome, statusWhere, temporaryFolder } from './support.ts';

let folder: ReturnType<typeof temporaryFolder>;
let file: string;
let clock: FakeClock;
let log: ReturnType<typeof memoryLog>;
let closing: (() => unknown)[];

function open(changes: Partial<HistoryOptions> = {}): History {
  const settings = { retentionDays: 90, maxMb: 1_024 };
  const history = openHistory({ folder: folder.path, settings, log, clock, instance: 'ours', ...changes });
  closing.push(() => history.close());
  return history;
}

/** Opens, records one request and closes: what a run before left behind. */
async function runBefore(): Promise<string> {
  const history = open();
  const recorded = outcome();
  history.record(recorded);
  await history.close();
  return recorded.id;
}

function warnings(): string[] {
  return log.lines.filter(({ level }) => level === 'warn').map(({ message }) => message);
}

beforeEach(() => {
  folder = temporaryFolder();
  file = join(folder.path, 'history.db');
  clock = new FakeClock();
  log = memoryLog();
  closing = [() => folder.remove()];
});

afterEach(async () => {
  for (const close of closing.reverse()) await close();
  expect(clock.pending).toBe(0);
});

describe('a damaged file is set aside, never deleted, and a new one begun', () => {
  test.each([
    ['something that is no database', (path: string) => writeFileSync(path, 'these are my notes '.repeat(500))],
    [
      'a database with a torn schema',
      (path: string) => {
        const bytes = readFileSync(path);
        bytes.fill(0xff, 100, 4_096);
        writeFileSync(path, bytes);
      },
    ],
  ])('%s', async (_, damage) => {
    await runBefore();
    damage(file);
    const damaged = readFileSync(file);
    const history = open();
    const after = outcome();
    history.record(after);
    expect(await history.request(after.id)).toEqual(after);
    expect(history.status()).toEqual({ is: 'on', file });
    const aside = readdirSync(folder.path).find((name) => /^history\.db\.corrupt-\d{4}-\d\d-\d\dT/.test(name));
    expect(readFileSync(join(folder.path, aside ?? ''))).toEqual(damaged);
    expect(warnings().join()).toContain(aside);
  });

  test('damage that shows only while writing loses no row', async () => {
    const earlier = open();
    for (let row = 0; row < 2_000; row++) earlier.record(outcome());
    await earlier.close();
    const bytes = readFileSync(file);
    // All pages but the one with the schema: it opens, and the first insert meets the damage.
    bytes.fill(0xaa, 4_096);
    writeFileSync(file, bytes);
    const history = open();
    const after = outcome();
    history.record(after);
    expect(await history.request(after.id)).toEqual(after);
    expect(readdirSync(folder.path).filter((name) => name.startsWith('history.db.corrupt-'))).toHaveLength(1);
  });
});

describe('what is not ours to change is left alone', () => {
  test('a database of a newer version: history is off, in words, and not a byte is changed', async () => {
    await runBefore();
    const database = new Database(file);
    database.pragma('user_version = 999');
    database.close();
    const before = readFileSync(file);
    const history = open();
    const status = await statusWhere(history, ({ is }) => is === 'off');
    expect(status.is === 'off' && status.because).toContain('written by a newer version');
    history.record(outcome());
    await expect(history.request('x')).rejects.toThrow(HistoryUnavailable);
    await history.close();
    expect(readFileSync(file)).toEqual(before);
    expect(readdirSync(folder.path)).toEqual(['history.db']);
  });

  test('a database of another program', async () => {
    const database = new Database(file);
    database.exec('CREATE TABLE recipes (name TEXT)');
    database.close();
    const before = readFileSync(file);
    const status = await statusWhere(open(), ({ is }) => is === 'off');
    expect(status.is === 'off' && status.because).toContain('another program');
    expect(readFileSync(file)).toEqual(before);
  });

  test('below Node-API 10 no worker is started', async () => {
    const history = open({ nodeApi: '9' });
    expect(history.status().is).toBe('off');
    history.record(outcome());
    await history.flush();
    expect(readdirSync(folder.path)).toEqual([]);
    expect(warnings()).toHaveLength(1);
  });
});

describe('one gateway per folder', () => {
  test('the second is told whose it is, runs without history, and takes over when the first has ended', async () => {
    const first = open({ instance: 'the-first' });
    await first.recentRequests(1);
    const second = open({ instance: 'the-second' });
    const status = await statusWhere(second, ({ is }) => is === 'off');
    expect(status.is === 'off' && status.because).toContain(`process ${process.pid}, instance the-first`);
    await first.close();
    clock.advance(30_000);
    expect(await statusWhere(second, ({ is }) => is === 'on')).toEqual({ is: 'on', file });
    const recorded = outcome();
    second.record(recorded);
    expect(await second.request(recorded.id)).toEqual(recorded);
  });

  test.each([
    ['a process that is gone', { pid: 2 ** 22 + 1, instance: 'gone', host: hostname() }, 0],
    ['one not touched for half a minute', { pid: process.pid, instance: 'stopped', host: 'another-machine' }, 31],
    ['one written by a full disk', null, 10],
  ])('the lock of %s holds nobody up', async (_, owner, ageSeconds) => {
    const lock = join(folder.path, 'history.lock');
    writeFileSync(lock, owner ? JSON.stringify(owner) : '');
    const touched = new Date(Date.now() - ageSeconds * 1_000);
    utimesSync(lock, touched, touched);
    const history = open();
    expect(await history.recentRequests(1)).toEqual([]);
    expect(readdirSync(folder.path).filter((name) => name.startsWith('history.lock'))).toEqual(['history.lock']);
  });

  test('a live one on another machine that shares the folder is respected', async () => {
    writeFileSync(join(folder.path, 'history.lock'), JSON.stringify({ pid: 1, instance: 'far', host: 'another' }));
    const status = await statusWhere(open(), ({ is }) => is === 'off');
    expect(status.is === 'off' && status.because).toContain('on another, instance far');
  });
});

describe('trouble that passes', () => {
  test('a locked database: rows are held, said, and written when the lock is gone', async () => {
    await runBefore();
    const other = new Database(file);
    const history = open();
    await history.recentRequests(1);
    other.exec('BEGIN IMMEDIATE');
    const held = outcome();
    history.record(held);
    clock.advance(250);
    const status = await statusWhere(history, ({ is }) => is === 'degraded');
    expect(status).toEqual({ is: 'degraded', because: `${file} is locked by another program`, rowsLost: 0 });
    history.record(outcome());
    other.exec('ROLLBACK');
    other.close();
    clock.advance(1_000);
    await statusWhere(history, ({ is }) => is === 'on');
    expect(await history.request(held.id)).toEqual(held);
    expect(await history.recentRequests(10)).toHaveLength(3);
  });

  test('a database that is locked while it is opened is opened later', async () => {
    await runBefore();
    const other = new Database(file);
    other.pragma('locking_mode = EXCLUSIVE');
    other.exec('BEGIN EXCLUSIVE');
    const history = open();
    const held = outcome();
    history.record(held);
    const status = await statusWhere(history, ({ is }) => is === 'degraded');
    expect(status.is === 'degraded' && status.because).toContain('locked');
    other.close();
    clock.advance(1_000);
    await statusWhere(history, ({ is }) => is === 'on');
    expect(await history.request(held.id)).toEqual(held);
  });

  test('what cannot be held is counted, and the count is told', async () => {
    await runBefore();
    const other = new Database(file);
    const history = open();
    await history.recentRequests(1);
    other.exec('BEGIN IMMEDIATE');
    history.record(outcome());
    clock.advance(250);
    await statusWhere(history, ({ is }) => is === 'degraded');
    for (let row = 0; row < 12_000; row++) history.record(outcome());
    const status = history.status();
    expect(status.is === 'degraded' && status.rowsLost).toBeGreaterThan(1_700);
    other.close();
    clock.advance(1_000);
    await statusWhere(history, ({ is }) => is === 'on');
    await history.flush();
    const kept = rowsIn(file);
    const told = log.lines.find(({ message }) => message.includes('written again'));
    expect(kept).toBeGreaterThan(9_500);
    expect(kept + Number(told?.fields?.rowsLost)).toBe(12_002);
  });

  test('closing while it lasts says how much was lost', async () => {
    await runBefore();
    const other = new Database(file);
    closing.push(() => other.close());
    const history = open();
    await history.recentRequests(1);
    other.exec('BEGIN IMMEDIATE');
    history.record(outcome());
    clock.advance(250);
    await statusWhere(history, ({ is }) => is === 'degraded');
    await history.close();
    expect(log.lines.at(-1)).toMatchObject({ level: 'warn', fields: { rowsLost: 1 } });
  });
});

describe('a worker that dies is started again', () => {
  /** The real worker, but for one that dies at its start while the file `deaths` holds a number above zero. */
  function mortal(): URL {
    const script = join(folder.path, 'mortal.mjs');
    const real = new URL('../../gateway/history/worker.ts', import.meta.url).href;
    writeFileSync(
      script,
      `import { readFileSync, writeFileSync } from 'node:fs';
       import { parentPort } from 'node:worker_threads';
       const left = Number(readFileSync(${JSON.stringify(join(folder.path, 'deaths'))}, 'utf8'));
       writeFileSync(${JSON.stringify(join(folder.path, 'deaths'))}, String(left - 1));
       if (left > 0) {
         parentPort.postMessage({ is: 'open', notice: null });
         await new Promise((resolve) => parentPort.once('message', resolve));
         throw new Error('the sky fell');
       }
       await import(${JSON.stringify(real)});`,
    );
    return new URL(`file://${script}`);
  }

  test('what it had in hand is written by the next one', async () => {
    writeFileSync(join(folder.path, 'deaths'), '1');
    const history = open({ workerUrl: mortal() });
    const held = outcome();
    history.record(held);
    clock.advance(250);
    const status = await statusWhere(history, ({ is }) => is === 'degraded');
    expect(status.is === 'degraded' && status.because).toContain('the sky fell');
    clock.advance(1_000);
    await statusWhere(history, ({ is }) => is === 'on');
    expect(await history.request(held.id)).toEqual(held);
  });

  test('a batch that was in hand three times when it died is given up and counted', async () => {
    writeFileSync(join(folder.path, 'deaths'), '3');
    const history = open({ workerUrl: mortal() });
    history.record(outcome());
    clock.advance(250);
    for (const retryMs of [1_000, 2_000, 4_000]) {
      // Besides the hourly clean-up and the signs of life the next start is planned: the worker has died.
      await until(() => clock.pending === 3);
      clock.advance(retryMs);
    }
    await statusWhere(history, ({ is }) => is === 'on');
    expect(await history.recentRequests(5)).toEqual([]);
    expect(log.lines.find(({ message }) => message.includes('written again'))?.fields).toMatchObject({ rowsLost: 1 });
  });
});

/** Counted in the file itself: an answer has a limit of its own. */
function rowsIn(path: string): number {
  const database = new Database(path, { readonly: true });
  try {
    return Number(database.prepare('SELECT count(*) FROM requests').pluck().get());
  } finally {
    database.close();
  }
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

describe.skipIf(!canMount)('disks (needs the right to mount small ones)', () => {
  let disk: ReturnType<typeof mountDisk>;

  function mount(size: string): void {
    disk = mountDisk(folder.path, size);
    closing.push(() => disk.unmount());
  }

  test('a full disk: rows are held, said, and written when there is room', async () => {
    mount('8m');
    const filler = join(folder.path, 'filler');
    const history = open();
    await history.recentRequests(1);
    fill(filler);
    const recorded = Array.from({ length: 300 }, () => outcome());
    for (const one of recorded) history.record(one);
    const status = await statusWhere(history, ({ is }) => is === 'degraded');
    expect(status).toEqual({ is: 'degraded', because: `the disk with ${file} is full`, rowsLost: 0 });
    truncateSync(filler);
    clock.advance(1_000);
    await statusWhere(history, ({ is }) => is === 'on');
    expect((await history.recentRequests(1_000)).map(({ id }) => id)).toEqual(recorded.map(({ id }) => id).reverse());
  });

  test('a disk that is full from the start', async () => {
    mount('1m');
    const filler = join(folder.path, 'filler');
    fill(filler);
    const history = open();
    const held = outcome();
    history.record(held);
    const status = await statusWhere(history, ({ is }) => is === 'degraded');
    expect(status.is === 'degraded' && status.because).toContain('is full');
    truncateSync(filler);
    clock.advance(1_000);
    await statusWhere(history, ({ is }) => is === 'on');
    expect(await history.request(held.id)).toEqual(held);
  });

  test('a read-only folder: history is off, in words, until it can be written', async () => {
    mount('8m');
    disk.remount('ro');
    const history = open();
    const status = await statusWhere(history, ({ is }) => is === 'off');
    expect(status.is === 'off' && status.because).toMatch(/read-only/);
    disk.remount('rw');
    clock.advance(30_000);
    await statusWhere(history, ({ is }) => is === 'on');
    const recorded = outcome();
    history.record(recorded);
    expect(await history.request(recorded.id)).toEqual(recorded);
  });
});

/** Writes into the file until nothing more fits. */
function fill(path: string): void {
  for (const size of [65_536, 4_096, 1]) {
    try {
      for (;;) appendFileSync(path, Buffer.alloc(size));
    } catch (error) {
      expect(error).toMatchObject({ code: 'ENOSPC' });
    }
  }
}
