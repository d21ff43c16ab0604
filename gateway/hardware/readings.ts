// The parts of the machine that are read together, and the messages by which the sensors are asked for them.

import type {
  AdminGpu,
  AdminMachine,
  AdminMemory,
  AdminModelFolder,
  AdminPower,
  AdminReading,
} from '../contract-hardware.ts';

/** By what is asked for. */
export interface Readings {
  readonly machine: AdminMachine;
  readonly load: { readonly cpuShare: AdminReading<number>; readonly memory: AdminReading<AdminMemory> };
  readonly gpus: AdminReading<readonly AdminGpu[]>;
  readonly climate: {
    readonly power: AdminReading<AdminPower>;
    readonly cpuTemperatureCelsius: AdminReading<number>;
  };
  readonly folders: readonly AdminModelFolder[];
}

export type Part = keyof Readings;

/** To the sensors. */
export interface Question {
  readonly number: number;
  readonly part: Part;
}

/** From the sensors. */
export type Answer =
  | { readonly number: number; readonly reading: Readings[Part] }
  | { readonly number: number; readonly failed: string };

export function known<T>(value: T, source: string): AdminReading<T> {
  return { is: 'known', value, source };
}

export function notDetected(because: string): { readonly is: 'not_detected'; readonly because: string } {
  return { is: 'not_detected', because };
}

/** A number that says something: finite and not negative. */
export function knownNumber(value: unknown, source: string, because: string): AdminReading<number> {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
    ? known(value, source)
    : notDetected(because);
}

/** Every part as it is when none of it could be read. */
export function unreadable(because: string): Readings {
  const nothing = notDetected(because);
  return {
    machine: { system: nothing, cpu: nothing },
    load: { cpuShare: nothing, memory: nothing },
    gpus: nothing,
    climate: { power: nothing, cpuTemperatureCelsius: nothing },
    folders: [],
  };
}
