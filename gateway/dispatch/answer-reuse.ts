// What the cache of answers has to do with one request: asks it, gives what it has, else records the answer for it.

import type { AnswerCache, CachePlan } from '../cache/answer-cache.ts';
import type { CachedAnswer } from '../cache/cached-answer.ts';
import type { Decision, Outcome, RequestFacts } from '../types.ts';
import { AnswerRecorder } from './answer-recorder.ts';
import { sendCached } from './cached-reply.ts';
import type { ClientReply, IncomingExchange } from './exchange.ts';
import { HeldBytes } from './held-bytes.ts';
import type { ReplyFacts } from './reply-head.ts';

/** All answers together that are being recorded, in bytes: half of what the memory store may take. */
const RECORDED_TOGETHER_BYTES = 32 * 1024 * 1024;

/** One for the whole gateway. */
export class AnswerReuse {
  readonly #cache: AnswerCache;
  readonly #held: HeldBytes;

  constructor(cache: AnswerCache, recordedTogetherBytes: number = RECORDED_TOGETHER_BYTES) {
    this.#cache = cache;
    this.#held = new HeldBytes(recordedTogetherBytes);
  }

  /** Bytes of answers being recorded now: 0 when nothing runs. */
  get recordingBytes(): number {
    return this.#held.held;
  }

  /** Asked before anything else: while it is off, a request costs nothing more. */
  get isEnabled(): boolean {
    return this.#cache.isEnabled;
  }

  /** Null: the cache has nothing to do with this request. */
  begin(exchange: IncomingExchange, facts: RequestFacts, decision: Decision): RequestReuse | null {
    if (!this.#cache.isEnabled) return null;
    const { apiKeyName, search, body, json } = exchange;
    const plan = this.#cache.plan({ facts, decision, apiKeyName, search, body, json });
    return plan === null ? null : new RequestReuse(this.#cache, plan, this.#held);
  }
}

/** The cache's part in one request. Call `find`; then either `serve` or `record`; at the end, always, `close`. */
export class RequestReuse {
  readonly #cache: AnswerCache;
  readonly #plan: CachePlan;
  readonly #held: HeldBytes;
  #recorder: AnswerRecorder | null = null;
  #hit: CachedAnswer | null = null;

  constructor(cache: AnswerCache, plan: CachePlan, held: HeldBytes) {
    this.#cache = cache;
    this.#plan = plan;
    this.#held = held;
  }

  /** What `x-switchyard-cache` says of an answer that a provider gives. */
  get header(): 'miss' | null {
    return this.#plan.canRead ? 'miss' : null;
  }

  /** Null: a miss. A promise only where the store is elsewhere; it never rejects. */
  find(): CachedAnswer | null | Promise<CachedAnswer | null> {
    return this.#cache.lookup(this.#plan);
  }

  /** Gives the answer that `find` found; nobody may have answered yet. */
  serve(reply: ClientReply, answer: CachedAnswer, facts: ReplyFacts, nowMs: number): void {
    if (reply.isGone) return;
    this.#hit = answer;
    sendCached(reply, answer, facts, nowMs);
  }

  /** From now on what goes to the client is recorded, unless it would not be kept anyway. */
  record(reply: ClientReply): void {
    if (!this.#plan.canStore) return;
    this.#recorder = new AnswerRecorder(this.#held, this.#cache.largestAnswerBytes);
    reply.recorder = this.#recorder;
  }

  /**
   * Keeps the answer where that is right, and gives back what recording it took.
   * @param outcome as it is without a cache
   * @param contentCharacters of the answer that was recorded
   * @returns the outcome with the cache's part in it
   */
  close(outcome: Outcome, contentCharacters: number): Outcome {
    if (this.#hit !== null) return outcomeOfHit(outcome, this.#hit);
    const recorder = this.#recorder;
    if (recorder === null) return outcome;
    this.#recorder = null;
    try {
      return this.#keep(recorder, outcome, contentCharacters) ? { ...outcome, cache: 'stored' } : outcome;
    } finally {
      recorder.release();
    }
  }

  #keep(recorder: AnswerRecorder, outcome: Outcome, contentCharacters: number): boolean {
    const { result, warnings, usage } = outcome;
    const attempt = outcome.attempts.at(-1);
    if (result !== 'complete' || attempt === undefined || attempt.failure !== null) return false;
    const answer = recorder.answer();
    if (answer === null) return false;
    const { via, provider, model } = attempt;
    const end = { result, status: answer.status, via, warnings };
    return this.#cache.keep(this.#plan, end, { ...answer, provider, model, usage, contentCharacters });
  }
}

/** Nobody was asked, so the outcome knows of no attempt; who wrote the answer and its tokens are as they were then. */
function outcomeOfHit(outcome: Outcome, { provider, model, usage }: CachedAnswer): Outcome {
  const result = outcome.result === 'cancelled' ? 'cancelled' : 'complete';
  return { ...outcome, result, provider, model, usage, firstContentMs: outcome.durationMs, cache: 'hit' };
}
