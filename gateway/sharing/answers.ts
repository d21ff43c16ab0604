// Answers that several gateways keep together: one value for each, with a time to live.

import { type CachedAnswer, packAnswer, unpackAnswer } from '../cache/cached-answer.ts';
import type { AnswerStore } from '../cache/store.ts';
import type { RedisLink } from './link.ts';

/** What a request waits for an answer at most, in ms: asking the provider may be quicker. */
const getWithinMs = 50;
const setWithinMs = 2_000;
/** Larger ones take too long to come back. */
const largestBytes = 1024 * 1024;
/** On their way to Redis together; beyond that answers are not kept. */
const mostBytesUnderway = 16 * 1024 * 1024;

export class RedisAnswers implements AnswerStore {
  /** Redis is others' too: what of it is ours is not counted. */
  readonly bytes = null;
  readonly entries = null;
  readonly #link: RedisLink;
  readonly #prefix: string;
  #bytesUnderway = 0;

  constructor(link: RedisLink, prefix: string) {
    this.#link = link;
    this.#prefix = `${prefix}answer:`;
  }

  /** Null also where Redis is away or late, and where the value is none of ours. Never rejects. */
  async get(key: string): Promise<CachedAnswer | null> {
    const reply = await this.#link.ask(['GET', this.#prefix + key], getWithinMs, true);
    return Buffer.isBuffer(reply) ? unpackAnswer(reply) : null;
  }

  set(key: string, answer: CachedAnswer, ttlMs: number): boolean {
    const wholeMs = Math.floor(ttlMs);
    if (!this.#link.isConnected || !(wholeMs >= 1) || answer.body.length > largestBytes) return false;
    if (this.#bytesUnderway + answer.body.length > mostBytesUnderway) return false;
    const value = packAnswer(answer);
    this.#bytesUnderway += value.length;
    void this.#link
      .ask(['SET', this.#prefix + key, value, 'PX', String(Math.min(wholeMs, Number.MAX_SAFE_INTEGER))], setWithinMs)
      .then(() => {
        this.#bytesUnderway -= value.length;
      });
    return true;
  }
}
