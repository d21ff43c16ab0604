// Whose turn it is among the classes, also where a class can use only some of the places that free.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ClassTurns } from '../../gateway/dispatch/queue/class-turns.ts';

/** How often in a row each may be passed over. */
const MOST = { h: 3, n: 10, l: 24 };

/** Who gets each place, one letter for each; of `could`, each word names the classes that could take that place. */
function turnsOf(could: readonly string[]): string {
  const turns = new ClassTurns();
  return could
    .map((who) => 'hnl'[turns.next(who.includes('h'), who.includes('n'), who.includes('l')) ?? 3] ?? '-')
    .join('');
}

function again(times: number, ...could: string[]): string[] {
  return Array.from({ length: times }, () => could).flat();
}

describe('the turns of the classes', () => {
  test('nobody who could take a place gets none, and nobody else gets one', () => {
    expect(turnsOf(['', 'h', 'n', 'l', 'nl', 'hl', 'hn', 'hnl', ''])).toBe('-hnlnhhh-');
  });

  test('low is passed over 24 times at most, though it never could take the places that high left', () => {
    expect(turnsOf([...again(6, 'hl', 'hl', 'hl', 'hl', 'hn'), 'hl'])).toBe(`${'hhhhn'.repeat(6)}l`);
  });

  test('normal is passed over 9 times at most, though it never could take the places that high left', () => {
    expect(turnsOf([...again(2, 'hn', 'hn', 'hn', 'hn', 'hl'), 'hn', 'hn'])).toBe('hhhhlhhhhlhn');
  });

  test('a class is not owed anything for places that it could not take, nor for those nobody else wanted', () => {
    expect(turnsOf([...again(30, 'h'), 'hnl', ...again(30, 'n'), 'nl'])).toBe(`${'h'.repeat(31)}${'n'.repeat(31)}`);
    expect(turnsOf([...again(40, 'hn'), ...again(4, 'l'), 'hl']).slice(-5)).toBe('llllh');
  });

  test('whatever each could take: low waits for 24 others at most, normal for 10, high for 3', () => {
    const who = fc.constantFrom('h', 'hl', 'hl', 'hn', 'hn', 'hnl', 'nl', 'l', 'n');
    const pattern = fc.array(who, { minLength: 1, maxLength: 7 });
    fc.assert(
      fc.property(fc.array(pattern, { minLength: 1, maxLength: 3 }), (patterns) => {
        const could = patterns.flatMap((one) => again(30, ...one));
        const passedOver = { h: 0, n: 0, l: 0 };
        for (const [index, got] of [...turnsOf(could)].entries())
          for (const each of ['h', 'n', 'l'] as const) {
            if (each === got) passedOver[each] = 0;
            else if (could[index]?.includes(each)) passedOver[each] += 1;
            if (passedOver[each] > MOST[each]) expect([each, passedOver[each]]).toEqual([each, MOST[each]]);
          }
      }),
      { numRuns: 300 },
    );
  });
});
