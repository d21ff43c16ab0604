// Providers that are off for a while, whatever the files say: until a time, which outlives a restart, or until the next start.

import type { Clock } from '../clock.ts';
import type { StateFile } from './state-file.ts';

/** Timers take no longer delays. */
const LONGEST_DELAY_MS = 2_147_483_647;

export interface SnoozesOptions {
  readonly clock: Clock;
  readonly state: StateFile;
  /** The time of that provider is up. */
  readonly onEnd: (provider: string) => void;
}

/** When a provider is on again: epoch ms. */
export type SnoozedUntil = number | 'restart';

export class Snoozes {
  readonly #options: SnoozesOptions;
  readonly #until = new Map<string, SnoozedUntil>();
  readonly #timers = new Map<string, () => void>();

  /** Goes on with what was kept. */
  constructor(options: SnoozesOptions) {
    this.#options = options;
    for (const [provider, untilMs] of Object.entries(options.state.current.snoozed)) this.#begin(provider, untilMs);
  }

  until(provider: string): SnoozedUntil | null {
    return this.#until.get(provider) ?? null;
  }

  /** Null: no longer. Does not call `onEnd`. */
  set(provider: string, until: SnoozedUntil | null): void {
    if (until === null && !this.#until.has(provider)) return;
    this.#forget(provider);
    if (until !== null) this.#begin(provider, until);
    this.#keep();
  }

  close(): void {
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
  }

  #begin(provider: string, until: SnoozedUntil): void {
    this.#until.set(provider, until);
    if (until === 'restart') return;
    const { clock } = this.#options;
    const delayMs = Math.min(Math.max(0, until - clock.now()), LONGEST_DELAY_MS);
    this.#timers.set(
      provider,
      clock.after(delayMs, () => {
        this.#timers.delete(provider);
        // The clock was set back, or the time is further off than a timer can wait.
        if (clock.now() < until) return this.#begin(provider, until);
        this.#forget(provider);
        this.#keep();
        this.#options.onEnd(provider);
      }),
    );
  }

  #forget(provider: string): void {
    this.#timers.get(provider)?.();
    this.#timers.delete(provider);
    this.#until.delete(provider);
  }

  #keep(): void {
    const timed = [...this.#until].filter((one): one is [string, number] => one[1] !== 'restart');
    this.#options.state.update({ snoozed: Object.fromEntries(timed) });
  }
}
