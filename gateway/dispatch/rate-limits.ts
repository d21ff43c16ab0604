// The owner of rpm and tpm: a limit of N lets N through in any 60 seconds, at the deployment, its provider and the whole
// gateway at once. A decision asks (`blocked`); an attempt takes (`reserve`), in all places or in none.

import type { Clock } from '../clock.ts';
import type { Settings } from '../config/settings.ts';
import { adapters } from '../providers/index.ts';
import type { DeploymentUse } from '../routing/question.ts';
import { type LimitedScope, RateScopes } from './rate-scopes.ts';
import { RateWindow } from './rate-window.ts';

/** Why a request has to wait, or cannot be sent there at all. */
export interface RateBlock {
  /** Until it would be let through if nothing else happened, in ms; null: never, it alone takes more than the limit. */
  readonly remainingMs: number | null;
  /** For people: `gateway`, `provider ollama`, `ollama/qwen3`. Of several, the one that takes longest. */
  readonly scope: string;
  readonly limit: 'rpm' | 'tpm';
}

/** Places taken by one attempt. */
export interface Reservation {
  /** Gives back what was not used, once: later calls change nothing. */
  end(result: AttemptUsage): void;
}

export interface AttemptUsage {
  /** Prompt and completion together; 0 for a request that was refused; null: not known, the estimate stands. */
  readonly tokens: number | null;
  /** False: nothing reached the provider, so the request does not count either. */
  readonly wasSent: boolean;
}

export interface RateUsage {
  readonly scope: string;
  readonly rpm: number | null;
  readonly tpm: number | null;
  /** In the minute up to now; tokens with those reserved. */
  readonly requests: number;
  readonly tokens: number;
}

/** The same windows kept for several gateways. */
export interface SharedWindows {
  readonly isConnected: boolean;
  /**
   * Takes a request and its tokens in all windows or in none, in one step that no other gateway can come between.
   * @param tokens reserved; 0 is held against requests alone
   * @returns `index`: the limit that has no room, `remainingMs` as in `RateBlock`; null (or a rejection): the store
   *   could not be asked in time, and the windows of this gateway decide
   */
  reserve(
    limits: readonly { readonly key: string; readonly rpm: number | null; readonly tpm: number | null }[],
    tokens: number,
  ): Promise<SharedAnswer | null>;
  /** Puts what a request took in place of its reservation, `wasSent` false: takes it out. Never throws; nobody waits. */
  correct(keys: readonly string[], id: string, tokens: number, wasSent: boolean): void;
}

export type SharedAnswer =
  | { readonly taken: true; readonly id: string }
  | {
      readonly taken: false;
      readonly remainingMs: number | null;
      readonly index: number;
      readonly limit: 'rpm' | 'tpm';
    };

export interface RateLimitsOptions {
  readonly clock: Clock;
  /** In force now. */
  readonly settings: () => Settings;
  /** Null: this gateway counts alone. */
  readonly shared?: () => SharedWindows | null;
  /** Whether a provider answers any name with the one model it has; without it none does. */
  readonly isSingleModel?: (provider: string) => boolean;
}

/** Windows that nothing counts in are dropped this often. */
const SWEEP_MS = 60_000;
/** No answer takes more: a provider that reports nonsense must not close a window for good. */
const MOST_TOKENS = 1_000_000_000;

const NOTHING_TAKEN: Reservation = Object.freeze({ end: () => undefined });

export function isRateBlock(answer: Reservation | RateBlock): answer is RateBlock {
  return 'remainingMs' in answer;
}

/**
 * Windows are kept in memory for what was used within the last minute: at most as many as the configuration limits, plus
 * the spellings of names it limits. A limit counts from the moment it is configured.
 */
export class RateLimits {
  readonly #clock: Clock;
  readonly #settings: () => Settings;
  readonly #shared: () => SharedWindows | null;
  readonly #isSingleModel: (provider: string) => boolean;
  readonly #windows = new Map<string, RateWindow>();
  #scopes: RateScopes;
  #sweptAtMs: number;

  constructor({ clock, settings, shared, isSingleModel }: RateLimitsOptions) {
    this.#clock = clock;
    this.#settings = settings;
    this.#shared = shared ?? (() => null);
    this.#isSingleModel = isSingleModel ?? (() => false);
    this.#scopes = this.#compile(settings());
    this.#sweptAtMs = clock.monotonic();
  }

  /** False: nothing is limited, so nothing has to be asked or taken. */
  get hasLimits(): boolean {
    return this.#current().hasLimits;
  }

  /** How many windows are kept in memory. */
  get windowCount(): number {
    return this.#windows.size;
  }

  /** Whether a request would be let through now; takes nothing, so that another may take the place first. */
  blocked(use: DeploymentUse): RateBlock | null {
    const scopes = this.#current();
    if (!scopes.hasLimits) return null;
    const limited = scopes.of(use);
    return limited.length === 0 ? null : this.#block(limited, use.promptTokens, this.#clock.monotonic(), true);
  }

  /**
   * Takes a place and the estimated tokens of a prompt under every limit that concerns it, or under none. A promise only
   * while a shared store is connected and the use is limited; it never rejects.
   */
  reserve(use: DeploymentUse): Reservation | RateBlock | Promise<Reservation | RateBlock> {
    const scopes = this.#current();
    if (!scopes.hasLimits) return NOTHING_TAKEN;
    const limited = scopes.of(use);
    if (limited.length === 0) return NOTHING_TAKEN;
    const shared = this.#shared();
    if (shared?.isConnected !== true) return this.#reserveAlone(limited, use.promptTokens);
    // What this gateway let through while the store was away or lost its data is known here only.
    const block = this.#block(limited, use.promptTokens, this.#clock.monotonic(), false);
    return block ?? this.#reserveShared(shared, limited, use.promptTokens);
  }

  /** What is used of each limit: those of the configuration, and those of deployments in use. */
  list(): readonly RateUsage[] {
    const nowMs = this.#clock.monotonic();
    this.#sweep(nowMs);
    const scopes = new Map(
      this.#current()
        .configured()
        .map((scope) => [scope.key, scope]),
    );
    for (const [key, { scope }] of this.#windows) if (scope !== null) scopes.set(key, scope);
    return [...scopes.values()].map(({ key, label, rpm, tpm }) => {
      const window = this.#windows.get(key);
      return {
        scope: label,
        rpm,
        tpm,
        requests: window?.requests(nowMs) ?? 0,
        tokens: window?.tokens(nowMs) ?? 0,
      };
    });
  }

  #compile(settings: Settings): RateScopes {
    return new RateScopes(settings, {
      isSameName: (kind, a, b) => adapters[kind].isSameName(a, b),
      isSingleModel: this.#isSingleModel,
    });
  }

  #current(): RateScopes {
    const settings = this.#settings();
    if (settings !== this.#scopes.settings) {
      this.#scopes = this.#compile(settings);
      for (const window of this.#windows.values()) window.scope = null;
    }
    return this.#scopes;
  }

  /**
   * The limit that takes longest; null: there is room under all.
   * @param isAdvice what the shared store refused a moment ago counts too; whoever takes asks it anew
   */
  #block(limited: readonly LimitedScope[], tokens: number, nowMs: number, isAdvice: boolean): RateBlock | null {
    let longestMs = 0;
    let scope = '';
    let limit: RateBlock['limit'] = 'rpm';
    for (const { key, label, rpm, tpm } of limited) {
      const window = this.#windows.get(key);
      if (rpm !== null) {
        const ms = window === undefined ? msWhenEmpty(rpm, 1) : window.msUntilRequest(nowMs, rpm, isAdvice);
        if (ms > longestMs) [longestMs, scope, limit] = [ms, label, 'rpm'];
      }
      if (tpm !== null && tokens > 0) {
        const ms = window === undefined ? msWhenEmpty(tpm, tokens) : window.msUntilTokens(nowMs, tpm, tokens, isAdvice);
        if (ms > longestMs) [longestMs, scope, limit] = [ms, label, 'tpm'];
      }
    }
    if (longestMs === 0) return null;
    return { remainingMs: Number.isFinite(longestMs) ? longestMs : null, scope, limit };
  }

  #reserveAlone(limited: readonly LimitedScope[], tokens: number): Reservation | RateBlock {
    const nowMs = this.#clock.monotonic();
    return this.#block(limited, tokens, nowMs, false) ?? this.#take(limited, tokens, nowMs, null);
  }

  async #reserveShared(
    store: SharedWindows,
    limited: readonly LimitedScope[],
    tokens: number,
  ): Promise<Reservation | RateBlock> {
    let answer: SharedAnswer | null = null;
    try {
      answer = await store.reserve(limited, tokens);
    } catch {
      // The same as null; whoever owns the store says why it is away.
    }
    if (answer === null) return this.#reserveAlone(limited, tokens);
    const nowMs = this.#clock.monotonic();
    if (answer.taken) return this.#take(limited, tokens, nowMs, { store, id: answer.id });
    const { remainingMs, limit, index } = answer;
    const scope = limited[index];
    if (scope !== undefined && remainingMs !== null) {
      this.#window(scope).refused(nowMs, limit, limit === 'rpm' ? 0 : tokens, remainingMs);
    }
    return { remainingMs, scope: scope?.label ?? 'gateway', limit };
  }

  #take(
    limited: readonly LimitedScope[],
    tokens: number,
    nowMs: number,
    shared: { readonly store: SharedWindows; readonly id: string } | null,
  ): Reservation {
    if (nowMs - this.#sweptAtMs >= SWEEP_MS) this.#sweep(nowMs);
    const taken = limited.map((scope) => {
      const window = this.#window(scope);
      return { window, place: window.begin(nowMs, tokens) };
    });
    let isOver = false;
    return {
      end: ({ tokens: reported, wasSent }) => {
        if (isOver) return;
        isOver = true;
        const used = usedTokens(reported, tokens);
        const endMs = this.#clock.monotonic();
        for (const { window, place } of taken) window.end(endMs, place, tokens, wasSent ? used : null);
        if (shared === null || (wasSent && used === tokens)) return;
        const keys = limited.map(({ key }) => key);
        shared.store.correct(keys, shared.id, wasSent ? used : 0, wasSent);
      },
    };
  }

  #window(scope: LimitedScope): RateWindow {
    let window = this.#windows.get(scope.key);
    if (window === undefined) {
      window = new RateWindow(scope);
      this.#windows.set(scope.key, window);
    } else {
      window.scope = scope;
    }
    return window;
  }

  #sweep(nowMs: number): void {
    this.#sweptAtMs = nowMs;
    for (const [key, window] of this.#windows) if (window.isIdle(nowMs)) this.#windows.delete(key);
  }
}

function msWhenEmpty(limit: number, wanted: number): number {
  return wanted > limit ? Number.POSITIVE_INFINITY : 0;
}

/** What a request counts for; what is no number of tokens leaves the estimate. */
function usedTokens(reported: number | null, estimated: number): number {
  if (reported === null || !(reported >= 0)) return estimated;
  return Math.min(Math.ceil(reported), MOST_TOKENS);
}
