// The time limits that people are told: of whom, in which order, and that they are those of a request sent now.

import { expect, test } from 'vitest';
import { emptySettings } from '../../gateway/config/defaults.ts';
import type { Settings } from '../../gateway/config/settings.ts';
import { learnedLimits } from '../../gateway/dispatch/learned-limits.ts';
import { Learning } from '../../gateway/dispatch/learning.ts';
import { compileRules } from '../../gateway/routing/rules.ts';
import type { Snapshot } from '../../gateway/types.ts';
import { facts, fleet, model, provider } from '../routing/worlds.ts';
import { FakeClock } from '../support/fake-clock.ts';

const silentLog = { debug() {}, info() {}, warn() {}, error() {} };

function world(settings: Settings = emptySettings()) {
  const clock = new FakeClock();
  const learning = new Learning({ path: null, clock, log: silentLog, settings: () => settings });
  return {
    /** A stream of 500 tokens that was read in a second and written at ten tokens in another. */
    teach(name: string, id: string): void {
      const lesson = learning.begin({
        ...{ key: { provider: name, model: id }, facts: facts({ model: id, isStream: true }), name: id },
        ...{ charactersPerToken: 4, snapshot: provider(name, { models: [id] }) },
      });
      clock.advance(2_000);
      lesson.end({
        ...{ ended: 'complete', failure: null, refusal: null, status: 200, contentCharacters: 40, changes: [] },
        ...{ headersAfterMs: 1, contentAfterMs: 1_000, endedAfterMs: 2_000 },
        usage: { promptTokens: 500, completionTokens: 11, cachedTokens: 0, isEstimated: false },
      });
    },
    told: (snapshot: Snapshot) => learnedLimits({ learning, snapshot, settings, rules: compileRules(settings) }),
  };
}

test('a request that is sent now: with what was learned, the load, and those who are there already', () => {
  const { teach, told } = world();
  teach('p', 'm');
  const at = (changes: Parameters<typeof provider>[1]) =>
    told(fleet(provider('p', { models: ['m'], ...changes })))[0]?.firstContentLimitMs;
  // 30 s, 1,000 tokens at 125 tokens/s; JSON as well 2,048 tokens at 2.5 tokens/s, which is more than the longest.
  expect(at({})).toEqual({ stream: 38_000, json: 600_000 });
  expect(at({ loadsOnDemand: true, models: [model('m', { isLoaded: false })] })?.stream).toBe(338_000);
  expect(at({ loadsOnDemand: true, models: [model('m', { isLoaded: true })] })?.stream).toBe(38_000);
  // Two places, four requests there: one and a half answers of 2 s have to end first.
  expect(at({ maxParallelRequests: 2, load: { inFlight: 4, queued: 0 } })?.stream).toBe(41_000);
});

test('what has taught something comes first, then the lists; nobody of the cloud, nobody who is gone', () => {
  const { teach, told } = world();
  teach('a', 'second');
  teach('gone', 'm');
  teach('vendor', 'm');
  const list = told(
    fleet(
      provider('a', { models: ['first', 'second', model('handed-on', { remoteHost: 'https://far.example' })] }),
      provider('vendor', { place: 'cloud', models: ['m'] }),
    ),
  );
  expect(list.map(({ model: id, answerMs }) => [id, answerMs])).toEqual([
    ['second', 2_000],
    ['first', null],
  ]);
});

test('a thousand of them at most', () => {
  const { told } = world();
  const models = Array.from({ length: 1_500 }, (_none, index) => `m${index}`);
  expect(told(fleet(provider('a', { models })))).toHaveLength(1_000);
});

test('one timeout for all answers is a configured limit of streams', () => {
  const settings = emptySettings();
  const reliability = { ...settings.reliability, answerTimeoutMs: 9_000 };
  const [one] = world({ ...settings, reliability }).told(fleet(provider('a', { models: ['m'] })));
  // For JSON it is the limit of the whole answer, not of its first content.
  expect(one).toMatchObject({ isConfigured: true, firstContentLimitMs: { stream: 9_000, json: 489_600 } });
});
