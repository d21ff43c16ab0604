// Who may run where: at most `maxParallelRequests` of ours at one provider, and a line of those who wait for a place.
// The only owner of places: a count read elsewhere is advice, a place is taken here.

import type { Clock } from '../clock.ts';
import { GatewayError } from '../errors.ts';

/** A place at a provider; giving it back twice does nothing. */
export interface Slot {
  readonly provider: string;
  release(): void;
}

/** A provider that would do, with its limits as the snapshot has them. */
export interface SlotOption {
  readonly provider: string;
  /** Null: no limit. */
  readonly maxParallelRequests: number | null;
  readonly maxQueue: number;
  readonly queueTimeoutMs: number;
}

interface Waiter {
  readonly options: readonly SlotOption[];
  readonly take: (slot: Slot) => void;
  readonly refuse: (error: GatewayError) => void;
}

/** Waiting for a place, with a way out for a client that leaves. */
export interface Waiting {
  readonly slot: Promise<Slot>;
  cancel(): void;
}

/** Seconds after which asking again makes sense when the line was full or did not move. */
const RETRY_AFTER_SECONDS = 5;

export class Slots {
  readonly #clock: Clock;
  readonly #onQueueChange: (provider: string, queued: number) => void;
  readonly #used = new Map<string, number>();
  readonly #queued = new Map<string, number>();
  /** In the order of arrival. */
  #waiters: Waiter[] = [];

  /** @param onQueueChange told how many wait for a provider whenever that changes */
  constructor(clock: Clock, onQueueChange: (provider: string, queued: number) => void) {
    this.#clock = clock;
    this.#onQueueChange = onQueueChange;
  }

  /** Takes the first free place in the order of the options; null when all are taken. */
  tryTake(options: readonly SlotOption[]): Slot | null {
    for (const option of options) {
      const limit = option.maxParallelRequests;
      if (limit !== null && (this.#used.get(option.provider) ?? 0) >= limit) continue;
      return this.#grant(option.provider);
    }
    return null;
  }

  /**
   * Waits for the first place that frees at any of the options; one that is free already is taken at once.
   * @throws GatewayError (by the promise) `queue_full` or `queue_timeout`
   */
  wait(options: readonly SlotOption[]): Waiting {
    const free = this.tryTake(options);
    if (free !== null) return { slot: Promise.resolve(free), cancel: () => undefined };
    const hasRoom = options.filter((option) => (this.#queued.get(option.provider) ?? 0) < option.maxQueue);
    if (hasRoom.length === 0) {
      const names = options.map((option) => option.provider).join(', ');
      const error = new GatewayError('queue_full', `as many requests as allowed wait for ${names} already`, {
        retryAfterSeconds: RETRY_AFTER_SECONDS,
      });
      return { slot: Promise.reject(error), cancel: () => undefined };
    }
    return this.#enqueue(hasRoom);
  }

  #enqueue(options: readonly SlotOption[]): Waiting {
    let cancel = (): void => undefined;
    const slot = new Promise<Slot>((resolve, reject) => {
      const timeoutMs = Math.max(...options.map((option) => option.queueTimeoutMs));
      const stopTimer = this.#clock.after(timeoutMs, () => {
        const names = options.map((option) => option.provider).join(', ');
        waiter.refuse(
          new GatewayError('queue_timeout', `no place became free at ${names} within ${timeoutMs / 1_000} s`, {
            retryAfterSeconds: RETRY_AFTER_SECONDS,
          }),
        );
      });
      const leave = (): boolean => {
        if (!this.#waiters.includes(waiter)) return false;
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        stopTimer();
        for (const { provider } of options) this.#countQueued(provider, -1);
        return true;
      };
      const waiter: Waiter = {
        options,
        take: (granted) => {
          if (leave()) resolve(granted);
        },
        refuse: (error) => {
          if (leave()) reject(error);
        },
      };
      cancel = () => {
        if (leave()) reject(new GatewayError('client_closed_request', 'the client left while it waited for a place'));
      };
      this.#waiters.push(waiter);
      for (const { provider } of options) this.#countQueued(provider, 1);
    });
    return { slot, cancel: () => cancel() };
  }

  #countQueued(provider: string, change: 1 | -1): void {
    const queued = (this.#queued.get(provider) ?? 0) + change;
    if (queued === 0) this.#queued.delete(provider);
    else this.#queued.set(provider, queued);
    this.#onQueueChange(provider, queued);
  }

  #grant(provider: string): Slot {
    this.#used.set(provider, (this.#used.get(provider) ?? 0) + 1);
    let isReleased = false;
    return {
      provider,
      release: () => {
        if (isReleased) return;
        isReleased = true;
        this.#free(provider);
      },
    };
  }

  #free(provider: string): void {
    const used = (this.#used.get(provider) ?? 1) - 1;
    if (used === 0) this.#used.delete(provider);
    else this.#used.set(provider, used);
    for (const waiter of this.#waiters) {
      const option = waiter.options.find((candidate) => candidate.provider === provider);
      if (option === undefined) continue;
      if (option.maxParallelRequests !== null && used >= option.maxParallelRequests) return;
      waiter.take(this.#grant(provider));
      return;
    }
  }
}
