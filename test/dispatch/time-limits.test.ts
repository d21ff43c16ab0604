import { describe, expect, test } from 'vitest';
import { attemptLimits, type FirstContentFacts, predictFirstContentMs } from '../../gateway/dispatch/time-limits.ts';

const warmStream: FirstContentFacts = {
  isStream: true,
  isGenerating: true,
  loadsOnDemand: false,
  isLoaded: true,
  promptTokens: 0,
  maxTokens: null,
  learned: null,
  hasUntriedCandidate: true,
};

describe('time to first content', () => {
  test.each([
    ['a warm model with a short prompt', {}, 30_000],
    ['a model that has to be loaded first', { loadsOnDemand: true, isLoaded: false }, 330_000],
    ['a model that may have to be loaded first', { loadsOnDemand: true, isLoaded: null }, 330_000],
    ['a loaded model where models load on demand', { loadsOnDemand: true, isLoaded: true }, 30_000],
    ['a prompt of 1,000 tokens at 20 tokens/s', { promptTokens: 1_000 }, 80_000],
    ['a JSON answer of 100 tokens at 5 tokens/s', { isStream: false, maxTokens: 100 }, 50_000],
    ['a JSON answer of unknown length', { isStream: false }, 30_000 + 409_600],
    ['vectors, which are not generated', { isStream: false, isGenerating: false }, 30_000],
    ['never more than ten minutes', { isStream: false, promptTokens: 50_000 }, 600_000],
    ['ten minutes when nobody else is left to ask', { hasUntriedCandidate: false }, 600_000],
  ] satisfies [string, Partial<FirstContentFacts>, number][])('%s', (_name, facts, expected) => {
    expect(predictFirstContentMs({ ...warmStream, ...facts })).toBe(expected);
  });

  test('what was learned replaces the guesses, with room to spare', () => {
    const learned = { loadMs: 10_000, prefillTokensPerSecond: 400, tokensPerSecond: 40, queueAheadMs: 2_000 };
    const facts = {
      ...warmStream,
      isStream: false,
      loadsOnDemand: true,
      isLoaded: false,
      promptTokens: 100,
      maxTokens: 50,
      learned,
    };
    expect(predictFirstContentMs(facts)).toBe(30_000 + 30_000 + 2_000 + 1_000 + 5_000);
  });
});

describe('the limits of an attempt', () => {
  const none = { connectMs: null, firstByteMs: null, idleMs: null, totalMs: null };

  test('nothing configured: connect 2 s, the prediction, the idle time of the kind, no total', () => {
    expect(attemptLimits([none], null, warmStream, 120_000)).toEqual({
      connectMs: 2_000,
      firstContentMs: 30_000,
      idleMs: 120_000,
      totalMs: null,
    });
  });

  test('the most specific setting wins, each key for itself', () => {
    const rule = { ...none, firstByteMs: 5_000 };
    const provider = { connectMs: 300, firstByteMs: 9_000, idleMs: 7_000, totalMs: 60_000 };
    expect(attemptLimits([rule, null, provider], null, warmStream, 120_000)).toEqual({
      connectMs: 300,
      firstContentMs: 5_000,
      idleMs: 7_000,
      totalMs: 60_000,
    });
  });

  test("a request's own timeout is the time to first content for a stream and the total for JSON", () => {
    const stream = attemptLimits([{ ...none, totalMs: 9_000 }], 1_500, warmStream, 1);
    expect([stream.firstContentMs, stream.totalMs]).toEqual([1_500, 9_000]);
    const json = attemptLimits(
      [{ ...none, totalMs: 9_000 }],
      1_500,
      { ...warmStream, isStream: false, maxTokens: 0 },
      1,
    );
    expect([json.firstContentMs, json.totalMs]).toEqual([30_000, 1_500]);
  });
});
