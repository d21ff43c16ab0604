import { describe, expect, test } from 'vitest';
import type { KeepWarmEntry } from '../../gateway/config/settings.ts';
import type { AdminModelAction, AdminModelActionResult } from '../../gateway/contract.ts';
import { type StartSchedule, startCron } from '../../gateway/warm/cron-schedule.ts';
import { KeepWarm } from '../../gateway/warm/keep-warm.ts';
import { startOllama } from '../backends/ollama.ts';
import { provider, settingsWith } from '../catalog/catalog-bench.ts';
import { TestLog } from '../catalog/test-log.ts';
import { warmBench } from './support.ts';

const morning: KeepWarmEntry = { schedule: '0 8 * * 1-5', model: 'big', action: 'load' };
const evening: KeepWarmEntry = { schedule: '0 18 * * 1-5', model: 'big', action: 'unload' };

const settingsOf = (...keepWarm: readonly KeepWarmEntry[]) =>
  settingsWith(provider('p', 'ollama', 'http://127.0.0.1:1', { keepWarm }));

/** Schedules that are due when the test says so, and actions that end when it says so. */
function byHand(...keepWarm: readonly KeepWarmEntry[]) {
  const due = new Map<string, () => void>();
  const begun: string[] = [];
  const runs: AdminModelAction[] = [];
  const ends: (() => void)[] = [];
  const startSchedule: StartSchedule = (expression, callback) => {
    begun.push(expression);
    due.set(expression, callback);
    return { nextAtMs: () => 1_000, stop: () => due.delete(expression) };
  };
  const run = (action: AdminModelAction): Promise<AdminModelActionResult> => {
    runs.push(action);
    const { promise, resolve } = Promise.withResolvers<AdminModelActionResult>();
    ends.push(() => resolve({ ...action, atMs: 5, durationMs: 1, result: 'done', message: 'was loaded' }));
    return promise;
  };
  const log = new TestLog();
  const warm = new KeepWarm({ actions: { run }, settings: settingsOf(...keepWarm), log, startSchedule });
  return { warm, due, begun, runs, ends };
}

describe('what is done', () => {
  test('nothing is due before the start, then each entry at its own times, as an action by schedule', () => {
    const { warm, due, runs } = byHand(morning, evening);
    expect([...due.keys()]).toEqual([]);
    warm.start();
    expect([...due.keys()]).toEqual([morning.schedule, evening.schedule]);
    due.get(evening.schedule)?.();
    expect(runs).toEqual([{ provider: 'p', model: 'big', action: 'unload', by: 'schedule' }]);
    warm.close();
    expect([...due.keys()]).toEqual([]);
  });

  test('what is due while its last run lasts is not done twice, and again afterwards', async () => {
    const { warm, due, runs, ends } = byHand(morning);
    warm.start();
    due.get(morning.schedule)?.();
    due.get(morning.schedule)?.();
    expect(runs).toHaveLength(1);
    ends[0]?.();
    await expect.poll(() => warm.status()[0]?.last).toMatchObject({ result: 'done', atMs: 5 });
    due.get(morning.schedule)?.();
    expect(runs).toHaveLength(2);
  });

  test('other settings end and begin only what differs', () => {
    const { warm, due, begun } = byHand(morning, evening);
    warm.start();
    const night = { ...evening, schedule: '0 23 * * *' };
    warm.apply(settingsOf(morning, night));
    expect([...due.keys()]).toEqual([morning.schedule, night.schedule]);
    expect(begun).toEqual([morning.schedule, evening.schedule, night.schedule]);
    expect(warm.status()).toEqual([
      { provider: 'p', ...morning, nextAtMs: 1_000, last: null },
      { provider: 'p', ...night, nextAtMs: 1_000, last: null },
    ]);
  });

  test('nothing is due while the machine sleeps, and nothing is made up for when it wakes', () => {
    const { warm, due, runs } = byHand(morning);
    warm.start();
    warm.pause();
    expect([...due.keys()]).toEqual([]);
    expect(warm.status()[0]?.nextAtMs).toBeNull();
    warm.apply(settingsOf(morning, evening));
    expect([...due.keys()]).toEqual([]);
    warm.resume();
    expect([...due.keys()]).toEqual([morning.schedule, evening.schedule]);
    expect(runs).toEqual([]);
  });
});

test('cron tells the next time in this machine’s time zone', () => {
  const schedule = startCron(morning.schedule, () => undefined);
  const next = new Date(schedule.nextAtMs() ?? 0);
  schedule.stop();
  expect([next.getHours(), next.getMinutes(), next.getSeconds()]).toEqual([8, 0, 0]);
  expect(next.getDay()).toBeGreaterThanOrEqual(1);
  expect(next.getDay()).toBeLessThanOrEqual(5);
  expect(next.getTime()).toBeGreaterThan(Date.now());
});

test('every second, on a server: the model is loaded once, kept, and loaded again after somebody unloaded it', async () => {
  await using server = await startOllama();
  const keepWarm = [{ schedule: '* * * * * *', model: 'qwen3:0.6b', action: 'load' }] as const;
  await using bench = await warmBench('ollama', server.url, { keepWarm });
  const warm = new KeepWarm({ actions: bench.actions, settings: bench.settings, log: bench.log });
  warm.start();
  try {
    await expect.poll(() => bench.ended.length, { timeout: 10_000 }).toBeGreaterThanOrEqual(2);
    expect(bench.ended.slice(0, 2).map(({ result, by }) => `${result} ${by}`)).toEqual([
      'done schedule',
      'unchanged schedule',
    ]);
    expect(bench.model('qwen3:0.6b')).toMatchObject({ isLoaded: true, loadedUntilMs: 'unlimited' });
    const loads = () => bench.ended.filter(({ result, action }) => result === 'done' && action === 'load').length;
    expect(loads()).toBe(1);
    await bench.run('unload', 'qwen3:0.6b');
    await expect.poll(loads, { timeout: 10_000 }).toBe(2);
  } finally {
    warm.close();
  }
  const count = bench.ended.length;
  await bench.actions.close();
  expect(bench.ended.length).toBeLessThanOrEqual(count + 1);
});
