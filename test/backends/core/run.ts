// One generation: it goes token by token until it is done or somebody stops it.

import type { Exchange } from './exchange.ts';
import { pause, untilAborted } from './wait.ts';

/** Why a generation ended before its time, in the words of the kind that stopped it. */
export type StopReason = 'left' | 'interrupted' | 'crashed' | 'aborted' | 'overflow' | 'unloaded';

export class Run {
  readonly exchange: Exchange;
  readonly isStream: boolean;
  /** Asked before each token: a promise holds the run up (a frozen engine), null lets it go on. */
  hold: (() => Promise<void> | null) | null = null;
  #stopped: StopReason | null = null;
  readonly #stop = new AbortController();

  constructor(exchange: Exchange, isStream: boolean) {
    this.exchange = exchange;
    this.isStream = isStream;
  }

  get stopped(): StopReason | null {
    return this.#stopped;
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** The first reason counts. */
  stop(reason: StopReason): void {
    this.#stopped ??= reason;
    this.#stop.abort(reason);
  }

  /** Stops the run as soon as the client is gone. */
  stopWhenLeft(): this {
    this.exchange.onGone(() => this.stop('left'));
    return this;
  }

  /** False when the run was stopped meanwhile. */
  async pause(delayMs: number): Promise<boolean> {
    if (this.#stopped !== null) return false;
    return delayMs > 0 ? pause(delayMs, this.#stop.signal) : true;
  }

  /**
   * Calls `emit` for each token, `delayMs` apart; without a delay all in one go, which is what keeps a stand-in cheap.
   * Resolves with null when all tokens are out, else with why not.
   */
  async tokens<T>(
    tokens: readonly T[],
    delayMs: number,
    emit: (token: T, index: number) => void,
  ): Promise<StopReason | null> {
    for (const [index, token] of tokens.entries()) {
      if (index > 0 && delayMs > 0) await pause(delayMs, this.#stop.signal);
      const held = this.hold?.();
      if (held) await Promise.race([held, untilAborted(this.#stop.signal)]);
      if (this.#stopped !== null) return this.#stopped;
      emit(token, index);
      // A fault made the answer fall silent: the engine looks busy until the client gives up.
      if (this.exchange.isSilenced) await untilAborted(this.exchange.gone);
    }
    return this.#stopped;
  }
}
