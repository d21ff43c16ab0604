import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseLearning, serializeLearning } from '../../gateway/catalog/saved-learning.ts';
import { defaultReliability, emptySettings } from '../../gateway/config/defaults.ts';
import type { ReliabilitySettings, Settings, StrategyOptions } from '../../gateway/config/settings.ts';
import type { AttemptResult } from '../../gateway/dispatch/attempt-contract.ts';
import { Learning } from '../../gateway/dispatch/learning.ts';
import type { LessonInput } from '../../gateway/dispatch/lesson.ts';
import { route } from '../../gateway/routing/route.ts';
import { compileRules } from '../../gateway/routing/rules.ts';
import type { Decision, Failure, FailureKind, ProviderSnapshot, RequestFacts } from '../../gateway/types.ts';
import { facts, fleet, model, provider } from '../routing/worlds.ts';
import { FakeClock } from '../support/fake-clock.ts';

const silentLog = { debug() {}, info() {}, warn() {}, error() {} };

function settingsWith(
  options: Partial<StrategyOptions> = {},
  reliability: Partial<ReliabilitySettings> = {},
): Settings {
  const settings = emptySettings();
  return {
    ...settings,
    routing: { ...settings.routing, strategyOptions: { ...settings.routing.strategyOptions, ...options } },
    reliability: { ...defaultReliability, ...reliability },
  };
}

interface World {
  readonly clock: FakeClock;
  readonly learning: Learning;
  /** An attempt at `p`/`m` that ended as told; the clock moves on to its end. */
  attempt(ended?: Partial<AttemptResult>, input?: Partial<LessonInput>): void;
  /** What a decision would see of `p`/`m`. */
  learned(request?: Partial<RequestFacts>): ReturnType<ReturnType<Learning['state']>['learned']>;
}

function world(settings = settingsWith()): World {
  const clock = new FakeClock();
  const learning = new Learning({ path: null, clock, log: silentLog, settings: () => settings });
  const key = { provider: 'p', model: 'm' };
  return {
    clock,
    learning,
    attempt(ended = {}, input = {}) {
      const lesson = learning.begin({
        key,
        facts: facts({ model: 'm', isStream: true }),
        name: 'm',
        charactersPerToken: 4,
        snapshot: provider('p', { models: ['m'] }),
        ...input,
      });
      const result = answer(ended);
      clock.advance(result.endedAfterMs);
      lesson.end(result);
    },
    learned: (request = {}) => learning.state().learned('p', 'm', facts({ model: 'm', ...request })),
  };
}

function answer(changes: Partial<AttemptResult> = {}): AttemptResult {
  return {
    ended: 'complete',
    failure: null,
    refusal: null,
    status: 200,
    headersAfterMs: 1,
    contentAfterMs: 100,
    endedAfterMs: 200,
    usage: { promptTokens: 50, completionTokens: 11, cachedTokens: null, isEstimated: false },
    contentCharacters: 40,
    changes: [],
    ...changes,
  };
}

function failed(kind: FailureKind): Partial<AttemptResult> {
  const failure: Failure = { kind, message: kind, status: null, retryAfterMs: null };
  return { ended: kind === 'cancelled' ? 'cancelled' : 'failed', failure, usage: null, contentCharacters: 0 };
}

function ollama(isLoaded: boolean | null): ProviderSnapshot {
  return provider('p', { kind: 'ollama', loadsOnDemand: true, models: [model('m', { isLoaded })] });
}

describe('what one deployment teaches', () => {
  test('is nothing before the first attempt', () => {
    expect(world().learned()).toBeNull();
  });

  test('is the time to first content of streams, and the time per token of all other answers', () => {
    const { attempt, learned } = world();
    attempt();
    attempt({ contentAfterMs: 900, endedAfterMs: 1_100 }, { facts: facts({ model: 'm', isStream: false }) });
    expect(learned()).toMatchObject({ firstContentMs: 100, perTokenMs: 100, successRate: 1, samplesInHour: 1 });
  });

  test('is the speed of reading and writing, which time limits are computed from', () => {
    const { attempt, learning } = world();
    attempt();
    const ratesBehind = (inFlight: number) =>
      learning
        .begin({
          key: { provider: 'p', model: 'm' },
          facts: facts(),
          name: 'm',
          charactersPerToken: 4,
          snapshot: provider('p', { maxParallelRequests: 2, load: { inFlight, queued: 0 } }),
        })
        .rates();
    const rates = { loadMs: null, prefillTokensPerSecond: 500, tokensPerSecond: 100 };
    expect(ratesBehind(1)).toEqual({ ...rates, queueAheadMs: 0 });
    // Two slots, four requests there: one and a half answers of 200 ms have to end first.
    expect(ratesBehind(4)).toEqual({ ...rates, queueAheadMs: 300 });
  });

  test('does not count what was cached as read', () => {
    const { attempt, learned } = world();
    attempt({ usage: { promptTokens: 1_050, completionTokens: 11, cachedTokens: 1_000, isEstimated: false } });
    expect(learned()?.prefillTokensPerSecond).toBeCloseTo(500);
  });

  test('leaves cold loads out of every latency, and learns from them how long loading takes', () => {
    const { attempt, learned } = world();
    attempt({}, { snapshot: ollama(true) });
    attempt({ contentAfterMs: 2_100, endedAfterMs: 70_000 }, { snapshot: ollama(false) });
    expect(learned()).toMatchObject({ firstContentMs: 100, serviceMs: 200 });
    // An answer of a moment ago: it is loaded, whatever the older probe says.
    attempt({ contentAfterMs: 90 }, { snapshot: ollama(false) });
    expect(learned()).toMatchObject({ firstContentMs: 100, loadMs: null });
  });

  test('learns the load time of a model that was not loaded, less the time of reading the prompt', () => {
    const { clock, attempt, learned } = world();
    attempt({}, { snapshot: ollama(true) });
    clock.advance(600_000);
    attempt({ contentAfterMs: 2_100 }, { snapshot: ollama(false) });
    expect(learned()?.loadMs).toBeCloseTo(2_000);
  });

  test('learns the load time from a load on purpose, also of a model that nobody asked for yet', () => {
    const { learning, learned } = world();
    learning.loaded({ provider: 'p', model: 'm' }, 3_000);
    expect(learned()).toMatchObject({ firstContentMs: null, loadMs: 3_000 });
  });

  test('learns nothing of time from where it is not known whether the model was loaded', () => {
    const { attempt, learned } = world();
    attempt({}, { snapshot: ollama(null) });
    expect(learned()).toMatchObject({ firstContentMs: null, loadMs: null, successRate: 1 });
  });

  test.each<[FailureKind, number | null]>([
    ['server_error', 0],
    ['timeout_first_byte', 0],
    ['rate_limited', 0],
    ['unreachable', 0],
    ['cancelled', null],
    ['bad_request', null],
    ['context_exceeded', null],
  ])('counts a failure as one if it is the fault of the deployment (%s)', (kind, rate) => {
    const { attempt, learned } = world();
    attempt(failed(kind));
    expect(learned()?.successRate).toBe(rate);
  });

  test('forgets samples after their time', () => {
    const { clock, attempt, learned } = world(settingsWith({ sampleTtlMs: 5_000 }));
    attempt();
    clock.advance(4_999);
    expect(learned()?.firstContentMs).toBe(100);
    clock.advance(1);
    expect(learned()).toMatchObject({ firstContentMs: null, samplesInHour: 1 });
  });

  test('takes no more samples than the window holds', () => {
    const { attempt, learned } = world(settingsWith({ windowSize: 3 }));
    for (const contentAfterMs of [5_000, 10, 20, 30]) attempt({ contentAfterMs, endedAfterMs: 6_000 });
    expect(learned()).toMatchObject({ samplesInHour: 3 });
    expect(learned()?.firstContentMs).toBeLessThan(31);
  });

  test('counts a request in the minute from its start, with its reservation until the true count is known', () => {
    const { clock, learning, learned } = world();
    const lesson = learning.begin({
      key: { provider: 'p', model: 'm' },
      facts: facts({ promptTokens: 30 }),
      name: 'm',
      charactersPerToken: 4,
      snapshot: null,
    });
    expect(learned()).toMatchObject({ requestsInMinute: 1, tokensInMinute: 30 });
    lesson.end(answer());
    expect(learned()).toMatchObject({ requestsInMinute: 1, tokensInMinute: 61 });
    clock.advance(60_000);
    expect(learned()).toMatchObject({ requestsInMinute: 0, tokensInMinute: 0 });
  });

  test('takes back the reservation of a request that was never sent', () => {
    const { attempt, learned } = world();
    attempt(failed('unreachable'));
    expect(learned()).toMatchObject({ requestsInMinute: 1, tokensInMinute: 0 });
  });
});

describe('refreshing', () => {
  test('gives scores the same figures for ten requests', () => {
    const { attempt, learned } = world();
    attempt();
    for (let count = 1; count <= 9; count += 1) {
      expect(learned()?.steady, `after ${count}`).toEqual({ firstContentMs: 100, perTokenMs: null, successRate: 1 });
      attempt(failed('server_error'));
    }
    expect(learned()).toMatchObject({ steady: { successRate: 0.1 }, successRate: 0.1 });
    attempt();
    expect(learned()).toMatchObject({ steady: { successRate: 0.1 }, successRate: 2 / 11 });
  });

  test('computes the 95th percentile from five samples on, then hourly or when the state of the provider changes', () => {
    const { clock, learning, attempt, learned } = world();
    for (let count = 1; count <= 4; count += 1) attempt();
    expect(learned()?.firstContentP95Ms).toBeNull();
    attempt();
    expect(learned()?.firstContentP95Ms).toBe(100);
    attempt({ contentAfterMs: 190 });
    expect(learned()?.firstContentP95Ms).toBe(100);
    learning.stateChanged('p', 'degraded');
    expect(learned()?.firstContentP95Ms).toBe(190);
    clock.advance(3_000_000);
    for (let count = 1; count <= 6; count += 1) attempt({ contentAfterMs: 50 });
    expect(learned()?.firstContentP95Ms).toBe(190);
    clock.advance(600_000);
    expect(learned()?.firstContentP95Ms).toBe(50);
  });
});

describe('a conversation', () => {
  const turn = facts({ model: 'm', isStream: true, conversationKey: 'c' });

  test('has its last prompt cached where it was answered, for five minutes', () => {
    const { clock, attempt, learned } = world();
    attempt();
    expect(learned({ conversationKey: 'c' })?.cachedTokens).toBe(0);
    attempt({}, { facts: turn });
    expect(learned({ conversationKey: 'c' })?.cachedTokens).toBe(50);
    expect(learned({ conversationKey: 'other' })?.cachedTokens).toBe(0);
    clock.advance(299_999);
    expect(learned({ conversationKey: 'c' })?.cachedTokens).toBe(50);
    clock.advance(1);
    expect(learned({ conversationKey: 'c' })?.cachedTokens).toBe(0);
  });

  test('is not asked for its key where no decision wants to know', () => {
    const { attempt } = world();
    const unread = facts({ model: 'm', isStream: true });
    Object.defineProperty(unread, 'conversationKey', {
      get: () => {
        throw new Error('hashed for nothing');
      },
    });
    expect(() => attempt({}, { facts: unread })).not.toThrow();
  });

  test('is cached no more after its provider went down', () => {
    const { learning, attempt, learned } = world();
    attempt();
    learned({ conversationKey: 'c' });
    expect(learned({ conversationKey: 'c' })?.cachedTokens).toBe(0);
    attempt({}, { facts: turn });
    learning.stateChanged('p', 'down');
    expect(learned({ conversationKey: 'c' })?.cachedTokens).toBe(0);
  });
});

describe('error_based_routing', () => {
  test('makes a deployment count half after more failures in a minute than it tolerates, until its time is over', () => {
    const { clock, attempt, learned } = world(
      settingsWith({}, { errorBased: { errorThreshold: 2, cooldownMs: 30_000 } }),
    );
    attempt(failed('server_error'));
    clock.advance(60_000);
    attempt(failed('server_error'));
    attempt(failed('server_error'));
    expect(learned()?.isDegraded).toBe(false);
    attempt(failed('server_error'));
    expect(learned()?.isDegraded).toBe(true);
    clock.advance(30_000);
    expect(learned()?.isDegraded).toBe(false);
  });

  test('never does where it is off', () => {
    const { attempt, learned } = world();
    for (let count = 0; count < 100; count += 1) attempt(failed('server_error'));
    expect(learned()?.isDegraded).toBe(false);
  });
});

describe('turns', () => {
  const weights = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 2, maxLength: 5 });

  /** Decides in turn about `a` (with the weights) and, where told, about `b`, whose pool is another. */
  function decisions(given: readonly number[], alsoB: readonly boolean[]): readonly Decision[] {
    const settings = settingsWith();
    const rules = compileRules({ ...settings, routing: { ...settings.routing, strategy: 'weighted_round_robin' } });
    const snapshot = fleet(...given.map((weight, index) => provider(`p${index}`, { weight, models: ['a', 'b'] })));
    const { learning } = world(settings);
    const decide = (name: string) => {
      const state = learning.state();
      const decision = route(facts({ model: name }), rules, snapshot, () => 0.5, state);
      learning.decided(state, decision);
      return decision;
    };
    return alsoB.map((isB) => {
      if (isB) decide('b');
      return decide('a');
    });
  }

  test('are exact over any window of a full cycle, whatever else is decided between them', () => {
    fc.assert(
      fc.property(weights, fc.array(fc.boolean(), { minLength: 60, maxLength: 60 }), (given, alsoB) => {
        const picked = decisions(given, alsoB).map(({ candidates }) => candidates[0]?.provider);
        const divisor = given.reduce((a, b) => {
          let [x, y] = [a, b];
          while (y !== 0) [x, y] = [y, x % y];
          return x;
        });
        const cycle = given.reduce((sum, weight) => sum + weight, 0) / divisor;
        for (let start = 0; start + cycle <= picked.length; start += 1) {
          const window = picked.slice(start, start + cycle);
          for (const [index, weight] of given.entries()) {
            expect(window.filter((name) => name === `p${index}`).length).toBe(weight / divisor);
          }
        }
      }),
      { numRuns: 50 },
    );
  });

  test('are not taken by looking', () => {
    const { learning } = world();
    const rules = compileRules({
      ...settingsWith(),
      routing: { ...settingsWith().routing, strategy: 'round_robin' },
    });
    const snapshot = fleet(provider('x', { models: ['a'] }), provider('y', { models: ['a'] }));
    const look = () => route(facts({ model: 'a' }), rules, snapshot, () => 0.5, learning.state()).candidates[0];
    expect(look()?.provider).toBe(look()?.provider);
  });
});

describe('first requests', () => {
  test('are those of a model that has not answered for five minutes, by its own name and by the one it was asked by', () => {
    const { clock, learning, attempt } = world();
    expect(learning.isFirstRequest('m')).toBe(true);
    attempt({}, { facts: facts({ model: 'alias' }) });
    expect([learning.isFirstRequest('m'), learning.isFirstRequest('alias')]).toEqual([false, false]);
    expect(learning.isFirstRequest('other')).toBe(true);
    clock.advance(300_000);
    expect(learning.isFirstRequest('m')).toBe(true);
  });

  test('stay first when the answer failed', () => {
    const { learning, attempt } = world();
    attempt(failed('server_error'));
    expect(learning.isFirstRequest('m')).toBe(true);
  });
});

describe('characters per token', () => {
  const long = { usage: { promptTokens: 5_000, completionTokens: 1, cachedTokens: null, isEstimated: false } };

  test('are learned from what providers count', () => {
    const { learning, attempt } = world();
    for (let count = 0; count < 10; count += 1) attempt(long, { facts: facts({ model: 'm', promptTokens: 2_500 }) });
    expect(learning.charactersPerToken('m')).toBeCloseTo(2, 1);
    expect(learning.charactersPerToken(null)).toBe(4);
  });

  test('are not learned from prompts with images, or from one that fills the context and was cut', () => {
    const { learning, attempt } = world();
    attempt(long, { facts: facts({ model: 'm', promptTokens: 2_500, needs: ['vision'] }) });
    const snapshot = provider('p', { models: [model('m', { contextLoaded: 5_000 })] });
    attempt(long, { facts: facts({ model: 'm', promptTokens: 2_500 }), snapshot });
    expect(learning.charactersPerToken('m')).toBe(4);
  });
});

describe('the file', () => {
  test('says what it was given', () => {
    const sample = fc.tuple(fc.nat(), fc.nat());
    const samples = fc.array(sample, { maxLength: 5 });
    const deployment = fc.record({
      provider: fc.string(),
      model: fc.string(),
      learnedAtMs: fc.nat(),
      firstContent: samples,
      perToken: samples,
      successes: samples,
      prefill: sample,
      speed: sample,
      load: sample,
      service: sample,
    });
    fc.assert(
      fc.property(fc.array(deployment, { maxLength: 5 }), (deployments) => {
        const state = { deployments, prompts: { m: [8, 2] as const } };
        expect(parseLearning(serializeLearning(state))).toEqual({ is: 'read', state });
      }),
    );
  });

  test('is not believed when it is broken, and left alone when it is of a later version', () => {
    expect(parseLearning('{"version":1')).toEqual({ is: 'unreadable' });
    expect(parseLearning('{"version":1,"deployments":[{}],"prompts":{}}')).toEqual({ is: 'unreadable' });
    expect(parseLearning('{"version":2}')).toEqual({ is: 'newer' });
  });
});
