// Answers what the window asks, from sums and rows. Synchronous, in the worker; each answer is the work of some ms.

import type Database from 'better-sqlite3';
import type { AdminRequestPage, AdminRequestRow } from '../contract.ts';
import { assertNever } from '../errors.ts';
import { EventAnswers } from './event-answers.ts';
import { exportText } from './export-text.ts';
import { HealthAnswers } from './health-answers.ts';
import { HealthRollup } from './health-rollup.ts';
import { LifeRows } from './health-rows.ts';
import { IncidentAnswers } from './incident-answers.ts';
import type { WindowAnswer, WindowQuestion } from './messages.ts';
import { RequestAnswers } from './request-answers.ts';
import { RequestPages } from './request-page.ts';
import { RequestRollup } from './request-rollup.ts';
import type { RequestRow } from './rows.ts';

/** How long sums are brought up to date before an answer is made from them; what is left is done afterwards. */
const sumUpWithinMs = 15;
const rowsPerExport = 150;

/** Gives requests their attempts. */
export type RowReader = (rows: readonly RequestRow[]) => AdminRequestRow[];

export class WindowAnswers {
  readonly #requestRollup: RequestRollup;
  readonly #healthRollup: HealthRollup;
  readonly #life: LifeRows;
  readonly #pages: RequestPages;
  readonly #requests: RequestAnswers;
  readonly #health: HealthAnswers;
  readonly #incidents: IncidentAnswers;
  readonly #events: EventAnswers;
  readonly #readRows: RowReader;

  constructor(database: Database.Database, readRows: RowReader) {
    this.#requestRollup = new RequestRollup(database);
    this.#healthRollup = new HealthRollup(database);
    this.#life = new LifeRows(database);
    this.#pages = new RequestPages(database);
    this.#requests = new RequestAnswers(database);
    this.#health = new HealthAnswers(database, this.#healthRollup);
    this.#incidents = new IncidentAnswers(database);
    this.#events = new EventAnswers(database);
    this.#readRows = readRows;
  }

  /** Some ms of work on the sums. True: there is more to do. Throws SQLite's error. */
  sumUp(): boolean {
    const isMoreOfRequests = this.#requestRollup.step();
    return this.#healthRollup.step() || isMoreOfRequests;
  }

  answer(asked: WindowQuestion): WindowAnswer {
    switch (asked.about) {
      case 'page':
        return { is: 'page', page: this.#page(asked) };
      case 'export': {
        const { rows, nextCursor } = this.#pages.page(asked.filter, rowsPerExport, asked.cursor);
        const text = exportText(this.#readRows(rows), asked.format, asked.cursor === null);
        return { is: 'export', text, cursor: nextCursor };
      }
      case 'beats':
        return { is: 'beats', beats: this.#events.beats(asked.question) };
      case 'health':
        return { is: 'health', health: { isUpToDate: this.#bringUpToDate(), ...this.#health.answer(asked.question) } };
      case 'incidents':
        return { is: 'incidents', incidents: this.#incidents.answer(asked.question) };
      case 'events':
        return { is: 'events', events: this.#events.events(asked.question) };
      case 'series':
        return {
          is: 'series',
          series: { isUpToDate: this.#bringUpToDate(), ...this.#requests.series(asked.question) },
        };
      case 'usage':
        return {
          is: 'usage',
          usage: { isUpToDate: this.#bringUpToDate(), ...this.#requests.usage(asked.by, asked.range) },
        };
      case 'hardware':
        return { is: 'hardware', samples: this.#events.hardware(asked.range, asked.points) };
      default:
        return assertNever(asked);
    }
  }

  #page({ filter, limit, cursor }: Extract<WindowQuestion, { readonly about: 'page' }>): AdminRequestPage {
    const rowLimit = Math.min(500, Math.max(1, Math.trunc(limit) || 1));
    const { rows, ...rest } = this.#pages.page(filter, rowLimit, cursor);
    const isAll = cursor === null && rest.nextCursor === null;
    const nowMs = (this.#life.aliveAtMs() ?? 0) + 1;
    const counted = isAll
      ? { count: rows.length, isExact: true }
      : cursor === null
        ? (this.#pages.count(filter) ?? this.#requests.estimate(filter, nowMs))
        : null;
    const count = counted?.count ?? null;
    return { requests: this.#readRows(rows), ...rest, count, isCountExact: counted?.isExact ?? false };
  }

  #bringUpToDate(): boolean {
    const untilMs = performance.now() + sumUpWithinMs;
    while (this.sumUp()) if (performance.now() >= untilMs) return false;
    return true;
  }
}
