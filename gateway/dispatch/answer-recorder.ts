// Copies an answer on its way to the client, so that it can be kept. Knows nothing of what becomes of it.

import type { HeldBytes } from './held-bytes.ts';

/** An answer as it went to the client, without what belongs to this one request or is the gateway's own. */
export interface RecordedAnswer {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: Buffer;
}

/** Headers that would be untrue, or said twice, in an answer given again. */
const NOT_KEPT = new Set(['x-request-id', 'server-timing', 'content-length', 'date', 'age', 'retry-after']);

/** Most answers fit. */
const FIRST_BYTES = 4 * 1024;

/**
 * Follows one answer. Memory is bounded for one (`limitBytes`) and, by the shared `held`, for all together; past either
 * bound it lets go of everything and stops. `release` gives the memory back.
 */
export class AnswerRecorder {
  readonly #held: HeldBytes;
  readonly #limitBytes: number;
  #status: number | null = null;
  #headers: readonly string[] = [];
  #buffer: Buffer | null = null;
  #length = 0;
  #taken = 0;
  #isStopped = false;

  constructor(held: HeldBytes, limitBytes: number) {
    this.#held = held;
    this.#limitBytes = limitBytes;
  }

  /** The head goes out: flat names and values. */
  begin(status: number, headers: readonly string[]): void {
    this.#status = status;
    this.#headers = headers;
  }

  /** Bytes of the answer go out. They are copied: a piece may be a window on a much larger buffer. */
  add(bytes: Uint8Array): void {
    if (this.#isStopped) return;
    const needed = this.#length + bytes.byteLength;
    const buffer = this.#buffer !== null && needed <= this.#buffer.length ? this.#buffer : this.#grow(needed);
    if (buffer === null) return;
    buffer.set(bytes, this.#length);
    this.#length = needed;
  }

  /** What goes out is no answer, or no good one: nothing is kept of it. */
  stop(): void {
    this.#isStopped = true;
    this.release();
  }

  /** The whole of what was recorded, in memory of its own; null when it was stopped or nothing was sent. */
  answer(): RecordedAnswer | null {
    if (this.#isStopped || this.#status === null || this.#buffer === null) return null;
    const body = Buffer.allocUnsafeSlow(this.#length);
    this.#buffer.copy(body, 0, 0, this.#length);
    return { status: this.#status, headers: keptHeaders(this.#headers), body };
  }

  release(): void {
    this.#held.release(this.#taken);
    this.#taken = 0;
    this.#buffer = null;
    this.#length = 0;
  }

  #grow(needed: number): Buffer | null {
    const size = Math.min(Math.max(needed, FIRST_BYTES, 2 * (this.#buffer?.length ?? 0)), this.#limitBytes);
    if (needed > size || !this.#held.take(size)) {
      this.stop();
      return null;
    }
    const grown = Buffer.allocUnsafeSlow(size);
    this.#buffer?.copy(grown, 0, 0, this.#length);
    this.#held.release(this.#taken);
    this.#taken = size;
    this.#buffer = grown;
    return grown;
  }
}

function keptHeaders(headers: readonly string[]): string[] {
  const kept: string[] = [];
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index] ?? '';
    const isOurs = name.startsWith('x-switchyard-') || NOT_KEPT.has(name);
    // How much of a vendor's allowance was left at the time.
    if (!isOurs && !name.includes('ratelimit')) kept.push(name, headers[index + 1] ?? '');
  }
  return kept;
}
