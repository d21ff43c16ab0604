// The one stream of changes: merged, in order, resumable, and never more than so much for anybody who is slow.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AdminChange, AdminSnapshot, AdminStatus } from '../../gateway/contract.ts';
import { ChangeRing } from '../../gateway/events/change-ring.ts';
import { EventHub, type HubLimits } from '../../gateway/events/event-hub.ts';
import { FakeClock } from '../support/fake-clock.ts';

const SILENT = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

interface Told {
  readonly event: string;
  readonly id: string;
  readonly data: unknown;
}

/** What was written to one listener; `capacity` events fit before it is full. */
class Listener {
  readonly told: Told[] = [];
  comments = 0;
  isEnded = false;
  isCut = false;
  capacity = Number.POSITIVE_INFINITY;

  write(bytes: Buffer): boolean {
    const text = bytes.toString();
    if (text.startsWith(':')) this.comments += 1;
    else {
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(text)?.[1] ?? '';
      this.told.push({ event: field('event'), id: field('id'), data: JSON.parse(field('data')) });
    }
    this.capacity -= 1;
    return this.capacity > 0;
  }

  end(): void {
    this.isEnded = true;
  }

  cut(): void {
    this.isCut = true;
  }

  get events(): string[] {
    return this.told.map(({ event }) => event);
  }

  get changes(): AdminChange[] {
    return this.told.filter(({ event }) => event === 'change').map(({ data }) => data as AdminChange);
  }
}

function hubWith(limits: Partial<HubLimits> = {}) {
  const clock = new FakeClock();
  const hub = new EventHub({ clock, log: SILENT, instance: 'here', limits });
  let snapshots = 0;
  const snapshot = (): AdminSnapshot => {
    snapshots += 1;
    return { status: { inFlight: snapshots } as Partial<AdminStatus> as AdminStatus, requests: [] };
  };
  const listen = (since: string | null = null) => {
    const listener = new Listener();
    const subscribed = hub.subscribe({ sink: listener, since, snapshot });
    return { listener, subscribed };
  };
  return { clock, hub, listen };
}

/** A change that is told apart by a number. */
function numbered(provider: string, atMs: number): AdminChange {
  return { kind: 'beat', provider, atMs, isOk: true, latencyMs: 1, observed: 'ready', cause: null };
}

function numbersOf(listener: Listener): unknown[] {
  return listener.changes.map((change) => ('atMs' in change ? change.atMs : null));
}

describe('what is sent', () => {
  test('a snapshot comes first, then changes under ids that count up', () => {
    const { clock, hub, listen } = hubWith();
    const { listener } = listen();
    hub.announce(numbered('a', 1));
    clock.advance(0);
    hub.announce(numbered('a', 2));
    clock.advance(250);
    expect(listener.told.map(({ event, id }) => `${event} ${id}`)).toEqual([
      'snapshot here:0',
      'change here:1',
      'change here:2',
    ]);
  });

  test('a thousand changes of one subject within a moment are one: the latest', () => {
    const { clock, hub, listen } = hubWith();
    const { listener } = listen();
    hub.note('a', numbered('a', 0));
    clock.advance(0);
    for (let count = 1; count <= 1000; count += 1) hub.note('a', numbered('a', count));
    clock.advance(249);
    expect(numbersOf(listener)).toEqual([0]);
    clock.advance(1);
    expect(numbersOf(listener)).toEqual([0, 1000]);
  });

  test('what is told late is made late, and what is nothing after all is not sent', () => {
    const { clock, hub, listen } = hubWith();
    const { listener } = listen();
    let made = 0;
    hub.note('a', () => numbered('a', ++made));
    hub.note('a', () => numbered('a', ++made));
    hub.note('b', () => null);
    clock.advance(250);
    expect(numbersOf(listener)).toEqual([1]);
  });

  test('a change that cannot be told takes no other with it', () => {
    const { clock, hub, listen } = hubWith();
    const { listener } = listen();
    hub.note('a', () => {
      throw new Error('no');
    });
    hub.note('b', numbered('b', 2));
    clock.advance(250);
    expect(numbersOf(listener)).toEqual([2]);
  });

  test('announced changes are all sent; so many that they would pile up are sent at once', () => {
    const { clock, hub, listen } = hubWith({ pendingChanges: 10 });
    const { listener } = listen();
    hub.announce(numbered('a', 0));
    clock.advance(0);
    for (let count = 1; count <= 25; count += 1) hub.announce(numbered('a', count));
    expect(numbersOf(listener)).toEqual(Array.from({ length: 23 }, (_, index) => index));
    clock.advance(250);
    expect(numbersOf(listener)).toEqual(Array.from({ length: 26 }, (_, index) => index));
  });

  test('each listener sees every subject go forward only, ends with its latest, and sees the order all others see', () => {
    const step = fc.oneof(
      fc.record({ is: fc.constant('note' as const), subject: fc.constantFrom('a', 'b', 'c') }),
      fc.record({ is: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 400 }) }),
      fc.record({
        is: fc.constant('full' as const),
        who: fc.constantFrom(0, 1),
        capacity: fc.integer({ min: 1, max: 3 }),
      }),
      fc.record({ is: fc.constant('drain' as const), who: fc.constantFrom(0, 1) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { clock, hub, listen } = hubWith();
        const both = [listen(), listen()] as const;
        const latest = new Map<string, number>();
        let count = 0;
        for (const one of steps) {
          if (one.is === 'wait') clock.advance(one.ms);
          else if (one.is === 'note') {
            latest.set(one.subject, ++count);
            hub.note(one.subject, numbered(one.subject, count));
          } else if (one.is === 'full') both[one.who].listener.capacity = one.capacity;
          else {
            both[one.who].listener.capacity = Number.POSITIVE_INFINITY;
            both[one.who].subscribed.drained();
          }
        }
        clock.advance(1_000);
        for (const { listener, subscribed } of both) {
          listener.capacity = Number.POSITIVE_INFINITY;
          subscribed.drained();
        }
        const [first, second] = both.map(({ listener }) => numbersOf(listener) as number[]);
        expect(first).toEqual(second);
        expect(first).toEqual([...(first ?? [])].sort((a, b) => a - b));
        const last = new Map(
          both[0].listener.changes.map((change) => [
            ('provider' in change ? change.provider : '') as string,
            'atMs' in change ? change.atMs : 0,
          ]),
        );
        expect(last).toEqual(new Map([...last.keys()].map((subject) => [subject, latest.get(subject)])));
        expect([...last.keys()].sort()).toEqual([...latest.keys()].sort());
        hub.close();
        expect(clock.pending).toBe(0);
      }),
    );
  });
});

describe('a listener that is slow', () => {
  test('gets what it missed one by one when that is little', () => {
    const { clock, hub, listen } = hubWith();
    const { listener, subscribed } = listen();
    listener.capacity = 1;
    for (let count = 1; count <= 20; count += 1) {
      hub.announce(numbered('a', count));
      clock.advance(250);
    }
    expect(numbersOf(listener)).toEqual([1]);
    listener.capacity = Number.POSITIVE_INFINITY;
    subscribed.drained();
    expect(numbersOf(listener)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
    expect(listener.events.filter((event) => event === 'snapshot')).toHaveLength(1);
  });

  test('gets a fresh snapshot when it is much, and nothing that came before it', () => {
    const { clock, hub, listen } = hubWith({ mostBehind: 50 });
    const { listener, subscribed } = listen();
    listener.capacity = 1;
    for (let count = 1; count <= 100; count += 1) hub.announce(numbered('a', count));
    clock.advance(250);
    listener.capacity = Number.POSITIVE_INFINITY;
    subscribed.drained();
    hub.announce(numbered('a', 101));
    clock.advance(250);
    expect(listener.events).toEqual(['snapshot', 'change', 'snapshot', 'change']);
    expect(numbersOf(listener)).toEqual([1, 101]);
  });

  test('is another than one that takes all at once, which gets every change of a burst', () => {
    const { clock, hub, listen } = hubWith({ mostBehind: 50 });
    const { listener } = listen();
    for (let count = 1; count <= 100; count += 1) hub.announce(numbered('a', count));
    clock.advance(250);
    expect(numbersOf(listener)).toHaveLength(100);
  });

  test('holds up nobody else, and is cut off after a minute', () => {
    const { clock, hub, listen } = hubWith();
    const slow = listen().listener;
    const quick = listen().listener;
    slow.capacity = 1;
    for (let count = 1; count <= 10; count += 1) {
      hub.announce(numbered('a', count));
      clock.advance(250);
    }
    expect(numbersOf(quick)).toHaveLength(10);
    clock.advance(45_000);
    expect([slow.isCut, quick.isCut]).toEqual([false, false]);
    clock.advance(30_000);
    expect([slow.isCut, quick.isCut]).toEqual([true, false]);
  });
});

describe('coming back', () => {
  test('with the last id, only what was missed is sent', () => {
    const { clock, hub, listen } = hubWith();
    const first = listen();
    hub.announce(numbered('a', 1));
    clock.advance(250);
    first.subscribed.close();
    hub.announce(numbered('a', 2));
    clock.advance(250);
    const again = listen(first.listener.told.at(-1)?.id ?? '').listener;
    expect(again.told).toEqual([{ event: 'change', id: 'here:2', data: numbered('a', 2) }]);
  });

  test.each([
    ['of another start', 'there:1'],
    ['that is no id', 'nonsense'],
    ['of the future', 'here:99'],
  ])('with an id %s, a snapshot is sent', (_what, since) => {
    const { clock, hub, listen } = hubWith();
    listen();
    hub.announce(numbered('a', 1));
    clock.advance(250);
    expect(listen(since).listener.events).toEqual(['snapshot']);
  });

  test('after what was missed has gone out of the ring, a snapshot is sent', () => {
    const { clock, hub, listen } = hubWith({ keptChanges: 5 });
    listen();
    for (let count = 1; count <= 10; count += 1) hub.announce(numbered('a', count));
    clock.advance(250);
    expect(listen('here:4').listener.events).toEqual(['snapshot']);
    expect(listen('here:5').listener.events).toEqual(['change', 'change', 'change', 'change', 'change']);
  });

  test('after nobody listened for long, nothing is kept and a snapshot is sent', () => {
    const { clock, hub, listen } = hubWith();
    const { listener, subscribed } = listen();
    subscribed.close();
    clock.advance(29_999);
    expect(hub.isWatched).toBe(true);
    clock.advance(1);
    expect([hub.isWatched, clock.pending]).toEqual([false, 0]);
    expect(listen(listener.told.at(-1)?.id ?? '').listener.events).toEqual(['snapshot']);
  });
});

describe('listeners', () => {
  test('nothing is made while nobody listens', () => {
    const { clock, hub } = hubWith();
    hub.note('a', () => {
      throw new Error('nobody asked');
    });
    expect([hub.isWatched, clock.pending]).toEqual([false, 0]);
  });

  test('whoever watches is told when somebody begins to listen and when nobody does any more', () => {
    const { clock, hub, listen } = hubWith();
    const told: boolean[] = [];
    hub.onWatched((isWatched) => void told.push(isWatched));
    const one = listen().subscribed;
    const two = listen().subscribed;
    one.close();
    two.close();
    expect(told).toEqual([true]);
    clock.advance(30_000);
    expect(told).toEqual([true, false]);
  });

  test('a comment every 15 seconds shows that the stream is alive', () => {
    const { clock, listen } = hubWith();
    const { listener } = listen();
    clock.advance(45_000);
    expect([listener.comments, listener.events]).toEqual([3, ['snapshot']]);
  });

  test('one too many is refused', () => {
    const { listen } = hubWith({ subscribers: 2 });
    listen();
    listen();
    expect(() => listen()).toThrow('2 listeners');
  });

  test('the end is told, nothing is left behind, and nobody can begin', () => {
    const { clock, hub, listen } = hubWith();
    const { listener } = listen();
    hub.close();
    expect([listener.events.at(-1), listener.isEnded, clock.pending]).toEqual(['end', true, 0]);
    expect(() => listen()).toThrow('shutting down');
  });
});

test('the ring keeps no more than it may, and knows exactly what it keeps', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.integer({ min: 0, max: 40 }), fc.constant('clear' as const)), { maxLength: 200 }),
      fc.nat(250),
      (steps, since) => {
        const ring = new ChangeRing({ changes: 20, bytes: 200 });
        let all: number[] = [];
        for (const step of steps) {
          if (step === 'clear') {
            ring.clear();
            all = [];
            continue;
          }
          ring.add((number) => {
            all.push(number);
            return Buffer.alloc(step);
          });
          expect(ring.size <= 20 && ring.bytes <= 200).toBe(true);
        }
        const kept = all.slice(all.length - ring.size);
        const found = ring.after(since)?.map(({ number }) => number) ?? null;
        if (since > ring.last || since < ring.last - ring.size) expect(found).toBeNull();
        else expect(found).toEqual(kept.filter((number) => number > since));
      },
    ),
  );
});
