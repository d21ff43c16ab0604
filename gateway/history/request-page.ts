// The list of requests: a page of what a filter finds, newest first. Where no index knows the whole filter, rows are looked
// at slice by slice until the page is full or its share of time is used up; the next page goes on from there.

import type Database from 'better-sqlite3';
import type { AdminRequestFilter } from '../contract.ts';
import {
  all,
  byTime,
  type Condition,
  type IndexedCondition,
  indexedConditions,
  otherConditions,
} from './request-filter.ts';
import type { Column, RequestRow } from './rows.ts';

const rowsPerSlice = 1_000;
const shareOfTimeMs = 15;
/** Rows are counted to that number to find the index that leads to the fewest. */
const countedRows = 5_000;

/** A place in the list: the request there, by time and then by number. */
interface Place {
  readonly atMs: number;
  readonly seq: number;
}

export interface PageRows {
  readonly rows: readonly RequestRow[];
  readonly nextCursor: string | null;
  readonly isFull: boolean;
  readonly searchedToMs: number | null;
}

export interface Counted {
  readonly count: number;
  readonly isExact: boolean;
}

export class RequestPages {
  readonly #database: Database.Database;

  constructor(database: Database.Database) {
    this.#database = database;
  }

  /** @param cursor of the page before; null: the first page. One that is none of ours finds nothing. */
  page(filter: AdminRequestFilter, limit: number, cursor: string | null): PageRows {
    const start = cursor === null ? { atMs: filter.toMs ?? Number.MAX_SAFE_INTEGER, seq: 0 } : placeOf(cursor);
    if (!start) return { rows: [], nextCursor: null, isFull: true, searchedToMs: null };
    const exact = cursor === null ? this.#byId(filter) : null;
    if (exact) return { rows: [exact], nextCursor: null, isFull: true, searchedToMs: null };
    const { lead, rest } = this.#plan(filter);
    const fromMs = filter.fromMs ?? 0;
    if (rest.values.length === 0 && rest.sql === 'TRUE') return this.#wholePage(lead, fromMs, start, limit);
    return this.#searchedPage(lead, rest, fromMs, start, limit);
  }

  /** How many rows the narrowest indexed condition finds, up to a bound; exact if there is nothing else to the filter. */
  count(filter: AdminRequestFilter): Counted | null {
    const indexed = indexedConditions(filter);
    const counts = indexed.map((condition) => this.#countTo(condition, filter));
    const least = counts.length > 0 ? Math.min(...counts) : this.#countTo(byTime, filter);
    if (least > countedRows) return null;
    return { count: least, isExact: least === 0 || indexed.length + otherConditions(filter).length <= 1 };
  }

  #byId(filter: AdminRequestFilter): RequestRow | null {
    const { text, fromMs = 0, toMs = Number.MAX_SAFE_INTEGER } = filter;
    if (!text) return null;
    const { sql, values } = all([...indexedConditions(filter), ...otherConditions(filter)]);
    const row = this.#database
      .prepare<Column[], RequestRow>(
        `SELECT * FROM requests INDEXED BY sqlite_autoindex_requests_1
         WHERE id = ? AND received_at_ms >= ? AND received_at_ms < ? AND ${sql}`,
      )
      .get(text, fromMs, toMs, ...values);
    return row ?? null;
  }

  #plan(filter: AdminRequestFilter): { lead: IndexedCondition; rest: Condition } {
    const indexed = indexedConditions(filter);
    let lead = indexed[0] ?? byTime;
    if (indexed.length > 1) {
      let least = Number.POSITIVE_INFINITY;
      for (const condition of indexed) {
        const count = this.#countTo(condition, filter);
        if (count < least) [lead, least] = [condition, count];
      }
    }
    return { lead, rest: all([...indexed.filter((one) => one !== lead), ...otherConditions(filter)]) };
  }

  #countTo({ index, sql, values }: IndexedCondition, filter: AdminRequestFilter): number {
    const { fromMs = 0, toMs = Number.MAX_SAFE_INTEGER } = filter;
    const row = this.#database
      .prepare<Column[], { count: number }>(
        `SELECT count(*) AS count FROM (SELECT 1 FROM requests INDEXED BY ${index}
         WHERE ${sql} AND received_at_ms >= ? AND received_at_ms < ? LIMIT ${countedRows + 1})`,
      )
      .get(...values, fromMs, toMs);
    return row?.count ?? 0;
  }

  #wholePage(lead: IndexedCondition, fromMs: number, start: Place, limit: number): PageRows {
    const rows = this.#database
      .prepare<Column[], RequestRow>(
        `SELECT * FROM requests INDEXED BY ${lead.index} WHERE ${lead.sql} AND received_at_ms >= ?
         AND (received_at_ms, seq) < (?, ?) ORDER BY received_at_ms DESC, seq DESC LIMIT ?`,
      )
      .all(...lead.values, fromMs, start.atMs, start.seq, limit + 1);
    return pageOf(rows, limit);
  }

  #searchedPage(lead: IndexedCondition, rest: Condition, fromMs: number, start: Place, limit: number): PageRows {
    const beginMs = performance.now();
    const found: RequestRow[] = [];
    const sliceEnd = this.#sliceEnd(lead, fromMs);
    const slice = this.#slice(lead, rest);
    let place = start;
    for (;;) {
      const end = sliceEnd(place);
      const last = end ?? { atMs: fromMs, seq: 0 };
      found.push(...slice(place, last, limit + 1 - found.length));
      if (found.length > limit) return pageOf(found, limit);
      if (!end) return { rows: found, nextCursor: null, isFull: true, searchedToMs: null };
      place = end;
      if (performance.now() - beginMs > shareOfTimeMs) {
        return { rows: found, nextCursor: cursorOf(place), isFull: false, searchedToMs: place.atMs };
      }
    }
  }

  /** The last row of the slice that begins after a place; null: there are not that many any more. */
  #sliceEnd({ index, sql, values }: IndexedCondition, fromMs: number): (after: Place) => Place | null {
    const statement = this.#database.prepare<Column[], Place>(
      `SELECT received_at_ms AS atMs, seq FROM requests INDEXED BY ${index} WHERE ${sql} AND received_at_ms >= ?
       AND (received_at_ms, seq) < (?, ?) ORDER BY received_at_ms DESC, seq DESC LIMIT 1 OFFSET ${rowsPerSlice - 1}`,
    );
    return ({ atMs, seq }) => statement.get(...values, fromMs, atMs, seq) ?? null;
  }

  #slice(
    { index, sql, values }: IndexedCondition,
    rest: Condition,
  ): (after: Place, last: Place, limit: number) => RequestRow[] {
    const statement = this.#database.prepare<Column[], RequestRow>(
      `SELECT * FROM requests INDEXED BY ${index} WHERE ${sql} AND received_at_ms >= ?
       AND (received_at_ms, seq) < (?, ?) AND (received_at_ms, seq) >= (?, ?) AND ${rest.sql}
       ORDER BY received_at_ms DESC, seq DESC LIMIT ?`,
    );
    return (after, last, limit) =>
      statement.all(...values, last.atMs, after.atMs, after.seq, last.atMs, last.seq, ...rest.values, limit);
  }
}

/** One row more than the page holds tells that there is a next one. */
function pageOf(rows: readonly RequestRow[], limit: number): PageRows {
  const onPage = rows.slice(0, limit);
  const last = onPage.at(-1);
  if (rows.length <= limit || !last) return { rows: onPage, nextCursor: null, isFull: true, searchedToMs: null };
  const place = { atMs: last.received_at_ms, seq: last.seq };
  return { rows: onPage, nextCursor: cursorOf(place), isFull: true, searchedToMs: place.atMs };
}

function cursorOf({ atMs, seq }: Place): string {
  return `${atMs}.${seq}`;
}

function placeOf(cursor: string): Place | null {
  const [, atMs, seq] = /^(\d{1,16})\.(\d{1,16})$/.exec(cursor) ?? [];
  return atMs === undefined || seq === undefined ? null : { atMs: Number(atMs), seq: Number(seq) };
}
