import { describe, expect, test } from 'vitest';
import type { SlotOption, Waiter, Waiting } from '../../gateway/dispatch/slots.ts';
import { from, option, setup } from './slots-support.ts';

type Priority = Waiter['priority'];

/** Providers with one place each, which is taken, and those who come to wait; `left` tells whose waiting ended, and how. */
function fullLines(maxQueue: number, providers: readonly string[] = ['a']) {
  const made = setup();
  const options = providers.map((provider) => option(provider, 1, { maxQueue }));
  const held = options.map((one) => made.slots.tryTakeOne(one));
  const left: string[] = [];
  const errors: { readonly message: string; readonly retryAfterSeconds: number | null; readonly status: number }[] = [];
  const come = (
    name: string,
    client: string,
    priority: Priority = 'normal',
    wanted: readonly SlotOption[] = options,
  ): Waiting => {
    const waiting = made.slots.wait(wanted, from(client, priority));
    waiting.slot.then(
      ({ provider }) => left.push(`${name} to ${provider}`),
      (error) => {
        left.push(`${name} ${error.code}`);
        errors.push(error);
      },
    );
    return waiting;
  };
  const settled = async () => {
    for (let count = 0; count < 3; count += 1) await Promise.resolve();
    return left;
  };
  return { ...made, options, held, come, settled, errors };
}

describe('a full line', () => {
  test('takes the newest request out of the client with the most, for one of a client with fewer', async () => {
    const { come, settled, errors, queued } = fullLines(3);
    for (const name of ['x1', 'x2', 'x3']) come(name, 'x');
    const newcomer = come('y1', 'y');
    expect(await settled()).toEqual(['x3 queue_full']);
    expect([newcomer.position(), queued.get('a')]).toEqual([2, 3]);
    const words =
      'the line is full, and its client had the most waiting and its newest request gave way to another client; ' +
      'waiting: 3 for a';
    expect(errors[0]).toMatchObject({ message: words, retryAfterSeconds: 5, status: 503 });
  });

  test('refuses a client that would then have as many as the greediest', async () => {
    const { come, settled } = fullLines(3);
    for (const name of ['x1', 'x2']) come(name, 'x');
    come('y1', 'y');
    come('y2', 'y');
    expect(await settled()).toEqual(['y2 queue_full']);
    come('z1', 'z');
    expect(await settled()).toEqual(['y2 queue_full', 'x2 queue_full']);
    come('w1', 'w');
    expect(await settled()).toEqual(['y2 queue_full', 'x2 queue_full', 'w1 queue_full']);
  });

  test('refuses the greediest client its own newest', async () => {
    const { come, settled } = fullLines(2);
    for (const name of ['x1', 'x2', 'x3']) come(name, 'x');
    expect(await settled()).toEqual(['x3 queue_full']);
  });

  test('takes from the lowest class of the greediest client, whatever class comes', async () => {
    const { come, settled } = fullLines(5);
    come('x1', 'x', 'low');
    come('x2', 'x', 'normal');
    come('x3', 'x', 'low');
    come('x4', 'x', 'high');
    come('z1', 'z', 'low');
    come('y1', 'y', 'low');
    expect(await settled()).toEqual(['x3 queue_full']);
    come('y2', 'y', 'high');
    expect(await settled()).toEqual(['x3 queue_full', 'x1 queue_full']);
  });

  test('of clients with as many takes from the one with the lowest class, then with the newest', async () => {
    const { come, settled } = fullLines(6);
    for (const [name, client, priority] of [
      ['x1', 'x', 'normal'],
      ['x2', 'x', 'low'],
      ['y1', 'y', 'normal'],
      ['y2', 'y', 'normal'],
      ['z1', 'z', 'normal'],
      ['z2', 'z', 'normal'],
    ] as const)
      come(name, client, priority);
    come('v1', 'v');
    come('w1', 'w');
    expect(await settled()).toEqual(['x2 queue_full', 'z2 queue_full']);
  });

  test('counts all classes and all limits of a client together', async () => {
    const { come, settled, options } = fullLines(4);
    const limited = options.map((one) => ({ ...one, maxParallelOfModel: 1 }));
    come('x1', 'x', 'high');
    come('y1', 'y');
    come('y2', 'y');
    come('x2', 'x', 'high', limited);
    come('x3', 'x', 'high', limited);
    come('z1', 'z', 'low');
    expect(await settled()).toEqual(['x3 queue_full', 'y2 queue_full']);
  });

  test('lets a higher class in for the newest of the lowest, though its client has as many', async () => {
    const { come, settled, errors } = fullLines(3);
    come('x1', 'x', 'low');
    come('y1', 'y', 'normal');
    come('z1', 'z', 'low');
    come('w1', 'w', 'high');
    expect(await settled()).toEqual(['z1 queue_full']);
    const words =
      'the line is full, and the newest request of a lower priority gave way to one of a higher; waiting: 3 for a';
    expect(errors[0]).toMatchObject({ message: words, retryAfterSeconds: 5 });
    come('v1', 'v', 'normal');
    come('u1', 'u', 'high');
    come('t1', 't', 'high');
    come('s1', 's', 'high');
    const gone = ['z1', 'x1', 'v1', 'y1', 's1'];
    expect(await settled()).toEqual(gone.map((name) => `${name} queue_full`));
  });

  test('lets no higher class in for a client that would then have more than the one that gives way', async () => {
    const { come, settled } = fullLines(2);
    come('x1', 'x', 'low');
    come('y1', 'y', 'high');
    come('y2', 'y', 'high');
    expect(await settled()).toEqual(['y2 queue_full']);
  });

  test('lets a client put a higher class of its own in place of a lower', async () => {
    const { come, settled } = fullLines(2);
    come('x1', 'x', 'low');
    come('x2', 'x', 'normal');
    come('x3', 'x', 'high');
    expect(await settled()).toEqual(['x1 queue_full']);
    come('x4', 'x', 'low');
    expect(await settled()).toEqual(['x1 queue_full', 'x4 queue_full']);
  });

  test('of no length lets nobody in, whoever stands there since it had one', async () => {
    const { come, settled } = fullLines(2);
    come('x1', 'x', 'low');
    come('x2', 'x', 'low');
    come('y1', 'y', 'high', [option('a', 1, { maxQueue: 0 })]);
    expect(await settled()).toEqual(['y1 queue_full']);
  });

  test('that was made shorter lets nobody in beyond those it has', async () => {
    const { come, settled, queued } = fullLines(3);
    for (const name of ['x1', 'x2', 'x3']) come(name, 'x');
    come('y1', 'y', 'normal', [option('a', 1, { maxQueue: 1 })]);
    expect(await settled()).toEqual(['x3 queue_full']);
    expect(queued.get('a')).toBe(3);
  });

  test('forgets who has left it', async () => {
    const { come, settled, held } = fullLines(2);
    const first = come('x1', 'x');
    come('x2', 'x');
    first.cancel();
    come('y1', 'y');
    come('z1', 'z');
    expect(await settled()).toEqual(['x1 client_closed_request', 'z1 queue_full']);
    held[0]?.release();
    come('z2', 'z');
    expect(await settled()).toEqual(['x1 client_closed_request', 'z1 queue_full', 'x2 to a']);
  });

  test('stands still no shorter for whom it exchanges', async () => {
    const { come, settled, errors, clock, held, slots } = fullLines(1);
    come('x1', 'x', 'low');
    clock.advance(1_000);
    held[0]?.release();
    expect(await settled()).toEqual(['x1 to a']);
    expect(slots.list()[0]?.used).toBe(1);
    come('x2', 'x', 'low');
    clock.advance(20_000);
    come('y1', 'y', 'high');
    come('z1', 'z', 'low');
    await settled();
    expect(errors.map(({ retryAfterSeconds }) => retryAfterSeconds)).toEqual([20, 20]);
  });
});

describe('a request that waits in several lines', () => {
  test('loses only the one that is full', async () => {
    const { come, settled, held, queued, clock, options } = fullLines(2, ['a', 'b']);
    const [a = option('a', 1), b = option('b', 1)] = options;
    come('x1', 'x');
    const both = come('x2', 'x', 'normal', [
      { ...a, queueTimeoutMs: 90_000 },
      { ...b, queueTimeoutMs: 70_000 },
    ]);
    come('y1', 'y', 'normal', [a]);
    expect(await settled()).toEqual([]);
    expect([queued.get('a'), queued.get('b'), both.position()]).toEqual([2, 2, 2]);
    held[1]?.release();
    expect(await settled()).toEqual(['x1 to b']);
    clock.advance(69_999);
    expect(both.position()).toBe(1);
    clock.advance(1);
    expect(await settled()).toEqual(['x1 to b', 'y1 queue_timeout', 'x2 queue_timeout']);
    expect(clock.pending).toBe(0);
  });

  test('ends when it has lost the last', async () => {
    const { come, settled, queued, clock, options } = fullLines(2, ['a', 'b']);
    come('x1', 'x');
    come('x2', 'x');
    come('y1', 'y', 'normal', options.slice(0, 1));
    expect(await settled()).toEqual([]);
    come('z1', 'z', 'normal', options.slice(1));
    expect(await settled()).toEqual(['x2 queue_full']);
    expect([queued.get('a'), queued.get('b'), clock.pending]).toEqual([2, 2, 3]);
  });

  test('comes to a full line with the same claim when it is sent there', async () => {
    const { come, settled, options } = fullLines(2, ['a', 'b']);
    const [a = option('a', 1), b = option('b', 1)] = options;
    const sent = come('y1', 'y', 'normal', [b]);
    const other = come('x1', 'x', 'normal', [b]);
    come('x2', 'x', 'normal', [a]);
    come('x3', 'x', 'normal', [a]);
    sent.replace([a]);
    other.replace([a]);
    expect(await settled()).toEqual(['x3 queue_full', 'x1 queue_full']);
    expect(sent.position()).toBe(1);
  });

  test('stands once in the line of a deployment that is named twice', async () => {
    const { slots } = setup();
    const [one, other] = [2, 1].map((maxParallelOfModel) => option('a', 3, { maxParallelOfModel, maxQueue: 2 }));
    if (one === undefined || other === undefined) throw new Error('both are there');
    const held = [slots.tryTakeOne(one), slots.tryTakeOne(one)];
    const waiting = slots.wait([one, other]);
    waiting.replace([other, one]);
    expect(slots.list()[0]?.queued).toBe(1);
    const second = slots.wait([one]);
    expect(slots.list()[0]?.queued).toBe(2);
    second.slot.catch(() => undefined);
    second.cancel();
    held[0]?.release();
    held[1]?.release();
    expect((await waiting.slot).provider).toBe('a');
    expect(slots.list()[0]).toMatchObject({ used: 1, queued: 0 });
  });
});
