// Makes a history of 90 days as a busy household of eight providers leaves it: requests with their attempts, probes,
// outages, restarts and nights asleep. Written past the recorder, for a million rows at once; summed up by the gateway's own code.

import { mkdirSync } from 'node:fs';
import Database from 'better-sqlite3';
import { stateCode } from '../gateway/history/beat-codes.ts';
import { HealthRollup } from '../gateway/history/health-rollup.ts';
import { databaseFile } from '../gateway/history/history.ts';
import { migrate, readMigrations } from '../gateway/history/migrate.ts';
import { RequestRollup } from '../gateway/history/request-rollup.ts';
import { attemptColumns, type Column, requestColumns } from '../gateway/history/rows.ts';

const minuteMs = 60_000;
const dayMs = 86_400_000;
const days = 90;
export const providers = Array.from({ length: 8 }, (_, index) => `provider-${index}`);
export const models = Array.from({ length: 12 }, (_, index) => `family${index % 5}:model-${index}`);
export const clients = Array.from({ length: 40 }, (_, index) => `client-${index}`);

/** The same numbers at each run (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const random = randomNumbers(1);

function pick<T>(list: readonly T[]): T {
  // Some are used much more than others.
  const index = Math.floor(list.length * random() ** 2);
  return list[Math.min(index, list.length - 1)] as T;
}

function insert(database: Database.Database, table: string, columns: readonly string[]): (values: Column[]) => void {
  const statement = database.prepare<Column[]>(
    `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`,
  );
  return (values) => void statement.run(...values);
}

/** In portions of one transaction each. */
function inPortions(database: Database.Database, count: number, write: (index: number) => void): void {
  for (let begun = 0; begun < count; begun += 50_000) {
    database.transaction(() => {
      for (let index = begun; index < Math.min(count, begun + 50_000); index++) write(index);
    })();
  }
}

function writeRequests(database: Database.Database, count: number, endMs: number): void {
  const addRequest = insert(database, 'requests', requestColumns);
  const addAttempt = insert(database, 'attempts', attemptColumns);
  const stepMs = (days * dayMs) / count;
  inPortions(database, count, (index) => {
    const atMs = Math.trunc(endMs - days * dayMs + (index + random()) * stepMs);
    const chance = random();
    const result = chance < 0.96 ? 'complete' : chance < 0.98 ? 'failed' : chance < 0.99 ? 'cancelled' : 'rejected';
    const isAnswered = result === 'complete' || result === 'cancelled';
    const provider = pick(providers);
    const model = pick(models);
    const [firstMs, tokens] = [80 + 2_000 * random() ** 4, Math.trunc(20 + 800 * random())];
    const durationMs = firstMs + tokens * (8 + 20 * random());
    const error = isAnswered
      ? [null, null]
      : ['server_error', `${provider} answered 500 (connection to ${index} lost)`];
    addRequest([
      ...[`req_${index.toString(36).padStart(12, '0')}`, atMs, durationMs, 'chat', 'openai', 1, pick(clients), model],
      ...['catalog', isAnswered ? provider : null, isAnswered ? model : null, result, isAnswered ? 200 : 500, ...error],
      ...[0.05, random() < 0.1 ? 50 : 0, isAnswered ? firstMs : null, 400, isAnswered ? tokens : null, null, 0, 2_000],
      ...[tokens * 180, 0, '[]', 0, -1, 0, 0, 0, 0, random() < 0.01 ? 'B' : null, null],
    ]);
    const isMoved = random() < 0.05;
    const isCold = random() < 0.1 ? 1 : 0;
    const add = (position: number, at: string, failure: string | null): void =>
      addAttempt([
        ...[
          index + 1,
          position,
          at,
          model,
          atMs,
          failure ? 500 : 200,
          5,
          failure ? null : firstMs,
          failure ? 6 : durationMs,
        ],
        ...[isCold, '[]', failure, failure && 'it failed', failure && 500, null, 'catalog', null, null],
      ]);
    if (isMoved) add(0, pick(providers), 'server_error');
    if (result !== 'rejected') add(isMoved ? 1 : 0, provider, isAnswered ? null : 'server_error');
  });
}

/** Each provider is down for some minutes every two days or so. */
function writeBeats(database: Database.Database, count: number, endMs: number): void {
  const addBeat = insert(database, 'beats', ['provider', 'at_ms', 'is_ok', 'latency_us', 'state', 'cause']);
  const addChange = insert(database, 'transitions', [
    ...['at_ms', 'provider', 'state_before', 'state_after', 'cause_class', 'cause_message'],
  ]);
  const perProvider = Math.ceil(count / providers.length);
  const stepMs = (days * dayMs) / perProvider;
  for (const [index, name] of providers.entries()) {
    database.prepare('INSERT INTO provider_names (provider, name) VALUES (?, ?)').run(index + 1, name);
    let downUntilMs = 0;
    let isDown = false;
    inPortions(database, perProvider, (beat) => {
      const atMs = Math.trunc(endMs - days * dayMs + beat * stepMs);
      if (random() < stepMs / (2 * dayMs)) downUntilMs = atMs + (1 + 20 * random()) * minuteMs;
      if (atMs < downUntilMs !== isDown) {
        const [before, after] = isDown ? ['down', 'ready'] : ['ready', 'down'];
        const cause = isDown ? [null, null] : ['refused', `nothing listens at ${name}`];
        addChange([atMs, name, before, after, ...cause]);
        isDown = !isDown;
      }
      const latencyUs = isDown ? null : Math.trunc(800 + 40_000 * random() ** 6);
      addBeat([index + 1, atMs, isDown ? 0 : 1, latencyUs, stateCode(isDown ? 'down' : 'ready'), isDown ? 0 : null]);
    });
  }
}

/** A start every three days, a minute without; twenty minutes of sleep each night. */
function writeLife(database: Database.Database, endMs: number): void {
  const addSession = insert(database, 'sessions', [
    'session',
    'started_at_ms',
    'alive_at_ms',
    'ended_at_ms',
    'last_batch',
  ]);
  const addSleep = insert(database, 'sleeps', ['from_ms', 'to_ms']);
  for (let atMs = endMs - days * dayMs; atMs < endMs; atMs += 3 * dayMs) {
    const aliveMs = Math.min(endMs, atMs + 3 * dayMs - minuteMs);
    addSession([`session ${atMs}`, atMs, aliveMs, aliveMs, 1]);
  }
  for (let atMs = endMs - days * dayMs; atMs < endMs; atMs += dayMs) addSleep([atMs, atMs + 20 * minuteMs]);
}

function writeHardware(database: Database.Database, endMs: number): void {
  const addSample = insert(database, 'hardware', ['at_ms', 'sample']);
  inPortions(database, days * 2_880, (index) => {
    const atMs = endMs - (index + 1) * 30_000;
    const gpu = { name: 'GPU', usedShare: random(), vramUsedBytes: 1e9, vramTotalBytes: 2e9 };
    const gpus = [{ ...gpu, temperatureCelsius: 50, powerWatts: 90 }];
    const sample = { atMs, cpuShare: random(), memoryUsedBytes: 8e9, memoryTotalBytes: 16e9, gpus };
    addSample([atMs, JSON.stringify(sample)]);
  });
}

function timed(what: string, work: () => void): void {
  const began = performance.now();
  work();
  console.log(`${what.padEnd(40)} ${((performance.now() - began) / 1_000).toFixed(1)} s`);
}

/** Writes `history.db` into the folder, ending now. */
export function generate(folder: string, requests: number, beats: number): void {
  mkdirSync(folder, { recursive: true });
  const database = new Database(databaseFile(folder));
  database.pragma('auto_vacuum = INCREMENTAL');
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = OFF');
  migrate(database, readMigrations());
  const endMs = Date.now();
  writeLife(database, endMs);
  timed(`write ${requests} requests`, () => writeRequests(database, requests, endMs));
  timed(`write ${beats} beats`, () => writeBeats(database, beats, endMs));
  writeHardware(database, endMs);
  const [ofRequests, ofHealth] = [new RequestRollup(database), new HealthRollup(database)];
  timed('sum up requests', () => {
    while (ofRequests.step());
  });
  timed('sum up health', () => {
    while (ofHealth.step());
  });
  database.close();
}
