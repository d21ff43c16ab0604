// How fast a line moves, and from that when asking again makes sense.

/** Weight of the newest step. */
const NEWEST = 0.25;
/** For a line that has not moved yet. */
const UNKNOWN_SECONDS = 5;
/** Official clients ignore a longer Retry-After and come back within seconds instead. */
const MOST_SECONDS = 60;

export class LinePace {
  /** When it last moved, or began; null: nobody stands in line. */
  #sinceMs: number | null = null;
  #intervalMs: number | null = null;

  /** The first one stands in line. */
  began(nowMs: number): void {
    this.#sinceMs = nowMs;
  }

  /** Nobody stands in line any more. */
  ended(): void {
    this.#sinceMs = null;
  }

  /** A request that ended gave its place to one in line. To be called before that one leaves the line. */
  moved(nowMs: number): void {
    const stepMs = nowMs - (this.#sinceMs ?? nowMs);
    this.#intervalMs = this.#intervalMs === null ? stepMs : this.#intervalMs + NEWEST * (stepMs - this.#intervalMs);
    this.#sinceMs = nowMs;
  }

  /**
   * Whole seconds, 1 to 60, until those who wait now will have been served: who asks earlier would stand behind them.
   * A line that stands still for longer than it used to is expected to go on so.
   */
  retryAfterSeconds(queued: number, nowMs: number): number {
    if (this.#intervalMs === null) return UNKNOWN_SECONDS;
    const overdueMs = Math.max(0, nowMs - (this.#sinceMs ?? nowMs) - this.#intervalMs);
    const seconds = Math.ceil((queued * this.#intervalMs + overdueMs) / 1_000);
    return Math.min(MOST_SECONDS, Math.max(1, seconds));
  }
}
