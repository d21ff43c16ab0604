import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { defaultStrategyOptions } from '../../gateway/config/defaults.ts';
import { strategies } from '../../gateway/routing/strategies/index.ts';
import { turnCycle, wholeWeights } from '../../gateway/routing/strategies/smooth-turns.ts';
import {
  type Contender,
  type LearnedFacts,
  noShare,
  type Share,
  type Strategy,
  type StrategyInput,
} from '../../gateway/routing/strategies/strategy.ts';
import { byOrder } from '../../gateway/routing/strategies/usage.ts';
import { model, provider, seeded } from './worlds.ts';

const nothingLearned: LearnedFacts = {
  firstContentMs: null,
  perTokenMs: null,
  firstContentP95Ms: null,
  samplesInHour: 0,
  successRate: null,
  requestsInMinute: 0,
  tokensInMinute: 0,
  loadMs: null,
  prefillTokensPerSecond: null,
  serviceMs: null,
  cachedTokens: 0,
  isDegraded: false,
};

interface Sketch {
  readonly provider?: Parameters<typeof provider>[1];
  readonly share?: Partial<Share>;
  readonly learned?: Partial<LearnedFacts>;
  readonly facts?: Parameters<typeof model>[1];
}

function contender(name: string, sketch: Sketch = {}): Contender {
  return {
    provider: provider(name, sketch.provider),
    model: 'm',
    facts: model('m', sketch.facts),
    share: { ...noShare, ...sketch.share },
    learned: sketch.learned ? { ...nothingLearned, ...sketch.learned } : null,
  };
}

function input(changes: Partial<StrategyInput> = {}): StrategyInput {
  return {
    promptTokens: 100,
    isStream: true,
    dice: seeded(1),
    turn: () => 0,
    options: defaultStrategyOptions,
    ...changes,
  };
}

function names(
  strategy: Strategy,
  contenders: readonly Contender[],
  changes: Partial<StrategyInput> = {},
): readonly string[] {
  return strategy(contenders, input(changes)).order.map((index) => contenders[index]?.provider.name ?? '?');
}

function firstCounts(
  strategy: Strategy,
  contenders: readonly Contender[],
  rounds: number,
): Readonly<Record<string, number>> {
  const dice = seeded(42);
  const counts: Record<string, number> = {};
  for (let turn = 0; turn < rounds; turn += 1) {
    const [first] = names(strategy, contenders, { dice, turn: () => turn });
    if (first !== undefined) counts[first] = (counts[first] ?? 0) + 1;
  }
  return counts;
}

const everyStrategy = Object.entries({ ...strategies, order: byOrder });

const anyContender = fc
  .record({
    inFlight: fc.nat(5),
    slots: fc.constantFrom(null, 1, 4),
    weight: fc.constantFrom(null, 0, 0.3, 0.7, 1, 5),
    rpm: fc.constantFrom(null, 0, 10, 100),
    priority: fc.constantFrom(null, 1, 5),
    cost: fc.constantFrom(null, 0, 0.1, 2),
    latency: fc.constantFrom(null, 5, 100),
    isDegraded: fc.boolean(),
    isKnown: fc.boolean(),
    context: fc.constantFrom(null, 2048, 8192),
    isLoaded: fc.constantFrom(null, true, false),
  })
  .map(
    (one) => (name: string) =>
      contender(name, {
        provider: {
          load: { inFlight: one.inFlight, queued: 0 },
          maxParallelRequests: one.slots,
          loadsOnDemand: true,
          priority: one.priority ?? 0,
        },
        share: { weight: one.weight, rpm: one.rpm, priority: one.priority, inputCostPerToken: one.cost },
        facts: { contextLoaded: one.context, isLoaded: one.isLoaded },
        ...(one.isKnown
          ? {
              learned: {
                firstContentMs: one.latency,
                firstContentP95Ms: one.latency,
                samplesInHour: 9,
                isDegraded: one.isDegraded,
              },
            }
          : {}),
      }),
  );

const anyContenders = fc
  .array(anyContender, { minLength: 1, maxLength: 6 })
  .map((makers) => makers.map((make, index) => make(`p${index}`)));

describe.each(everyStrategy)('%s', (_name, strategy) => {
  test('orders every contender exactly once, with figures for each, and the same dice order the same', () => {
    fc.assert(
      fc.property(anyContenders, fc.nat(), fc.nat(1000), fc.boolean(), (contenders, seed, turn, isStream) => {
        const once = strategy(contenders, input({ dice: seeded(seed), turn: () => turn, isStream }));
        const again = strategy(contenders, input({ dice: seeded(seed), turn: () => turn, isStream }));
        expect(again).toEqual(once);
        expect([...once.order].sort((a, b) => a - b)).toEqual(contenders.map((_, index) => index));
        expect(once.terms).toHaveLength(contenders.length);
        for (const terms of once.terms) for (const value of Object.values(terms)) expect(typeof value).toBe('number');
      }),
      { numRuns: 200 },
    );
  });
  test('equals share the first place evenly', () => {
    const counts = firstCounts(
      strategy,
      ['a', 'b', 'c'].map((name) => contender(name)),
      3_000,
    );
    for (const name of ['a', 'b', 'c']) {
      expect(counts[name]).toBeGreaterThan(850);
      expect(counts[name]).toBeLessThan(1_150);
    }
  });
});

describe('shuffle', () => {
  test('draws by weight', () => {
    const counts = firstCounts(
      strategies.shuffle,
      [contender('a', { share: { weight: 3 } }), contender('b', { share: { weight: 1 } })],
      4_000,
    );
    expect((counts.a ?? 0) / 4_000).toBeCloseTo(0.75, 1);
  });
  test('draws by rpm where nobody has a weight, and who lacks it counts as the smallest given', () => {
    const contenders = [
      contender('a', { share: { rpm: 100 } }),
      contender('b', { share: { rpm: 50 } }),
      contender('c'),
    ];
    const counts = firstCounts(strategies.shuffle, contenders, 4_000);
    expect((counts.a ?? 0) / 4_000).toBeCloseTo(0.5, 1);
    expect((counts.c ?? 0) / 4_000).toBeCloseTo(0.25, 1);
  });
  test('a weight of nothing comes last, and still comes', () => {
    const contenders = [contender('a', { share: { weight: 0 } }), contender('b', { share: { weight: 1 } })];
    expect(firstCounts(strategies.shuffle, contenders, 500)).toEqual({ b: 500 });
    expect(names(strategies.shuffle, contenders)).toEqual(['b', 'a']);
  });
  test('a degraded one counts half', () => {
    const counts = firstCounts(
      strategies.shuffle,
      [contender('a', { learned: { isDegraded: true } }), contender('b')],
      3_000,
    );
    expect((counts.a ?? 0) / 3_000).toBeCloseTo(1 / 3, 1);
  });
});

describe('least busy', () => {
  const at = (name: string, inFlight: number, changes: Parameters<typeof provider>[1] = {}) =>
    contender(name, { provider: { load: { inFlight, queued: 0 }, ...changes } });
  test('fewest in flight per slot goes first', () => {
    expect(names(strategies.least_busy, [at('a', 2), at('b', 1), at('c', 3, { maxParallelRequests: 4 })])).toEqual([
      'c',
      'b',
      'a',
    ]);
  });
  test('what the engine reports of other clients counts too', () => {
    expect(names(strategies.least_busy, [at('a', 0, { busy: { running: 2, waiting: 1 } }), at('b', 1)])).toEqual([
      'b',
      'a',
    ]);
  });
  test('never asks one that is busier than another', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(9), { minLength: 1, maxLength: 6 }), fc.nat(), (loads, seed) => {
        const contenders = loads.map((load, index) => at(`p${index}`, load));
        const order = strategies
          .least_busy(contenders, input({ dice: seeded(seed) }))
          .order.map((index) => loads[index] ?? 0);
        expect(order).toEqual([...loads].sort((a, b) => a - b));
      }),
    );
  });
});

describe('round robin', () => {
  const weights = fc.array(fc.constantFrom(1, 2, 3, 5, 7), { minLength: 1, maxLength: 5 });
  test('is exact over any window of the sum of the weights', () => {
    fc.assert(
      fc.property(weights, fc.nat(500), (list, start) => {
        const contenders = list.map((weight, index) => contender(`p${index}`, { share: { weight } }));
        const whole = wholeWeights(list);
        const total = whole.reduce((sum, weight) => sum + weight, 0);
        const counts = list.map(() => 0);
        for (let turn = start; turn < start + total; turn += 1) {
          const [first] = strategies.weighted_round_robin(contenders, input({ turn: () => turn })).order;
          if (first !== undefined) counts[first] = (counts[first] ?? 0) + 1;
        }
        expect(counts).toEqual(whole);
      }),
    );
  });
  test('is nginx’s sequence: 5, 1, 1 gives a a b a c a a', () => {
    expect([...turnCycle([5, 1, 1])]).toEqual([0, 0, 1, 0, 2, 0, 0]);
  });
  test('decimals are scaled: 0.7 and 0.3 are 7 and 3', () => {
    expect(wholeWeights([0.7, 0.3])).toEqual([7, 3]);
    expect(wholeWeights([70, 30])).toEqual([7, 3]);
    expect(wholeWeights([0, 0])).toEqual([1, 1]);
  });
  test('a cycle is never endless, and nobody with a weight is left out', () => {
    const whole = wholeWeights([1_000_003, 1, 999_983]);
    expect(whole.reduce((sum, weight) => sum + weight, 0)).toBeLessThan(10_003);
    expect(whole[1]).toBe(1);
  });
  test('another set of members is another pool with turns of its own', () => {
    const pools = new Set<string>();
    const turn = (pool: string) => {
      pools.add(pool);
      return 0;
    };
    const [a, b] = [contender('a'), contender('b')];
    names(strategies.round_robin, [a, b], { turn });
    names(strategies.round_robin, [a], { turn });
    names(strategies.round_robin, [a, b], { turn });
    expect(pools.size).toBe(2);
  });
});

describe('latency', () => {
  const measured = (name: string, firstContentMs: number | null) =>
    contender(name, { learned: { firstContentMs, perTokenMs: firstContentMs } });
  const unexplored = { dice: () => 0.5 };
  test('unseen ones first, then the lowest', () => {
    expect(names(strategies.latency, [measured('a', 50), measured('b', 20), measured('c', null)], unexplored)).toEqual([
      'c',
      'b',
      'a',
    ]);
  });
  test('those within the buffer of the lowest are equals', () => {
    const options = { ...defaultStrategyOptions, lowestLatencyBuffer: 0.5 };
    const contenders = [measured('a', 100), measured('b', 140), measured('c', 200)];
    const firsts = new Set<string | undefined>();
    for (let seed = 0; seed < 50; seed += 1) {
      const dice = seeded(seed);
      const first = dice();
      if (first >= 0.05) firsts.add(names(strategies.latency, contenders, { dice: seeded(seed), options })[0]);
    }
    expect(firsts).toEqual(new Set(['a', 'b']));
  });
  test('one request in twenty explores', () => {
    const counts = firstCounts(strategies.latency, [measured('a', 10), measured('b', 500)], 10_000);
    expect((counts.b ?? 0) / 10_000).toBeCloseTo(0.025, 2);
  });
  test('a degraded one counts twice its time', () => {
    const slow = contender('a', { learned: { firstContentMs: 60, isDegraded: true } });
    expect(names(strategies.latency, [slow, measured('b', 100)], unexplored)).toEqual(['b', 'a']);
  });
});

test('fastest response: too few samples first, then the lowest p95', () => {
  const of = (name: string, firstContentP95Ms: number, samplesInHour: number) =>
    contender(name, { learned: { firstContentP95Ms, samplesInHour } });
  expect(names(strategies.fastest_response, [of('a', 90, 5), of('b', 30, 50), of('c', 500, 4)])).toEqual([
    'c',
    'b',
    'a',
  ]);
});

describe('usage', () => {
  const of = (name: string, share: Partial<Share>, learned: Partial<LearnedFacts> = {}) =>
    contender(name, { share, learned });
  test('higher priority first, then lower order, then the lower fraction used', () => {
    const contenders = [
      of('a', { rpm: 100, priority: 1 }),
      of('b', { rpm: 100, priority: 10, order: 2 }),
      of('c', { rpm: 100, priority: 10, order: 1 }, { requestsInMinute: 50 }),
      of('d', { rpm: 1000, priority: 10, order: 1 }, { requestsInMinute: 100 }),
    ];
    expect(names(strategies.usage, contenders)).toEqual(['d', 'c', 'b', 'a']);
  });
  test('the larger of the two fractions counts', () => {
    const contenders = [
      of('a', { rpm: 100, tpm: 1000 }, { tokensInMinute: 800 }),
      of('b', { rpm: 100, tpm: 1000 }, { requestsInMinute: 50 }),
    ];
    expect(names(strategies.usage, contenders)).toEqual(['b', 'a']);
  });
});

describe('usage based score', () => {
  test('is the weighted sum, with unknown values and no cost as good as the best', () => {
    const contenders = [
      contender('a', { learned: { firstContentMs: 100, successRate: 0.5 }, share: { inputCostPerToken: 2 } }),
      contender('b', { learned: { firstContentMs: 200, successRate: 1 }, share: { inputCostPerToken: 1 } }),
      contender('c'),
    ];
    const { terms, order } = strategies.usage_based(contenders, input());
    expect(terms.map(({ score }) => Math.round((score ?? 0) * 1000) / 1000)).toEqual([0.7, 0.8, 1]);
    expect(order).toEqual([2, 1, 0]);
  });
});

describe('cost', () => {
  const priced = (name: string, inputCostPerToken: number | null, inFlight = 0) =>
    contender(name, { share: { inputCostPerToken }, provider: { load: { inFlight, queued: 0 } } });
  test('the cheapest first, and no price is free', () => {
    expect(names(strategies.cost, [priced('a', 2), priced('b', null), priced('c', 1)])).toEqual(['b', 'c', 'a']);
  });
  test('the fallback strategy decides among those within 5 % of the cheapest only', () => {
    const options = { ...defaultStrategyOptions, fallbackStrategy: 'least_busy' as const };
    const contenders = [priced('a', 1, 3), priced('b', 1.05, 1), priced('c', 1.06, 0)];
    expect(names(strategies.cost, contenders, { options })).toEqual(['b', 'a', 'c']);
  });
});

test('most capacity: loaded context times free slots', () => {
  const of = (name: string, contextLoaded: number, slots: number, inFlight: number) =>
    contender(name, {
      facts: { contextLoaded },
      provider: { maxParallelRequests: slots, load: { inFlight, queued: 0 } },
    });
  expect(names(strategies.most_capacity, [of('a', 8192, 4, 3), of('b', 4096, 4, 0), of('c', 100_000, 1, 1)])).toEqual([
    'b',
    'a',
    'c',
  ]);
});

describe('predicted', () => {
  test('with nothing learned: warm first, then the least busy', () => {
    const of = (name: string, isLoaded: boolean, inFlight: number) =>
      contender(name, { facts: { isLoaded }, provider: { loadsOnDemand: true, load: { inFlight, queued: 0 } } });
    expect(names(strategies.predicted, [of('a', false, 0), of('b', true, 1), of('c', true, 0)])).toEqual([
      'c',
      'b',
      'a',
    ]);
  });
  test('adds queue, load and prefill and takes off what is cached', () => {
    const one = contender('a', {
      facts: { isLoaded: false },
      provider: { loadsOnDemand: true, maxParallelRequests: 2, load: { inFlight: 4, queued: 0 } },
      learned: { loadMs: 3_000, prefillTokensPerSecond: 100, serviceMs: 1_000, cachedTokens: 50 },
    });
    expect(strategies.predicted([one], input()).terms[0]).toEqual({
      predicted_ms: 2_000 + 3_000 + 1_000 - 500,
      queue_ms: 2_000,
      load_ms: 3_000,
      prefill_ms: 1_000,
      cached_prefix_ms: 500,
    });
  });
  test('more is never cached than was asked', () => {
    const one = contender('a', { learned: { cachedTokens: 1_000_000 } });
    expect(strategies.predicted([one], input()).terms[0]?.predicted_ms).toBe(0);
  });
});

test('the provider’s own order puts higher priority first', () => {
  const of = (name: string, priority: number) => contender(name, { provider: { priority } });
  expect(names(byOrder, [of('a', 1), of('b', 5), of('c', 3)])).toEqual(['b', 'c', 'a']);
});
