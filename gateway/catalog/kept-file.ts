// A small file in the data folder that is read once and written whole: atomically, readable by the owner only, not too often.

import { readFileSync, renameSync } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '../clock.ts';
import type { Log } from '../telemetry/log.ts';

/** What a file's text turned out to be; `newer`: of a later version of the format. */
export type Parsed<State> = { readonly is: 'read'; readonly state: State } | { readonly is: 'newer' | 'unreadable' };

export interface KeptFileOptions<State> {
  /** Absolute path; null: remember nothing beyond this process. */
  readonly path: string | null;
  readonly clock: Clock;
  readonly log: Log;
  /** Changes within this time are written together, in ms. */
  readonly debounceMs: number;
  /** Must not throw. */
  readonly parse: (text: string) => Parsed<State>;
  /** The whole text; asked for at the moment of writing. */
  readonly text: () => string;
}

/** Owns one file. Reading never fails: a file that cannot be understood is set aside, one that cannot be read is left alone. */
export class KeptFile<State> {
  readonly #options: KeptFileOptions<State>;
  /** What the file held at the start; null: nothing that could be used. */
  readonly restored: State | null;
  #isWritable = true;
  #isTroubleTold = false;
  #cancelTimer: (() => void) | null = null;
  #isChanged = false;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: KeptFileOptions<State>) {
    this.#options = options;
    this.restored = options.path === null ? null : this.#read(options.path);
  }

  /** There is something new to write: it is, soon. */
  changed(): void {
    this.#isChanged = true;
    const { path, clock, debounceMs } = this.#options;
    if (path === null || !this.#isWritable || this.#cancelTimer !== null) return;
    this.#cancelTimer = clock.after(debounceMs, () => void this.flush());
  }

  /** Writes what is not written yet. Never rejects: a folder that cannot be written to is told once, in the log. */
  flush(): Promise<void> {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#writing = this.#writing.then(() => this.#write());
    return this.#writing;
  }

  #read(path: string): State | null {
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch (error) {
      if (!isMissing(error)) this.#refuseToWrite(`${path} cannot be read and is left alone`, error);
      return null;
    }
    const parsed = this.#options.parse(text);
    if (parsed.is === 'read') return parsed.state;
    if (parsed.is === 'newer') this.#refuseToWrite(`${path} was written by a newer version and is left alone`, null);
    else this.#setAside(path);
    return null;
  }

  #setAside(path: string): void {
    const aside = `${path}.unreadable-${this.#options.clock.now()}`;
    try {
      renameSync(path, aside);
      this.#options.log.warn(`${path} could not be understood and was set aside as ${aside}`);
    } catch (error) {
      this.#refuseToWrite(`${path} could not be understood, and not be set aside either`, error);
    }
  }

  #refuseToWrite(message: string, error: unknown): void {
    this.#isWritable = false;
    this.#options.log.warn(`${message}; nothing is remembered beyond this run`, codeField(error));
  }

  async #write(): Promise<void> {
    const { path, text, log } = this.#options;
    if (!this.#isChanged || path === null || !this.#isWritable) return;
    this.#isChanged = false;
    try {
      await writeAtomically(path, text());
      this.#isTroubleTold = false;
    } catch (error) {
      this.#isChanged = true;
      if (this.#isTroubleTold) return;
      this.#isTroubleTold = true;
      log.warn(`${path} cannot be written; it is tried again at the next change`, codeField(error));
    }
  }
}

/** All or nothing, readable by the owner only: a crash leaves the former file. */
async function writeAtomically(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}.new`;
  try {
    const file = await open(temporary, 'w', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  return codeField(error).code === 'ENOENT';
}

function codeField(error: unknown): { readonly code?: unknown } {
  return error instanceof Error && 'code' in error ? { code: error.code } : {};
}
