// Rate windows that several gateways share: exact over all of them while Redis answers.

import type { RedisReply } from './connection.ts';
import type { RedisLink } from './link.ts';
import { correctScript, reserveScript } from './window-script.ts';

/** One window to take a place in. */
export interface SharedLimit {
  readonly key: string;
  readonly rpm: number | null;
  readonly tpm: number | null;
}

/** `index` and `limit` say which limit stands in the way longest; null ms: time alone will not cure it. */
export type SharedReservation =
  | { readonly taken: true; readonly id: string }
  | {
      readonly taken: false;
      readonly remainingMs: number | null;
      readonly index: number;
      readonly limit: 'rpm' | 'tpm';
    };

/** What a request waits for its place at most, in ms. */
const reserveWithinMs = 100;
/** Nobody waits for a correction, so it may take longer before it counts as silence. */
const correctWithinMs = 1_000;

export interface WindowNames {
  /** Before every key. */
  readonly prefix: string;
  /** Of this gateway: its ids must differ from those of all others. */
  readonly instance: string;
  /** What a window is called between gateways; as here, unless told otherwise. */
  readonly shareKey?: (key: string) => string;
}

export class RedisWindows {
  readonly #link: RedisLink;
  readonly #names: WindowNames;
  #count = 0;

  constructor(link: RedisLink, names: WindowNames) {
    this.#link = link;
    this.#names = names;
  }

  get isConnected(): boolean {
    return this.#link.isConnected;
  }

  /**
   * Takes a place in all windows, or in none.
   * @param tokens what the request will take, as far as can be told before
   * @returns null: Redis is away, or did not answer in time; the caller goes by what it knows itself
   */
  async reserve(limits: readonly SharedLimit[], tokens: number): Promise<SharedReservation | null> {
    if (!this.isConnected) return null;
    const reserved = wholeTokens(tokens);
    this.#count += 1;
    const id = `${this.#names.instance}-${this.#count}:${reserved}`;
    const figures = limits.flatMap(({ rpm, tpm }) => [figure(rpm), figure(tpm)]);
    const keys = this.#keys(limits.map(({ key }) => key));
    const reply = await this.#link.run(reserveScript, keys, [id, String(reserved), ...figures], reserveWithinMs);
    return readReservation(reply, id);
  }

  /**
   * Puts the tokens a request really took in place of those reserved; where it was not sent at all, gives its place back.
   * Nobody waits for it, and it is dropped while Redis is away: a place leaves its window by itself.
   */
  correct(keys: readonly string[], id: string, tokens: number, wasSent: boolean): void {
    if (!this.isConnected) return;
    const reserved = id.slice(id.lastIndexOf(':') + 1);
    const taken = wholeTokens(tokens);
    if (wasSent && String(taken) === reserved) return;
    const args = [id, reserved, String(taken), wasSent ? '1' : '0'];
    void this.#link.run(correctScript, this.#keys(keys), args, correctWithinMs);
  }

  #keys(keys: readonly string[]): string[] {
    const { prefix, shareKey } = this.#names;
    return keys.flatMap((key) => {
      const shared = shareKey?.(key) ?? key;
      return [`${prefix}window:${shared}`, `${prefix}tokens:${shared}`];
    });
  }
}

/** More than any request takes, and few enough for exact sums. */
const mostTokens = 1e9;

/** Redis counts whole numbers; part of a token is one. */
function wholeTokens(tokens: number): number {
  return Math.min(Math.max(0, Math.ceil(tokens)), mostTokens);
}

function figure(limit: number | null): string {
  return limit === null ? '-1' : String(Math.max(0, Math.floor(limit)));
}

function readReservation(reply: RedisReply | undefined, id: string): SharedReservation | null {
  if (!Array.isArray(reply)) return null;
  const [taken, index, limit, micros]: readonly (RedisReply | undefined)[] = reply;
  if (taken === 1) return { taken: true, id };
  if (typeof index !== 'number' || (limit !== 'rpm' && limit !== 'tpm')) return null;
  const remaining = Number(micros);
  if (Number.isNaN(remaining)) return null;
  return { taken: false, remainingMs: remaining < 0 ? null : Math.ceil(remaining / 1_000), index, limit };
}
