// The latest changes as they go over the wire, so that whoever was away for a moment gets just those that were missed.

/** One change, framed for the event stream. */
export interface FramedChange {
  readonly number: number;
  readonly bytes: Buffer;
}

/** Bounds of what is kept. */
export interface RingLimits {
  readonly changes: number;
  readonly bytes: number;
}

export class ChangeRing {
  readonly #limits: RingLimits;
  /** A ring: the oldest stands at `#first`. */
  #changes: FramedChange[] = [];
  #first = 0;
  #bytes = 0;
  #last = 0;

  constructor(limits: RingLimits) {
    this.#limits = limits;
  }

  /** The number of the latest change; 0 before the first. */
  get last(): number {
    return this.#last;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** How many are kept. */
  get size(): number {
    return this.#changes.length - this.#first;
  }

  /** Adds a change under the next number; `frame` is given that number. */
  add(frame: (number: number) => Buffer): void {
    this.#last += 1;
    const bytes = frame(this.#last);
    this.#changes.push({ number: this.#last, bytes });
    this.#bytes += bytes.byteLength;
    while (this.size > this.#limits.changes || this.#bytes > this.#limits.bytes) this.#dropOldest();
  }

  /** Those after that number; null: some of them are not kept any more, or the number is none of ours. */
  after(number: number): readonly FramedChange[] | null {
    if (number < this.#last - this.size || number > this.#last) return null;
    return this.#changes.slice(this.#changes.length - (this.#last - number));
  }

  /** Drops all; what happens until the next one is added is nowhere, so no earlier number can be gone on from. */
  clear(): void {
    this.#changes = [];
    this.#first = 0;
    this.#bytes = 0;
    this.#last += 1;
  }

  #dropOldest(): void {
    this.#bytes -= this.#changes[this.#first]?.bytes.byteLength ?? 0;
    this.#first += 1;
    // Moving what is left costs as much as was dropped since the last move.
    if (this.#first * 2 < this.#changes.length) return;
    this.#changes = this.#changes.slice(this.#first);
    this.#first = 0;
  }
}
