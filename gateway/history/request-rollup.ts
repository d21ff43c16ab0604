// Brings the sums of requests up to date behind the writing: some rows at a time, in the order in which they were written.
// Sums and how far they have come change in one transaction, so each request is in them exactly once, whatever crashes.

import type Database from 'better-sqlite3';
import { Meta } from './meta.ts';
import {
  type ClientSum,
  clientColumns,
  countColumns,
  type RequestSum,
  RequestSums,
  type SummedAttempt,
  type SummedRequest,
  sketchColumns,
} from './request-sums.ts';
import type { Value } from './rows.ts';

const rowsPerStep = 200;
/** Clients named in one period; the rest is summed up under one name, for names of clients are anybody's to make up. */
const mostClients = 500;
const otherClients = '(others)';

type StoredSum = Record<(typeof countColumns)[number], number> &
  Record<(typeof sketchColumns)[number], Uint8Array | null>;

export class RequestRollup {
  readonly #meta: Meta;
  readonly #next: Database.Statement<[number, number], SummedRequest>;
  readonly #attempts: Database.Statement<[number, number], SummedAttempt>;
  readonly #last: Database.Statement<[], { last: number | null }>;
  readonly #readSum: Database.Statement<[number, string, string, number], StoredSum>;
  readonly #writeSum: Database.Statement<Value[]>;
  readonly #isClientKnown: Database.Statement<[number, number, string], { found: 1 }>;
  readonly #clientsIn: Database.Statement<[number, number], { count: number }>;
  readonly #addClient: Database.Statement<Value[]>;
  readonly #step: () => boolean;

  constructor(database: Database.Database) {
    this.#meta = new Meta(database);
    this.#next = database.prepare(
      `SELECT seq, received_at_ms, duration_ms, is_stream, provider, model, client, result, queued_ms, first_content_ms,
       prompt_tokens, completion_tokens, cached_tokens FROM requests WHERE seq > ? ORDER BY seq LIMIT ?`,
    );
    this.#attempts = database.prepare(
      `SELECT request, provider, model, is_cold, failure_kind IS NOT NULL AS is_failed FROM attempts
       WHERE request > ? AND request <= ? ORDER BY request, position`,
    );
    this.#last = database.prepare('SELECT max(seq) AS last FROM requests');
    const columns = [...countColumns, ...sketchColumns];
    this.#readSum = database.prepare(
      `SELECT ${columns.join(', ')} FROM request_rollups WHERE grain = ? AND provider = ? AND model = ? AND at_ms = ?`,
    );
    this.#writeSum = database.prepare(
      `INSERT OR REPLACE INTO request_rollups (grain, provider, model, at_ms, ${columns.join(', ')})
       VALUES (?, ?, ?, ?${', ?'.repeat(columns.length)})`,
    );
    this.#isClientKnown = database.prepare(
      'SELECT 1 AS found FROM client_rollups WHERE grain = ? AND at_ms = ? AND client = ?',
    );
    this.#clientsIn = database.prepare('SELECT count(*) AS count FROM client_rollups WHERE grain = ? AND at_ms = ?');
    this.#addClient = database.prepare(
      `INSERT INTO client_rollups (grain, at_ms, client, ${clientColumns.join(', ')})
       VALUES (?, ?, ?${', ?'.repeat(clientColumns.length)}) ON CONFLICT DO UPDATE SET
       ${clientColumns.map((column) => `${column} = ${column} + excluded.${column}`).join(', ')}`,
    );
    this.#step = database.transaction(() => this.#sumUp());
  }

  /** One transaction of some ms. True: there is more to do. Throws SQLite's error. */
  step(): boolean {
    return this.#step();
  }

  /** To be called in the transaction that removes requests: numbers of rows at the end may come again. */
  forgetRemoved(): void {
    const last = this.#last.get()?.last ?? 0;
    if ((this.#meta.get('requests_rolled_to') ?? 0) > last) this.#meta.set('requests_rolled_to', last);
  }

  #sumUp(): boolean {
    const from = this.#meta.get('requests_rolled_to') ?? 0;
    const requests = this.#next.all(from, rowsPerStep);
    const to = requests.at(-1)?.seq;
    if (to === undefined) return false;
    const attempts = this.#attempts.all(from, to);
    const sums = new RequestSums();
    let next = 0;
    for (const request of requests) {
      const first = next;
      while (attempts[next]?.request === request.seq) next++;
      sums.add(request, attempts.slice(first, next));
    }
    for (const sum of sums.deployments) this.#store(sum);
    for (const sum of sums.clients) this.#storeClient(sum);
    this.#meta.set('requests_rolled_to', to);
    return requests.length === rowsPerStep;
  }

  #store(sum: RequestSum): void {
    const { grain, provider, model, atMs } = sum;
    const stored = this.#readSum.get(grain, provider, model, atMs);
    if (stored) addStored(sum, stored);
    const counts = countColumns.map((column) => sum.counts[column]);
    const sketches = sketchColumns.map((column) => sum.sketches[column].toBytes());
    this.#writeSum.run(grain, provider, model, atMs, ...counts, ...sketches);
  }

  #storeClient({ grain, atMs, client, counts }: ClientSum): void {
    const isKnown = this.#isClientKnown.get(grain, atMs, client) !== undefined;
    const isRoom = isKnown || (this.#clientsIn.get(grain, atMs)?.count ?? 0) < mostClients;
    const values = clientColumns.map((column) => counts[column]);
    this.#addClient.run(grain, atMs, isRoom ? client : otherClients, ...values);
  }
}

function addStored({ counts, sketches }: RequestSum, stored: StoredSum): void {
  for (const column of countColumns) counts[column] += stored[column];
  for (const column of sketchColumns) sketches[column].addBytes(stored[column]);
}
