// Which conversations a deployment has answered lately: their prompts are likely to be in its cache still.

import { BoundedMemory } from '../routing/bounded-memory.ts';

/** A prompt counts as cached for so long after it was answered. */
const CACHED_FOR_MS = 300_000;
const MOST_CONVERSATIONS = 500;

interface CachedPrompt {
  readonly atMs: number;
  readonly tokens: number;
}

/** Times are of a clock that only grows. */
export class Conversations {
  readonly #prompts = new BoundedMemory<string, CachedPrompt>(MOST_CONVERSATIONS);
  /** Nobody needs to know of conversations where no decision ever asked. */
  #isAsked = false;

  /** Tokens of the last prompt of that conversation, while they may be cached; else 0. */
  cachedTokens(key: string, nowMs: number): number {
    this.#isAsked = true;
    const prompt = this.#prompts.get(key);
    return prompt === undefined || nowMs - prompt.atMs >= CACHED_FOR_MS ? 0 : prompt.tokens;
  }

  /** Whether anybody will ask for what is noted: only then is the key worth its hash. */
  get isAsked(): boolean {
    return this.#isAsked;
  }

  note(key: string, nowMs: number, tokens: number): void {
    this.#prompts.set(key, { atMs: nowMs, tokens });
  }
}
