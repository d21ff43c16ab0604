// Who gets how many places, and how many may wait, when several clients want more than there is.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Slots } from '../../gateway/dispatch/slots.ts';
import { FakeClock } from '../support/fake-clock.ts';

async function settle(): Promise<void> {
  for (let count = 0; count < 3; count += 1) await Promise.resolve();
}

describe('fairness of the line', () => {
  test('as long as two clients both wait for a place, neither gets two more than the other', async () => {
    const arrival = fc.record({ client: fc.constantFrom('x', 'y', 'z', 'w'), releases: fc.nat({ max: 2 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(arrival, { minLength: 20, maxLength: 120, size: 'max' }), async (arrivals) => {
        const slots = new Slots(new FakeClock(), () => undefined);
        const option = { provider: 'a', model: 'm', maxParallelRequests: 2, maxQueue: 1_000, queueTimeoutMs: 60_000 };
        const held = [slots.tryTakeOne(option), slots.tryTakeOne(option)];
        const leads = new Leads();
        for (const { client, releases } of arrivals) {
          leads.comes(client);
          slots.wait([option], { client, priority: 'normal' }).slot.then(
            (slot) => {
              held.push(slot);
              leads.isServed(client);
            },
            () => undefined,
          );
          await settle();
          for (let count = 0; count < releases; count += 1) {
            held.shift()?.release();
            await settle();
          }
        }
        expect(leads.greatest).toBeLessThanOrEqual(1);
      }),
    );
  });
});

test('a full line is shared evenly: who has two more in it than another lost nothing to it that it asked for', async () => {
  const client = fc.constantFrom('x', 'x', 'x', 'x', 'y', 'y', 'z', 'w', 'v');
  await fc.assert(
    fc.asyncProperty(
      fc.array(client, { maxLength: 80, size: 'max' }),
      fc.integer({ min: 1, max: 12 }),
      async (clients, maxQueue) => {
        const slots = new Slots(new FakeClock(), () => undefined);
        const option = { provider: 'a', model: 'm', maxParallelRequests: 1, maxQueue, queueTimeoutMs: 60_000 };
        slots.tryTakeOne(option);
        const [asked, waiting] = [new Map<string, number>(), new Map<string, number>()];
        const add = (counts: Map<string, number>, name: string, by: number) =>
          counts.set(name, (counts.get(name) ?? 0) + by);
        for (const name of clients) {
          add(asked, name, 1);
          add(waiting, name, 1);
          slots.wait([option], { client: name, priority: 'normal' }).slot.catch(() => add(waiting, name, -1));
          await settle();
        }
        expect(slots.list()[0]?.queued).toBe(Math.min(maxQueue, clients.length));
        for (const [name, count] of waiting)
          for (const [other, otherCount] of waiting)
            if (count > otherCount + 1) expect([name, other, otherCount]).toEqual([name, other, asked.get(other)]);
      },
    ),
  );
});

/** How many more places one client got than another while both waited, for each pair of them. */
class Leads {
  greatest = 0;
  readonly #waiting = new Map<string, number>();
  readonly #leads = new Map<string, { least: number; most: number; now: number }>();

  comes(client: string): void {
    this.#waiting.set(client, (this.#waiting.get(client) ?? 0) + 1);
  }

  isServed(client: string): void {
    for (const [other, count] of this.#waiting) {
      if (other === client || count === 0) continue;
      const pair = [client, other].sort().join(' ');
      const lead = this.#leads.get(pair) ?? { least: 0, most: 0, now: 0 };
      lead.now += pair.startsWith(client) ? 1 : -1;
      lead.least = Math.min(lead.least, lead.now);
      lead.most = Math.max(lead.most, lead.now);
      this.greatest = Math.max(this.greatest, lead.most - lead.least);
      this.#leads.set(pair, lead);
    }
    const left = (this.#waiting.get(client) ?? 0) - 1;
    this.#waiting.set(client, left);
    if (left > 0) return;
    // Only the time in which both wait counts.
    for (const pair of [...this.#leads.keys()]) if (pair.split(' ').includes(client)) this.#leads.delete(pair);
  }
}
