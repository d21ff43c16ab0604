// One request that waits: where it stands, how long it may, and how its waiting ends. It ends once: with a place, with
// an error, or because the client left.

import type { Clock } from '../../clock.ts';
import { GatewayError } from '../../errors.ts';
import type { Slot, SlotOption, Waiter, Waiting } from '../slots.ts';
import type { Rank } from './class-turns.ts';
import type { PlaceInLine } from './place-in-line.ts';
import type { ProviderPlaces } from './provider-places.ts';
import type { Loss, LossCause } from './shares.ts';

const causes: Readonly<Record<LossCause, string>> = {
  greediest: 'its client had the most waiting and its newest request gave way to another client',
  lower_class: 'the newest request of a lower priority gave way to one of a higher',
};

const ranks: Readonly<Record<Waiter['priority'], Rank>> = { high: 0, normal: 1, low: 2 };

export interface WaitingContext {
  readonly clock: Clock;
  /** Higher than any number given before. */
  nextOrder(): number;
  /** Whoever keeps it over the next call must have made it busy. */
  placesAt(provider: string): ProviderPlaces;
}

export class WaitingRequest implements Waiting {
  readonly client: string;
  readonly rank: Rank;
  /** Its arrival among all. */
  readonly order: number;
  /** By the clock that only grows. */
  readonly arrivedAtMs: number;
  readonly #context: WaitingContext;
  readonly #settled = Promise.withResolvers<Slot>();
  #places: readonly PlaceInLine[] = [];
  #timeoutMs: number | null = null;
  #stopTimer: (() => void) | null = null;
  #isSettled = false;

  /** Gets in line for the options, of which none has a free place. */
  constructor(context: WaitingContext, options: readonly SlotOption[], { client, priority }: Waiter) {
    this.client = client;
    this.rank = ranks[priority];
    this.order = context.nextOrder();
    this.arrivedAtMs = context.clock.monotonic();
    this.#context = context;
    this.#stand(options);
  }

  get slot(): Promise<Slot> {
    return this.#settled.promise;
  }

  /** Where it stands, in the order of its options. */
  get places(): readonly PlaceInLine[] {
    return this.#places;
  }

  replace(options: readonly SlotOption[]): void {
    if (this.#isSettled) return;
    for (const option of options) {
      const free = this.#context.placesAt(option.provider).tryTake(option);
      // A limit that was raised meanwhile may have given it a place already.
      if (this.#isSettled) {
        free?.release();
        return;
      }
      if (free !== null) {
        this.grant(free);
        return;
      }
    }
    this.#stand(options);
  }

  cancel(): void {
    if (this.#isSettled) return;
    this.#refuse(new GatewayError('client_closed_request', 'the client left while it waited for a place'));
  }

  position(): number {
    if (this.#isSettled) return 0;
    let ahead = Number.POSITIVE_INFINITY;
    for (const place of this.#places) {
      const { lanes } = place.crowd;
      let before = lanes[this.rank].ahead(place);
      for (let rank = 0; rank < this.rank; rank += 1) before += lanes[rank]?.size ?? 0;
      ahead = Math.min(ahead, before);
    }
    return ahead + 1;
  }

  /** Ends the waiting with that place. Only for the line. */
  grant(slot: Slot): void {
    this.#end();
    this.#settled.resolve(slot);
  }

  /** Gives its place in one line to a newcomer; ends the waiting when it was the last. Only for the line. */
  lose({ place, because }: Loss): void {
    place.provider.leave(place);
    this.#places = this.#places.filter((one) => one !== place);
    if (this.#places.length > 0) {
      this.#setTimeout(longest(this.#places));
      return;
    }
    const words = `the line is full, and ${causes[because]}; waiting: ${inWords([place.provider])}`;
    this.#refuse(new GatewayError('queue_full', words, { retryAfterSeconds: place.provider.retryAfterSeconds() }));
  }

  /**
   * Leaves the lanes that are no longer wanted, keeps its place in those that are, and joins the others. Of several
   * options for one deployment the first counts.
   */
  #stand(options: readonly SlotOption[]): void {
    const wanted = options.filter((one, index) => index === options.findIndex((other) => isSameDeployment(one, other)));
    for (const place of this.#places) {
      if (!wanted.some((option) => isOf(place, option))) place.provider.leave(place);
    }
    const places: PlaceInLine[] = [];
    for (const option of wanted) {
      const kept = this.#places.find((place) => isOf(place, option));
      if (kept !== undefined) kept.option = option;
      const place = kept ?? this.#context.placesAt(option.provider).join(this, option);
      if (place !== null) places.push(place);
    }
    this.#places = places;
    if (places.length === 0) this.#refuse(this.#noLine(options));
    else this.#setTimeout(longest(places));
  }

  /** From the arrival, however often the options are replaced. */
  #setTimeout(timeoutMs: number): void {
    if (timeoutMs === this.#timeoutMs) return;
    this.#timeoutMs = timeoutMs;
    this.#stopTimer?.();
    const { clock } = this.#context;
    const leftMs = this.arrivedAtMs + timeoutMs - clock.monotonic();
    if (leftMs > 0) this.#stopTimer = clock.after(leftMs, () => this.#runOut(timeoutMs));
    else this.#runOut(timeoutMs);
  }

  #runOut(timeoutMs: number): void {
    const providers = new Set(this.#places.map(({ provider }) => provider));
    const retryAfterSeconds = soonest(providers);
    this.#end();
    const words = `no place became free within ${timeoutMs / 1_000} s; still waiting: ${inWords(providers)}`;
    this.#settled.reject(new GatewayError('queue_timeout', words, { retryAfterSeconds }));
  }

  #noLine(options: readonly SlotOption[]): GatewayError {
    if (options.length === 0) return new GatewayError('no_available_deployment', 'there is nothing left to wait for');
    const providers = new Set(options.map(({ provider }) => this.#context.placesAt(provider)));
    const words = `as many requests as allowed wait for a place already: ${inWords(providers)}`;
    return new GatewayError('queue_full', words, { retryAfterSeconds: soonest(providers) });
  }

  #refuse(error: GatewayError): void {
    this.#end();
    this.#settled.reject(error);
  }

  #end(): void {
    this.#isSettled = true;
    this.#stopTimer?.();
    this.#stopTimer = null;
    for (const place of this.#places) place.provider.leave(place);
    this.#places = [];
  }
}

function isSameDeployment(one: SlotOption, other: SlotOption): boolean {
  return one.model === other.model && one.provider === other.provider;
}

function isOf({ option, crowd }: PlaceInLine, wanted: SlotOption): boolean {
  return isSameDeployment(option, wanted) && crowd.limit === (wanted.maxParallelOfModel ?? null);
}

function longest(places: readonly PlaceInLine[]): number {
  return Math.max(...places.map(({ option }) => option.queueTimeoutMs));
}

function soonest(providers: Iterable<ProviderPlaces>): number {
  return Math.min(...Array.from(providers, (places) => places.retryAfterSeconds()));
}

function inWords(providers: Iterable<ProviderPlaces>): string {
  return Array.from(providers, ({ provider, queued }) => `${queued} for ${provider}`).join(', ');
}
