import { describe, expect, test } from 'vitest';
import { type Slot, type SlotOption, Slots, type Waiter, type Waiting } from '../../gateway/dispatch/slots.ts';
import { FakeClock } from '../support/fake-clock.ts';

function setup() {
  const clock = new FakeClock();
  const queued = new Map<string, number>();
  const slots = new Slots(clock, (provider, count) => queued.set(provider, count));
  return { clock, queued, slots };
}

function option(provider: string, limit: number | null, extra: Partial<SlotOption> = {}): SlotOption {
  return { provider, model: 'm', maxParallelRequests: limit, maxQueue: 100, queueTimeoutMs: 60_000, ...extra };
}

function from(client: string, priority: Waiter['priority'] = 'normal'): Waiter {
  return { client, priority };
}

/** The names of those who were given a place, in that order; each place is given back when the next is asked for. */
class Served {
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
function busyLine() {
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

describe('the line', () => {
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

  test('a place that frees never stays free for a newcomer while somebody waits for it', () => {
    const { slots } = setup();
    const held = slots.tryTakeOne(option('a', 1));
    slots.wait([option('a', 1)], from('x', 'low'));
    held?.release();
    expect(slots.tryTakeOne(option('a', 1))).toBeNull();
  });

  test('a newcomer may take what nobody who waits can use', () => {
    const { slots } = setup();
    slots.tryTakeOne(option('a', 1));
    slots.wait([option('a', 1)]);
    expect(slots.tryTake([option('a', 1), option('b', 1)])?.provider).toBe('b');
  });

  test('a client with a hundred waiting does not hold up one with a single request', async () => {
    const { served, come } = busyLine();
    for (let count = 0; count < 50; count += 1) come('many');
    come('one');
    expect(await served.free(3)).toEqual(['many1', 'one51', 'many2']);
  });

  test('clients take turns, each in the order of its arrival', async () => {
    const { served, come } = busyLine();
    for (const client of ['x', 'x', 'x', 'y', 'y', 'z']) come(client);
    expect(await served.free(6)).toEqual(['x1', 'y4', 'z6', 'x2', 'y5', 'x3']);
  });

  test('turns at one provider do not count at another', async () => {
    const { slots } = setup();
    const served = new Served();
    const [a, b] = [slots.tryTakeOne(option('a', 1)), slots.tryTakeOne(option('b', 1))];
    served.watch('x at a', slots.wait([option('a', 1)], from('x')));
    served.watch('x at b', slots.wait([option('b', 1)], from('x')));
    served.watch('y at b', slots.wait([option('b', 1)], from('y')));
    a?.release();
    b?.release();
    await Promise.resolve();
    expect(served.names).toEqual(['x at a', 'x at b']);
  });

  test('high comes before normal before low, and every fifth place goes to a lower class', async () => {
    const { served, come } = busyLine();
    for (let count = 0; count < 12; count += 1) come('l', 'low');
    for (let count = 0; count < 12; count += 1) come('h', 'high');
    const names = (await served.free(15)).map((name) => name[0]).join('');
    expect(names).toBe('hhhhlhhhhlhhhhl');
  });

  test('the lowest class gets every 25th place beside two busy higher ones', async () => {
    const { served, come } = busyLine();
    for (let count = 0; count < 4; count += 1) come('l', 'low');
    for (let count = 0; count < 15; count += 1) come('n', 'normal');
    for (let count = 0; count < 70; count += 1) come('h', 'high');
    const names = (await served.free(75)).map((name) => name[0]).join('');
    expect(names).toBe(`${'hhhhn'.repeat(4)}hhhhl`.repeat(3));
  });

  test('a client that leaves the line gives its turn to the next', async () => {
    const { slots, clock } = setup();
    const held = slots.tryTake([option('a', 1)]);
    const leaving = slots.wait([option('a', 1)]);
    const staying = slots.wait([option('a', 1)]);
    const left = expect(leaving.slot).rejects.toMatchObject({ code: 'client_closed_request' });
    leaving.cancel();
    leaving.cancel();
    await left;
    held?.release();
    expect((await staying.slot).provider).toBe('a');
    expect(clock.pending).toBe(0);
  });

  test('the position counts the turns of the others and the classes before', () => {
    const { come } = busyLine();
    come('x');
    come('x');
    const third = come('x');
    const other = come('y');
    expect([third.position(), other.position()]).toEqual([4, 2]);
    come('z', 'high');
    expect([third.position(), other.position()]).toEqual([5, 3]);
    other.cancel();
    expect([third.position(), other.position()]).toEqual([4, 0]);
  });

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
    const refused = slots.wait([option('a', 1, { maxQueue: 10 })]);
    await expect(refused.slot).rejects.toMatchObject({ code: 'queue_full', retryAfterSeconds: 20 });
  });

  test('Retry-After is never below a second nor above a minute, and a guess for a line that never moved', async () => {
    const { served, slots, clock, come } = busyLine();
    const refusedAfter = async () => {
      const error: unknown = await slots.wait([option('a', 1, { maxQueue: 1 })]).slot.catch((reason) => reason);
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
    late.replace([option('c', 1, { queueTimeoutMs: 4_000 })]);
    await expect(late.slot).rejects.toMatchObject({ code: 'queue_timeout' });
    expect(clock.pending).toBe(0);
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
    waiting.replace([option('b', 1)]);
    waiting.cancel();
    expect((await waiting.slot).provider).toBe('a');
    expect(slots.list().map(({ provider }) => provider)).toEqual(['a']);
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
