import { describe, expect, test } from 'vitest';
import { ProbeLoop, type ProbeLoopOptions } from '../../gateway/catalog/probe-loop.ts';
import { FakeClock } from '../support/fake-clock.ts';

interface Bench {
  readonly clock: FakeClock;
  readonly loop: ProbeLoop;
  /** Times at which probes began, in ms since the start. */
  readonly begun: number[];
  isClose: boolean;
  /** Ends the probe that runs. */
  finish(): Promise<void>;
}

function bench(options: Partial<ProbeLoopOptions> = {}): Bench {
  const clock = new FakeClock(0);
  const begun: number[] = [];
  let end: (() => void) | null = null;
  const self: Bench = {
    clock,
    begun,
    isClose: false,
    loop: new ProbeLoop({
      clock,
      random: () => 0.5,
      schedule: null,
      intervalMs: 15_000,
      isWatchedClosely: () => self.isClose,
      probe: () => {
        begun.push(clock.now());
        return new Promise((resolve) => {
          end = resolve;
        });
      },
      onError: () => undefined,
      ...options,
    }),
    async finish() {
      end?.();
      await new Promise(setImmediate);
    },
  };
  return self;
}

describe('when a provider is probed', () => {
  test('at once, then by interval', async () => {
    const { loop, clock, begun, finish } = bench();
    void loop.start();
    await finish();
    clock.advance(15_000);
    await finish();
    clock.advance(15_000);
    expect(begun).toEqual([0, 15_000, 30_000]);
    loop.stop();
  });

  test('every 2 s while it is watched closely', async () => {
    const self = bench();
    self.isClose = true;
    void self.loop.start();
    await self.finish();
    self.clock.advance(2_000);
    await self.finish();
    self.isClose = false;
    self.clock.advance(2_000);
    await self.finish();
    self.clock.advance(14_999);
    expect(self.begun).toEqual([0, 2_000, 4_000]);
    self.loop.stop();
  });

  test.each([
    { random: 0, waitMs: 13_500 },
    { random: 0.999_999, waitMs: 16_500 },
  ])('with jitter of a tenth: $waitMs ms', async ({ random, waitMs }) => {
    const { loop, clock, begun, finish } = bench({ random: () => random });
    void loop.start();
    await finish();
    clock.advance(waitMs);
    expect(begun).toHaveLength(2);
    expect(begun[1]).toBeCloseTo(waitMs, 0);
    loop.stop();
  });

  test('never twice at once', async () => {
    const { loop, clock, begun, finish } = bench();
    void loop.start();
    void loop.probeNow();
    clock.advance(60_000);
    void loop.probeNow();
    expect(begun).toEqual([0]);
    await finish();
    clock.advance(15_000);
    expect(begun).toEqual([0, 75_000]);
    loop.stop();
  });

  test('news shorten the wait and never lengthen it', async () => {
    const self = bench();
    void self.loop.start();
    await self.finish();
    self.clock.advance(5_000);
    self.isClose = true;
    self.loop.reconsider();
    self.clock.advance(1_500);
    self.loop.reconsider();
    self.clock.advance(500);
    expect(self.begun).toEqual([0, 7_000]);
    self.loop.stop();
  });

  test('a probe that throws is told and does not end the loop', async () => {
    const errors: unknown[] = [];
    const { loop, clock } = bench({
      probe: () => Promise.reject(new Error('no')),
      onError: (error) => errors.push(error),
    });
    await loop.start();
    clock.advance(15_000);
    await new Promise(setImmediate);
    expect(errors).toHaveLength(2);
    loop.stop();
  });

  test('after stop nothing is left, also when a probe was running', async () => {
    const { loop, clock, begun, finish } = bench();
    void loop.start();
    loop.stop();
    await finish();
    expect(clock.pending).toBe(0);
    clock.advance(60_000);
    expect(begun).toEqual([0]);
  });

  test('by a cron schedule with seconds in place of the interval', async () => {
    const second = Promise.withResolvers<void>();
    let count = 0;
    const { loop, clock } = bench({
      schedule: '* * * * * *',
      probe: async () => {
        count += 1;
        if (count === 2) second.resolve();
      },
    });
    await loop.start();
    expect(clock.pending).toBe(0);
    await second.promise;
    loop.stop();
    expect(count).toBe(2);
  });
});
