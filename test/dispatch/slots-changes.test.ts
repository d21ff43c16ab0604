import { describe, expect, test } from 'vitest';
import { busyLine, from, option, Served, setup } from './slots-support.ts';

describe('changes while people wait', () => {
  test('a limit that is raised serves those who wait, before any newcomer', async () => {
    const { slots } = setup();
    slots.tryTakeOne(option('a', 1));
    const first = slots.wait([option('a', 1)], from('x'));
    const second = slots.wait([option('a', 1)], from('y'));
    expect(slots.tryTakeOne(option('a', 2))).toBeNull();
    expect((await first.slot).provider).toBe('a');
    slots.recheck('a', null);
    expect((await second.slot).provider).toBe('a');
  });

  test('a limit that is lowered holds as soon as places are given back', async () => {
    const { slots } = setup();
    const held = [1, 2, 3].map(() => slots.tryTakeOne(option('a', 3)));
    const waiting = slots.wait([option('a', 3)]);
    slots.recheck('a', 1);
    held[0]?.release();
    held[1]?.release();
    expect(waiting.position()).toBe(1);
    held[2]?.release();
    expect((await waiting.slot).provider).toBe('a');
  });

  test('a limit of a provider nobody has asked for is nothing to recheck', () => {
    const { slots } = setup();
    slots.recheck('unknown', 1);
    expect(slots.list()).toEqual([]);
  });

  test('who is sent elsewhere takes a free place there at once', async () => {
    const { slots, queued, clock } = setup();
    slots.tryTakeOne(option('a', 1));
    const waiting = slots.wait([option('a', 1)]);
    waiting.replace([option('b', 1)]);
    expect((await waiting.slot).provider).toBe('b');
    expect([queued.get('a'), clock.pending]).toEqual([0, 0]);
  });

  test('who is sent elsewhere stands before those who came later', async () => {
    const { slots } = setup();
    const served = new Served();
    slots.tryTakeOne(option('b', 1));
    served.hold(slots.tryTakeOne(option('a', 1)));
    const early = served.watch('early', slots.wait([option('b', 1)], from('early')));
    for (const name of ['x', 'y', 'z']) served.watch(name, slots.wait([option('a', 1)], from(name)));
    early.replace([option('a', 1)]);
    expect(early.position()).toBe(1);
    expect(await served.free(2)).toEqual(['early', 'x']);
  });

  test('who keeps an option keeps the turn there', async () => {
    const { served, slots, come } = busyLine();
    const x = come('x');
    come('y');
    x.replace([option('a', 1), option('b', 0)]);
    expect(slots.list().map(({ provider, queued }) => [provider, queued])).toEqual([
      ['a', 2],
      ['b', 1],
    ]);
    expect(await served.free(2)).toEqual(['x1', 'y2']);
  });

  test('the time to wait runs from the arrival, also after being sent elsewhere', async () => {
    const { slots, clock } = setup();
    const options = [option('a', 1), option('b', 1), option('c', 1)];
    for (const one of options) slots.tryTakeOne(one);
    const waiting = slots.wait([option('a', 1, { queueTimeoutMs: 10_000 })]);
    const refused = expect(waiting.slot).rejects.toMatchObject({ code: 'queue_timeout' });
    clock.advance(6_000);
    waiting.replace([option('b', 1, { queueTimeoutMs: 20_000 })]);
    clock.advance(13_999);
    expect(waiting.position()).toBe(1);
    clock.advance(1);
    await refused;
    const late = slots.wait([option('a', 1)]);
    clock.advance(5_000);
    late.replace([option('c', 1, { queueTimeoutMs: 5_000 })]);
    await expect(late.slot).rejects.toMatchObject({ code: 'queue_timeout' });
    expect(clock.pending).toBe(0);
  });

  test('who keeps an option waits for as long as it allows now', async () => {
    const { slots, clock } = setup();
    slots.tryTakeOne(option('a', 1));
    const waiting = slots.wait([option('a', 1, { queueTimeoutMs: 10_000 })]);
    waiting.replace([option('a', 1, { queueTimeoutMs: 20_000 })]);
    clock.advance(19_999);
    expect(waiting.position()).toBe(1);
    clock.advance(1);
    await expect(waiting.slot).rejects.toMatchObject({ code: 'queue_timeout' });
  });

  test('who keeps a deployment under another limit of it waits by that limit', async () => {
    const { slots } = setup();
    const held = [2, 2].map((maxParallelOfModel) => slots.tryTakeOne(option('a', null, { maxParallelOfModel })));
    const waiting = slots.wait([option('a', null, { maxParallelOfModel: 1 })]);
    waiting.replace([option('a', null, { maxParallelOfModel: 2 })]);
    held[0]?.release();
    expect(waiting.position()).toBe(0);
    expect((await waiting.slot).provider).toBe('a');
  });

  test('who is sent to full lines only, or nowhere, is refused', async () => {
    const { slots, queued } = setup();
    slots.tryTakeOne(option('a', 1));
    slots.tryTakeOne(option('b', 1));
    slots.wait([option('b', 1)]);
    const [one, other] = [slots.wait([option('a', 1)]), slots.wait([option('a', 1)])];
    one.replace([option('b', 1, { maxQueue: 1 })]);
    await expect(one.slot).rejects.toMatchObject({ code: 'queue_full' });
    other.replace([]);
    await expect(other.slot).rejects.toMatchObject({ code: 'no_available_deployment' });
    expect([queued.get('a'), queued.get('b')]).toEqual([0, 1]);
  });

  test('being sent elsewhere after the waiting is over changes nothing', async () => {
    const { slots } = setup();
    const held = slots.tryTakeOne(option('a', 1));
    const waiting = slots.wait([option('a', 1)]);
    held?.release();
    slots.tryTakeOne(option('b', 1));
    waiting.replace([option('b', 1)]);
    waiting.cancel();
    expect((await waiting.slot).provider).toBe('a');
    expect(slots.list().map(({ used, queued }) => [used, queued])).toEqual([
      [1, 0],
      [1, 0],
    ]);
  });

  test('a raised limit told while being sent elsewhere gives one place, not two', async () => {
    const { slots } = setup();
    slots.tryTakeOne(option('a', 1));
    const waiting = slots.wait([option('a', 1)]);
    waiting.replace([option('a', 5)]);
    expect((await waiting.slot).provider).toBe('a');
    expect(slots.list()[0]).toMatchObject({ used: 2, queued: 0 });
  });
});
