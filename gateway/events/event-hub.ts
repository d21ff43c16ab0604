// One ordered stream of what changes, for everybody who looks. Costs one look at a boolean while nobody does.

import type { Clock } from '../clock.ts';
import type { AdminChange, AdminSnapshot } from '../contract.ts';
import { GatewayError } from '../errors.ts';
import type { Log } from '../telemetry/log.ts';
import { ChangeRing } from './change-ring.ts';
import { eventId, frame, numberOf } from './frame.ts';
import { type ChangeSink, Subscription } from './subscription.ts';

/** Sizes and times of the stream. */
export interface HubLimits {
  /** Changes are sent together, at most once in this time. */
  readonly mergeMs: number;
  /** What is kept for those who come back, in changes and in bytes. */
  readonly keptChanges: number;
  readonly keptBytes: number;
  /** Changes waiting to be sent; one more sends them at once. */
  readonly pendingChanges: number;
  /** See `SubscriptionOptions`. */
  readonly mostBehind: number;
  readonly subscribers: number;
  readonly heartbeatMs: number;
  /** A listener that takes nothing for so long is ended. */
  readonly stalledMs: number;
  /** How long changes are still kept after the last listener left, for its coming back. */
  readonly lingerMs: number;
}

const defaultHubLimits: HubLimits = {
  mergeMs: 250,
  keptChanges: 4_000,
  keptBytes: 4 * 1024 * 1024,
  pendingChanges: 2_000,
  mostBehind: 500,
  subscribers: 32,
  heartbeatMs: 15_000,
  stalledMs: 60_000,
  lingerMs: 30_000,
};

export interface EventHubOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly instance: string;
  readonly limits?: Partial<HubLimits>;
}

/** A change, or what tells it (or several) when it is sent; null: there is nothing to tell after all. */
export type Tell = AdminChange | (() => AdminChange | readonly AdminChange[] | null);

export interface Subscriber {
  readonly sink: ChangeSink;
  /** The id of the last event it got (`Last-Event-ID`); null: none. */
  readonly since: string | null;
  /** Everything as it is now. */
  readonly snapshot: () => AdminSnapshot;
}

/** What a listener's connection tells of itself. */
export interface Subscribed {
  drained(): void;
  close(): void;
}

export class EventHub {
  readonly #options: EventHubOptions;
  readonly #limits: HubLimits;
  readonly #ring: ChangeRing;
  readonly #subscriptions = new Set<Subscription>();
  readonly #watchers = new Set<(isWatched: boolean) => void>();
  /** By subject, in the order of their latest change. */
  readonly #pending = new Map<string, Tell>();
  #announced = 0;
  #isWatched = false;
  #isClosed = false;
  #lastSentAt = Number.NEGATIVE_INFINITY;
  #cancelSend: (() => void) | null = null;
  #cancelHeartbeat: (() => void) | null = null;
  #cancelLinger: (() => void) | null = null;

  constructor(options: EventHubOptions) {
    this.#options = options;
    this.#limits = { ...defaultHubLimits, ...options.limits };
    this.#ring = new ChangeRing({ changes: this.#limits.keptChanges, bytes: this.#limits.keptBytes });
  }

  /** Somebody listens, or did a moment ago. Ask this before making anything to `note`. */
  get isWatched(): boolean {
    return this.#isWatched;
  }

  get subscribers(): number {
    return this.#subscriptions.size;
  }

  /**
   * Something about that subject (`provider:ollama`) changed. Only its latest change is sent, and it stands behind the
   * changes of other subjects that came before it.
   */
  note(subject: string, tell: Tell): void {
    if (!this.#isWatched) return;
    this.#pending.delete(subject);
    this.#pending.set(subject, tell);
    if (this.#pending.size > this.#limits.pendingChanges) this.#send();
    else this.#sendSoon();
  }

  /** A change that no later one replaces. */
  announce(change: AdminChange): void {
    if (this.#isWatched) this.note(`#${++this.#announced}`, change);
  }

  /** Called whenever `isWatched` changes; returns what ends the calls. */
  onWatched(listener: (isWatched: boolean) => void): () => void {
    this.#watchers.add(listener);
    return () => this.#watchers.delete(listener);
  }

  /**
   * Begins to send to a listener: what it missed, where that is known still, else a snapshot; then all that changes.
   * Throws `GatewayError`: `all_busy` beyond the number of listeners, `shutting_down` after `close`.
   */
  subscribe({ sink, since, snapshot }: Subscriber): Subscribed {
    if (this.#isClosed)
      throw new GatewayError('shutting_down', 'The gateway is shutting down: there is nothing to follow.');
    if (this.#subscriptions.size >= this.#limits.subscribers) {
      throw new GatewayError(
        'all_busy',
        `${this.#limits.subscribers} listeners follow the events already: close one.`,
        {
          retryAfterSeconds: 5,
        },
      );
    }
    const { instance, clock } = this.#options;
    // Before the snapshot is taken: what happens from here on must not be missed.
    this.#watch();
    const subscription = new Subscription({
      ring: this.#ring,
      sink,
      since: since === null ? null : numberOf(since, instance),
      snapshot: () => frame('snapshot', eventId(instance, this.#ring.last), snapshot()),
      mostBehind: this.#limits.mostBehind,
      monotonic: () => clock.monotonic(),
    });
    this.#subscriptions.add(subscription);
    subscription.pump();
    return { drained: () => subscription.drained(), close: () => this.#leave(subscription) };
  }

  /** Ends all listeners and timers. */
  close(): void {
    this.#isClosed = true;
    for (const subscription of this.#subscriptions) subscription.end();
    this.#subscriptions.clear();
    this.#unwatch();
    this.#watchers.clear();
  }

  #watch(): void {
    this.#cancelLinger?.();
    this.#cancelLinger = null;
    this.#cancelHeartbeat ??= this.#beatLater();
    if (this.#isWatched) return;
    this.#isWatched = true;
    for (const listener of this.#watchers) listener(true);
  }

  #leave(subscription: Subscription): void {
    if (!this.#subscriptions.delete(subscription) || this.#subscriptions.size > 0) return;
    this.#cancelHeartbeat?.();
    this.#cancelHeartbeat = null;
    this.#cancelLinger = this.#options.clock.after(this.#limits.lingerMs, () => this.#unwatch());
  }

  #unwatch(): void {
    for (const cancel of [this.#cancelSend, this.#cancelHeartbeat, this.#cancelLinger]) cancel?.();
    this.#cancelSend = null;
    this.#cancelHeartbeat = null;
    this.#cancelLinger = null;
    if (!this.#isWatched) return;
    this.#isWatched = false;
    this.#pending.clear();
    this.#ring.clear();
    for (const listener of this.#watchers) listener(false);
  }

  #beatLater(): () => void {
    return this.#options.clock.after(this.#limits.heartbeatMs, () => {
      this.#cancelHeartbeat = this.#beatLater();
      for (const subscription of this.#subscriptions) subscription.beat(this.#limits.stalledMs);
    });
  }

  #sendSoon(): void {
    if (this.#cancelSend !== null) return;
    const { clock } = this.#options;
    const waitMs = Math.max(0, this.#lastSentAt + this.#limits.mergeMs - clock.monotonic());
    this.#cancelSend = clock.after(waitMs, () => this.#send());
  }

  #send(): void {
    this.#cancelSend?.();
    this.#cancelSend = null;
    this.#lastSentAt = this.#options.clock.monotonic();
    const changes = [...this.#pending.values()];
    this.#pending.clear();
    for (const tell of changes) this.#add(tell);
    for (const subscription of this.#subscriptions) subscription.pump();
  }

  #add(tell: Tell): void {
    const { instance, log } = this.#options;
    try {
      const told = typeof tell === 'function' ? tell() : tell;
      for (const change of [told ?? []].flat()) {
        this.#ring.add((number) => frame('change', eventId(instance, number), change));
      }
    } catch (error) {
      log.error('a change could not be told', { error });
    }
  }
}
