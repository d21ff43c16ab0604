import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { largestValue, leastValue, Sketch } from '../../gateway/history/sketch.ts';

function sketchOf(values: readonly number[]): Sketch {
  const sketch = new Sketch();
  for (const value of values) sketch.add(value);
  return sketch;
}

function exactQuantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1] ?? Number.NaN;
}

/** From microseconds to months, in ms: as many small ones as large ones. */
const value = fc.double({ min: Math.log(leastValue), max: Math.log(largestValue), noNaN: true }).map(Math.exp);
const values = fc.array(value, { minLength: 1, maxLength: 300 });
const share = fc.double({ min: 0, max: 1, noNaN: true });

describe('a sketch', () => {
  test('gives any percentile within one percent', () => {
    fc.assert(
      fc.property(values, share, (some, q) => {
        const exact = exactQuantile(some, q);
        expect(Math.abs((sketchOf(some).quantile(q) ?? Number.NaN) - exact)).toBeLessThanOrEqual(exact * 0.0100001);
      }),
    );
  });

  test('made of parts is the sketch of the whole, in whatever order they are merged', () => {
    fc.assert(
      fc.property(fc.array(values, { minLength: 1, maxLength: 6 }), fc.boolean(), (parts, isStored) => {
        const merged = new Sketch();
        for (const part of parts.toReversed()) {
          const sketch = sketchOf(part);
          if (isStored) merged.addBytes(sketch.toBytes());
          else merged.merge(sketch);
        }
        const whole = sketchOf(parts.flat());
        expect(merged.toBytes()).toEqual(whole.toBytes());
        expect(merged.count).toBe(parts.flat().length);
      }),
    );
  });

  test('counts as zero what is too small to be told apart, and what is too large as the largest', () => {
    const sketch = sketchOf([0, -5, 1e-9, Number.NaN, 1e30]);
    expect(sketch.count).toBe(5);
    expect(sketch.quantile(0.8)).toBe(0);
    expect(Math.abs((sketch.quantile(1) ?? 0) / largestValue - 1)).toBeLessThan(0.0100001);
  });

  test('of nothing has no percentiles and takes no room', () => {
    expect(new Sketch().quantile(0.5)).toBeNull();
    expect(new Sketch().toBytes()).toBeNull();
  });

  test('of ten thousand latencies takes less than a kilobyte', () => {
    const latencies = Array.from({ length: 10_000 }, (_, index) => 20 + (index % 997) * 1.7);
    expect(sketchOf(latencies).toBytes()?.length).toBeLessThan(1_024);
  });

  test('refuses bytes that are none', () => {
    for (const bytes of [
      [2, 1, 1],
      [1, 5],
      [1, 200],
      [1, 255, 255, 127, 1],
    ]) {
      expect(() => new Sketch().addBytes(Uint8Array.from(bytes))).toThrow(RangeError);
    }
  });
});
