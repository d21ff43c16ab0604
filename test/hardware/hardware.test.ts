import { describe, expect, test } from 'vitest';
import type { AdminHardware, AdminHardwareSample } from '../../gateway/contract.ts';
import { Hardware, type HardwareOptions } from '../../gateway/hardware/hardware.ts';
import { known, type Part, type Readings, unreadable } from '../../gateway/hardware/readings.ts';
import { modelMemoryOf, sampleOf } from '../../gateway/hardware/sample.ts';
import { TestLog } from '../catalog/test-log.ts';
import { FakeClock } from '../support/fake-clock.ts';

const whole: Readings = {
  ...unreadable('nobody looked'),
  machine: {
    system: known({ name: 'Debian', version: '12', architecture: 'x64' }, 's'),
    cpu: known({ model: 'EPYC', physicalCores: 2, threads: 4 }, 's'),
  },
  load: { cpuShare: known(0.5, 's'), memory: known({ totalBytes: 100, usedBytes: 40 }, 's') },
};

function world(more: Partial<HardwareOptions> = {}, readings: Readings = whole) {
  const clock = new FakeClock();
  const log = new TestLog();
  const reads: Part[] = [];
  const samples: AdminHardwareSample[] = [];
  let rests = 0;
  const hardware = new Hardware({
    clock,
    log,
    sensors: {
      read: async (part) => {
        reads.push(part);
        return readings[part];
      },
      rest: () => {
        rests += 1;
      },
      close: () => Promise.resolve(),
    },
    modelMemory: () => [],
    isRecorded: false,
    onSample: (sample) => samples.push(sample),
    ...more,
  });
  /** Time passes, and what it set going ends. */
  const pass = async (ms: number) => {
    for (let left = ms; left > 0; left -= 500) {
      clock.advance(Math.min(500, left));
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const count = (part: Part) => reads.filter((each) => each === part).length;
  return { hardware, clock, log, reads, samples, pass, count, rests: () => rests };
}

describe('who looks', () => {
  test('nobody: nothing is ever read', async () => {
    const { hardware, pass, reads } = world();
    await pass(120_000);
    expect(reads).toEqual([]);
    await hardware.close();
  });

  test('somebody: the load every 2 s, the GPUs every second or third time, the rest seldom, the machine once', async () => {
    const { hardware, pass, count } = world();
    const seen: AdminHardware[] = [];
    const leave = hardware.subscribe((each) => seen.push(each));
    await pass(60_500);
    expect(count('load')).toBeGreaterThanOrEqual(25);
    expect(count('load')).toBeLessThanOrEqual(31);
    expect(count('gpus')).toBeGreaterThanOrEqual(8);
    expect(count('gpus')).toBeLessThanOrEqual(13);
    expect(count('climate')).toBeLessThanOrEqual(3);
    expect(count('machine')).toBe(1);
    expect(seen.length).toBe(count('load'));
    expect(seen.at(-1)).toMatchObject({ cpuShare: { value: 0.5 }, memory: { value: { usedBytes: 40 } } });
    leave();
    await hardware.close();
  });

  test('two look: nothing is read twice, and the last one to leave ends it and lets the sensors rest', async () => {
    const { hardware, pass, count, reads, rests, clock } = world();
    const listener = () => undefined;
    const leaves = [hardware.subscribe(listener), hardware.subscribe(listener)];
    expect(hardware.watchers).toBe(2);
    await pass(10_000);
    const afterTen = count('load');
    expect(afterTen).toBeLessThanOrEqual(6);
    leaves[0]?.();
    leaves[0]?.();
    expect(hardware.watchers).toBe(1);
    await pass(10_000);
    expect(count('load')).toBeGreaterThan(afterTen);
    leaves[1]?.();
    const read = reads.length;
    await pass(29_000);
    expect([reads.length, rests()]).toEqual([read, 0]);
    await pass(2_000);
    expect([reads.length, rests()]).toEqual([read, 1]);
    await hardware.close();
    expect(clock.pending).toBe(0);
  });

  test('one look reads everything once; another right after it reads nothing, two at once read together', async () => {
    const { hardware, reads, pass, rests } = world();
    const [one, two] = await Promise.all([hardware.read(), hardware.read()]);
    expect(one).toBe(two);
    expect([...reads].sort()).toEqual(['climate', 'folders', 'gpus', 'load', 'machine']);
    await hardware.read();
    expect(reads).toHaveLength(5);
    await pass(31_000);
    expect(rests()).toBe(1);
    await hardware.close();
  });

  test('a listener that fails keeps nobody else from looking', async () => {
    const { hardware, pass, log } = world();
    const seen: number[] = [];
    hardware.subscribe(() => {
      throw new Error('no');
    });
    hardware.subscribe(({ atMs }) => seen.push(atMs));
    await pass(5_000);
    expect(seen.length).toBeGreaterThan(1);
    expect(log.lines[0]).toMatchObject({ level: 'error' });
    await hardware.close();
  });
});

describe('the record', () => {
  test('where it is on: every 30 s, whoever looks; off again: nothing', async () => {
    const { hardware, pass, samples, count } = world({ isRecorded: true });
    await pass(90_500);
    expect(samples.map(({ cpuShare, memoryTotalBytes }) => [cpuShare, memoryTotalBytes])).toEqual(
      Array.from({ length: samples.length }, () => [0.5, 100]),
    );
    expect(samples.length).toBeGreaterThanOrEqual(3);
    expect(samples.length).toBeLessThanOrEqual(4);
    expect(count('load')).toBe(samples.length);
    const before = samples.length;
    const leave = hardware.subscribe(() => undefined);
    await pass(60_000);
    expect(samples.length - before).toBeGreaterThanOrEqual(1);
    expect(samples.length - before).toBeLessThanOrEqual(3);
    leave();
    hardware.setRecorded(false);
    const kept = samples.length;
    await pass(120_000);
    expect(samples).toHaveLength(kept);
    await hardware.close();
  });

  test('nothing is recorded while the machine sleeps, and one sample when it wakes', async () => {
    const { hardware, pass, samples, clock, rests } = world({ isRecorded: true });
    await pass(1_000);
    hardware.pause();
    expect([rests(), clock.pending]).toEqual([1, 0]);
    await pass(600_000);
    expect(samples).toHaveLength(1);
    hardware.resume();
    await pass(1_000);
    expect(samples).toHaveLength(2);
    await hardware.close();
  });

  test('what is not detected is null in a row of the history', async () => {
    const { hardware } = world({}, unreadable('no sensors'));
    expect(sampleOf(await hardware.read())).toMatchObject({ cpuShare: null, memoryUsedBytes: null, gpus: [] });
    await hardware.close();
  });
});

test('a machine that could not be read is asked for again, and one that is known is not', async () => {
  const { hardware, pass, count } = world({}, unreadable('too slow'));
  hardware.subscribe(() => undefined);
  await pass(65_000);
  expect(count('machine')).toBe(3);
  await hardware.close();
});

test('what providers say of GPU memory is told by model, of those that are loaded', () => {
  const model = (id: string, isLoaded: boolean, vramBytes: number | null) => ({ id, isLoaded, vramBytes });
  const models = [model('a', true, 5), model('b', false, 7), model('c', true, null)];
  const provider = { name: 'ollama', models } as unknown as Parameters<typeof modelMemoryOf>[0][number];
  expect(modelMemoryOf([provider])).toEqual([
    { provider: 'ollama', model: 'a', vramBytes: 5, source: 'what ollama lists as loaded' },
  ]);
});
