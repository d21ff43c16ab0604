// A line to test: a clock that stands still, short ways to say who comes, and a note of who was served when.

import { type Slot, type SlotOption, Slots, type Waiter, type Waiting } from '../../gateway/dispatch/slots.ts';
import { FakeClock } from '../support/fake-clock.ts';

export function setup() {
  const clock = new FakeClock();
  const queued = new Map<string, number>();
  const slots = new Slots(clock, (provider, count) => queued.set(provider, count));
  return { clock, queued, slots };
}

export function option(provider: string, limit: number | null, extra: Partial<SlotOption> = {}): SlotOption {
  return { provider, model: 'm', maxParallelRequests: limit, maxQueue: 100, queueTimeoutMs: 60_000, ...extra };
}

export function from(client: string, priority: Waiter['priority'] = 'normal'): Waiter {
  return { client, priority };
}

/** The names of those who were given a place, in that order; each place is given back when the next is asked for. */
export class Served {
  readonly names: string[] = [];
  #held: Slot | null = null;

  watch(name: string, waiting: Waiting): Waiting {
    waiting.slot.then(
      (slot) => {
        this.names.push(name);
        this.#held = slot;
      },
      () => undefined,
    );
    return waiting;
  }

  async free(times: number): Promise<string[]> {
    const before = this.names.length;
    for (let count = 0; count < times; count += 1) {
      this.#held?.release();
      await Promise.resolve();
    }
    return this.names.slice(before);
  }

  hold(slot: Slot | null): void {
    this.#held = slot;
  }
}

/** A provider with one place, which is taken, and those who come to wait for it. */
export function busyLine() {
  const served = new Served();
  const { slots, clock, queued } = setup();
  served.hold(slots.tryTake([option('a', 1)]));
  let count = 0;
  const come = (client: string, priority: Waiter['priority'] = 'normal') => {
    count += 1;
    return served.watch(`${client}${count}`, slots.wait([option('a', 1)], from(client, priority)));
  };
  return { served, slots, clock, queued, come };
}
