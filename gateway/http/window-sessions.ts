// How a browser gets in: a link that works once, and the cookie it leaves behind. Neither tells the management token.

import { createHmac, randomBytes } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { isSameSecret } from './api-keys.ts';

/** For the link to be opened. */
const LINK_MS = 60_000;
/** Links that nobody has opened yet; one more ends the oldest. */
const MOST_LINKS = 16;
const SESSION_MS = 30 * 24 * 3600 * 1000;

/** A one-time code and when it ends, epoch ms. */
export interface WindowLink {
  readonly code: string;
  readonly expiresAtMs: number;
}

/** What of a session a cookie's header shows. */
export interface OpenSession {
  /** Less than half of its time is left: it is worth a new cookie. */
  readonly isAgeing: boolean;
}

/**
 * Links live in memory. Sessions live in the cookie alone: a random id and its end, sealed with a key made of the
 * management token, so that they outlive a restart and end all together when the token is replaced.
 */
export class WindowSessions {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #key: Buffer;
  readonly #links = new Map<string, number>();

  constructor({ clock, managementToken }: { clock: Pick<Clock, 'now'>; managementToken: string }) {
    this.#clock = clock;
    this.#key = createHmac('sha256', managementToken).update('switchyard window sessions').digest();
  }

  newLink(): WindowLink {
    const code = randomBytes(24).toString('base64url');
    const expiresAtMs = this.#clock.now() + LINK_MS;
    this.#links.set(code, expiresAtMs);
    const oldest = this.#links.keys().next().value;
    if (this.#links.size > MOST_LINKS && oldest !== undefined) this.#links.delete(oldest);
    return { code, expiresAtMs };
  }

  /** True once for each code, within its time. */
  redeem(code: string): boolean {
    const expiresAtMs = this.#links.get(code);
    this.#links.delete(code);
    return expiresAtMs !== undefined && this.#clock.now() < expiresAtMs;
  }

  /** The `Set-Cookie` of a new session. Cookies ignore ports, so the name carries it. */
  newCookie(port: number, isTls: boolean): string {
    const id = randomBytes(18).toString('base64url');
    const endsAtMs = this.#clock.now() + SESSION_MS;
    const value = `${id}.${endsAtMs}.${this.#seal(id, endsAtMs)}`;
    const attributes = `Path=/; Max-Age=${SESSION_MS / 1000}; HttpOnly; SameSite=Strict${isTls ? '; Secure' : ''}`;
    return `${cookieName(port)}=${value}; ${attributes}`;
  }

  /** The session in a `Cookie` header, or null. */
  find(cookies: string | undefined, port: number): OpenSession | null {
    const start = `${cookieName(port)}=`;
    for (const pair of cookies?.split(';') ?? []) {
      const cookie = pair.trim();
      if (!cookie.startsWith(start)) continue;
      const [, id, end, seal] = /^([\w-]{24})\.(\d{13,15})\.([\w-]{43})$/.exec(cookie.slice(start.length)) ?? [];
      if (id === undefined || end === undefined || seal === undefined) continue;
      const leftMs = Number(end) - this.#clock.now();
      if (leftMs > 0 && isSameSecret(seal, this.#seal(id, Number(end)))) return { isAgeing: leftMs < SESSION_MS / 2 };
    }
    return null;
  }

  #seal(id: string, endsAtMs: number): string {
    return createHmac('sha256', this.#key).update(`${id} ${endsAtMs}`).digest('base64url');
  }
}

function cookieName(port: number): string {
  return `switchyard_session_${port}`;
}
