// What the gateway remembers by itself in its data folder (`state.json`): switches of providers that no file names,
// providers it discovered, and each provider's last known list of models. Nothing here is ever needed to route.

import { readFileSync, renameSync } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '../clock.ts';
import type { Log } from '../telemetry/log.ts';
import { emptyState, parseState, type SavedState, serializeState } from './saved-state.ts';

/** Changes within this time are written together, in ms. */
const debounceMs = 1_000;

export interface StateFileOptions {
  /** Absolute path; null: remember nothing beyond this process. */
  readonly path: string | null;
  readonly clock: Clock;
  readonly log: Log;
}

/** Owns `state.json`. Reading never fails: a file that cannot be understood is set aside, one that cannot be read is left alone. */
export class StateFile {
  readonly #path: string | null;
  readonly #clock: Clock;
  readonly #log: Log;
  #current: SavedState = emptyState;
  #isWritable = true;
  #isTroubleTold = false;
  #cancelTimer: (() => void) | null = null;
  #isChanged = false;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: StateFileOptions) {
    this.#path = options.path;
    this.#clock = options.clock;
    this.#log = options.log;
    if (this.#path !== null) this.#current = this.#read(this.#path);
  }

  /** What is remembered now, including what is not written yet. */
  get current(): SavedState {
    return this.#current;
  }

  /** Replaces parts of what is remembered; written within a second. */
  update(changes: Partial<SavedState>): void {
    this.#current = { ...this.#current, ...changes };
    this.#isChanged = true;
    if (this.#path === null || !this.#isWritable) return;
    this.#cancelTimer ??= this.#clock.after(debounceMs, () => void this.flush());
  }

  /** Writes what is not written yet. Never rejects: a folder that cannot be written to is told once, in the log. */
  flush(): Promise<void> {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#writing = this.#writing.then(() => this.#write());
    return this.#writing;
  }

  /** The last `flush()`; there is nothing else to close. */
  close(): Promise<void> {
    return this.flush();
  }

  #read(path: string): SavedState {
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch (error) {
      if (!isMissing(error)) this.#refuseToWrite(`${path} cannot be read and is left alone`, error);
      return emptyState;
    }
    const parsed = parseState(text);
    if (parsed.is === 'read') return parsed.state;
    if (parsed.is === 'newer') {
      this.#refuseToWrite(`${path} was written by a newer version and is left alone`, null);
      return emptyState;
    }
    this.#setAside(path);
    return emptyState;
  }

  #setAside(path: string): void {
    const aside = `${path}.unreadable-${this.#clock.now()}`;
    try {
      renameSync(path, aside);
      this.#log.warn(`${path} could not be understood and was set aside as ${aside}`);
    } catch (error) {
      this.#refuseToWrite(`${path} could not be understood, and not be set aside either`, error);
    }
  }

  #refuseToWrite(message: string, error: unknown): void {
    this.#isWritable = false;
    this.#log.warn(`${message}; nothing is remembered beyond this run`, codeField(error));
  }

  async #write(): Promise<void> {
    if (!this.#isChanged || this.#path === null || !this.#isWritable) return;
    this.#isChanged = false;
    try {
      await writeAtomically(this.#path, serializeState(this.#current));
      this.#isTroubleTold = false;
    } catch (error) {
      this.#isChanged = true;
      if (this.#isTroubleTold) return;
      this.#isTroubleTold = true;
      this.#log.warn(`${this.#path} cannot be written; it is tried again at the next change`, codeField(error));
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
