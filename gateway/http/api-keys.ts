// Comparing secrets that clients present. Only hashes are held, and the time a comparison takes tells nothing.

import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { ApiKey } from '../config/settings.ts';

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** The token of `Authorization: Bearer TOKEN` (the scheme in any case, RFC 9110 section 11.1), or null. */
export function bearerToken(headers: IncomingHttpHeaders): string | null {
  const value = headers.authorization;
  if (value === undefined || value.length < 8 || value.slice(0, 7).toLowerCase() !== 'bearer ') return null;
  const token = value.slice(7).trim();
  return token === '' ? null : token;
}

/** Answers which configured key was presented, as bearer token or as `x-api-key`: its name, or null. */
export class KeyRing {
  readonly #keys: readonly { readonly name: string; readonly hash: Buffer }[];

  /** Keys with a hash that is no SHA-256 in hex can never match. */
  constructor(keys: readonly ApiKey[]) {
    this.#keys = keys
      .map((key) => ({ name: key.name, hash: Buffer.from(key.sha256, 'hex') }))
      .filter((key) => key.hash.length === 32);
  }

  get isEmpty(): boolean {
    return this.#keys.length === 0;
  }

  nameFor(headers: IncomingHttpHeaders): string | null {
    const apiKey = headers['x-api-key'];
    return this.#find(bearerToken(headers)) ?? this.#find(typeof apiKey === 'string' ? apiKey : null);
  }

  #find(presented: string | null): string | null {
    if (presented === null) return null;
    const hash = sha256(presented);
    let found: string | null = null;
    // Every key is compared, also after a match: how long it took must not tell which one it was.
    for (const key of this.#keys) if (timingSafeEqual(key.hash, hash)) found = key.name;
    return found;
  }
}

/** Compares two secrets of any length without telling by time how much of them agrees. */
export function isSameSecret(presented: string, expected: string): boolean {
  return timingSafeEqual(sha256(presented), sha256(expected));
}
