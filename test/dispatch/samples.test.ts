import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PromptRatios } from '../../gateway/dispatch/prompt-ratio.ts';
import { Ratio, SampleWindow } from '../../gateway/dispatch/samples.ts';

const series = fc.array(fc.record({ waitMs: fc.nat(5_000), value: fc.integer({ min: 0, max: 10_000 }) }), {
  maxLength: 60,
});

describe('a window of samples', () => {
  test('knows only the latest ones that are young enough', () => {
    fc.assert(
      fc.property(
        series,
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 50_000 }),
        (all, capacity, ttlMs) => {
          const window = new SampleWindow(capacity);
          const taken: { atMs: number; value: number }[] = [];
          let now = 0;
          for (const { waitMs, value } of all) {
            now += waitMs;
            window.add(now, value);
            taken.push({ atMs: now, value });
          }
          const young = taken.slice(-capacity).filter(({ atMs }) => now - atMs < ttlMs);
          const values = young.map(({ value }) => value).sort((a, b) => a - b);
          expect(window.countWithin(now, ttlMs)).toBe(young.length);
          if (young.length === 0) {
            expect([window.smoothed(now, ttlMs), window.mean(now, ttlMs), window.percentile(now, ttlMs, 0.95)]).toEqual(
              [null, null, null],
            );
            return;
          }
          const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
          expect(window.mean(now, ttlMs)).toBeCloseTo(mean, 6);
          expect(window.percentile(now, ttlMs, 0.95)).toBe(values[Math.ceil(values.length * 0.95) - 1]);
          const smoothed = window.smoothed(now, ttlMs) ?? -1;
          expect(smoothed).toBeGreaterThanOrEqual((values[0] ?? 0) - 1e-9);
          expect(smoothed).toBeLessThanOrEqual((values.at(-1) ?? 0) + 1e-9);
        },
      ),
    );
  });

  test('believes newer samples more: a server that became fast is found fast after a few', () => {
    const window = new SampleWindow(100);
    for (let at = 0; at < 100; at += 1) window.add(at, 1_000);
    for (let at = 100; at < 110; at += 1) window.add(at, 10);
    expect(window.smoothed(110, 1_000)).toBeLessThan(400);
    expect(window.mean(110, 1_000)).toBeGreaterThan(900);
  });

  test('is the same after it was saved and restored', () => {
    fc.assert(
      fc.property(series, (all) => {
        const window = new SampleWindow(20);
        let now = 0;
        for (const { waitMs, value } of all) {
          now += waitMs;
          window.add(now, value);
        }
        const restored = new SampleWindow(20, window.saved(20));
        expect(restored.smoothed(now, 9_000)).toEqual(window.smoothed(now, 9_000));
        expect(restored.saved(20)).toEqual(window.saved(20));
      }),
    );
  });

  test('keeps its order when the clock is set back', () => {
    const window = new SampleWindow(10);
    window.add(5_000, 1);
    window.add(1_000, 2);
    expect(window.saved(10)).toEqual([
      [5_000, 1],
      [5_000, 2],
    ]);
  });
});

describe('a ratio', () => {
  test('lies between the lowest and the highest of its parts, and large parts weigh more', () => {
    const part = fc.record({ amount: fc.integer({ min: 1, max: 1_000 }), per: fc.integer({ min: 1, max: 1_000 }) });
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 100 }), (parts) => {
        const ratio = new Ratio();
        for (const { amount, per } of parts) ratio.add(amount, per);
        const all = parts.map(({ amount, per }) => amount / per);
        expect(ratio.value ?? -1).toBeGreaterThanOrEqual(Math.min(...all) * (1 - 1e-9));
        expect(ratio.value ?? -1).toBeLessThanOrEqual(Math.max(...all) * (1 + 1e-9));
      }),
    );
    const rate = new Ratio();
    rate.add(10, 100);
    rate.add(10_000, 10_000);
    expect(rate.value).toBeGreaterThan(0.9);
  });

  test.each([
    [Number.NaN, 1],
    [1, 0],
    [1, Number.NaN],
    [-1, 1],
    [Number.POSITIVE_INFINITY, 1],
  ])('passes over %d per %d', (amount, per) => {
    const ratio = new Ratio();
    ratio.add(amount, per);
    expect(ratio.value).toBeNull();
  });
});

describe('characters per token', () => {
  test('stay between 1 and 8, whatever is reported', () => {
    const report = fc.record({ characters: fc.double({ noNaN: true, min: 0, max: 1e9 }), tokens: fc.nat(1_000_000) });
    fc.assert(
      fc.property(fc.array(report, { maxLength: 50 }), (reports) => {
        const ratios = new PromptRatios();
        for (const { characters, tokens } of reports) ratios.note('m', characters, tokens);
        expect(ratios.charactersPerToken('m')).toBeGreaterThanOrEqual(1);
        expect(ratios.charactersPerToken('m')).toBeLessThanOrEqual(8);
      }),
    );
  });

  test('are 4 for a name nobody knows, near what long prompts prove, and hardly moved by a short one', () => {
    const ratios = new PromptRatios();
    expect(ratios.charactersPerToken('m')).toBe(4);
    ratios.note('m', 6, 36);
    expect(ratios.charactersPerToken('m')).toBeGreaterThan(3.7);
    for (let count = 0; count < 20; count += 1) ratios.note('m', 4_400, 2_000);
    expect(ratios.charactersPerToken('m')).toBeCloseTo(2.2, 1);
    expect(ratios.charactersPerToken('other')).toBe(4);
    expect(new PromptRatios(ratios.saved()).charactersPerToken('m')).toBeCloseTo(2.2, 1);
  });
});
