// Names of providers as the small numbers they are stored by.

import type Database from 'better-sqlite3';

export class ProviderNames {
  readonly #find: Database.Statement<[string], { provider: number }>;
  readonly #insert: Database.Statement<[string]>;
  readonly #all: Database.Statement<[], { provider: number; name: string }>;

  constructor(database: Database.Database) {
    this.#find = database.prepare('SELECT provider FROM provider_names WHERE name = ?');
    this.#insert = database.prepare('INSERT INTO provider_names (name) VALUES (?)');
    this.#all = database.prepare('SELECT provider, name FROM provider_names ORDER BY name');
  }

  /** Gives a new name a number. Nothing is remembered here: a transaction that is rolled back takes the number with it. */
  idOf(name: string): number {
    return this.#find.get(name)?.provider ?? Number(this.#insert.run(name).lastInsertRowid);
  }

  all(): { readonly provider: number; readonly name: string }[] {
    return this.#all.all();
  }
}
