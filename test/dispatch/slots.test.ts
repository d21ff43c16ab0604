import { describe, expect, test } from 'vitest';
import { busyLine, from, option, setup } from './slots-support.ts';

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

  test('who comes to wait while a place is free has it at once', async () => {
    const { slots, clock } = setup();
    const waiting = slots.wait([option('a', 1)]);
    expect((await waiting.slot).provider).toBe('a');
    expect([waiting.position(), clock.pending]).toEqual([0, 0]);
    expect(slots.list()[0]).toMatchObject({ used: 1, queued: 0 });
  });

  test('giving a place back twice frees it once', () => {
    const { slots } = setup();
    const slot = slots.tryTakeOne(option('a', 1));
    slot?.release();
    slot?.release();
    expect(slots.tryTakeOne(option('a', 1))).not.toBeNull();
    expect(slots.tryTakeOne(option('a', 1))).toBeNull();
  });

  test('both the provider and the deployment must have room', async () => {
    const { slots } = setup();
    const small = option('a', 3, { model: 'small', maxParallelOfModel: 2 });
    const large = option('a', 3, { model: 'large', maxParallelOfModel: 1 });
    const held = slots.tryTakeOne(large);
    expect(slots.tryTakeOne(large)).toBeNull();
    expect(slots.tryTakeOne(small)?.model).toBe('small');
    expect(slots.tryTakeOne(small)?.model).toBe('small');
    expect(slots.tryTakeOne(small)).toBeNull();
    const waiting = slots.wait([large]);
    held?.release();
    expect(await waiting.slot).toMatchObject({ provider: 'a', model: 'large' });
  });

  test('a limit of one name counts the requests it is told for, and no others at that deployment', () => {
    const { slots } = setup();
    const limited = option('a', null, { maxParallelOfModel: 1 });
    for (let count = 0; count < 3; count += 1) expect(slots.tryTakeOne(option('a', null))).not.toBeNull();
    expect(slots.tryTakeOne(limited)).not.toBeNull();
    expect(slots.tryTakeOne(limited)).toBeNull();
    expect(slots.tryTakeOne(option('a', null))).not.toBeNull();
  });

  test('nor does it count those who waited for that deployment without a limit', async () => {
    const { slots } = setup();
    const held = slots.tryTakeOne(option('a', 1));
    const waiting = slots.wait([option('a', 1)]);
    held?.release();
    await waiting.slot;
    expect(slots.tryTakeOne(option('a', 2, { maxParallelOfModel: 1 }))).not.toBeNull();
  });

  test('who waits for a full model holds up nobody who waits for another at that provider', async () => {
    const { slots } = setup();
    const large = option('a', 2, { model: 'large', maxParallelOfModel: 1 });
    slots.tryTakeOne(large);
    const held = slots.tryTakeOne(option('a', 2));
    const first = slots.wait([large], from('x'));
    const second = slots.wait([option('a', 2)], from('y'));
    held?.release();
    expect((await second.slot).model).toBe('m');
    expect(first.position()).toBe(1);
  });

  test('of several models that would do at one provider, the first that was named is taken', async () => {
    const { slots } = setup();
    const held = slots.tryTakeOne(option('a', 1));
    const waiting = slots.wait([option('a', 1, { model: 'second choice' }), option('a', 1, { model: 'first' })]);
    expect(slots.list()[0]?.queued).toBe(1);
    held?.release();
    expect((await waiting.slot).model).toBe('second choice');
    expect(slots.list()[0]).toMatchObject({ used: 1, queued: 0 });
  });
});

describe('what is known of places and lines', () => {
  test('what it tells of itself: places in use, who waits, and how long', () => {
    const { slots, clock, come } = busyLine();
    come('x');
    clock.advance(2_000);
    come('x');
    come('y', 'high');
    clock.advance(500);
    expect(slots.list()).toEqual([
      {
        provider: 'a',
        used: 1,
        maxParallelRequests: 1,
        queued: 3,
        longestWaitMs: { high: 500, normal: 2_500, low: null },
      },
    ]);
  });

  test('idle providers and models are not remembered without end', () => {
    const { slots } = setup();
    for (let index = 0; index < 1_000; index += 1) {
      slots.tryTakeOne(option(`p${index}`, 1))?.release();
      slots.tryTakeOne(option('a', 1, { model: `m${index}`, maxParallelOfModel: 1 }))?.release();
    }
    expect(slots.list()).toEqual([]);
  });
});
