// What the window asks of health: uptime against a simulation second by second, incidents, events, beats, hardware.

import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { AdminUptimeBasis } from '../../gateway/contract.ts';
import type { History } from '../../gateway/history/history.ts';
import { openHistory } from '../../gateway/history/recorder.ts';
import type { ObservedState } from '../../gateway/types.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { memoryLog, outcome, temporaryFolder, upToDate } from './support.ts';

const startMs = Date.UTC(2026, 0, 1);

let folder: ReturnType<typeof temporaryFolder>;
let clock: FakeClock;
let history: History;

beforeEach(() => {
  folder = temporaryFolder();
  clock = new FakeClock(startMs);
  history = open();
});

afterEach(async () => {
  await history.close();
  folder.remove();
});

function open(): History {
  const settings = { retentionDays: 90, maxMb: 1_024 };
  return openHistory({ folder: folder.path, settings, log: memoryLog(), clock, instance: 'first' });
}

const countsAs: Readonly<Record<ObservedState, keyof AdminUptimeBasis>> = {
  ...{ ready: 'upMs', warming: 'upMs', degraded: 'degradedMs', down: 'downMs', auth: 'downMs' },
  ...{ pending: 'excludedMs', paused: 'excludedMs', off: 'excludedMs' },
};

describe('health', () => {
  const beat = (second: number, observed: 'ready' | 'down' | 'degraded' = 'ready', latencyMs: number | null = 5) =>
    history.recordBeat({
      atMs: startMs + second * 1_000,
      provider: 'ollama',
      isOk: true,
      latencyMs,
      observed,
      cause: null,
    });

  test('sleep and time without a gateway are neither up nor down', async () => {
    // 10 min up, 10 min down, an hour asleep in it, 10 min up; an hour without a gateway; 10 min up.
    for (let second = 0; second < 5_400; second += 10) {
      if (second < 600 || second >= 4_800) beat(second, 'ready', 10);
      else if (second < 900 || second >= 4_500) beat(second, 'down', null);
    }
    history.noteSleep(startMs + 900_000, startMs + 4_500_000);
    clock.advance(5_400_000);
    await history.close();
    clock.advance(3_600_000);
    history = open();
    for (let second = 9_000; second < 9_600; second += 10) beat(second);
    clock.advance(600_000);
    for (const [range, buckets] of [
      [{ fromMs: startMs, toMs: startMs + 9_600_000 }, 40],
      [{ fromMs: startMs + 7_000_000, toMs: startMs + 9_600_000 }, 7],
    ] as const) {
      const { providers, gaps } = await upToDate(() => history.health({ ...range, buckets }));
      expect(providers).toHaveLength(1);
      const [one] = providers;
      const isWhole = range.fromMs === startMs;
      expect(one?.basis).toEqual({
        ...{ upMs: isWhole ? 1_800_000 : 600_000, degradedMs: 0, downMs: isWhole ? 600_000 : 0, excludedMs: 0 },
        ...{ asleepMs: isWhole ? 3_600_000 : 0, stoppedMs: isWhole ? 3_600_000 : 2_000_000, unknownMs: 0 },
      });
      expect(one?.uptime).toBe(isWhole ? 0.75 : 1);
      expect(gaps.map(({ is }) => is)).toEqual(isWhole ? ['asleep', 'stopped'] : ['stopped']);
    }
  });

  test('its basis is what a simulation second by second finds, whatever the range', async () => {
    const states: ObservedState[] = [];
    const random = fc.sample(
      fc.constantFrom<ObservedState>('ready', 'ready', 'warming', 'degraded', 'down', 'auth', 'off'),
      {
        ...{ seed: 7, numRuns: 1_080 },
      },
    );
    const sleeps = [
      { fromMs: startMs + 4_000_000, toMs: startMs + 6_100_000 },
      { fromMs: startMs + 5_000_000, toMs: startMs + 6_500_000 },
      { fromMs: startMs + 15_000_000, toMs: startMs + 15_007_000 },
    ];
    const stopped = { fromMs: startMs + 9_000_000, toMs: startMs + 12_345_000 };
    const isIn = (now: number, { fromMs, toMs }: { fromMs: number; toMs: number }) => fromMs <= now && now < toMs;
    const write = (fromSecond: number, toSecond: number): void => {
      for (let second = fromSecond; second < toSecond; second += 20) {
        const observed = random[second / 20] ?? 'ready';
        states[second] = observed;
        history.recordBeat({
          atMs: startMs + second * 1_000,
          provider: 'ollama',
          isOk: true,
          latencyMs: 1,
          observed,
          cause: null,
        });
      }
    };
    write(0, 9_000);
    for (const { fromMs, toMs } of sleeps.slice(0, 2)) history.noteSleep(fromMs, toMs);
    clock.advance(9_000_000);
    await history.close();
    clock.advance(3_345_000);
    history = open();
    write(12_400, 21_600);
    history.noteSleep(sleeps[2]?.fromMs ?? 0, sleeps[2]?.toMs ?? 0);
    clock.advance(21_600_000 - 12_345_000);

    const ticks: (keyof AdminUptimeBasis)[] = [];
    let state: ObservedState | null = null;
    for (let second = 0; second < 21_600; second++) {
      const now = startMs + second * 1_000;
      if (now === stopped.toMs) state = null;
      state = states[second] ?? state;
      if (isIn(now, stopped)) ticks.push('stoppedMs');
      else if (sleeps.some((sleep) => isIn(now, sleep))) ticks.push('asleepMs');
      else ticks.push(state === null ? 'unknownMs' : countsAs[state]);
    }
    const second = fc.integer({ min: 0, max: 21_600 });
    const range = fc.tuple(second, second).filter(([a, b]) => a < b);
    await fc.assert(
      fc.asyncProperty(range, fc.integer({ min: 1, max: 60 }), async ([fromSecond, toSecond], buckets) => {
        const asked = { fromMs: startMs + fromSecond * 1_000, toMs: startMs + toSecond * 1_000, buckets };
        const { fromMs, toMs, providers } = await upToDate(() => history.health(asked));
        const basis: Record<string, number> = {};
        for (const key of Object.keys(providers[0]?.basis ?? {})) basis[key] = 0;
        for (const tick of ticks.slice((fromMs - startMs) / 1_000, (toMs - startMs) / 1_000))
          basis[tick] = (basis[tick] ?? 0) + 1_000;
        expect(providers[0]?.basis).toEqual(basis);
        expect([fromMs <= asked.fromMs, toMs >= asked.toMs]).toEqual([true, true]);
        expect(providers[0]?.buckets.length).toBeLessThanOrEqual(buckets);
        expect(providers[0]?.buckets.reduce((sum, { upMs }) => sum + upMs, 0)).toBe(basis.upMs);
      }),
      {
        numRuns: 60,
        examples: [
          [[0, 21_600], 24],
          [[3_333, 20_000], 60],
        ],
      },
    );
  });

  test('a bar of an hour is made of the beats, with their latencies', async () => {
    for (let second = 0; second < 3_600; second += 15)
      beat(second, second < 1_800 ? 'ready' : 'degraded', second < 1_800 ? 4 : 8);
    clock.advance(3_600_000);
    const { bucketMs, providers } = await upToDate(() =>
      history.health({ fromMs: startMs, toMs: startMs + 3_600_000, buckets: 40 }),
    );
    expect(bucketMs).toBe(90_000);
    expect(providers[0]?.buckets).toHaveLength(40);
    expect(providers[0]?.buckets[0]).toMatchObject({
      beats: 6,
      upMs: 90_000,
      latency: { meanMs: 4, minMs: 4, maxMs: 4 },
    });
    expect(providers[0]).toMatchObject({ uptime: 0.5, beats: 240, latency: { meanMs: 6, minMs: 4, maxMs: 8 } });
    expect(providers[0]?.latency?.p95Ms).toBeCloseTo(8, 0);
  });

  test('of less than a tenth of a range nothing is said', async () => {
    for (let second = 82_000; second < 86_400; second += 10) beat(second);
    clock.advance(86_400_000);
    const range = { fromMs: startMs, toMs: startMs + 86_400_000 };
    const { providers } = await upToDate(() => history.health({ ...range, buckets: 24, providers: ['ollama'] }));
    expect(providers[0]).toMatchObject({ uptime: null, observedMs: 4_400_000 });
    expect((await upToDate(() => history.health({ ...range, buckets: 24, providers: ['vllm'] }))).providers).toEqual(
      [],
    );
  });

  test('a process that stood still for hours was not up meanwhile', async () => {
    beat(0);
    await history.flush();
    // As after a suspend: the next timer fires hours late.
    const late = new FakeClock(startMs);
    await history.close();
    clock = Object.assign(late, { now: () => startMs + lateMs });
    let lateMs = 0;
    history = open();
    beat(1);
    lateMs = 7_200_000;
    late.advance(30_000);
    beat(7_201);
    lateMs = 7_260_000;
    const { providers } = await upToDate(() =>
      history.health({ fromMs: startMs, toMs: startMs + 7_260_000, buckets: 121 }),
    );
    expect(providers[0]?.basis.asleepMs).toBe(7_200_000);
  });
});

describe('incidents and events', () => {
  test('an incident has its cause, its length and the requests that failed or moved meanwhile', async () => {
    const at = startMs + 1_000_000;
    const cause = { class: 'refused', message: 'nothing listens on port 8000' } as const;
    const change = { provider: 'vllm', cause: null };
    clock.advance(2_000_000);
    history.recordTransition({ ...change, atMs: startMs, before: 'pending', after: 'ready' });
    history.recordTransition({ ...change, atMs: at, before: 'ready', after: 'down', cause });
    history.recordTransition({ ...change, atMs: at + 60_000, before: 'down', after: 'ready' });
    // The attempt that noticed it, one in the middle that was in vain, one before.
    for (const [offsetMs, result] of [
      [-2, 'complete'],
      [30_000, 'failed'],
      [-60_000, 'failed'],
    ] as const) {
      const { attempts } = outcome();
      history.record(
        outcome({ result, attempts: attempts.map((attempt) => ({ ...attempt, startedAtMs: at + offsetMs })) }),
      );
    }
    const range = { fromMs: startMs, toMs: startMs + 2_000_000, limit: 10 };
    expect(await history.incidents(range)).toEqual({
      incidents: [
        {
          ...{ provider: 'vllm', fromMs: at, toMs: at + 60_000, durationMs: 60_000, state: 'down', cause },
          ...{ failedRequests: 1, movedRequests: 1, endedBy: 'recovered' },
        },
      ],
      isComplete: true,
    });
    const within = { fromMs: at + 30_000, toMs: at + 40_000, limit: 10 };
    expect((await history.incidents(within)).incidents[0]).toMatchObject({ fromMs: at, toMs: null });
    expect((await history.incidents({ ...range, provider: 'ollama' })).incidents).toEqual([]);
  });

  test('everything that happened is one list, the latest first', async () => {
    const event = { provider: 'vllm', model: 'qwen', message: 'it was' } as const;
    history.recordEvent({ ...event, atMs: startMs + 3_000, kind: 'keep_warm' });
    history.recordEvent({ ...event, atMs: startMs + 5_000, kind: 'cooldown' });
    history.recordTransition({
      atMs: startMs + 4_000,
      provider: 'ollama',
      before: 'ready',
      after: 'down',
      cause: null,
    });
    history.noteSleep(startMs + 6_000, startMs + 9_000);
    const range = { fromMs: startMs, toMs: startMs + 10_000, limit: 10 };
    const kinds = (await history.events(range)).map(({ kind }) => kind);
    expect(kinds).toEqual(['slept', 'cooldown', 'transition', 'keep_warm', 'gateway_started']);
    expect(await history.events({ ...range, provider: 'vllm', limit: 1 })).toEqual([
      { ...event, atMs: startMs + 5_000, kind: 'cooldown', before: null, after: null },
    ]);
  });

  test('beats come back as they were recorded', async () => {
    const recorded = {
      atMs: startMs + 1,
      provider: 'vllm',
      isOk: false,
      latencyMs: null,
      observed: 'down',
      cause: 'tls',
    } as const;
    history.recordBeat(recorded);
    history.recordBeat({ ...recorded, atMs: startMs + 2, isOk: true, latencyMs: 1.25, observed: 'ready', cause: null });
    const beats = await history.beats({ fromMs: startMs, toMs: startMs + 10, limit: 5 });
    expect(beats[1]).toEqual(recorded);
    expect(beats[0]).toMatchObject({ latencyMs: 1.25, observed: 'ready', cause: null });
  });

  test('samples of the machine are spread over the range', async () => {
    for (let index = 0; index < 100; index++) {
      const sample = { cpuShare: index / 100, memoryUsedBytes: 1, memoryTotalBytes: null, gpus: [] };
      history.recordHardware({ atMs: startMs + index * 30_000, ...sample });
    }
    const samples = await history.hardware({ fromMs: startMs, toMs: startMs + 3_000_000 }, 10);
    expect(samples.map(({ cpuShare }) => cpuShare)).toEqual([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]);
  });
});
