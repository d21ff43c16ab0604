// The one lock of llama-cpp-python: whoever wants it makes a running stream stop, and then waits in line.

import { Gate } from '../core/gate.ts';
import type { Run } from '../core/run.ts';

export class ModelLock {
  readonly #gate = new Gate(1);
  readonly #isInterrupting: boolean;
  #streaming: Run | null = null;

  /** `isInterrupting`: the server's `interrupt_requests`, true by default. */
  constructor(isInterrupting: boolean) {
    this.#isInterrupting = isInterrupting;
  }

  get isHeld(): boolean {
    return this.#gate.running > 0;
  }

  /** Waits for the lock, interrupting a stream that holds it. False when the client left the line. */
  enter(signal: AbortSignal): Promise<boolean> {
    if (this.#isInterrupting) this.#streaming?.stop('interrupted');
    return this.#gate.enter(signal);
  }

  /** Says that the holder is a stream, which can be interrupted; others run to their end. */
  heldByStream(run: Run): void {
    this.#streaming = run;
    // Somebody came while this one was still in line.
    if (this.#isInterrupting && this.#gate.waiting > 0) run.stop('interrupted');
  }

  leave(): void {
    this.#streaming = null;
    this.#gate.leave();
  }
}
