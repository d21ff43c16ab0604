import { describe, expect, test } from 'vitest';
import { AnswerCache, type CachePlan } from '../../gateway/cache/answer-cache.ts';
import type { CachedAnswer } from '../../gateway/cache/cached-answer.ts';
import type { AnswerEnd } from '../../gateway/cache/policy.ts';
import type { AnswerStore } from '../../gateway/cache/store.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { answer, candidate, type QuestionChanges, question, settings } from './support.ts';

const whole: AnswerEnd = { result: 'complete', status: 200, via: 'catalog', warnings: [] };

function setup(redis?: () => AnswerStore | null) {
  const clock = new FakeClock();
  let cache = { ...settings };
  const answers = new AnswerCache({ clock, settings: () => ({ cache }), ...(redis === undefined ? {} : { redis }) });
  const planned = (changes: QuestionChanges = {}): CachePlan => {
    const plan = answers.plan(question(changes));
    if (plan === null) throw new Error('nothing was planned');
    return plan;
  };
  return {
    clock,
    answers,
    planned,
    set: (changes: Partial<typeof settings>) => {
      cache = { ...cache, ...changes };
    },
  };
}

/** A store of which every answer is made by the test. */
function storeOf(get: AnswerStore['get']): AnswerStore & { readonly kept: Map<string, CachedAnswer> } {
  const kept = new Map<string, CachedAnswer>();
  return {
    kept,
    get,
    set: (key, one) => {
      kept.set(key, one);
      return true;
    },
    bytes: null,
    entries: null,
  };
}

describe('the cache in memory', () => {
  test('gives at once what it kept for the same request, with the time it was kept at', () => {
    const { answers, planned, clock } = setup();
    expect(answers.lookup(planned())).toBeNull();
    expect(answers.keep(planned(), whole, answer())).toBe(true);
    const found = answers.lookup(planned());
    expect(found).toEqual(answer({ storedAtMs: clock.now() }));
    expect(answers.lookup(planned({ apiKeyName: 'alice' }))).toBeNull();
    expect(answers.stats()).toMatchObject({ hits: 1, misses: 2, stored: 1, entries: 1 });
  });

  test('keeps nothing that is not worth it, and nothing of a request that forbids it', () => {
    const { answers, planned } = setup();
    expect(answers.keep(planned(), { ...whole, result: 'broken' }, answer())).toBe(false);
    expect(answers.keep(planned({ wish: { isStoreForbidden: true } }), whole, answer())).toBe(false);
    expect(answers.keep(planned(), whole, answer({ body: Buffer.alloc(8 * 1024 * 1024 + 1) }))).toBe(false);
    expect(answers.stats()).toMatchObject({ stored: 0, entries: 0 });
  });

  test('is not asked by a request that forbids it; that counts as neither hit nor miss', () => {
    const { answers, planned } = setup();
    answers.keep(planned({ wish: { isReadForbidden: true } }), whole, answer());
    expect(answers.lookup(planned({ wish: { isReadForbidden: true } }))).toBeNull();
    expect(answers.stats()).toMatchObject({ hits: 0, misses: 0, stored: 1 });
    expect(answers.lookup(planned())).not.toBeNull();
  });

  test('a request can want nothing older than so much', () => {
    const { answers, planned, clock } = setup();
    answers.keep(planned(), whole, answer());
    clock.advance(500);
    expect(answers.lookup(planned({ wish: { maxAgeMs: 500 } }))).toBeNull();
    expect(answers.lookup(planned({ wish: { maxAgeMs: 501 } }))).not.toBeNull();
    expect(answers.lookup(planned({ wish: { maxAgeMs: 0 } }))).toBeNull();
  });

  test('an answer of a deployment that may answer no more is none, and comes back with it', () => {
    const { answers, planned } = setup();
    answers.keep(planned(), whole, answer());
    const other = { rule: 'catalog', model: 'tiny', candidates: [{ ...candidate, provider: 'p2' }] };
    expect(answers.lookup(planned({ decision: other }))).toBeNull();
    const down = { candidates: [{ ...candidate, kept: false, reason: 'down' as const }] };
    expect(answers.lookup(planned({ decision: down }))).not.toBeNull();
  });

  test('switched off it plans nothing and lets go of all it had', () => {
    const { answers, planned, set } = setup();
    answers.keep(planned(), whole, answer());
    answers.settingsChanged();
    expect(answers.stats().entries).toBe(1);
    set({ isEnabled: false });
    answers.settingsChanged();
    expect(answers.isEnabled).toBe(false);
    expect(answers.plan(question())).toBeNull();
    expect(answers.stats()).toMatchObject({ bytes: 0, entries: 0 });
  });
});

describe('the cache in Redis', () => {
  test('asks there and keeps there, and nothing in memory', async () => {
    const store = storeOf(async (key) => store.kept.get(key) ?? null);
    const { answers, planned, set, clock } = setup(() => store);
    set({ store: 'redis' });
    expect(await answers.lookup(planned())).toBeNull();
    answers.keep(planned(), whole, answer());
    expect(await answers.lookup(planned())).toEqual(answer({ storedAtMs: clock.now() }));
    expect(answers.stats()).toEqual({ hits: 1, misses: 1, stored: 1, bytes: null, entries: null });
    expect(clock.pending).toBe(0);
  });

  test('is spared answers that memory would not take either', () => {
    const store = storeOf(() => null);
    const { answers, planned, set } = setup(() => store);
    set({ store: 'redis' });
    expect(answers.keep(planned(), whole, answer({ body: Buffer.alloc(8 * 1024 * 1024 + 1) }))).toBe(false);
    expect(store.kept.size).toBe(0);
  });

  test('that takes longer than 50 ms has nothing, and leaves no timer', async () => {
    const { promise: never } = Promise.withResolvers<CachedAnswer | null>();
    const { answers, planned, set, clock } = setup(() => storeOf(() => never));
    set({ store: 'redis' });
    const found = answers.lookup(planned());
    clock.advance(49);
    expect(clock.pending).toBe(1);
    clock.advance(1);
    expect(await found).toBeNull();
    expect(clock.pending).toBe(0);
    expect(answers.stats().misses).toBe(1);
  });

  test.each<[string, AnswerStore['get']]>([
    ['rejects', () => Promise.reject(new Error('gone'))],
    [
      'throws',
      () => {
        throw new Error('gone');
      },
    ],
  ])('that %s has nothing', async (_, get) => {
    const { answers, planned, set } = setup(() => storeOf(get));
    set({ store: 'redis' });
    expect(await answers.lookup(planned())).toBeNull();
    expect(answers.stats().misses).toBe(1);
  });

  test('that is away is stood in for by memory, until it is back', async () => {
    let shared: AnswerStore | null = null;
    const { answers, planned, set } = setup(() => shared);
    set({ store: 'redis' });
    answers.keep(planned(), whole, answer());
    expect(answers.lookup(planned())).not.toBeNull();
    expect(answers.stats().entries).toBe(1);
    shared = storeOf(async () => null);
    expect(await answers.lookup(planned())).toBeNull();
  });
});
