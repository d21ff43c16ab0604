import { describe, expect, test } from 'vitest';
import { busyLine, from, option, Served, setup } from './slots-support.ts';

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

  test('of several lines the position is that in the one where it stands best', () => {
    const { slots } = setup();
    const [a, b] = [option('a', 1), option('b', 1)];
    slots.tryTake([a]);
    slots.tryTake([b]);
    for (const client of ['x', 'y']) slots.wait([b], from(client));
    slots.wait([a], from('x'));
    expect(slots.wait([b, a], from('z')).position()).toBe(2);
    expect(slots.wait([a, b], from('w')).position()).toBe(3);
    for (let count = 0; count < 3; count += 1) slots.wait([a], from(`v${count}`));
    expect(slots.wait([a, b], from('u')).position()).toBe(5);
  });
});
