import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Slot, type SlotOption, Slots } from '../../gateway/dispatch/slots.ts';
import { FakeClock } from '../support/fake-clock.ts';

function setup() {
  const clock = new FakeClock();
  const queued = new Map<string, number>();
  const slots = new Slots(clock, (provider, count) => queued.set(provider, count));
  return { clock, queued, slots };
}

function option(provider: string, limit: number | null, extra: Partial<SlotOption> = {}): SlotOption {
  return { provider, maxParallelRequests: limit, maxQueue: 100, queueTimeoutMs: 60_000, ...extra };
}

describe('places at providers', () => {
  test('a provider without a limit always has a place', () => {
    const { slots } = setup();
    for (let index = 0; index < 500; index += 1) expect(slots.tryTake([option('a', null)])).not.toBeNull();
  });

  test('the first free place in the order of the options is taken', () => {
    const { slots } = setup();
    const options = [option('a', 1), option('b', 1)];
    expect(slots.tryTake(options)?.provider).toBe('a');
    expect(slots.tryTake(options)?.provider).toBe('b');
    expect(slots.tryTake(options)).toBeNull();
  });

  test('giving a place back twice frees it once', () => {
    const { slots } = setup();
    const slot = slots.tryTake([option('a', 1)]);
    slot?.release();
    slot?.release();
    expect(slots.tryTake([option('a', 1)])).not.toBeNull();
    expect(slots.tryTake([option('a', 1)])).toBeNull();
  });

  test('who waits gets the first place that frees anywhere, in the order of arrival', async () => {
    const { slots, queued } = setup();
    const options = [option('a', 1), option('b', 1)];
    slots.tryTake(options);
    const b = slots.tryTake(options);
    const first = slots.wait(options);
    const second = slots.wait([option('b', 1)]);
    expect([queued.get('a'), queued.get('b')]).toEqual([1, 2]);
    b?.release();
    const granted = await first.slot;
    expect(granted.provider).toBe('b');
    expect([queued.get('a'), queued.get('b')]).toEqual([0, 1]);
    granted.release();
    expect((await second.slot).provider).toBe('b');
  });

  test('a full line refuses with the time to come back', async () => {
    const { slots } = setup();
    const full = option('a', 1, { maxQueue: 1 });
    slots.tryTake([full]);
    slots.wait([full]).slot.catch(() => undefined);
    await expect(slots.wait([full]).slot).rejects.toMatchObject({ code: 'queue_full', retryAfterSeconds: 5 });
  });

  test('a line that does not move refuses after its time, and leaves no timer behind', async () => {
    const { slots, clock, queued } = setup();
    slots.tryTake([option('a', 1)]);
    const waiting = slots.wait([option('a', 1, { queueTimeoutMs: 3_000 })]);
    const refused = expect(waiting.slot).rejects.toMatchObject({ code: 'queue_timeout' });
    clock.advance(2_999);
    expect(queued.get('a')).toBe(1);
    clock.advance(1);
    await refused;
    expect([queued.get('a'), clock.pending]).toEqual([0, 0]);
  });

  test('a client that leaves the line gives its turn to the next', async () => {
    const { slots, clock } = setup();
    const held = slots.tryTake([option('a', 1)]);
    const leaving = slots.wait([option('a', 1)]);
    const staying = slots.wait([option('a', 1)]);
    const left = expect(leaving.slot).rejects.toMatchObject({ code: 'client_closed_request' });
    leaving.cancel();
    await left;
    held?.release();
    expect((await staying.slot).provider).toBe('a');
    expect(clock.pending).toBe(0);
  });

  test('whatever happens, no provider ever has more places in use than its limit, and none is lost', async () => {
    const step = fc.record({ act: fc.constantFrom('take', 'wait', 'release'), provider: fc.constantFrom('a', 'b') });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const { slots, clock } = setup();
        const limits = { a: 1, b: 2 };
        const held: Slot[] = [];
        const inUse = (provider: string) => held.filter((slot) => slot.provider === provider).length;
        for (const { act, provider } of steps) {
          const options = [option(provider, limits[provider as 'a' | 'b'])];
          if (act === 'take') {
            const slot = slots.tryTake(options);
            if (slot) held.push(slot);
          } else if (act === 'wait') {
            slots.wait(options).slot.then(
              (slot) => held.push(slot),
              () => undefined,
            );
          } else held.splice(0, 1)[0]?.release();
          await Promise.resolve();
          await Promise.resolve();
          expect(inUse('a')).toBeLessThanOrEqual(1);
          expect(inUse('b')).toBeLessThanOrEqual(2);
        }
        while (held.length > 0) {
          held.splice(0, 1)[0]?.release();
          await Promise.resolve();
          await Promise.resolve();
        }
        expect(clock.pending).toBe(0);
        expect([slots.tryTake([option('a', 1)]), slots.tryTake([option('b', 1)])]).not.toContain(null);
      }),
    );
  });
});
