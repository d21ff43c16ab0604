// Whether what happens is being kept: told to the log and to listeners once per change, never once per retry.

import type { HistoryStatus } from '../contract.ts';
import type { Log } from '../telemetry/log.ts';

export class StatusKeeper {
  #log: Log;
  #status: HistoryStatus;
  #listeners = new Set<(status: HistoryStatus) => void>();

  /** Begins with a status that nobody is told of. */
  constructor(log: Log, first: HistoryStatus) {
    this.#log = log;
    this.#status = first;
  }

  get status(): HistoryStatus {
    return this.#status;
  }

  onChange(listener: (status: HistoryStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  forgetListeners(): void {
    this.#listeners.clear();
  }

  /** `rowsLost`: outcomes given up since it was last on. */
  set(status: HistoryStatus, rowsLost: number): void {
    const before = this.#status;
    if (isSame(before, status)) return;
    this.#status = status;
    if (before.is !== status.is || causeOf(before) !== causeOf(status)) this.#tell(status, rowsLost);
    for (const listener of this.#listeners) listener(status);
  }

  #tell(status: HistoryStatus, rowsLost: number): void {
    if (status.is === 'off') this.#log.warn(`history is off: ${status.because}`, { rowsLost });
    else if (status.is === 'degraded') this.#log.warn(`history is not being written: ${status.because}`, { rowsLost });
    else this.#log.info('history is written again', { file: status.file, rowsLost });
  }
}

function causeOf(status: HistoryStatus): string {
  return status.is === 'on' ? '' : status.because;
}

function isSame(a: HistoryStatus, b: HistoryStatus): boolean {
  if (a.is !== b.is || causeOf(a) !== causeOf(b)) return false;
  return a.is !== 'degraded' || b.is !== 'degraded' || a.rowsLost === b.rowsLost;
}
