import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sizeInMemory } from '../../gateway/cache/cached-answer.ts';
import { MemoryStore } from '../../gateway/cache/memory-store.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { answer } from './support.ts';

const KILOBYTE = 1_024;

function setup(maxBytes = 64 * KILOBYTE) {
  const clock = new FakeClock();
  return { clock, store: new MemoryStore(maxBytes, clock) };
}

const sized = (bytes: number) => answer({ body: Buffer.alloc(bytes) });

describe('answers in memory', () => {
  test('are given until their time is up, each its own, without a timer', () => {
    const { clock, store } = setup();
    store.set('long', answer(), 1_000);
    store.set('short', answer(), 10);
    clock.advance(9);
    expect(store.get('short')).not.toBeNull();
    clock.advance(2);
    expect(store.get('short')).toBeNull();
    expect(store.get('long')).not.toBeNull();
    clock.advance(1_000);
    expect(store.get('long')).toBeNull();
    expect(store.bytes).toBe(0);
    expect(clock.pending).toBe(0);
  });

  test('being asked for gives an answer no more time', () => {
    const { clock, store } = setup();
    store.set('a', answer(), 10);
    for (let ms = 0; ms < 12; ms += 1) {
      store.get('a');
      clock.advance(1);
    }
    expect(store.get('a')).toBeNull();
  });

  test('the least recently used goes first', () => {
    const { store } = setup();
    for (const key of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) store.set(key, sized(7 * KILOBYTE), 1_000);
    store.get('a');
    for (const key of ['h', 'i']) store.set(key, sized(7 * KILOBYTE), 1_000);
    expect(store.get('a')).not.toBeNull();
    expect(store.get('b')).toBeNull();
  });

  test('an answer of more than an eighth of the room is not kept, nor one without time', () => {
    const { store } = setup();
    const overhead = sizeInMemory('a', sized(0));
    expect(store.set('a', sized(8 * KILOBYTE - overhead), 1_000)).toBe(true);
    expect(store.set('b', sized(8 * KILOBYTE - overhead + 1), 1_000)).toBe(false);
    expect(store.set('c', answer(), 0)).toBe(false);
    expect(store.entries).toBe(1);
  });

  test('never takes more than its room, and counts what it has, whatever comes', () => {
    const step = fc.record({ key: fc.integer({ max: 30, min: 0 }), bytes: fc.nat(9 * KILOBYTE), ttlMs: fc.nat(50) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const { clock, store } = setup();
        for (const { key, bytes, ttlMs } of steps) {
          store.set(`k${key}`, sized(bytes), ttlMs);
          expect(store.bytes).toBeLessThanOrEqual(64 * KILOBYTE);
          clock.advance(1);
        }
        let counted = 0;
        for (let key = 0; key <= 30; key += 1) {
          const kept = store.get(`k${key}`);
          if (kept !== null) counted += sizeInMemory(`k${key}`, kept);
        }
        expect(store.bytes).toBe(counted);
      }),
    );
  });
});
