import fc from 'fast-check';
import { expect, test } from 'vitest';
import { emptySettings } from '../../gateway/config/defaults.ts';
import { Packer } from '../../gateway/history/pack.ts';
import { Repeats } from '../../gateway/history/repeats.ts';
import { unpackOutcomes } from '../../gateway/history/unpack.ts';
import { readFacts } from '../../gateway/routing/facts.ts';
import { outcome } from './support.ts';

/** Few different ones, so that many are equal, and some that differ have one hash (fractions do not count in it). */
const thing = fc.array(fc.constantFrom(0, 0.5, 1, -1, Number.NaN, Number.POSITIVE_INFINITY), { maxLength: 4 });

test('two things have one number exactly when they are equal, but for those whose hash another has taken', () => {
  fc.assert(
    fc.property(fc.array(thing, { maxLength: 30 }), (things) => {
      const repeats = new Repeats();
      const numbers = Float64Array.from(things.flat());
      let start = 0;
      const given = things.map((one) => {
        const next = repeats.count;
        const number = repeats.numberOf(numbers, start, start + one.length);
        start += one.length;
        expect(number).toBeLessThanOrEqual(next);
        expect(repeats.count).toBe(number === next ? next + 1 : next);
        return number;
      });
      for (const [index, number] of given.entries()) {
        expect(things[given.indexOf(number)]).toEqual(things[index]);
        if (index > 0 && String(things[index]) === String(things[index - 1])) expect(number).toBe(given[index - 1]);
      }
    }),
  );
});

function basis(maxTokens: number, headers: Record<string, string> = {}) {
  const facts = readFacts({
    ...outcome(),
    headers,
    body: { model: 'm', max_tokens: maxTokens, messages: [] },
    bodyBytes: 10,
    conversationSecret: 'secret',
    charactersPerToken: 4,
  });
  return { facts, snapshot: { atMs: 0, version: 1, providers: new Map() }, settings: emptySettings() };
}

test('equal facts are packed once, whatever differs between the requests besides', () => {
  const packer = new Packer();
  packer.add(outcome({ id: 'a', durationMs: 1 }), basis(5, { 'user-agent': 'curl' }));
  packer.add(outcome({ id: 'b', durationMs: 2 }), basis(6, { 'user-agent': 'curl' }));
  packer.add(outcome({ id: 'c', durationMs: 3 }), basis(5, { 'user-agent': 'curl' }));
  packer.add(outcome({ id: 'd', durationMs: 4 }), basis(5, { 'user-agent': 'wget' }));
  packer.add(outcome({ id: 'e' }));
  const { outcomes, facts } = unpackOutcomes(packer.finish());
  expect(outcomes.map((one) => [one.id, one.basis?.factsLine])).toEqual([
    ['a', 0],
    ['b', 1],
    ['c', 0],
    ['d', 2],
    ['e', undefined],
  ]);
  expect(facts.map((line) => JSON.parse(line))).toMatchObject([
    { maxTokens: 5, headers: { 'user-agent': 'curl' } },
    { maxTokens: 6, headers: { 'user-agent': 'curl' } },
    { maxTokens: 5, headers: { 'user-agent': 'wget' } },
  ]);
});

test('a batch knows nothing of what an earlier one packed', () => {
  const packer = new Packer();
  for (let batch = 0; batch < 2; batch++) {
    packer.add(outcome(), basis(5));
    const { decisions, facts } = unpackOutcomes(packer.finish());
    expect([decisions.length, facts.length]).toEqual([1, 1]);
  }
});
