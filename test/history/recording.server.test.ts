import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { History } from '../../gateway/history/history.ts';
import { readMigrations } from '../../gateway/history/migrate.ts';
import { openHistory } from '../../gateway/history/recorder.ts';
import type { Outcome } from '../../gateway/types.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { decision, memoryLog, outcome, temporaryFolder } from './support.ts';

let folder: ReturnType<typeof temporaryFolder>;
let clock: FakeClock;
let history: History;
const log = memoryLog();

function open(settings = { retentionDays: 90, maxMb: 1_024 }): History {
  return openHistory({ folder: folder.path, settings, log, clock, instance: 'first' });
}

function read<T>(sql: string): T[] {
  const database = new Database(join(folder.path, 'history.db'), { readonly: true });
  try {
    return database.prepare<[], T>(sql).all();
  } finally {
    database.close();
  }
}

beforeEach(() => {
  folder = temporaryFolder();
  clock = new FakeClock();
  history = open();
});

afterEach(async () => {
  await history.close();
  folder.remove();
});

describe('what is recorded can be read', () => {
  test('a request comes back with its attempts and its decision, equal in every field', async () => {
    const recorded = outcome();
    history.record(recorded);
    expect(await history.request(recorded.id)).toEqual(recorded);
    expect(await history.request('unknown')).toBeNull();
  });

  test('each request of a batch has its own decision, and one that reached none has none', async () => {
    const without = outcome({ decision: null, attempts: [], provider: null, model: null, result: 'rejected' });
    const other = outcome({ decision: { ...decision, rule: 'pattern:2' } });
    for (const one of [outcome(), without, other]) history.record(one);
    expect(await history.request(without.id)).toEqual(without);
    expect((await history.request(other.id))?.decision?.rule).toBe('pattern:2');
  });

  test('recent requests come newest first, page by page', async () => {
    const recorded = Array.from({ length: 600 }, () => outcome());
    for (const one of recorded) history.record(one);
    const first = await history.recentRequests(2);
    const next = await history.recentRequests(3, first[1]?.id);
    const newestFirst = recorded.map(({ id }) => id).reverse();
    expect([...first, ...next].map(({ id }) => id)).toEqual(newestFirst.slice(0, 5));
    expect(first[0]).toEqual({ ...recorded.at(-1), decision: null });
  });

  test('a transition keeps its cause', async () => {
    const cause = { class: 'refused', message: 'nothing listens on port 11434' } as const;
    history.recordTransition({ atMs: 5, provider: 'ollama', before: 'ready', after: 'down', cause });
    await history.flush();
    expect(read('SELECT * FROM transitions')).toEqual([
      {
        seq: 1,
        at_ms: 5,
        provider: 'ollama',
        state_before: 'ready',
        state_after: 'down',
        cause_class: 'refused',
        cause_message: 'nothing listens on port 11434',
      },
    ]);
  });

  test('a number that is none costs its row and not its batch', async () => {
    const [bad, good] = [outcome({ durationMs: Number.NaN }), outcome()];
    history.record(bad);
    history.record(good);
    expect(await history.request(bad.id)).toBeNull();
    expect(await history.request(good.id)).toEqual(good);
  });
});

describe('rows go in batches', () => {
  test('rows wait 250 ms for others and then share one transaction', async () => {
    await history.flush();
    history.record(outcome());
    clock.advance(249);
    history.record(outcome());
    expect(clock.pending).toBe(3);
    clock.advance(1);
    expect(clock.pending).toBe(2);
    await history.flush();
    expect(read<{ count: number }>('SELECT count(*) AS count FROM decisions')).toEqual([{ count: 1 }]);
  });

  test('256 rows do not wait', async () => {
    for (let row = 0; row < 256; row++) history.record(outcome());
    expect(clock.pending).toBe(2);
  });

  test('closing writes what is left and gives everything back', async () => {
    const last = outcome();
    history.record(last);
    await history.close();
    expect(existsSync(join(folder.path, 'history.lock'))).toBe(false);
    expect(existsSync(join(folder.path, 'history.db-wal'))).toBe(false);
    expect(read<{ id: string }>('SELECT id FROM requests')).toEqual([{ id: last.id }]);
    expect(clock.pending).toBe(0);
    history.record(outcome());
    expect(clock.pending).toBe(0);
  });

  test('a second start goes on where the first ended', async () => {
    const first = outcome();
    history.record(first);
    await history.close();
    history = open();
    const second = outcome();
    history.record(second);
    expect((await history.recentRequests(5)).map(({ id }) => id)).toEqual([second.id, first.id]);
  });
});

describe('the database', () => {
  test('it has the newest version, WAL and incremental vacuum', async () => {
    await history.recentRequests(1);
    expect(read('PRAGMA user_version')).toEqual([{ user_version: readMigrations().length }]);
    expect(read('PRAGMA journal_mode')).toEqual([{ journal_mode: 'wal' }]);
    expect(read('PRAGMA auto_vacuum')).toEqual([{ auto_vacuum: 2 }]);
  });

  test('one of an older version is brought up and keeps its rows', async () => {
    const { attempts } = outcome();
    const kept = outcome({
      attempts: attempts.map((attempt) => ({ ...attempt, via: '', because: null, variant: null })),
      variant: null,
      cache: null,
    });
    history.record(kept);
    await history.close();
    const database = new Database(join(folder.path, 'history.db'));
    database.exec(`
      DROP TABLE sessions; DROP TABLE sleeps; DROP TABLE provider_names; DROP TABLE beats; DROP TABLE events;
      DROP TABLE hardware; DROP INDEX attempts_failed; DROP TABLE request_rollups; DROP TABLE client_rollups;
      DROP TABLE health_rollups; DROP INDEX requests_by_provider; DROP INDEX requests_by_model;
      DROP INDEX requests_by_client; DROP INDEX requests_not_complete;
      CREATE INDEX requests_by_provider ON requests (provider) WHERE provider IS NOT NULL;
      CREATE INDEX requests_not_complete ON requests (result) WHERE result <> 'complete';
      DROP TABLE transitions; DROP TABLE facts; DROP TABLE snapshots; DROP TABLE model_lists; DROP TABLE rule_sets;
      ALTER TABLE requests DROP COLUMN snapshot; ALTER TABLE requests DROP COLUMN rule_set;
      ALTER TABLE requests DROP COLUMN facts_block; ALTER TABLE requests DROP COLUMN facts_line;
      DROP INDEX requests_by_variant; ALTER TABLE requests DROP COLUMN variant; ALTER TABLE requests DROP COLUMN cache;
      ALTER TABLE attempts DROP COLUMN via; ALTER TABLE attempts DROP COLUMN because;
      ALTER TABLE attempts DROP COLUMN variant;
      PRAGMA user_version = 1`);
    database.close();
    history = open();
    expect(await history.request(kept.id)).toEqual(kept);
    expect(read('PRAGMA user_version')).toEqual([{ user_version: readMigrations().length }]);
    expect(read('SELECT * FROM transitions')).toEqual([]);
  });

  test('requests are found by id and by time through an index', async () => {
    await history.recentRequests(1);
    const plan = (sql: string): string => read<{ detail: string }>(`EXPLAIN QUERY PLAN ${sql}`)[0]?.detail ?? '';
    expect(plan("SELECT * FROM requests WHERE id = 'x'")).toContain('USING INDEX');
    expect(plan('SELECT * FROM requests WHERE received_at_ms > 5')).toContain('requests_by_time');
  });
});

describe('the history keeps within its limits', () => {
  async function recordAll(outcomes: readonly Outcome[]): Promise<void> {
    for (const one of outcomes) history.record(one);
    await history.flush();
  }

  test('what is older than the limit goes, with its attempts and decisions', async () => {
    clock.advance(100 * 86_400_000);
    const old = Array.from({ length: 1_300 }, () => outcome({ receivedAtMs: clock.now() - 91 * 86_400_000 }));
    const young = outcome({ receivedAtMs: clock.now() - 89 * 86_400_000 });
    await recordAll(old);
    await recordAll([young]);
    await history.retain();
    expect(await history.recentRequests(5_000)).toHaveLength(1);
    expect(await history.request(young.id)).toEqual(young);
    expect(read('SELECT count(*) AS count FROM attempts')).toEqual([{ count: 2 }]);
    expect(read('SELECT count(*) AS count FROM decisions')).toEqual([{ count: 1 }]);
  });

  test('when it is too large the oldest go and the file shrinks', async () => {
    const errorMessage = 'a long message about what went wrong '.repeat(14);
    const all = Array.from({ length: 4_000 }, () => outcome({ errorMessage, receivedAtMs: clock.now() }));
    await recordAll(all);
    history.applySettings({ retentionDays: 90, maxMb: 1 });
    await history.retain();
    const left = await history.recentRequests(5_000);
    expect(left.length).toBeGreaterThanOrEqual(500);
    expect(left.length).toBeLessThan(2_000);
    expect(left[0]?.id).toBe(all.at(-1)?.id);
    expect((await history.request(left.at(-1)?.id ?? ''))?.decision).toEqual(decision);
    await history.close();
    expect(readFileSync(join(folder.path, 'history.db')).length).toBeLessThan(1_048_576);
  });

  test('it happens by itself a minute after the start and then every hour', async () => {
    await recordAll([outcome({ receivedAtMs: clock.now() - 91 * 86_400_000 })]);
    clock.advance(60_000);
    expect(await history.recentRequests(5)).toEqual([]);
    await history.retain();
    await recordAll([outcome({ receivedAtMs: clock.now() - 91 * 86_400_000 })]);
    clock.advance(3_600_000);
    expect(await history.recentRequests(5)).toEqual([]);
  });

  test('rows are written while a long clean-up is under way', async () => {
    const old = Array.from({ length: 3_000 }, () => outcome({ receivedAtMs: clock.now() - 91 * 86_400_000 }));
    await recordAll(old);
    const cleaning = history.retain();
    const young = outcome({ receivedAtMs: clock.now() });
    history.record(young);
    expect(await history.request(young.id)).toEqual(young);
    await cleaning;
    expect(await history.recentRequests(10)).toHaveLength(1);
  });
});

test('a stranger in the data folder is no reason to fail', async () => {
  writeFileSync(join(folder.path, 'notes.txt'), 'mine');
  expect(await history.recentRequests(1)).toEqual([]);
});
