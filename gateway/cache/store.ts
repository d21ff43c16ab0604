// What a place for answers has to offer.

import type { CachedAnswer } from './cached-answer.ts';

/** Keeps answers under keys; forgets them when their time is up, or sooner. */
export interface AnswerStore {
  /** May be slow and may reject: whoever asks waits only so long, and takes either for a miss. */
  get(key: string): CachedAnswer | null | Promise<CachedAnswer | null>;
  /**
   * Keeps it for so long. Never waits, never throws; an answer it has no room for is not kept.
   * @returns false: it is certain that it was not kept
   */
  set(key: string, answer: CachedAnswer, ttlMs: number): boolean;
  /** Bytes kept; null: it does not know. */
  readonly bytes: number | null;
  /** Answers kept; null: it does not know. */
  readonly entries: number | null;
}
