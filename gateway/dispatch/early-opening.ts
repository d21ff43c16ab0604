// A stream whose client would otherwise look at a dead connection: opened before anything is decided, then kept alive.

import type { Clock } from '../clock.ts';
import type { ClientReply } from './exchange.ts';
import type { DispatchLimits } from './limits.ts';

/** Waits on behalf of one stream; `stop` before the answer or the error goes out. */
export class EarlyOpening {
  readonly #clock: Clock;
  readonly #limits: DispatchLimits;
  readonly #reply: ClientReply;
  readonly #filler: string;
  readonly #head: () => readonly string[];
  #cancelTimer: (() => void) | null = null;

  /** @param filler what the protocol lets be sent while nothing is known
   * @param head the headers of a stream that is opened early, as a flat list */
  constructor(clock: Clock, limits: DispatchLimits, reply: ClientReply, filler: string, head: () => readonly string[]) {
    this.#clock = clock;
    this.#limits = limits;
    this.#reply = reply;
    this.#filler = filler;
    this.#head = head;
  }

  /** From now on it waits in the queue. */
  whileQueued(): void {
    this.#openAfter(this.#limits.openAfterQueueMs);
  }

  /** From now on it waits for providers; silence adds up over all attempts, so only the first call counts. */
  whileSilent(): void {
    this.#openAfter(this.#limits.openAfterSilenceMs);
  }

  /** The wait in the queue is over; a stream that is open stays so. */
  endOfQueue(): void {
    if (!this.#reply.isOpenedEarly) this.stop();
  }

  stop(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }

  #openAfter(delayMs: number): void {
    if (this.#cancelTimer !== null || !this.#reply.isSilent) return;
    this.#cancelTimer = this.#clock.after(delayMs, () => {
      this.#cancelTimer = null;
      if (this.#reply.isGone || !this.#reply.isSilent) return;
      this.#reply.openEarly(this.#head(), this.#filler);
      this.#fillLater();
    });
  }

  #fillLater(): void {
    this.#cancelTimer = this.#clock.after(this.#limits.fillerEveryMs, () => {
      this.#cancelTimer = null;
      if (this.#reply.isGone || !this.#reply.isOpenedEarly) return;
      this.#reply.filler(this.#filler);
      this.#fillLater();
    });
  }
}
