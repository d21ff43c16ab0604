// What the window makes of the stream, and of the words it puts it in.

import { describe, expect, test } from 'vitest';
import type { AdminLiveRequest, AdminProvider, AdminRequestRow, AdminSnapshot } from '../../gateway/contract.ts';
import { axisEnd, BUCKET_MS, BUCKETS, trafficBuckets } from '../../renderer/pages/overview/traffic.ts';
import { beatShape, beatsThatFit, MINI_BEAT } from '../../renderer/parts/beats-shape.ts';
import { changed, KEPT, type World, withPast, worldOf } from '../../renderer/store/world.ts';
import { bytes, duration, elapsed, percentile } from '../../renderer/words/format.ts';
import { appState, overviewAnswer } from '../../renderer/words/state.ts';

const NOW = 1_700_000_000_000;

function provider(name: string, more: Partial<AdminProvider> = {}): AdminProvider {
  return {
    ...{ name, kind: 'ollama', baseUrl: 'http://127.0.0.1:1', place: 'local', isEnabled: true, isDraining: false },
    ...{ isDiscovered: false, observed: 'ready', cause: null, version: null, probedAtMs: null, inFlight: 0, queued: 0 },
    ...{ maxParallelRequests: null, slots: null, busy: null, modelControl: { is: 'able' }, isListStale: false },
    ...{ snoozedUntil: null, models: [] },
    ...more,
  };
}

/** The parts of a snapshot that the window's memory works on. */
function world(...providers: AdminProvider[]): World {
  const status = { providers, traffic: { cooldowns: [] }, isDraining: false };
  return worldOf({ status, requests: [] } as unknown as AdminSnapshot, null);
}

const live = (id: string) => ({ id, receivedAtMs: NOW }) as AdminLiveRequest;
const ended = (id: string, more: Partial<AdminRequestRow> = {}) =>
  ({ id, receivedAtMs: NOW, provider: 'a', isStream: true, firstContentMs: null, ...more }) as AdminRequestRow;
const beat = (atMs: number) => ({ atMs, isOk: true, latencyMs: 1, observed: 'ready', cause: null }) as const;
const namesOf = ({ status }: World) => status.providers.map(({ name }) => name);

describe('a change', () => {
  test('of a provider keeps its models, its place and all others', () => {
    const { models: _models, ...now } = provider('a', { observed: 'down' });
    const before = world(provider('a', { models: [{ id: 'm' } as never] }), provider('b'));
    const after = changed(before, { kind: 'provider', provider: now }, NOW);
    expect(namesOf(after)).toEqual(['a', 'b']);
    expect(after.status.providers[0]).toMatchObject({ observed: 'down', models: [{ id: 'm' }] });
    expect(after.status.providers[1]).toBe(before.status.providers[1]);
  });

  test('of which providers there are puts them in that order and lets the others go', () => {
    const after = changed(
      world(provider('a'), provider('b'), provider('c')),
      { kind: 'providers', names: ['c', 'a'] },
      NOW,
    );
    expect(namesOf(after)).toEqual(['c', 'a']);
  });

  test('of a request moves it from those that run to those that ended, which are let go in time', () => {
    let now = changed(world(), { kind: 'request', request: live('1') }, NOW);
    expect([...now.live.keys()]).toEqual(['1']);
    now = changed(now, { kind: 'request_ended', request: ended('1') }, NOW);
    expect([now.live.size, now.ended.map(({ id }) => id)]).toEqual([0, ['1']]);
    const later = NOW + KEPT.endedMs + 1;
    now = changed(now, { kind: 'request_ended', request: ended('2', { receivedAtMs: later }) }, later);
    expect(now.ended.map(({ id }) => id)).toEqual(['2']);
  });

  test('beats are kept up to a bound, the latest ones', () => {
    let now = world(provider('a'));
    for (let at = 0; at < KEPT.beats + 5; at++) now = changed(now, { kind: 'beat', provider: 'a', ...beat(at) }, NOW);
    expect(now.beats.get('a')).toHaveLength(KEPT.beats);
    expect(now.beats.get('a')?.at(-1)?.atMs).toBe(KEPT.beats + 4);
  });

  test('that this page does not know changes nothing', () => {
    const before = world(provider('a'));
    expect(changed(before, { kind: 'something new' } as never, NOW)).toBe(before);
  });
});

test('a new snapshot replaces what runs and keeps what was seen', () => {
  let before = changed(world(provider('a')), { kind: 'request', request: live('1') }, NOW);
  before = changed(before, { kind: 'beat', provider: 'a', ...beat(1) }, NOW);
  const after = worldOf({ status: before.status, requests: [] }, before);
  expect([after.live.size, after.beats.get('a')?.length]).toEqual([0, 1]);
});

test('the past goes before what was seen, and nothing is there twice', () => {
  let now = changed(world(provider('a')), { kind: 'beat', provider: 'a', ...beat(5) }, NOW);
  now = changed(now, { kind: 'request_ended', request: ended('1') }, NOW);
  const past = { beats: new Map([['a', [beat(3), beat(5)]]]), ended: [ended('0'), ended('1')], transitions: [] };
  const after = withPast(now, past);
  expect(after.beats.get('a')?.map(({ atMs }) => atMs)).toEqual([3, 5]);
  expect(after.ended.map(({ id }) => id)).toEqual(['0', '1']);
});

describe('in words', () => {
  test.each([
    [[provider('a')], 0, 'Routing to one provider.', ''],
    [[provider('a'), provider('b')], 1, 'Routing to all 2 providers.', '1 request in flight.'],
    [[provider('a'), provider('b', { observed: 'down' })], 0, 'Routing to 1 of 2 providers.', 'b is down.'],
    [[provider('a', { isEnabled: false })], 0, 'Nobody can take requests.', ''],
  ])('%# the overview answers', (providers, inFlight, first, rest) => {
    expect(overviewAnswer(providers, inFlight)).toEqual({ first, rest });
  });

  test.each([
    ['ok', [provider('a'), provider('b', { isEnabled: false, observed: 'off' })]],
    ['degraded', [provider('a'), provider('b', { observed: 'down' })]],
    ['critical', [provider('a', { observed: 'down' })]],
    ['critical', []],
    ['starting', [provider('a', { observed: 'pending' })]],
    ['ok', [provider('a'), provider('c', { kind: 'cloud', observed: 'pending' })]],
  ])('the whole is %s', (expected, providers) => {
    expect(appState({ providers, isDraining: false })).toBe(expected);
  });

  test('times and sizes have few digits and always a unit', () => {
    expect([3, 340, 1_400, 14_200, 240_000, 7_500_000].map(duration)).toEqual([
      '3 ms',
      '0.34 s',
      '1.4 s',
      '14 s',
      '4 min',
      '2 h 5 min',
    ]);
    expect([9_000, 65_000, -5].map(elapsed)).toEqual(['9 s', '1:05', '0 s']);
    expect([226, 3_400, 5_100_000_000].map(bytes)).toEqual(['226 B', '3.4 kB', '5.1 GB']);
    expect([percentile([], 0.5), percentile([3, 1, 2], 0.5), percentile([1, 2, 3, 4], 0.95)]).toEqual([null, 2, 4]);
  });
});

describe('what is drawn', () => {
  test('only whole beats, from the right, each state with a shape of its own', () => {
    expect([beatsThatFit(185, MINI_BEAT), beatsThatFit(3, MINI_BEAT), beatsThatFit(2, MINI_BEAT)]).toEqual([46, 1, 0]);
    expect(beatShape('ready', 0, 100, MINI_BEAT)).toMatchObject({ x: 97, y: 0, height: 16 });
    const shapes = (['ready', 'degraded', 'warming', 'down', 'pending', 'off'] as const).map((state) => {
      const { height, isCut, isNotched } = beatShape(state, 1, 100, MINI_BEAT);
      return `${height} ${isCut} ${isNotched}`;
    });
    expect(new Set(shapes).size).toBe(shapes.length);
  });

  test('requests fall into half minutes, by who answered; nobody is the last of them', () => {
    const rows = [ended('1', { firstContentMs: 200 }), ended('2', { provider: null }), ended('3', { receivedAtMs: 0 })];
    const buckets = trafficBuckets(rows, ['a', 'b'], NOW);
    expect(buckets).toHaveLength(BUCKETS);
    const last = buckets.findLast(({ perMinute }) => perMinute.some((value) => value > 0));
    expect(last).toMatchObject({ perMinute: [2, 0, 2], p50Ms: 200, p95Ms: 200 });
    expect(NOW - (last?.atMs ?? 0)).toBeLessThan(2 * BUCKET_MS);
    expect([axisEnd(0, 4), axisEnd(13, 4), axisEnd(100, 4), axisEnd(101, 4)]).toEqual([4, 20, 100, 200]);
  });
});
