// The hardware in other shapes: a row of the history, and what the providers say of GPU memory.

import type { AdminHardwareSample, AdminProvider } from '../contract.ts';
import type { AdminHardware, AdminModelMemory, AdminReading } from '../contract-hardware.ts';

/** What the history keeps of one sample. */
export function sampleOf({ atMs, cpuShare, memory, gpus }: AdminHardware): AdminHardwareSample {
  const { usedBytes = null, totalBytes = null } = knownValue(memory) ?? {};
  return {
    atMs,
    cpuShare: knownValue(cpuShare),
    memoryUsedBytes: usedBytes,
    memoryTotalBytes: totalBytes,
    gpus: (knownValue(gpus) ?? []).map((gpu) => ({
      name: gpu.name,
      usedShare: knownValue(gpu.usedShare),
      vramUsedBytes: knownValue(gpu.vramUsedBytes),
      vramTotalBytes: knownValue(gpu.vramTotalBytes),
      temperatureCelsius: knownValue(gpu.temperatureCelsius),
      powerWatts: knownValue(gpu.powerWatts),
    })),
  };
}

function knownValue<T>(reading: AdminReading<T>): T | null {
  return reading.is === 'known' ? reading.value : null;
}

/** GPU memory by loaded model, as the latest probes read it. Only Ollama tells any. */
export function modelMemoryOf(providers: readonly AdminProvider[]): readonly AdminModelMemory[] {
  return providers.flatMap(({ name, models }) =>
    models.flatMap(({ id, isLoaded, vramBytes }) =>
      isLoaded === true && vramBytes !== null
        ? [{ provider: name, model: id, vramBytes, source: `what ${name} lists as loaded` }]
        : [],
    ),
  );
}
