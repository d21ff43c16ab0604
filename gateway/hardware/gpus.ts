// GPUs as systeminformation finds them, completed by what the amdgpu driver of Linux tells in files.

import type { AdminGpu, AdminReading } from '../contract-hardware.ts';
import { known, knownNumber, notDetected } from './readings.ts';

const MEGABYTE = 1024 * 1024;

/** What is used of systeminformation's controllers. */
export interface Controller {
  readonly vendor?: string;
  readonly model?: string;
  readonly name?: string;
  readonly busAddress?: string;
  /** MB; `vramDynamic`: it is taken from the main memory. */
  readonly vram?: number | null;
  readonly vramDynamic?: boolean;
  /** These are nvidia-smi's. */
  readonly memoryTotal?: number;
  readonly memoryUsed?: number;
  readonly utilizationGpu?: number;
  readonly temperatureGpu?: number;
  readonly powerDraw?: number;
}

/** One card as amdgpu shows it below `/sys/class/drm`. Null: there is no such file. */
export interface AmdCard {
  /** `03:00.0` */
  readonly busAddress: string;
  readonly usedPercent: number | null;
  readonly vramUsedBytes: number | null;
  readonly vramTotalBytes: number | null;
  readonly temperatureCelsius: number | null;
  readonly powerWatts: number | null;
}

export interface GpuBasis {
  readonly controllers: readonly Controller[];
  readonly amdCards: readonly AmdCard[];
  /** Why no GPU may have been found although there is one. */
  readonly whyNone: string;
}

const amdSource = 'amdgpu in /sys/class/drm';

/** All GPUs, or why none was found. */
export function gpusOf({ controllers, amdCards, whyNone }: GpuBasis): AdminReading<readonly AdminGpu[]> {
  const addresses = new Set(controllers.map(({ busAddress }) => busOf(busAddress)));
  const gpus = [
    ...controllers.map((controller) =>
      gpuOf(controller, amdCards.find(({ busAddress }) => busAddress === busOf(controller.busAddress)) ?? null),
    ),
    // lspci may be missing while the driver is there.
    ...amdCards
      .filter(({ busAddress }) => !addresses.has(busAddress))
      .map((card) => gpuOf({ vendor: 'AMD', model: `GPU at ${card.busAddress}` }, card)),
  ];
  return gpus.length === 0 ? notDetected(whyNone) : known(gpus, 'systeminformation');
}

/** `0000:03:00.0` and `03:00.0` are one. */
function busOf(address: string | undefined): string {
  return (address ?? '').toLowerCase().replace(/^[0-9a-f]{4,8}:(?=[0-9a-f]{2}:)/, '');
}

function gpuOf(controller: Controller, card: AmdCard | null): AdminGpu {
  const isNvidia = controller.utilizationGpu !== undefined || controller.memoryTotal !== undefined;
  const source = isNvidia ? 'nvidia-smi' : amdSource;
  const because = whyUnknown(controller, isNvidia);
  const read = (fromNvidia: number | undefined, fromAmd: number | null | undefined, factor = 1) =>
    knownNumber(isNvidia ? times(fromNvidia, factor) : fromAmd, source, because);
  return {
    name: controller.model || controller.name || 'GPU',
    vendor: controller.vendor ?? '',
    usedShare: shareOf(read(controller.utilizationGpu, card?.usedPercent)),
    vramUsedBytes: read(controller.memoryUsed, card?.vramUsedBytes, MEGABYTE),
    vramTotalBytes: totalOf(controller, read(controller.memoryTotal, card?.vramTotalBytes, MEGABYTE)),
    temperatureCelsius: read(controller.temperatureGpu, card?.temperatureCelsius),
    powerWatts: read(controller.powerDraw, card?.powerWatts),
  };
}

function times(value: number | undefined, factor: number): number | undefined {
  return value === undefined ? undefined : value * factor;
}

function shareOf(percent: AdminReading<number>): AdminReading<number> {
  return percent.is === 'known' ? { ...percent, value: Math.min(percent.value / 100, 1) } : percent;
}

/** Drivers without figures of use still tell how much memory there is, unless it is a part of the main memory. */
function totalOf({ vram, vramDynamic }: Controller, read: AdminReading<number>): AdminReading<number> {
  if (read.is === 'known' || typeof vram !== 'number' || vram <= 0) return read;
  if (vramDynamic === true) return notDetected('it shares the main memory');
  return known(vram * MEGABYTE, 'systeminformation');
}

function whyUnknown({ vendor }: Controller, isNvidia: boolean): string {
  if (isNvidia) return 'nvidia-smi does not tell it for this card';
  if (/nvidia/i.test(vendor ?? '')) return 'no nvidia-smi answers';
  if (/apple/i.test(vendor ?? '')) return 'macOS tells it only to an administrator';
  return 'its driver does not tell it';
}
