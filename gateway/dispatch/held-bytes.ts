// The memory that answers may take up before their client sees them, all requests together.

/** Counts bytes held; whoever takes them gives them back. */
export class HeldBytes {
  readonly #limit: number;
  #held = 0;

  constructor(limitBytes: number) {
    this.#limit = limitBytes;
  }

  get held(): number {
    return this.#held;
  }

  /** Takes that many more bytes, or returns false and takes none. */
  take(bytes: number): boolean {
    if (this.#held + bytes > this.#limit) return false;
    this.#held += bytes;
    return true;
  }

  release(bytes: number): void {
    this.#held -= bytes;
  }
}
