// A clock that runs like the system's and can be pushed forward: sockets keep their own time, cooldowns and windows need not be sat out.

import type { Clock } from '../../gateway/clock.ts';

interface Waiting {
  readonly dueAtMs: number;
  readonly callback: () => void;
  timer: NodeJS.Timeout | null;
}

/** How long a turn of real time may last between two small steps of `advanceUntil`. */
const TURN_MS = 2;

/** Real time plus what it was pushed forward; callbacks fall due by the sum of both, in the order of their time. */
export class MovableClock implements Clock {
  #aheadMs = 0;
  readonly #waiting = new Set<Waiting>();

  now(): number {
    return Date.now() + this.#aheadMs;
  }

  monotonic(): number {
    return performance.now() + this.#aheadMs;
  }

  /** By how much it is ahead of real time, in ms. */
  get aheadMs(): number {
    return this.#aheadMs;
  }

  /** How many callbacks are still to come. */
  get pending(): number {
    return this.#waiting.size;
  }

  after(delayMs: number, callback: () => void): () => void {
    const entry: Waiting = { dueAtMs: this.monotonic() + delayMs, callback, timer: null };
    this.#waiting.add(entry);
    this.#arm(entry);
    return () => this.#forget(entry);
  }

  /** Pushes the time forward, calling what falls due on the way at its own time; callbacks may add further ones. */
  advance(ms: number): void {
    const aheadMs = this.#aheadMs + ms;
    for (;;) {
      const due = this.#earliest();
      if (due === null) break;
      const dueAheadMs = due.dueAtMs - performance.now();
      if (dueAheadMs > aheadMs) break;
      this.#aheadMs = Math.max(this.#aheadMs, dueAheadMs);
      this.#fire(due);
    }
    this.#aheadMs = aheadMs;
    for (const entry of this.#waiting) this.#arm(entry);
  }

  /**
   * Pushes the time forward step by step until the promise settles, letting sockets work between any two steps. Only
   * while `isIdle` holds, so that a server that is being asked does not seem slow.
   * @returns what the promise resolves with; rejects when it does, or after an hour of this clock
   */
  async advanceUntil<T>(promise: Promise<T>, isIdle: () => boolean = () => true, stepMs = 100): Promise<T> {
    let isSettled = false;
    const settle = () => {
      isSettled = true;
    };
    promise.then(settle, settle);
    const givesUpAtMs = this.monotonic() + 3_600_000;
    while (!isSettled) {
      await new Promise((resolve) => setTimeout(resolve, TURN_MS));
      if (!isSettled && isIdle()) this.advance(stepMs);
      if (this.monotonic() > givesUpAtMs) throw new Error('an hour went by and nothing came of it');
    }
    return promise;
  }

  #earliest(): Waiting | null {
    let earliest: Waiting | null = null;
    for (const entry of this.#waiting) if (earliest === null || entry.dueAtMs < earliest.dueAtMs) earliest = entry;
    return earliest;
  }

  #arm(entry: Waiting): void {
    clearTimeout(entry.timer ?? undefined);
    entry.timer = setTimeout(() => this.#fire(entry), Math.max(0, Math.ceil(entry.dueAtMs - this.monotonic())));
  }

  #fire(entry: Waiting): void {
    if (!this.#waiting.has(entry)) return;
    this.#forget(entry);
    entry.callback();
  }

  #forget(entry: Waiting): void {
    this.#waiting.delete(entry);
    clearTimeout(entry.timer ?? undefined);
  }
}
