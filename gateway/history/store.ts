// The statements on an open history database. Everything here is synchronous and runs in the worker.

import { gunzipSync, gzipSync } from 'node:zlib';
import type Database from 'better-sqlite3';
import type { AdminRequestRow } from '../contract.ts';
import type { Decision, Outcome } from '../types.ts';
import { HealthRows } from './health-rows.ts';
import type { Answer, Batch, Question, SessionStart } from './messages.ts';
import { ReplayRows, readReplay } from './replay-rows.ts';
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
import { unpackOutcomes } from './unpack.ts';
import { WindowAnswers } from './window-answers.ts';

/** What the worker's memory holds easily. */
const mostRowsPerAnswer = 10_000;

export class Store {
  #database: Database.Database;
  #insertRequest: Database.Statement<Column[]>;
  #insertAttempt: Database.Statement<(Column | bigint)[]>;
  #insertDecisions: Database.Statement<[Buffer]>;
  #health: HealthRows;
  #window: WindowAnswers;
  #readAttempts: Database.Statement<[number], AttemptRow>;
  #replay: ReplayRows;
  #writeAll: (batch: Batch) => void;

  constructor(database: Database.Database, session: SessionStart) {
    this.#database = database;
    // OR IGNORE: a batch that was written, but whose receipt was lost in a crash, is sent again.
    this.#insertRequest = database.prepare(insert('requests', requestColumns));
    this.#insertAttempt = database.prepare(insert('attempts', attemptColumns));
    this.#insertDecisions = database.prepare('INSERT INTO decisions (lines) VALUES (?)');
    this.#health = new HealthRows(database, session);
    this.#window = new WindowAnswers(database, (rows) => this.#listed(rows));
    this.#readAttempts = database.prepare('SELECT * FROM attempts WHERE request = ? ORDER BY position');
    this.#replay = new ReplayRows(database);
    this.#writeAll = database.transaction((batch: Batch) => {
      if (this.#health.isWritten(batch)) return;
      this.#writeOutcomes(batch);
      this.#health.write(batch);
    });
  }

  /** One transaction: all of the batch or nothing. Throws SQLite's error. */
  write(batch: Batch): void {
    this.#writeAll(batch);
  }

  /** See the questions of `History`. Throws SQLite's error. */
  ask(question: Question): Answer {
    switch (question.about) {
      case 'request':
        return { is: 'outcomes', outcomes: this.#request(question.id) };
      case 'recent':
        return { is: 'outcomes', outcomes: this.#recent(question.limit, question.before) };
      case 'replayable': {
        const decisionOf = this.#decisionReader();
        return { is: 'replayable', stored: readReplay(this.#database, withinBounds(question.limit), decisionOf) };
      }
      default:
        return this.#window.answer(question);
    }
  }

  /** Brings sums a little closer to what is written. True: there is more to do. Throws SQLite's error. */
  sumUp(): boolean {
    return this.#window.sumUp();
  }

  /** This start of the gateway ends in order. Throws SQLite's error. */
  endSession(atMs: number): void {
    this.#health.end(atMs);
  }

  /** Closing also empties the write-ahead log into the database. */
  close(): void {
    this.#database.close();
  }

  #writeOutcomes({ outcomes: packed, bases }: Batch): void {
    const unpacked = unpackOutcomes(packed);
    const { outcomes, decisions } = unpacked;
    const block = decisions.length > 0 ? this.#writeDecisions(decisions) : 0;
    const basisOf = this.#replay.write(bases, unpacked);
    for (const outcome of outcomes) {
      const values = requestValues(outcome, block, basisOf(outcome.basis));
      const { changes, lastInsertRowid } = this.#insertRequest.run(...values);
      if (changes === 0) continue;
      for (const [position, attempt] of outcome.attempts.entries()) {
        this.#insertAttempt.run(...attemptValues(lastInsertRowid, position, attempt));
      }
    }
  }

  #writeDecisions(decisions: readonly string[]): number {
    return Number(this.#insertDecisions.run(gzipSync(decisions.join('\n'), { level: 1 })).lastInsertRowid);
  }

  #request(id: string): Outcome[] {
    const row = this.#database.prepare<[string], RequestRow>('SELECT * FROM requests WHERE id = ?').get(id);
    return row ? [outcomeOf(row, this.#attempts(row.seq), this.#decisionReader()(row))] : [];
  }

  #recent(limit: number, before: string | null): Outcome[] {
    const rows = this.#database
      .prepare<[string | null, number], RequestRow>(
        `SELECT * FROM requests WHERE seq < ifnull((SELECT seq FROM requests WHERE id = ?), 9e18)
         ORDER BY seq DESC LIMIT ?`,
      )
      .all(before, withinBounds(limit));
    return rows.map((row) => outcomeOf(row, this.#attempts(row.seq), null));
  }

  #listed(rows: readonly RequestRow[]): AdminRequestRow[] {
    return rows.map((row) => {
      const { decision, ...listed } = outcomeOf(row, this.#attempts(row.seq), null);
      return listed;
    });
  }

  #attempts(request: number): AttemptRow[] {
    return this.#readAttempts.all(request);
  }

  /** For rows in the order in which they ended, or the other way round: each block is unpacked once. */
  #decisionReader(): (row: RequestRow) => Decision | null {
    const statement = this.#database.prepare<[number], { lines: Buffer }>(
      'SELECT lines FROM decisions WHERE block = ?',
    );
    let current = 0;
    let lines: readonly string[] = [];
    return ({ decision_block: block, decision_line: line }) => {
      if (line < 0) return null;
      if (block !== current) {
        const row = statement.get(block);
        lines = row ? gunzipSync(row.lines).toString().split('\n') : [];
        current = block;
      }
      const text = lines[line];
      return text ? (JSON.parse(text) as Decision) : null;
    };
  }
}

function withinBounds(limit: number): number {
  return Math.min(Math.max(0, Math.trunc(limit)), mostRowsPerAnswer);
}

function insert(table: string, columns: readonly string[]): string {
  return `INSERT OR IGNORE INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`;
}
