// Time by state against a simulation that looks at each instant by itself.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { stateCodes } from '../../gateway/history/beat-codes.ts';
import {
  awakePieces,
  complement,
  type Interval,
  noTimes,
  type Observation,
  type StateTimes,
  spread,
  stateSegments,
} from '../../gateway/history/state-time.ts';

interface World {
  readonly observations: readonly Observation[];
  readonly sessions: readonly Interval[];
  readonly sleeps: readonly Interval[];
}

const endMs = 120;
const instant = fc.integer({ min: 0, max: endMs });
const interval = fc.tuple(instant, instant).map(([a, b]) => ({ fromMs: Math.min(a, b), toMs: Math.max(a, b) }));
const observation = fc.record({ atMs: instant, state: fc.constantFrom(...stateCodes) });
const world: fc.Arbitrary<World> = fc.record({
  observations: fc
    .uniqueArray(observation, { maxLength: 12, selector: ({ atMs }) => atMs })
    .map((all) => all.sort((a, b) => a.atMs - b.atMs)),
  sessions: fc
    .array(interval, { maxLength: 4 })
    .map((all) => all.sort((a, b) => a.fromMs - b.fromMs || a.toMs - b.toMs)),
  sleeps: fc.array(interval, { maxLength: 4 }),
});

/** Instant by instant: which start are we in, do we sleep, what was seen last since that start? */
function simulate({ observations, sessions, sleeps }: World, range: Interval): StateTimes {
  const times = noTimes();
  for (let now = range.fromMs; now < range.toMs; now++) {
    const latest = sessions.findLast(({ fromMs }) => fromMs <= now);
    if (!latest || latest.toMs <= now) continue;
    if (sleeps.some(({ fromMs, toMs }) => fromMs <= now && now < toMs)) continue;
    const seen = observations.findLast(({ atMs }) => atMs <= now && atMs >= latest.fromMs);
    if (seen) times[seen.state]++;
  }
  return times;
}

function measured({ observations, sessions, sleeps }: World, range: Interval): StateTimes {
  const times = noTimes();
  for (const { fromMs, toMs, state } of stateSegments(observations, awakePieces(sessions, sleeps), range)) {
    times[state] += toMs - fromMs;
  }
  return times;
}

test('time by state is what a simulation instant by instant finds', () => {
  fc.assert(
    fc.property(world, interval, (one, range) => {
      expect(measured(one, range)).toEqual(simulate(one, range));
    }),
    { numRuns: 1_000 },
  );
});

test('periods add up to the range they are cut from', () => {
  fc.assert(
    fc.property(world, interval, fc.integer({ min: 1, max: 50 }), (one, range, periodMs) => {
      const segments = stateSegments(one.observations, awakePieces(one.sessions, one.sleeps), range);
      const sum = noTimes();
      spread(segments, 0, periodMs, (period, state, ms) => {
        expect(ms).toBeLessThanOrEqual(periodMs);
        expect(period).toBeGreaterThanOrEqual(0);
        sum[state] += ms;
      });
      expect(sum).toEqual(measured(one, range));
    }),
  );
});

describe('awake time', () => {
  test('is the session without its sleeps, however these overlap', () => {
    const sleeps = [
      { fromMs: 40, toMs: 50 },
      { fromMs: 20, toMs: 30 },
      { fromMs: 25, toMs: 27 },
      { fromMs: 95, toMs: 200 },
    ];
    expect(awakePieces([{ fromMs: 10, toMs: 100 }], sleeps)).toEqual([
      { fromMs: 10, toMs: 20, startedAtMs: 10 },
      { fromMs: 30, toMs: 40, startedAtMs: 10 },
      { fromMs: 50, toMs: 95, startedAtMs: 10 },
    ]);
  });

  test('what is left of a range is what no interval covers', () => {
    const intervals = [
      { fromMs: 0, toMs: 10 },
      { fromMs: 20, toMs: 30 },
    ];
    expect(complement({ fromMs: 5, toMs: 40 }, intervals)).toEqual([
      { fromMs: 10, toMs: 20 },
      { fromMs: 30, toMs: 40 },
    ]);
  });
});
