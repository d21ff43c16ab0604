// What Linux' amdgpu driver tells in files; systeminformation asks nvidia-smi alone for figures of use.

import { readdir, readFile, readlink } from 'node:fs/promises';
import path from 'node:path';
import type { AmdCard } from './gpus.ts';

const mostCards = 32;

/** Cards below `folder` (`/sys/class/drm`); none where there is no such folder. Never rejects. */
export async function readAmdCards(folder: string): Promise<readonly AmdCard[]> {
  const names = await readdir(folder).catch(() => []);
  const cards = names.filter((name) => /^card\d+$/.test(name)).slice(0, mostCards);
  return (await Promise.all(cards.map((name) => readCard(path.join(folder, name, 'device'))))).flatMap(
    (card) => card ?? [],
  );
}

/** Null: another driver's card. */
async function readCard(device: string): Promise<AmdCard | null> {
  const vramTotalBytes = await numberIn(path.join(device, 'mem_info_vram_total'));
  if (vramTotalBytes === null) return null;
  const sensors = path.join(device, 'hwmon');
  const [sensor = ''] = await readdir(sensors).catch(() => []);
  const [usedPercent, vramUsedBytes, milliCelsius, microWatts] = await Promise.all([
    numberIn(path.join(device, 'gpu_busy_percent')),
    numberIn(path.join(device, 'mem_info_vram_used')),
    numberIn(path.join(sensors, sensor, 'temp1_input')),
    numberIn(path.join(sensors, sensor, 'power1_average')),
  ]);
  const address = path.basename(await readlink(device).catch(() => device));
  return {
    busAddress: address.toLowerCase().replace(/^[0-9a-f]{4,8}:(?=[0-9a-f]{2}:)/, ''),
    usedPercent,
    vramUsedBytes,
    vramTotalBytes,
    temperatureCelsius: milliCelsius === null ? null : milliCelsius / 1_000,
    powerWatts: microWatts === null ? null : microWatts / 1_000_000,
  };
}

async function numberIn(file: string): Promise<number | null> {
  const text = await readFile(file, 'utf8').catch(() => '');
  const value = text.trim() === '' ? Number.NaN : Number(text);
  return Number.isFinite(value) ? value : null;
}
