import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import Database from 'better-sqlite3';
import { afterAll, expect, test } from 'vitest';
import { temporaryFolder } from './support.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());

const rowsPerRound = 200;

/** Lets it record until that many rounds are written and some ms more, kills it, and returns how many rows it knew to be written. */
async function recordAndKill(run: string, rounds: number, extraMs: number): Promise<number> {
  const script = join(import.meta.dirname, 'record-forever.ts');
  const child = spawn(process.execPath, [script, folder.path, run], { stdio: ['ignore', 'pipe', 'inherit'] });
  const closed = once(child, 'close');
  let written = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    written = Number(line);
    if (written === rounds * rowsPerRound) setTimeout(() => child.kill('SIGKILL'), extraMs);
  }
  await closed;
  expect(child.signalCode).toBe('SIGKILL');
  return written;
}

test('after kill -9 at most the last batch is missing, and the next start goes on in the same file', async () => {
  for (const [run, rounds, extraMs] of [
    ['first', 1, 0],
    ['second', 3, 3],
    ['third', 5, 11],
    ['fourth', 2, 29],
  ] as const) {
    const written = await recordAndKill(run, rounds, extraMs);
    const database = new Database(join(folder.path, 'history.db'));
    const rows = database
      .prepare<[string], { count: number; last: number }>(
        "SELECT count(*) AS count, max(CAST(substr(id, instr(id, ':') + 1) AS INTEGER)) + 1 AS last FROM requests WHERE client = ?",
      )
      .get(run);
    expect(rows?.count).toBe(rows?.last);
    expect(rows?.count).toBeGreaterThanOrEqual(written);
    expect(rows?.count).toBeLessThanOrEqual(written + rowsPerRound);
    expect(database.pragma('integrity_check', { simple: true })).toBe('ok');
    expect(database.pragma('foreign_key_check')).toEqual([]);
    expect(database.prepare('SELECT count(*) AS count FROM attempts').get()).toEqual({
      count: 2 * Number(database.prepare('SELECT count(*) FROM requests').pluck().get()),
    });
    database.close();
  }
}, 60_000);
