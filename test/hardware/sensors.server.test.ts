import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../gateway/clock.ts';
import { readAmdCards } from '../../gateway/hardware/amd-cards.ts';
import { Sensors } from '../../gateway/hardware/sensors.ts';
import { MovableClock } from '../support/movable-clock.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'switchyard-sensors-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A process in place of the sensors' own. */
function script(name: string, text: string): string {
  const file = path.join(folder, `${name}.mjs`);
  writeFileSync(file, text);
  return file;
}

describe('this machine', () => {
  test('has a processor, memory, and everything else or the reason why not', { timeout: 120_000 }, async () => {
    const sensors = new Sensors({ clock: systemClock });
    try {
      const { system, cpu } = await sensors.read('machine');
      expect(cpu).toMatchObject({ is: 'known', value: { threads: expect.any(Number) } });
      expect(system).toMatchObject({ is: 'known' });
      const { cpuShare, memory } = await sensors.read('load');
      expect(memory).toMatchObject({ is: 'known' });
      if (memory.is === 'known') expect(memory.value.usedBytes).toBeLessThan(memory.value.totalBytes);
      if (cpuShare.is === 'known') expect(cpuShare.value).toBeLessThanOrEqual(1);
      const gpus = await sensors.read('gpus');
      if (gpus.is === 'known') expect(gpus.value.length).toBeGreaterThan(0);
      else expect(gpus.because).toMatch(/\w+ \w+/);
      expect((await sensors.read('climate')).power.is).toBe('known');
      expect((await sensors.read('folders')).map(({ usedBy }) => usedBy)).toEqual(
        expect.arrayContaining(['Ollama', 'Hugging Face', 'llama.cpp']),
      );
      expect(sensors.isRunning).toBe(true);
    } finally {
      await sensors.close();
    }
    expect(sensors.isRunning).toBe(false);
    expect(await sensors.read('gpus')).toEqual({ is: 'not_detected', because: 'the gateway is stopping' });
  });
});

describe('sensors that fail', () => {
  test('one that does not answer in time is killed, and the next question starts another', async () => {
    const clock = new MovableClock();
    // Says its number of life by a file, and answers from its second life on.
    const lives = path.join(folder, 'lives');
    const file = script(
      'slow',
      `import { existsSync, writeFileSync } from 'node:fs';
       const isSecond = existsSync(${JSON.stringify(lives)});
       writeFileSync(${JSON.stringify(lives)}, '');
       process.on('message', ({ number }) => isSecond && process.send({ number, reading: { is: 'known', value: [], source: 's' } }));`,
    );
    const sensors = new Sensors({ clock, file });
    const first = await clock.advanceUntil(sensors.read('gpus'), () => true, 1_000);
    expect(first).toEqual({ is: 'not_detected', because: 'it was not told within 15 s' });
    expect(sensors.isRunning).toBe(false);
    // The first one may have been killed before it wrote.
    writeFileSync(lives, '');
    expect(await sensors.read('gpus')).toEqual({ is: 'known', value: [], source: 's' });
    await sensors.close();
  });

  test.each([
    ['ends by itself', 'process.on("message", () => process.exit(3))', /ended by themselves \(exit code 3\)/],
    ['cannot even start', 'import "./no-such-file.mjs"', /ended by themselves|cannot be asked/],
    [
      'says that it failed',
      'process.on("message", ({ number }) => process.send({ number, failed: "EPERM" }))',
      /reading it failed: EPERM/,
    ],
  ])('one that %s is told as a reason', async (name, text, because) => {
    const sensors = new Sensors({ clock: systemClock, file: script(name.replaceAll(' ', '-'), text) });
    const { cpuShare, memory } = await sensors.read('load');
    expect(cpuShare).toMatchObject({ is: 'not_detected', because: expect.stringMatching(because) });
    expect(memory).toEqual(cpuShare);
    await sensors.close();
  });

  test('questions are asked one after the other, never two at once', async () => {
    const text = `let open = 0;
      process.on('message', ({ number }) => {
        const reading = { is: 'known', value: ++open, source: 's' };
        setTimeout(() => { open -= 1; process.send({ number, reading }); }, 5);
      });`;
    const sensors = new Sensors({ clock: systemClock, file: script('counts', text) });
    const answers = await Promise.all([sensors.read('gpus'), sensors.read('gpus'), sensors.read('gpus')]);
    expect(answers).toEqual(answers.map(() => ({ is: 'known', value: 1, source: 's' })));
    await sensors.close();
  });

  test('resting breaks off what is being read', async () => {
    const file = script('silent', 'process.on("message", () => undefined)');
    const sensors = new Sensors({ clock: systemClock, file });
    const reading = sensors.read('gpus');
    await expect.poll(() => sensors.isRunning).toBe(true);
    sensors.rest();
    expect(await reading).toMatchObject({ is: 'not_detected', because: 'the reading was broken off' });
    await sensors.close();
  });
});

test("cards are read from the files of Linux' amdgpu driver, others are passed over", async () => {
  const drm = path.join(folder, 'drm');
  const device = path.join(folder, 'devices', '0000:0A:00.0');
  mkdirSync(path.join(device, 'hwmon', 'hwmon3'), { recursive: true });
  mkdirSync(path.join(drm, 'card0'), { recursive: true });
  mkdirSync(path.join(drm, 'card1', 'device'), { recursive: true });
  mkdirSync(path.join(drm, 'card0-HDMI-A-1'), { recursive: true });
  symlinkSync(device, path.join(drm, 'card0', 'device'));
  writeFileSync(path.join(device, 'mem_info_vram_total'), '17163091968\n');
  writeFileSync(path.join(device, 'mem_info_vram_used'), '1048576\n');
  writeFileSync(path.join(device, 'gpu_busy_percent'), '7\n');
  writeFileSync(path.join(device, 'hwmon', 'hwmon3', 'temp1_input'), '48000\n');
  expect(await readAmdCards(drm)).toEqual([
    {
      busAddress: '0a:00.0',
      usedPercent: 7,
      vramUsedBytes: 1_048_576,
      vramTotalBytes: 17_163_091_968,
      temperatureCelsius: 48,
      powerWatts: null,
    },
  ]);
  expect(await readAmdCards(path.join(folder, 'nothing'))).toEqual([]);
});
