// How many of our requests run at one provider. Counting is all that happens on the way of a request.

import type { Clock } from '../clock.ts';
import type { ProviderLoad } from '../types.ts';

/** A running request's place in the count. */
export interface InFlight {
  /** Gives the place back, once; `abandoned`: the client left before a request that was not a stream had been answered. */
  end(options?: { readonly abandoned?: boolean }): void;
}

/** The place of a request at a provider that is gone. */
export const uncounted: InFlight = { end() {} };

export class RequestCount {
  readonly #load = { inFlight: 0, queued: 0 };
  readonly #clock: Clock;
  readonly #onNoneLeft: () => void;
  /** Only models with requests. */
  readonly #byModel = new Map<string, number>();
  #abandonedAtMs: number | null = null;

  constructor(clock: Clock, onNoneLeft: () => void) {
    this.#clock = clock;
    this.#onNoneLeft = onNoneLeft;
  }

  /** A live object: the same for the life of the provider. */
  get load(): ProviderLoad {
    return this.#load;
  }

  /** Epoch ms when a client last left a request that was not a stream; null: never. */
  get abandonedAtMs(): number | null {
    return this.#abandonedAtMs;
  }

  /** How many run on the models that this is true of. */
  countOf(isMeant: (model: string) => boolean): number {
    let count = 0;
    for (const [model, requests] of this.#byModel) if (isMeant(model)) count += requests;
    return count;
  }

  begin(model: string): InFlight {
    this.#load.inFlight += 1;
    this.#byModel.set(model, (this.#byModel.get(model) ?? 0) + 1);
    return new Lease(this, model);
  }

  /** Only for leases. */
  end(model: string, isAbandoned: boolean): void {
    this.#load.inFlight -= 1;
    const left = (this.#byModel.get(model) ?? 1) - 1;
    if (left === 0) this.#byModel.delete(model);
    else this.#byModel.set(model, left);
    if (isAbandoned) this.#abandonedAtMs = this.#clock.now();
    if (this.#load.inFlight === 0) this.#onNoneLeft();
  }

  setQueued(queued: number): void {
    this.#load.queued = queued;
  }
}

class Lease implements InFlight {
  #count: RequestCount | null;
  readonly #model: string;

  constructor(count: RequestCount, model: string) {
    this.#count = count;
    this.#model = model;
  }

  end(options?: { readonly abandoned?: boolean }): void {
    const count = this.#count;
    this.#count = null;
    count?.end(this.#model, options?.abandoned === true);
  }
}
