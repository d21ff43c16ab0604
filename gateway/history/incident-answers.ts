// Finds the times in which a provider was not ready, from the changes of its state.

import type Database from 'better-sqlite3';
import type { AdminIncident, AdminIncidents } from '../contract.ts';
import type { Cause, CauseClass, ObservedState } from '../types.ts';
import { LifeRows } from './health-rows.ts';
import type { ListQuestion } from './history.ts';
import { type Incident, incidentsIn, type StateChange } from './incidents.ts';
import { type AwakePiece, awakePieces, type Interval } from './state-time.ts';

/** Changes read for one answer; the latest. */
const mostChanges = 10_000;
/** An incident that began longer ago than that before the range is cut there. */
const lookBackMs = 30 * 86_400_000;
const mostCounted = 10_000;
/** An attempt that failed when the incident began may have begun that much earlier. */
const longestAttemptMs = 600_000;

interface ChangeRow {
  readonly at_ms: number;
  readonly provider: string;
  readonly state_after: ObservedState;
  readonly cause_class: CauseClass | null;
  readonly cause_message: string | null;
}

export class IncidentAnswers {
  readonly #life: LifeRows;
  readonly #changes: Database.Statement<[number, number, number], ChangeRow>;
  readonly #changesOf: Database.Statement<[string, number, number, number], ChangeRow>;
  readonly #names: Database.Statement<[], { name: string }>;
  readonly #lastWell: Database.Statement<[string, number, number], { at_ms: number }>;
  readonly #requests: Database.Statement<
    [string, number, number, number],
    { readonly isComplete: number; readonly count: number }
  >;

  constructor(database: Database.Database) {
    this.#life = new LifeRows(database);
    const columns = 'SELECT at_ms, provider, state_after, cause_class, cause_message FROM transitions';
    const latest = 'ORDER BY at_ms DESC, seq DESC LIMIT ?';
    this.#changes = database.prepare(`${columns} WHERE at_ms >= ? AND at_ms < ? ${latest}`);
    this.#changesOf = database.prepare(`${columns} WHERE provider = ? AND at_ms >= ? AND at_ms < ? ${latest}`);
    this.#names = database.prepare('SELECT name FROM provider_names');
    this.#lastWell = database.prepare(
      `SELECT at_ms FROM transitions WHERE provider = ? AND at_ms >= ? AND at_ms < ?
       AND state_after IN ('ready', 'off', 'paused') ORDER BY at_ms DESC LIMIT 1`,
    );
    this.#requests = database.prepare(
      `SELECT result = 'complete' AS isComplete, count(*) AS count FROM requests JOIN
       (SELECT DISTINCT request FROM attempts INDEXED BY attempts_failed
        WHERE provider = ? AND started_at_ms >= ? AND started_at_ms < ? AND failure_kind IS NOT NULL
        AND started_at_ms + ended_after_ms >= ? LIMIT ${mostCounted}) ON seq = request GROUP BY isComplete`,
    );
  }

  /** The end of the range is taken for now: what lasts then has no end. */
  answer({ fromMs, toMs, provider, limit }: ListQuestion): AdminIncidents {
    const range = { fromMs, toMs };
    const { changes, isCut } = this.#changesIn(range, provider);
    const sessions = this.#life.sessions({ fromMs: fromMs - lookBackMs, toMs: toMs + 1 });
    const found = incidentsIn(changes, sessions, toMs).filter((incident) => incident.toMs > fromMs || incident.isOpen);
    const latest = found.reverse().slice(0, Math.min(1_000, Math.max(0, limit)));
    const first = latest.reduce((earliest, incident) => Math.min(earliest, incident.fromMs), toMs);
    const whole = { fromMs: first, toMs };
    const pieces = awakePieces(this.#life.sessions(whole), this.#life.sleeps(whole));
    return {
      incidents: latest.map((incident) => this.#describe(incident, pieces)),
      isComplete: latest.length === found.length && !isCut,
    };
  }

  /** In order of time, with those before the range that an incident at its beginning is made of. */
  #changesIn({ fromMs, toMs }: Interval, provider: string | undefined): { changes: StateChange[]; isCut: boolean } {
    const rows =
      provider === undefined
        ? this.#changes.all(fromMs, toMs, mostChanges)
        : this.#changesOf.all(provider, fromMs, toMs, mostChanges);
    const isCut = rows.length === mostChanges;
    const before: ChangeRow[] = [];
    const names = provider === undefined ? this.#names.all().map(({ name }) => name) : [provider];
    for (const name of isCut ? [] : names) {
      const sinceMs = this.#lastWell.get(name, fromMs - lookBackMs, fromMs)?.at_ms ?? fromMs - lookBackMs;
      before.push(...this.#changesOf.all(name, sinceMs, fromMs, mostChanges).reverse());
    }
    const changes = [...before, ...rows.reverse()].map((row) => ({
      ...{ atMs: row.at_ms, provider: row.provider, after: row.state_after },
      cause: causeOf(row),
    }));
    return { changes, isCut };
  }

  #describe(incident: Incident, pieces: readonly AwakePiece[]): AdminIncident {
    const { provider, fromMs, toMs, state, cause, endedBy, isOpen } = incident;
    const durationMs = pieces.reduce(
      (sum, piece) => sum + Math.max(0, Math.min(piece.toMs, toMs) - Math.max(piece.fromMs, fromMs)),
      0,
    );
    const counts = this.#requests.all(provider, fromMs - longestAttemptMs, toMs, fromMs);
    const countOf = (isComplete: number): number => counts.find((row) => row.isComplete === isComplete)?.count ?? 0;
    return {
      ...{ provider, fromMs, toMs: isOpen ? null : toMs, durationMs, state, cause, endedBy },
      ...{ failedRequests: countOf(0), movedRequests: countOf(1) },
    };
  }
}

function causeOf({ cause_class, cause_message }: ChangeRow): Cause | null {
  return cause_class === null ? null : { class: cause_class, message: cause_message ?? '' };
}
