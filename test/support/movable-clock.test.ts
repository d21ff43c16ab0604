import { expect, test } from 'vitest';
import { MovableClock } from './movable-clock.ts';

const HOUR_MS = 3_600_000;

test('it runs by itself: what is due soon comes without a push', async () => {
  const clock = new MovableClock();
  const beforeMs = clock.monotonic();
  await new Promise<void>((resolve) => void clock.after(5, resolve));
  expect(clock.monotonic() - beforeMs).toBeGreaterThanOrEqual(5);
  expect(clock.aheadMs).toBe(0);
  expect(clock.pending).toBe(0);
});

test('a push moves both times by as much, and only forward', () => {
  const clock = new MovableClock();
  const [nowMs, monotonicMs] = [clock.now(), clock.monotonic()];
  clock.advance(HOUR_MS);
  expect(clock.now() - nowMs).toBeGreaterThanOrEqual(HOUR_MS);
  expect(clock.monotonic() - monotonicMs).toBeGreaterThanOrEqual(HOUR_MS);
  expect(clock.aheadMs).toBe(HOUR_MS);
});

test('what falls due on the way is called in the order of its time, at its time, once', () => {
  const clock = new MovableClock();
  const startMs = clock.monotonic();
  const seen: [string, number][] = [];
  const note = (name: string) => () => void seen.push([name, Math.floor((clock.monotonic() - startMs) / 1_000)]);
  clock.after(30_000, note('second'));
  clock.after(10_000, () => {
    note('first')();
    clock.after(25_000, note('third'));
    clock.after(HOUR_MS, note('later'));
  });
  clock.advance(60_000);
  expect(seen).toEqual([
    ['first', 10],
    ['second', 30],
    ['third', 35],
  ]);
  expect(clock.pending).toBe(1);
  clock.advance(HOUR_MS);
  expect(seen.at(-1)?.[0]).toBe('later');
  expect(clock.pending).toBe(0);
});

test('what is not due yet after a push comes that much earlier in real time', async () => {
  const clock = new MovableClock();
  const startMs = performance.now();
  const fired = new Promise<void>((resolve) => void clock.after(HOUR_MS, resolve));
  clock.advance(HOUR_MS - 20);
  expect(clock.pending).toBe(1);
  await fired;
  expect(performance.now() - startMs).toBeLessThan(10_000);
});

test('a cancelled callback never comes, by itself or by a push', async () => {
  const clock = new MovableClock();
  const seen: string[] = [];
  const cancel = clock.after(1, () => seen.push('cancelled'));
  cancel();
  clock.advance(HOUR_MS);
  await new Promise<void>((resolve) => void clock.after(5, resolve));
  expect(seen).toEqual([]);
  expect(clock.pending).toBe(0);
});

test('it can be pushed until something happens, and stands still while somebody is busy', async () => {
  const clock = new MovableClock();
  let isBusy = true;
  const happens = new Promise<string>((resolve) => void clock.after(60_000, () => resolve('happened')));
  const startMs = clock.monotonic();
  setTimeout(() => {
    isBusy = false;
  }, 20);
  expect(await clock.advanceUntil(happens, () => !isBusy, 1_000)).toBe('happened');
  expect(clock.monotonic() - startMs).toBeGreaterThanOrEqual(60_000);
  expect(clock.aheadMs).toBeLessThanOrEqual(61_000);
  await expect(clock.advanceUntil(Promise.reject(new Error('no')))).rejects.toThrow('no');
});
