// One limited scope's count of the sliding minute, and what the shared store last refused there.

import type { LimitedScope } from './rate-scopes.ts';
import { type UsagePlace, UsageWindow } from './usage-windows.ts';

/** Others may have given something back meanwhile: after this time the shared store is asked again. */
const BELIEVED_MS = 1_000;

interface Refusal {
  readonly limit: 'rpm' | 'tpm';
  /** What was asked for: less may find room. */
  readonly tokens: number;
  readonly atMs: number;
  readonly untilMs: number;
}

/** All times are of the growing clock. */
export class RateWindow {
  /** As it was last asked for; null: the configuration has changed since. */
  scope: LimitedScope | null;
  readonly #usage = new UsageWindow();
  #running = 0;
  #refusal: Refusal | null = null;

  constructor(scope: LimitedScope) {
    this.scope = scope;
  }

  /**
   * Ms until one more request has room under that limit; 0: now; Infinity: never.
   * @param isAdvice what the shared store last refused counts too
   */
  msUntilRequest(nowMs: number, rpm: number, isAdvice: boolean): number {
    const ownMs = this.#usage.msUntilRequests(nowMs, rpm - 1);
    return isAdvice && this.#refusal !== null ? Math.max(ownMs, this.#refusedMs(nowMs, 'rpm', 0)) : ownMs;
  }

  /** The same for so many tokens. */
  msUntilTokens(nowMs: number, tpm: number, tokens: number, isAdvice: boolean): number {
    const ownMs = this.#usage.msUntilTokens(nowMs, tpm - tokens);
    return isAdvice && this.#refusal !== null ? Math.max(ownMs, this.#refusedMs(nowMs, 'tpm', tokens)) : ownMs;
  }

  begin(nowMs: number, tokens: number): UsagePlace {
    this.#running += 1;
    return this.#usage.add(nowMs, tokens);
  }

  /** @param tokens what it took in the end; null: it never took place */
  end(nowMs: number, place: UsagePlace, reservedTokens: number, tokens: number | null): void {
    this.#running -= 1;
    if (tokens === null || tokens < reservedTokens) this.#refusal = null;
    if (tokens === null) this.#usage.takeBack(nowMs, place, reservedTokens);
    else this.#usage.correct(nowMs, place, reservedTokens, tokens);
  }

  /** The shared store had no room for so many tokens, or for a request, and will not have for so long. */
  refused(nowMs: number, limit: 'rpm' | 'tpm', tokens: number, remainingMs: number): void {
    this.#refusal = { limit, tokens, atMs: nowMs, untilMs: nowMs + remainingMs };
  }

  requests(nowMs: number): number {
    return this.#usage.requests(nowMs);
  }

  tokens(nowMs: number): number {
    return this.#usage.tokens(nowMs);
  }

  /** Nothing counts here, and nothing that runs will be corrected here. */
  isIdle(nowMs: number): boolean {
    return this.#running === 0 && this.#usage.requests(nowMs) === 0 && this.#usage.tokens(nowMs) === 0;
  }

  #refusedMs(nowMs: number, limit: 'rpm' | 'tpm', tokens: number): number {
    const refusal = this.#refusal;
    if (refusal === null || refusal.limit !== limit || tokens < refusal.tokens) return 0;
    if (nowMs - refusal.atMs >= BELIEVED_MS) return 0;
    return Math.max(0, refusal.untilMs - nowMs);
  }
}
