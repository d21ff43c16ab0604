// Rate limits with a clock to move: what their tests share.

import { isRateBlock, RateLimits, type Reservation } from '../../gateway/dispatch/rate-limits.ts';
import type { DeploymentUse } from '../../gateway/routing/question.ts';
import { settingsOf } from '../config/support.ts';
import { FakeClock } from '../support/fake-clock.ts';

export const MINUTE_MS = 60_000;

export function use(
  provider: string,
  model: string,
  promptTokens = 1,
  rest: Partial<DeploymentUse> = {},
): DeploymentUse {
  return { provider, model, entry: null, name: model, promptTokens, ...rest };
}

export function limitsOf(yaml: string) {
  const clock = new FakeClock(1_000_000);
  const settings = settingsOf(yaml);
  return { clock, settings, limits: new RateLimits({ clock, settings: () => settings }) };
}

/** Takes a place that has to be free, at once. */
export function take(limits: RateLimits, what: DeploymentUse): Reservation {
  const answer = limits.reserve(what);
  if (answer instanceof Promise || isRateBlock(answer)) throw new Error(JSON.stringify(answer));
  return answer;
}

/** How many get through now, one after the other. */
export function admitted(limits: RateLimits, what: DeploymentUse, most = 1_000): number {
  for (let count = 0; count < most; count += 1) {
    const answer = limits.reserve(what);
    if (answer instanceof Promise || isRateBlock(answer)) return count;
  }
  return most;
}

export const providers = `
providers:
  a: { kind: ollama, base_url: "http://127.0.0.1:11434", models: { m: { rpm: 3 }, big: { tpm: 100 } } }
  b: { kind: vllm, base_url: "http://127.0.0.1:8000", rpm: 5, tpm: 1000, models: { m: { rpm: 2 } } }
`;

export interface PerMinute {
  readonly rpm: number | null;
  readonly tpm: number | null;
}

export interface Limits {
  readonly gateway: PerMinute;
  readonly providers: readonly PerMinute[];
  readonly models: readonly (readonly PerMinute[])[];
}

export interface Entry {
  readonly atMs: number;
  readonly scopes: readonly string[];
  requests: number;
  tokens: number;
}

/** Sums up everything each time it is asked. */
export class Model {
  readonly #entries: Entry[] = [];

  add(atMs: number, scopes: readonly string[], tokens: number, requests = 1): Entry {
    const entry = { atMs, scopes, requests, tokens };
    this.#entries.push(entry);
    return entry;
  }

  /** Null: there is room; else how long until there is (Infinity: never). */
  blockedMs(nowMs: number, limits: ReadonlyMap<string, PerMinute>, tokens: number): number | null {
    const moments = [nowMs, ...this.#entries.map(({ atMs }) => atMs + MINUTE_MS)].filter((atMs) => atMs >= nowMs);
    const free = moments.filter((atMs) => this.#hasRoom(atMs, limits, tokens));
    const waitMs = Math.min(...free) - nowMs;
    return waitMs === 0 ? null : waitMs;
  }

  end(nowMs: number, entry: Entry, reserved: number, result: { tokens: number | null; wasSent: boolean }): void {
    const counts = nowMs - entry.atMs < MINUTE_MS;
    const excess = (result.tokens ?? reserved) - reserved;
    if (!result.wasSent) {
      entry.requests -= 1;
      entry.tokens -= reserved;
    } else if (counts) entry.tokens += excess;
    else if (excess > 0) this.add(nowMs, entry.scopes, excess, 0);
  }

  #hasRoom(nowMs: number, limits: ReadonlyMap<string, PerMinute>, tokens: number): boolean {
    for (const [scope, { rpm, tpm }] of limits) {
      const counting = this.#entries.filter((one) => nowMs - one.atMs < MINUTE_MS && one.scopes.includes(scope));
      const requests = counting.reduce((sum, one) => sum + one.requests, 0);
      const used = counting.reduce((sum, one) => sum + one.tokens, 0);
      if (rpm !== null && requests + 1 > rpm) return false;
      if (tpm !== null && tokens > 0 && used + tokens > tpm) return false;
    }
    return true;
  }
}
