// Answers in the memory of this process: bounded in bytes, the least recently used ones go first.

import { LRUCache } from 'lru-cache';
import type { Clock } from '../clock.ts';
import { type CachedAnswer, sizeInMemory } from './cached-answer.ts';
import type { AnswerStore } from './store.ts';

/** One answer takes at most this share of the store, so that none can push out all others. */
const LARGEST_SHARE = 1 / 8;

/** The largest answer that a store of so many bytes keeps, in bytes. */
export function largestAnswer(maxBytes: number): number {
  return Math.floor(maxBytes * LARGEST_SHARE);
}

export class MemoryStore implements AnswerStore {
  readonly maxBytes: number;
  readonly #answers: LRUCache<string, CachedAnswer>;

  /** @param maxBytes keys, headers and overhead counted */
  constructor(maxBytes: number, clock: Clock) {
    this.maxBytes = maxBytes;
    this.#answers = new LRUCache({
      maxSize: maxBytes,
      maxEntrySize: largestAnswer(maxBytes),
      // Without a resolution it reads the clock each time, instead of remembering the time by a timer.
      ttlResolution: 0,
      perf: { now: () => clock.monotonic() },
    });
  }

  get bytes(): number {
    return this.#answers.calculatedSize;
  }

  get entries(): number {
    return this.#answers.size;
  }

  get(key: string): CachedAnswer | null {
    return this.#answers.get(key) ?? null;
  }

  set(key: string, answer: CachedAnswer, ttlMs: number): boolean {
    const size = sizeInMemory(key, answer);
    if (ttlMs <= 0 || size > this.#answers.maxEntrySize) return false;
    this.#answers.set(key, answer, { ttl: ttlMs, size });
    return true;
  }

  clear(): void {
    this.#answers.clear();
  }
}
