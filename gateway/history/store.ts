// The statements on an open history database. Everything here is synchronous and runs in the worker.

import { gunzipSync, gzipSync } from 'node:zlib';
import type Database from 'better-sqlite3';
import type { Decision, Outcome } from '../types.ts';
import type { Transition } from './history.ts';
import type { Batch, Question } from './messages.ts';
import {
  type AttemptRow,
  attemptColumns,
  attemptValues,
  type Column,
  outcomeOf,
  type RequestRow,
  requestColumns,
  requestValues,
} from './rows.ts';
import { type Unpacked, unpackOutcomes } from './unpack.ts';

/** What the worker's memory holds easily. */
const mostRowsPerAnswer = 10_000;

export class Store {
  #database: Database.Database;
  #insertRequest: Database.Statement<Column[]>;
  #insertAttempt: Database.Statement<(Column | bigint)[]>;
  #insertDecisions: Database.Statement<[Buffer]>;
  #insertTransition: Database.Statement<Column[]>;
  #writeAll: (batch: Batch) => void;

  constructor(database: Database.Database) {
    this.#database = database;
    // OR IGNORE: a batch that was written, but whose receipt was lost in a crash, is sent again.
    this.#insertRequest = database.prepare(insert('requests', requestColumns));
    this.#insertAttempt = database.prepare(insert('attempts', attemptColumns));
    this.#insertDecisions = database.prepare('INSERT INTO decisions (lines) VALUES (?)');
    this.#insertTransition = database.prepare(
      insert('transitions', ['at_ms', 'provider', 'state_before', 'state_after', 'cause_class', 'cause_message']),
    );
    this.#writeAll = database.transaction((batch: Batch) => {
      this.#writeOutcomes(unpackOutcomes(batch.outcomes));
      for (const transition of batch.transitions) this.#writeTransition(transition);
    });
  }

  /** One transaction: all of the batch or nothing. Throws SQLite's error. */
  write(batch: Batch): void {
    this.#writeAll(batch);
  }

  /** See `History.request` and `History.recentRequests`. */
  ask(question: Question): Outcome[] {
    return question.about === 'request' ? this.#request(question.id) : this.#recent(question.limit, question.before);
  }

  /** Closing also empties the write-ahead log into the database. */
  close(): void {
    this.#database.close();
  }

  #writeOutcomes({ outcomes, decisions }: Unpacked): void {
    const block = decisions.length > 0 ? this.#writeDecisions(decisions) : 0;
    for (const outcome of outcomes) {
      const { changes, lastInsertRowid } = this.#insertRequest.run(...requestValues(outcome, block));
      if (changes === 0) continue;
      for (const [position, attempt] of outcome.attempts.entries()) {
        this.#insertAttempt.run(...attemptValues(lastInsertRowid, position, attempt));
      }
    }
  }

  #writeDecisions(decisions: readonly string[]): number {
    return Number(this.#insertDecisions.run(gzipSync(decisions.join('\n'), { level: 1 })).lastInsertRowid);
  }

  #writeTransition(transition: Transition): void {
    const { atMs, provider, before, after, cause } = transition;
    this.#insertTransition.run(atMs, provider, before, after, cause?.class ?? null, cause?.message ?? null);
  }

  #request(id: string): Outcome[] {
    const row = this.#database.prepare<[string], RequestRow>('SELECT * FROM requests WHERE id = ?').get(id);
    return row ? [outcomeOf(row, this.#attempts(row.seq), this.#decision(row))] : [];
  }

  #recent(limit: number, before: string | null): Outcome[] {
    const rows = this.#database
      .prepare<[string | null, number], RequestRow>(
        `SELECT * FROM requests WHERE seq < ifnull((SELECT seq FROM requests WHERE id = ?), 9e18)
         ORDER BY seq DESC LIMIT ?`,
      )
      .all(before, Math.min(Math.max(0, Math.trunc(limit)), mostRowsPerAnswer));
    return rows.map((row) => outcomeOf(row, this.#attempts(row.seq), null));
  }

  #attempts(request: number): AttemptRow[] {
    return this.#database
      .prepare<[number], AttemptRow>('SELECT * FROM attempts WHERE request = ? ORDER BY position')
      .all(request);
  }

  #decision(row: RequestRow): Decision | null {
    if (row.decision_line < 0) return null;
    const block = this.#database
      .prepare<[number], { lines: Buffer }>('SELECT lines FROM decisions WHERE block = ?')
      .get(row.decision_block);
    const line = block && gunzipSync(block.lines).toString().split('\n')[row.decision_line];
    return line ? (JSON.parse(line) as Decision) : null;
  }
}

function insert(table: string, columns: readonly string[]): string {
  return `INSERT OR IGNORE INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`;
}
