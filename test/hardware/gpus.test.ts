import { expect, test } from 'vitest';
import type { AdminGpu } from '../../gateway/contract.ts';
import { type AmdCard, type Controller, gpusOf } from '../../gateway/hardware/gpus.ts';

const GIB = 1024 ** 3;

function gpus(controllers: readonly Controller[], amdCards: readonly AmdCard[] = []): readonly AdminGpu[] {
  const found = gpusOf({ controllers, amdCards, whyNone: 'none' });
  return found.is === 'known' ? found.value : [];
}

const card: AmdCard = {
  busAddress: '03:00.0',
  usedPercent: 40,
  vramUsedBytes: 2 * GIB,
  vramTotalBytes: 16 * GIB,
  temperatureCelsius: 55,
  powerWatts: 120,
};

test('nvidia-smi tells everything, in shares and bytes', () => {
  const nvidia = {
    vendor: 'NVIDIA Corporation',
    model: 'RTX 4090',
    busAddress: '01:00.0',
    memoryTotal: 24_576,
    memoryUsed: 12_288,
    utilizationGpu: 87,
    temperatureGpu: 64,
    powerDraw: 311.5,
  };
  const source = 'nvidia-smi';
  expect(gpus([nvidia])).toEqual([
    {
      name: 'RTX 4090',
      vendor: 'NVIDIA Corporation',
      usedShare: { is: 'known', value: 0.87, source },
      vramUsedBytes: { is: 'known', value: 12 * GIB, source },
      vramTotalBytes: { is: 'known', value: 24 * GIB, source },
      temperatureCelsius: { is: 'known', value: 64, source },
      powerWatts: { is: 'known', value: 311.5, source },
    },
  ]);
});

test('a figure that nvidia-smi leaves out is not detected, and is not taken for zero', () => {
  const [gpu] = gpus([{ vendor: 'NVIDIA', model: 'GT 710', memoryTotal: 2_048, powerDraw: Number.NaN }]);
  const nothing = { is: 'not_detected', because: 'nvidia-smi does not tell it for this card' };
  expect(gpu).toMatchObject({ usedShare: nothing, powerWatts: nothing, vramTotalBytes: { value: 2 * GIB } });
});

test('an AMD card gets its figures from its driver, by the address on the bus', () => {
  const amd = { vendor: 'Advanced Micro Devices', model: 'Navi 21', busAddress: '0000:03:00.0', vram: 256 };
  const [gpu, ...others] = gpus([amd], [card]);
  expect(others).toEqual([]);
  expect(gpu).toMatchObject({
    name: 'Navi 21',
    usedShare: { value: 0.4 },
    vramUsedBytes: { value: 2 * GIB },
    vramTotalBytes: { value: 16 * GIB },
    temperatureCelsius: { value: 55 },
    powerWatts: { value: 120 },
  });
});

test('a card that only its driver knows of is there all the same', () => {
  expect(gpus([], [card])).toMatchObject([{ name: 'GPU at 03:00.0', vendor: 'AMD', usedShare: { value: 0.4 } }]);
});

test.each([
  [{ vendor: 'Apple', model: 'M3', vram: 0 }, 'macOS tells it only to an administrator'],
  [{ vendor: 'NVIDIA', model: 'GTX', vram: 8_192 }, 'no nvidia-smi answers'],
  [{ vendor: 'Intel', model: 'Arc', vram: 8_192 }, 'its driver does not tell it'],
])('%j tells no use, and why', (controller, because) => {
  expect(gpus([controller])[0]?.usedShare).toEqual({ is: 'not_detected', because });
});

test('memory in total is told without figures of use, unless it is borrowed from the main memory', () => {
  expect(gpus([{ vendor: 'Intel', model: 'Arc', vram: 8_192 }])[0]?.vramTotalBytes).toMatchObject({ value: 8 * GIB });
  expect(gpus([{ vendor: 'Intel', model: 'UHD', vram: 128, vramDynamic: true }])[0]?.vramTotalBytes).toEqual({
    is: 'not_detected',
    because: 'it shares the main memory',
  });
});

test('no GPU at all says why none was found', () => {
  expect(gpusOf({ controllers: [], amdCards: [], whyNone: 'no nvidia-smi is installed' })).toEqual({
    is: 'not_detected',
    because: 'no nvidia-smi is installed',
  });
});
