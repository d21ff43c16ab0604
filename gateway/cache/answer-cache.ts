// Owns the answers that are kept for identical requests, and the count of how often that helped. Off by default.

import type { Clock } from '../clock.ts';
import type { CacheSettings } from '../config/settings-reliability.ts';
import type { Candidate } from '../types.ts';
import type { CachedAnswer } from './cached-answer.ts';
import { type CacheQuestion, cacheKey } from './key.ts';
import { largestAnswer, MemoryStore } from './memory-store.ts';
import { type AnswerEnd, cachePolicy, isWorthKeeping, mayAnswer } from './policy.ts';
import type { AnswerStore } from './store.ts';

export interface AnswerCacheOptions {
  readonly clock: Clock;
  /** In force now. */
  readonly settings: () => { readonly cache: CacheSettings };
  /** The store in Redis; null: there is none, or it is away, and answers are kept in memory. */
  readonly redis?: () => AnswerStore | null;
}

/** What the cache does for one request. */
export interface CachePlan {
  readonly key: string;
  readonly canRead: boolean;
  readonly canStore: boolean;
  readonly ttlMs: number;
  readonly maxAgeMs: number | null;
  readonly candidates: readonly Candidate[];
}

/** Counted since the start; `bytes` and `entries` are those of now, null where the store does not know. */
export interface CacheStats {
  readonly hits: number;
  readonly misses: number;
  readonly stored: number;
  readonly bytes: number | null;
  readonly entries: number | null;
}

/** No request waits longer for a store: asking a provider may be quicker. */
const LONGEST_LOOKUP_MS = 50;

export class AnswerCache {
  readonly #clock: Clock;
  readonly #settings: () => { readonly cache: CacheSettings };
  readonly #redis: () => AnswerStore | null;
  #memory: MemoryStore | null = null;
  #hits = 0;
  #misses = 0;
  #stored = 0;

  constructor({ clock, settings, redis }: AnswerCacheOptions) {
    this.#clock = clock;
    this.#settings = settings;
    this.#redis = redis ?? (() => null);
  }

  /** Asked before anything else: while it is off, a request costs nothing more. */
  get isEnabled(): boolean {
    return this.#settings().cache.isEnabled;
  }

  /** The largest answer worth recording, in bytes. */
  get largestAnswerBytes(): number {
    return largestAnswer(this.#settings().cache.maxBytes);
  }

  /** Null: this request has nothing to do with the cache. */
  plan(question: CacheQuestion): CachePlan | null {
    const policy = cachePolicy(question, this.#settings().cache);
    if (policy === null) return null;
    const { namespace, canRead, canStore, ttlMs, maxAgeMs } = policy;
    const { candidates } = question.decision;
    return { key: cacheKey(question, namespace), canRead, canStore, ttlMs, maxAgeMs, candidates };
  }

  /**
   * The answer to give; null: there is none. Answers at once where the store is in memory. Never rejects: a store that
   * fails, or takes longer than a moment, has nothing.
   */
  lookup(plan: CachePlan): CachedAnswer | null | Promise<CachedAnswer | null> {
    if (!plan.canRead) return null;
    let found: CachedAnswer | null | Promise<CachedAnswer | null>;
    try {
      found = this.#store().get(plan.key);
    } catch {
      found = null;
    }
    return found instanceof Promise ? this.#inTime(plan, found) : this.#judge(plan, found);
  }

  /** Keeps an answer when it is worth keeping; true: it was kept. */
  keep(plan: CachePlan, end: AnswerEnd, answer: Omit<CachedAnswer, 'storedAtMs'>): boolean {
    if (!plan.canStore || !isWorthKeeping(end) || answer.body.length > this.largestAnswerBytes) return false;
    const isKept = this.#store().set(plan.key, { ...answer, storedAtMs: this.#clock.now() }, plan.ttlMs);
    if (isKept) this.#stored += 1;
    return isKept;
  }

  stats(): CacheStats {
    const store = this.#isInMemory() ? this.#memory : this.#redis();
    return {
      hits: this.#hits,
      misses: this.#misses,
      stored: this.#stored,
      bytes: store === null ? 0 : store.bytes,
      entries: store === null ? 0 : store.entries,
    };
  }

  /** To be told after each change of the settings: gives back memory that no request can use any more. */
  settingsChanged(): void {
    const { isEnabled, store, maxBytes } = this.#settings().cache;
    if (!isEnabled || store !== 'memory' || this.#memory?.maxBytes !== maxBytes) this.clear();
  }

  /** Forgets what is in memory. */
  clear(): void {
    this.#memory?.clear();
    this.#memory = null;
  }

  #isInMemory(): boolean {
    return this.#settings().cache.store === 'memory' || this.#redis() === null;
  }

  #store(): AnswerStore {
    const { store, maxBytes } = this.#settings().cache;
    const shared = store === 'redis' ? this.#redis() : null;
    if (shared !== null) return shared;
    this.#memory ??= new MemoryStore(maxBytes, this.#clock);
    return this.#memory;
  }

  async #inTime(plan: CachePlan, found: Promise<CachedAnswer | null>): Promise<CachedAnswer | null> {
    const { promise: tooLate, resolve } = Promise.withResolvers<null>();
    const cancelTimer = this.#clock.after(LONGEST_LOOKUP_MS, () => resolve(null));
    try {
      return this.#judge(plan, await Promise.race([found.catch(() => null), tooLate]));
    } finally {
      cancelTimer();
    }
  }

  #judge({ maxAgeMs, candidates }: CachePlan, answer: CachedAnswer | null): CachedAnswer | null {
    const isHit =
      answer !== null &&
      (maxAgeMs === null || this.#clock.now() - answer.storedAtMs < maxAgeMs) &&
      mayAnswer(candidates, answer);
    if (isHit) this.#hits += 1;
    else this.#misses += 1;
    return isHit ? answer : null;
  }
}
