// Puts the hardware together with its real sensors.

import type { Clock } from '../clock.ts';
import type { AdminHardwareSample, AdminProvider } from '../contract.ts';
import type { Log } from '../telemetry/log.ts';
import { Hardware } from './hardware.ts';
import { modelMemoryOf } from './sample.ts';
import { Sensors } from './sensors.ts';

export interface OpenHardwareOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** As the catalog knows them. */
  readonly providers: () => readonly AdminProvider[];
  readonly isRecorded: boolean;
  /** A sample for the history, every 30 s while that is switched on. */
  readonly onSample: (sample: AdminHardwareSample) => void;
}

/** Starts nothing: the sensors' process begins when somebody looks, or with the first recorded sample. */
export function openHardware({ clock, log, providers, isRecorded, onSample }: OpenHardwareOptions): Hardware {
  return new Hardware({
    clock,
    log,
    sensors: new Sensors({ clock }),
    modelMemory: () => modelMemoryOf(providers()),
    isRecorded,
    onSample,
  });
}
