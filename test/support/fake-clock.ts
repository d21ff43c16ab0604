import type { Clock } from '../../gateway/clock.ts';

/** A clock that stands still until it is told to move; callbacks run in the order of their time. */
export class FakeClock implements Clock {
  #nowMs: number;
  #waiting: { readonly atMs: number; readonly callback: () => void }[] = [];

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#nowMs = startMs;
  }

  now(): number {
    return this.#nowMs;
  }

  monotonic(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    const entry = { atMs: this.#nowMs + delayMs, callback };
    this.#waiting.push(entry);
    return () => {
      this.#waiting = this.#waiting.filter((other) => other !== entry);
    };
  }

  /** How many callbacks are still to come: 0 proves that nothing was left behind. */
  get pending(): number {
    return this.#waiting.length;
  }

  /** Moves on by that many ms, calling what falls due; callbacks may add further ones. */
  advance(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      const due = this.#waiting.filter((entry) => entry.atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (!due) break;
      this.#waiting = this.#waiting.filter((other) => other !== due);
      this.#nowMs = due.atMs;
      due.callback();
    }
    this.#nowMs = untilMs;
  }
}
