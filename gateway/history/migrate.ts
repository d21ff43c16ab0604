// Brings a database to the newest version: numbered SQL files, one transaction each.

import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import type Database from 'better-sqlite3';
import { HistoryFault } from './faults.ts';

/** Beside this module, in the source as in a package. */
const folder = new URL('./migrations/', import.meta.url);

/** `SWYD`: tells our databases from other people's (https://sqlite.org/pragma.html#pragma_application_id). */
const applicationId = 0x53_57_59_44;

export interface Migration {
  readonly version: number;
  readonly sql: string;
}

/** All migrations in order. Throws when the numbers are not 1, 2, 3, … */
export function readMigrations(): Migration[] {
  const names = readdirSync(folder).filter((name) => name.endsWith('.sql'));
  return names.sort().map((name, index) => {
    const version = Number(name.slice(0, 4));
    if (version !== index + 1) throw new Error(`migration ${name} should have number ${index + 1}`);
    return { version, sql: readFileSync(new URL(name, folder), 'utf8') };
  });
}

/**
 * Looks at the header of a file without opening it as a database, which might already change a newer one.
 * Throws `HistoryFault` (final) for a newer version. Offsets: https://sqlite.org/fileformat2.html section 1.3.
 */
export function refuseNewerFile(file: string, newest: number): void {
  const header = Buffer.alloc(100);
  const descriptor = openSync(file, 'r');
  try {
    if (readSync(descriptor, header, 0, header.length, 0) < header.length) return;
  } finally {
    closeSync(descriptor);
  }
  if (header.toString('latin1', 0, 15) !== 'SQLite format 3') return;
  if (header.readUInt32BE(68) === applicationId) refuseNewer(file, header.readUInt32BE(60), newest);
}

/** Looks at an opened database and changes nothing. Throws `HistoryFault` (final) for a newer version and for somebody else's. */
export function refuseForeign(database: Database.Database, file: string, newest: number): void {
  const isEmpty = numberOf(database, 'schema_version') === 0;
  if (!isEmpty && numberOf(database, 'application_id') !== applicationId) {
    throw new HistoryFault('final', `${file} is a database of another program and is left alone`);
  }
  refuseNewer(file, numberOf(database, 'user_version'), newest);
}

/** Applies the migrations that are missing, each in one transaction. */
export function migrate(database: Database.Database, migrations: readonly Migration[]): void {
  for (const migration of migrations.slice(numberOf(database, 'user_version'))) {
    database.transaction(() => {
      database.exec(migration.sql);
      database.pragma(`application_id = ${applicationId}`);
      database.pragma(`user_version = ${migration.version}`);
    })();
  }
}

function refuseNewer(file: string, version: number, newest: number): void {
  if (version <= newest) return;
  const because = `${file} was written by a newer version of Switchyard (format ${version}, this one knows ${newest}) and is left alone`;
  throw new HistoryFault('final', because);
}

function numberOf(database: Database.Database, pragma: string): number {
  const value: unknown = database.pragma(pragma, { simple: true });
  return typeof value === 'number' ? value : 0;
}
