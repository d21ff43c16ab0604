// One listener of the event stream: sends it what it has not seen, waits while it is slow, and starts it over where it fell behind.

import type { ChangeRing } from './change-ring.ts';
import { END, HEARTBEAT } from './frame.ts';

/** Where the bytes go. */
export interface ChangeSink {
  /** False: it is full. Nothing more is written before `drained()`. */
  write(bytes: Buffer): boolean;
  /** After the last bytes. */
  end(): void;
  /** It has been full for too long. */
  cut(): void;
}

export interface SubscriptionOptions {
  readonly ring: ChangeRing;
  readonly sink: ChangeSink;
  /** The number up to which it knows everything; null: nothing. */
  readonly since: number | null;
  /** Everything as it is now, framed. */
  readonly snapshot: () => Buffer;
  /** So many changes are sent one by one to whoever was slow; more than these are worth a snapshot. */
  readonly mostBehind: number;
  readonly monotonic: () => number;
}

export class Subscription {
  readonly #options: SubscriptionOptions;
  /** The last change it was sent; null: it needs a snapshot first. */
  #sent: number | null;
  /** Since when it takes nothing. */
  #fullSince: number | null = null;

  constructor(options: SubscriptionOptions) {
    this.#options = options;
    this.#sent = options.since;
  }

  /** Sends what is new, unless it is full still. Bytes waiting for a slow one: one snapshot, or one round of changes. */
  pump(): void {
    if (this.#fullSince !== null) return;
    const { ring } = this.#options;
    const missed = this.#sent === null ? null : ring.after(this.#sent);
    if (missed === null) {
      this.#sent = ring.last;
      this.#write(this.#options.snapshot());
      return;
    }
    for (const { number, bytes } of missed) {
      this.#sent = number;
      if (!this.#write(bytes)) return;
    }
  }

  /** It takes bytes again. */
  drained(): void {
    this.#fullSince = null;
    const { ring, mostBehind } = this.#options;
    if (this.#sent !== null && ring.last - this.#sent > mostBehind) this.#sent = null;
    this.pump();
  }

  /** Shows that the stream is alive; ends a listener that has taken nothing for that long. */
  beat(stalledMs: number): void {
    if (this.#fullSince === null) this.#write(HEARTBEAT);
    else if (this.#options.monotonic() - this.#fullSince >= stalledMs) this.#options.sink.cut();
  }

  /** The last words. */
  end(): void {
    this.#options.sink.write(END);
    this.#options.sink.end();
  }

  #write(bytes: Buffer): boolean {
    if (this.#options.sink.write(bytes)) return true;
    this.#fullSince = this.#options.monotonic();
    return false;
  }
}
