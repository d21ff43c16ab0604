// Time as an argument: code that waits or measures takes a clock, so that tests can move it.

export interface Clock {
  /** Epoch milliseconds. */
  now(): number;
  /** Milliseconds that only grow, with fractions; for measuring. */
  monotonic(): number;
  /** Calls back once, after at least that many ms, and returns what cancels it. */
  after(delayMs: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};
