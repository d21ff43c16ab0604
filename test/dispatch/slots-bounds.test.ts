import { describe, expect, test } from 'vitest';
import { busyLine, from, option, setup } from './slots-support.ts';

describe('the bounds of the line', () => {
  test('a full line refuses, names the providers and how many wait', async () => {
    const { slots } = setup();
    const full = [option('a', 1, { maxQueue: 1 }), option('b', 1, { maxQueue: 2 })];
    slots.tryTake(full);
    slots.tryTake(full);
    slots.wait(full);
    slots.wait(full);
    const words = 'as many requests as allowed wait for a place already: 1 for a, 2 for b';
    await expect(slots.wait(full).slot).rejects.toMatchObject({ code: 'queue_full', message: words, status: 503 });
  });

  test('each deployment has a line of its own length', async () => {
    const { slots } = setup();
    slots.tryTakeOne(option('a', 1));
    slots.wait([option('a', 1, { maxQueue: 1 })]);
    slots.wait([option('a', 1, { maxQueue: 1, model: 'other' })]);
    expect(slots.list()[0]?.queued).toBe(2);
    await expect(slots.wait([option('a', 1, { maxQueue: 1 })]).slot).rejects.toMatchObject({ code: 'queue_full' });
  });

  test('a line keeps its length however many other models are waited for', async () => {
    const { slots } = setup();
    slots.tryTakeOne(option('a', 1));
    slots.wait([option('a', 1, { maxQueue: 1 })]);
    for (let index = 0; index < 200; index += 1) {
      const other = slots.wait([option('a', 1, { model: `m${index}` })]);
      other.slot.catch(() => undefined);
      other.cancel();
    }
    await expect(slots.wait([option('a', 1, { maxQueue: 1 })]).slot).rejects.toMatchObject({ code: 'queue_full' });
  });

  test('a line of no length is no line', async () => {
    const { slots } = setup();
    slots.tryTakeOne(option('a', 1));
    await expect(slots.wait([option('a', 1, { maxQueue: 0 })]).slot).rejects.toMatchObject({ code: 'queue_full' });
  });

  test('a line that does not move refuses after its time, and leaves no timer behind', async () => {
    const { slots, clock, queued } = setup();
    slots.tryTake([option('a', 1)]);
    const waiting = slots.wait([option('a', 1, { queueTimeoutMs: 3_000 })]);
    slots.wait([option('a', 1)]);
    const words = 'no place became free within 3 s; still waiting: 1 for a';
    const refused = expect(waiting.slot).rejects.toMatchObject({ code: 'queue_timeout', message: words });
    clock.advance(2_999);
    expect(queued.get('a')).toBe(2);
    clock.advance(1);
    await refused;
    expect([queued.get('a'), clock.pending]).toEqual([1, 1]);
  });

  test('of several options the longest time to wait counts', () => {
    const { slots, clock } = setup();
    const options = [option('a', 1, { queueTimeoutMs: 1_000 }), option('b', 1, { queueTimeoutMs: 5_000 })];
    slots.tryTake(options);
    slots.tryTake(options);
    const waiting = slots.wait(options);
    waiting.slot.catch(() => undefined);
    clock.advance(4_999);
    expect(waiting.position()).toBe(1);
    clock.advance(1);
    expect(waiting.position()).toBe(0);
  });

  test('Retry-After is the time the line needs for those who wait now', async () => {
    const { served, slots, clock, come } = busyLine();
    for (let count = 0; count < 13; count += 1) come('x');
    for (let count = 0; count < 3; count += 1) {
      clock.advance(2_000);
      await served.free(1);
    }
    const refused = slots.wait([option('a', 1, { maxQueue: 10 })], from('x'));
    await expect(refused.slot).rejects.toMatchObject({ code: 'queue_full', retryAfterSeconds: 20 });
  });

  test('of several full lines Retry-After is that of the quickest', async () => {
    const { slots, clock } = setup();
    const [a, b] = [option('a', 1, { maxQueue: 2 }), option('b', 1, { maxQueue: 2 })];
    slots.tryTakeOne(a);
    const held = slots.tryTakeOne(b);
    for (const one of [a, a, b, b]) slots.wait([one]);
    clock.advance(20_000);
    held?.release();
    slots.wait([b]);
    await expect(slots.wait([b]).slot).rejects.toMatchObject({ retryAfterSeconds: 40 });
    await expect(slots.wait([a, b]).slot).rejects.toMatchObject({ retryAfterSeconds: 5 });
  });

  test('Retry-After follows the steps of the line slowly, and not the time in which nobody stood there', async () => {
    const { served, slots, clock, come } = busyLine();
    come('x');
    come('x');
    for (const ms of [10_000, 2_000]) {
      clock.advance(ms);
      await served.free(1);
    }
    clock.advance(40_000);
    const refused = slots.wait([option('a', 1, { maxQueue: 0 })]);
    await expect(refused.slot).rejects.toMatchObject({ retryAfterSeconds: 1 });
    come('x');
    await expect(slots.wait([option('a', 1, { maxQueue: 1 })], from('x')).slot).rejects.toMatchObject({
      retryAfterSeconds: 8,
    });
  });

  test('Retry-After is never below a second nor above a minute, and a guess for a line that never moved', async () => {
    const { served, slots, clock, come } = busyLine();
    const refusedAfter = async () => {
      const error: unknown = await slots
        .wait([option('a', 1, { maxQueue: 1 })], from('x'))
        .slot.catch((reason) => reason);
      return error;
    };
    come('x');
    come('x');
    come('x');
    expect(await refusedAfter()).toMatchObject({ retryAfterSeconds: 5 });
    clock.advance(10);
    await served.free(1);
    expect(await refusedAfter()).toMatchObject({ retryAfterSeconds: 1 });
    clock.advance(50_000);
    expect(await refusedAfter()).toMatchObject({ retryAfterSeconds: 51 });
    clock.advance(9_000);
    expect(await refusedAfter()).toMatchObject({ retryAfterSeconds: 60 });
  });
});
