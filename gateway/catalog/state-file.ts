// What the gateway remembers by itself in its data folder (`state.json`): switches of providers that no file names,
// providers it discovered, and each provider's last known list of models. Nothing here is ever needed to route.

import type { Clock } from '../clock.ts';
import type { Log } from '../telemetry/log.ts';
import { KeptFile } from './kept-file.ts';
import { emptyState, parseState, type SavedState, serializeState } from './saved-state.ts';

const debounceMs = 1_000;

export interface StateFileOptions {
  /** Absolute path; null: remember nothing beyond this process. */
  readonly path: string | null;
  readonly clock: Clock;
  readonly log: Log;
}

/** Owns `state.json`, with the care of every `KeptFile`. */
export class StateFile {
  readonly #file: KeptFile<SavedState>;
  #current: SavedState;

  constructor(options: StateFileOptions) {
    this.#file = new KeptFile({
      ...options,
      debounceMs,
      parse: parseState,
      text: () => serializeState(this.#current),
    });
    this.#current = this.#file.restored ?? emptyState;
  }

  /** What is remembered now, including what is not written yet. */
  get current(): SavedState {
    return this.#current;
  }

  /** Replaces parts of what is remembered; written within a second. */
  update(changes: Partial<SavedState>): void {
    this.#current = { ...this.#current, ...changes };
    this.#file.changed();
  }

  /** Writes what is not written yet. Never rejects: a folder that cannot be written to is told once, in the log. */
  flush(): Promise<void> {
    return this.#file.flush();
  }

  /** The last `flush()`; there is nothing else to close. */
  close(): Promise<void> {
    return this.flush();
  }
}
