// Who may run where: as many of ours at one provider, and at one deployment, as their limits allow, and a fair line of
// those who wait for a place. The only owner of places: a count read elsewhere is advice, a place is taken here.

import type { Clock } from '../clock.ts';
import { ProviderPlaces } from './queue/provider-places.ts';
import { Registry } from './queue/registry.ts';
import { type WaitingContext, WaitingRequest } from './queue/waiting-request.ts';

/** A place at a provider; giving it back twice does nothing. */
export interface Slot {
  readonly provider: string;
  readonly model: string;
  release(): void;
}

/** A deployment that would do, with its limits as they are now. */
export interface SlotOption {
  readonly provider: string;
  readonly model: string;
  /** Of the provider. Null: no limit. */
  readonly maxParallelRequests: number | null;
  /**
   * Of this deployment alone, for this request; it counts those it was told for. Null or absent: none. A limit that
   * concerns every request of the deployment must therefore be told with each of them.
   */
  readonly maxParallelOfModel?: number | null;
  /** How many may wait for this deployment. */
  readonly maxQueue: number;
  readonly queueTimeoutMs: number;
}

/** Who asks for a place. */
export interface Waiter {
  readonly client: string;
  readonly priority: 'high' | 'normal' | 'low';
}

/** Waiting for a place. */
export interface Waiting {
  /**
   * Rejects with a GatewayError: `queue_full` (at once, or when it has to give way in the last of its lines to somebody
   * with a better claim), `queue_timeout`, `client_closed_request`, `no_available_deployment`.
   */
  readonly slot: Promise<Slot>;
  /** The client left. Does nothing once the waiting is over. */
  cancel(): void;
  /**
   * Waits for these instead, as of its old arrival; one that has a free place is taken at once. Lines that are full are
   * left out; if all are, the waiting ends with `queue_full`. Does nothing once the waiting is over.
   */
  replace(options: readonly SlotOption[]): void;
  /**
   * 1: next, where it stands best. An estimate: who else may come, and the places that go to lower classes, are not
   * counted. 0: no longer waiting. O(waiting): for display.
   */
  position(): number;
}

/** How it stands at one provider. */
export interface ProviderQueue {
  readonly provider: string;
  readonly used: number;
  /** As last told. Null: no limit. */
  readonly maxParallelRequests: number | null;
  /** Requests that wait for a place there; one that waits at several providers counts at each. */
  readonly queued: number;
  /** How long the longest waits; null: nobody of that class does. */
  readonly longestWaitMs: Readonly<Record<Waiter['priority'], number | null>>;
}

const ANYBODY: Waiter = { client: '', priority: 'normal' };

/**
 * A place that frees goes to one of those who accept it: by class (queue/class-turns.ts), then to the client that was
 * served there longest ago, then by arrival. As it goes to one of them at once, no place is ever free while somebody
 * waits for it, and so nobody who comes later can take it first. Providers are served independently: whoever waits at
 * several gets the first that comes.
 *
 * A line that is full is shared as well (queue/shares.ts): who has fewer there than the greediest client, or a higher
 * class than somebody as greedy, comes in for one that gives way.
 *
 * Bounded: `maxQueue` waiting for each deployment; of providers and deployments 64 idle ones are remembered.
 */
export class Slots {
  readonly #providers: Registry<ProviderPlaces>;
  readonly #waitingContext: WaitingContext;

  /** @param onQueueChange told how many wait for a provider whenever that changes; must not call back */
  constructor(clock: Clock, onQueueChange: (provider: string, queued: number) => void) {
    let lastOrder = 0;
    const nextOrder = (): number => {
      lastOrder += 1;
      return lastOrder;
    };
    const lineContext = { monotonic: () => clock.monotonic(), nextOrder, onQueueChange };
    const providers = new Registry((provider) => new ProviderPlaces(provider, lineContext));
    this.#providers = providers;
    this.#waitingContext = { clock, nextOrder, placesAt: (provider) => providers.get(provider) };
  }

  /** Takes the first free place in the order of the options; null when all are taken. */
  tryTake(options: readonly SlotOption[]): Slot | null {
    for (const option of options) {
      const slot = this.tryTakeOne(option);
      if (slot !== null) return slot;
    }
    return null;
  }

  /** The same for one option. */
  tryTakeOne(option: SlotOption): Slot | null {
    return this.#providers.get(option.provider).tryTake(option);
  }

  /** Waits for the first place that frees at any of the options; one that is free already is taken at once. */
  wait(options: readonly SlotOption[], waiter: Waiter = ANYBODY): Waiting {
    const free = this.tryTake(options);
    if (free !== null) return notWaiting(free);
    return new WaitingRequest(this.#waitingContext, options, waiter);
  }

  /** Tells the limit of a provider that may have changed: what that frees goes to those who wait. */
  recheck(provider: string, maxParallelRequests: number | null): void {
    this.#providers.find(provider)?.setLimit(maxParallelRequests);
  }

  /** The providers where somebody runs or waits. */
  list(): ProviderQueue[] {
    return Array.from(this.#providers.values())
      .filter(({ isIdle }) => !isIdle)
      .map((places) => ({
        provider: places.provider,
        used: places.used,
        maxParallelRequests: places.limit,
        queued: places.queued,
        longestWaitMs: {
          high: places.longestWaitMs(0),
          normal: places.longestWaitMs(1),
          low: places.longestWaitMs(2),
        },
      }));
  }
}

function notWaiting(slot: Slot): Waiting {
  return { slot: Promise.resolve(slot), cancel: () => undefined, replace: () => undefined, position: () => 0 };
}
