// Numbers that the database keeps about itself: how far the sums have come, and what is gone.

import type Database from 'better-sqlite3';
import type { Grain } from './limits.ts';

type MetaName =
  /** `seq` of the last request that is in the sums. */
  | 'requests_rolled_to'
  /** Health before that instant is in the sums. */
  | 'health_rolled_to_ms'
  /** Beats, or sums of minutes or hours, are missing before that instant: nothing there is summed up again. */
  | 'health_floor_ms'
  /** Sums of minutes, or hours, before that instant are gone. */
  | 'minute_since_ms'
  | 'hour_since_ms'
  | 'retained_at_ms';

export class Meta {
  readonly #read: Database.Statement<[string], { value: string }>;
  readonly #write: Database.Statement<[string, string]>;

  constructor(database: Database.Database) {
    this.#read = database.prepare('SELECT value FROM meta WHERE name = ?');
    this.#write = database.prepare('INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)');
  }

  /** Null: never set. */
  get(name: MetaName): number | null {
    const row = this.#read.get(name);
    return row ? Number(row.value) : null;
  }

  set(name: MetaName, value: number): void {
    this.#write.run(name, String(Math.trunc(value)));
  }

  /** Before that instant the sums of that grain are gone. Those of days are all there is. */
  readonly keptSinceMs = (grain: Grain): number =>
    (grain === 'day' ? null : this.get(`${grain}_since_ms`)) ?? Number.NEGATIVE_INFINITY;
}
