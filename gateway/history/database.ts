// Opens history.db, or says why not; sets a damaged one aside.

import { existsSync, renameSync, statSync } from 'node:fs';
import Database from 'better-sqlite3';
import { faultOf } from './faults.ts';
import { type Migration, migrate, refuseForeign, refuseNewerFile } from './migrate.ts';

/** How long a statement waits for another program's lock, in ms: only this thread waits. */
const busyTimeoutMs = 1_000;

/** Opens or creates it at the newest version. Throws `HistoryFault` or SQLite's error; nothing is left open then. */
function openDatabase(file: string, migrations: readonly Migration[]): Database.Database {
  if (existsSync(file)) refuseNewerFile(file, migrations.length);
  const database = new Database(file, { timeout: busyTimeoutMs });
  try {
    refuseForeign(database, file, migrations.length);
    // Has an effect only before the first table; lets clean-up give room back in small steps.
    database.pragma('auto_vacuum = INCREMENTAL');
    database.pragma('journal_mode = WAL');
    // A process that is killed loses nothing committed; a power cut may lose the last transactions, never the file.
    database.pragma('synchronous = NORMAL');
    database.pragma('foreign_keys = ON');
    database.pragma('cache_size = -2000');
    // Fewer, larger write-backs of the log: 16 MB, and no more left behind on the disk.
    database.pragma('wal_autocheckpoint = 4000');
    database.pragma('journal_size_limit = 16777216');
    migrate(database, migrations);
    // journal_mode does not fail on a read-only file that is in WAL mode already; this does.
    database.exec('BEGIN IMMEDIATE; ROLLBACK');
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/**
 * The same, but a damaged file is renamed to `history.db.corrupt-DATE` with what belongs to it, and a new one begun:
 * `notice` then says so.
 */
export function openOrReplace(
  file: string,
  migrations: readonly Migration[],
): { readonly database: Database.Database; readonly notice: string | null } {
  try {
    return { database: openDatabase(file, migrations), notice: null };
  } catch (error) {
    const fault = faultOf(error, file);
    if (fault.class !== 'corrupt') throw error;
    const notice = `${fault.because}: kept as ${setAside(file)}, a new history was begun`;
    return { database: openDatabase(file, migrations), notice };
  }
}

/** Renames the closed database and its journals. Returns the new path. */
export function setAside(file: string): string {
  const date = new Date().toISOString().replaceAll(':', '-').slice(0, 19);
  let aside = `${file}.corrupt-${date}`;
  for (let count = 2; existsSync(aside); count++) aside = `${file}.corrupt-${date}-${count}`;
  for (const suffix of ['', '-wal', '-shm']) {
    if (existsSync(file + suffix)) renameSync(file + suffix, aside + suffix);
  }
  return aside;
}

/** What tells one file from another of the same name; null when there is none. */
export function fileIdentity(file: string): string | null {
  const stat = statSync(file, { throwIfNoEntry: false });
  return stat ? `${stat.dev}:${stat.ino}` : null;
}
