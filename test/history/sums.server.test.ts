// Sums against the rows they are made of: whatever the order of arrival, and wherever the process was killed.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { AdminBeat } from '../../gateway/contract.ts';
import { Backlog } from '../../gateway/history/backlog.ts';
import { stateCodes } from '../../gateway/history/beat-codes.ts';
import { HealthRollup } from '../../gateway/history/health-rollup.ts';
import type { TimeRange, Transition } from '../../gateway/history/history.ts';
import { migrate, readMigrations } from '../../gateway/history/migrate.ts';
import { RequestRollup } from '../../gateway/history/request-rollup.ts';
import { Store } from '../../gateway/history/store.ts';
import type { Outcome, OutcomeResult } from '../../gateway/types.ts';
import { outcome, temporaryFolder } from './support.ts';

const minuteMs = 60_000;
const startMs = Date.UTC(2026, 0, 1, 22, 30);

let folder: ReturnType<typeof temporaryFolder>;
let databases: Database.Database[];
let count = 0;

beforeEach(() => {
  folder = temporaryFolder();
  databases = [];
});

afterEach(() => {
  for (const database of databases) database.close();
  folder.remove();
});

interface Writer {
  readonly database: Database.Database;
  readonly write: (fill: (backlog: Backlog) => void, atMs?: number) => void;
}

function newWriter(file = join(folder.path, `${++count}.db`)): Writer {
  const database = new Database(file);
  databases.push(database);
  database.pragma('synchronous = OFF');
  migrate(database, readMigrations());
  const store = new Store(database, { id: 'session', startedAtMs: startMs });
  const backlog = new Backlog();
  return {
    database,
    write(fill, atMs = startMs) {
      fill(backlog);
      backlog.seal(atMs);
      for (let batch = backlog.first(); batch; batch = backlog.first()) {
        store.write(batch);
        backlog.drop(batch.number);
      }
    },
  };
}

function sumUp(database: Database.Database): void {
  for (const rollup of [new RequestRollup(database), new HealthRollup(database)]) while (rollup.step());
}

const tables = ['request_rollups', 'client_rollups', 'health_rollups'];

function sums(database: Database.Database): unknown[] {
  return tables.map((table) => database.prepare(`SELECT * FROM ${table}`).all());
}

/** Forgets all sums and how far they have come, and makes them again. */
function remade(database: Database.Database): unknown[] {
  for (const table of tables) database.exec(`DELETE FROM ${table}`);
  database.exec('DELETE FROM meta');
  sumUp(database);
  return sums(database);
}

const request: fc.Arbitrary<Partial<Outcome>> = fc.record({
  receivedAtMs: fc.integer({ min: startMs, max: startMs + 200 * minuteMs }),
  durationMs: fc.integer({ min: 50, max: 5_000 }),
  firstContentMs: fc.option(fc.integer({ min: 1, max: 50 }), { nil: null }),
  provider: fc.option(fc.constantFrom('ollama', 'vllm'), { nil: null }),
  model: fc.constantFrom('small', 'large'),
  client: fc.constantFrom('curl', 'python', 'zed'),
  result: fc.constantFrom<OutcomeResult>('complete', 'failed', 'broken', 'cancelled', 'rejected'),
  queuedMs: fc.constantFrom(0, 12),
});

describe('sums of requests', () => {
  test('are those of the rows, whenever they are made', () => {
    fc.assert(
      fc.property(fc.array(fc.array(request, { maxLength: 20 }), { maxLength: 5 }), (batches) => {
        const { database, write } = newWriter();
        const rollup = new RequestRollup(database);
        for (const batch of batches) {
          write((backlog) => {
            for (const changes of batch) backlog.add(outcome(changes));
          });
          rollup.step();
        }
        sumUp(database);
        const made = sums(database);
        expect(made).toEqual(remade(database));
        for (const grain of [0, 1, 2]) expect(requestsIn(database, grain)).toBe(batches.flat().length);
      }),
      { numRuns: 25 },
    );
  });

  test('count a request for who answered, for the last that was asked, or for nobody', () => {
    const { database, write } = newWriter();
    write((backlog) => {
      backlog.add(outcome({ receivedAtMs: startMs }));
      backlog.add(outcome({ receivedAtMs: startMs, provider: null, model: null, result: 'failed' }));
      backlog.add(outcome({ receivedAtMs: startMs, provider: null, model: null, attempts: [], result: 'rejected' }));
    });
    sumUp(database);
    const rows = database
      .prepare(
        'SELECT provider, model, complete, failed, rejected, attempts, failed_attempts, moved FROM request_rollups WHERE grain = 2 AND provider <> ?',
      )
      .all('*');
    const none = { complete: 0, failed: 0, rejected: 0, attempts: 0, failed_attempts: 0, moved: 0 };
    expect(rows).toEqual([
      { ...none, provider: '', model: '', rejected: 1 },
      { ...none, provider: 'ollama', model: 'qwen3:8b', complete: 1, failed: 1, attempts: 2 },
      { ...none, provider: 'vllm', model: 'Qwen/Qwen3-8B', attempts: 2, failed_attempts: 2, moved: 2 },
    ]);
  });

  test('name at most 500 clients in a period: who comes later is summed up with others', () => {
    const { database, write } = newWriter();
    write((backlog) => {
      for (let index = 0; index < 600; index++)
        backlog.add(outcome({ receivedAtMs: startMs, client: `client ${index}` }));
    });
    sumUp(database);
    const rows = database
      .prepare<[], { client: string; requests: number }>('SELECT client, requests FROM client_rollups WHERE grain = 2')
      .all();
    expect(rows).toHaveLength(501);
    expect(rows.find(({ client }) => client === '(others)')?.requests).toBe(100);
  });

  test('go on with rows whose numbers were used before', () => {
    const { database, write } = newWriter();
    const add = (): void =>
      write((backlog) => {
        for (let index = 0; index < 5; index++) backlog.add(outcome({ receivedAtMs: startMs }));
      });
    add();
    sumUp(database);
    database.transaction(() => {
      database.exec('DELETE FROM requests');
      new RequestRollup(database).forgetRemoved();
    })();
    add();
    sumUp(database);
    expect(requestsIn(database, 2)).toBe(10);
  });
});

function requestsIn(database: Database.Database, grain: number): number {
  const sql = `SELECT ifnull(sum(complete + failed + broken + cancelled + rejected), 0) FROM request_rollups
    WHERE grain = ? AND provider <> '*'`;
  return Number(database.prepare(sql).pluck().get(grain));
}

type Note =
  | { readonly is: 'beat'; readonly beat: AdminBeat }
  | { readonly is: 'transition'; readonly transition: Transition }
  | { readonly is: 'sleep'; readonly sleep: TimeRange };

const atMs = fc.integer({ min: startMs, max: startMs + 200 * minuteMs });
const provider = fc.constantFrom('ollama', 'vllm');
const state = fc.constantFrom(...stateCodes);
const beat = fc.record({
  ...{ atMs, provider, isOk: fc.boolean(), observed: state, cause: fc.constantFrom('refused' as const, null) },
  latencyMs: fc.option(fc.integer({ min: 1, max: 2_000 }), { nil: null }),
});
const transition = fc.record({ atMs, provider, before: state, after: state, cause: fc.constant(null) });
const note: fc.Arbitrary<Note> = fc.oneof(
  { weight: 5, arbitrary: beat.map((one) => ({ is: 'beat' as const, beat: one })) },
  { weight: 2, arbitrary: transition.map((one) => ({ is: 'transition' as const, transition: one })) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(atMs, fc.integer({ min: 1, max: 90 * minuteMs }))
      .map(([fromMs, ms]) => ({ is: 'sleep' as const, sleep: { fromMs, toMs: fromMs + ms } })),
  },
);

function addNote(backlog: Backlog, one: Note): void {
  if (one.is === 'beat') backlog.addNote('beats', one.beat);
  else if (one.is === 'transition') backlog.addNote('transitions', one.transition);
  else backlog.addNote('sleeps', one.sleep);
}

describe('sums of health', () => {
  test('are those of the rows, in whatever order these come and whenever the sums are made', () => {
    fc.assert(
      fc.property(fc.array(fc.array(note, { maxLength: 8 }), { maxLength: 6 }), (batches) => {
        const { database, write } = newWriter();
        const rollup = new HealthRollup(database);
        for (const [index, batch] of batches.entries()) {
          const livedMs = startMs + (index + 1) * 40 * minuteMs;
          write((backlog) => {
            backlog.showLife();
            for (const one of batch) addNote(backlog, one);
          }, livedMs);
          rollup.step();
        }
        sumUp(database);
        const made = sums(database);
        expect(made).toEqual(remade(database));
      }),
      { numRuns: 40 },
    );
  });

  test('hours are what their minutes add up to, and days their hours', () => {
    const { database, write } = newWriter();
    write(
      (backlog) => {
        for (let index = 0; index < 400; index++) {
          const one = { atMs: startMs + index * 30_000, provider: 'ollama', isOk: true, cause: null } as const;
          backlog.addNote('beats', { ...one, latencyMs: index, observed: index % 7 ? 'ready' : 'down' });
        }
      },
      startMs + 200 * minuteMs,
    );
    sumUp(database);
    const columns =
      'sum(beats) AS beats, sum(latency_sum_us) AS sum, max(latency_max_us) AS max, sum(ready_ms) AS ready, sum(down_ms) AS down';
    const of = (grain: number): unknown =>
      database.prepare(`SELECT ${columns} FROM health_rollups WHERE grain = ?`).get(grain);
    expect(of(0)).toMatchObject({ beats: 400, max: 399_000, ready: 342 * 30_000, down: 58 * 30_000 });
    expect([of(1), of(2)]).toEqual([of(0), of(0)]);
  });
});

describe('a crash', () => {
  const script = join(import.meta.dirname, 'sum-up-forever.ts');

  /** Lets a process sum up until it has done so many steps and some ms more, and kills it. */
  async function sumUpAndKill(file: string, steps: number, extraMs: number): Promise<void> {
    const child = spawn(process.execPath, [script, file], { stdio: ['ignore', 'pipe', 'inherit'] });
    const closed = once(child, 'close');
    let done = 0;
    for await (const _ of createInterface({ input: child.stdout })) {
      if (++done === steps) setTimeout(() => child.kill('SIGKILL'), extraMs);
    }
    await closed;
    expect(child.signalCode).toBe('SIGKILL');
  }

  test('in the middle of summing up loses nothing and counts nothing twice', async () => {
    const file = join(folder.path, 'history.db');
    const { database, write } = newWriter(file);
    database.pragma('journal_mode = WAL');
    write(
      (backlog) => {
        for (let index = 0; index < 6_000; index++) backlog.add(outcome({ receivedAtMs: startMs + index * 1_000 }));
        for (let index = 0; index < 6_000; index++) {
          const one = { provider: 'ollama', isOk: true, latencyMs: 3, cause: null } as const;
          backlog.addNote('beats', {
            ...one,
            atMs: startMs + index * 5_000,
            observed: index % 5 ? 'ready' : 'degraded',
          });
        }
      },
      startMs + 500 * minuteMs,
    );
    for (const [steps, extraMs] of [
      [1, 0],
      [2, 1],
      [3, 4],
    ] as const) {
      await sumUpAndKill(file, steps, extraMs);
      expect(database.pragma('integrity_check', { simple: true })).toBe('ok');
    }
    sumUp(database);
    const made = sums(database);
    expect(requestsIn(database, 1)).toBe(6_000);
    expect(made).toEqual(remade(database));
  }, 60_000);

  test('between writing and the receipt does not write a batch twice', () => {
    const { database } = newWriter();
    const store = new Store(database, { id: 'other', startedAtMs: startMs });
    const backlog = new Backlog();
    backlog.add(outcome());
    backlog.addNote('transitions', { atMs: startMs, provider: 'a', before: 'ready', after: 'down', cause: null });
    backlog.addNote('events', { atMs: startMs, provider: 'a', model: null, kind: 'breaker', message: 'open' });
    backlog.seal(startMs);
    const batch = backlog.first();
    if (batch) for (let time = 0; time < 2; time++) store.write(batch);
    for (const table of ['requests', 'transitions', 'events', 'decisions']) {
      expect(database.prepare(`SELECT count(*) FROM ${table}`).pluck().get(), table).toBe(1);
    }
  });
});
