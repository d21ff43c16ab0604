// The machine for those who look at it: sampled while somebody does, and slowly in the background where that is wanted.

import type { Clock } from '../clock.ts';
import type { AdminHardwareSample } from '../contract.ts';
import type { AdminHardware, AdminModelMemory } from '../contract-hardware.ts';
import type { Log } from '../telemetry/log.ts';
import { type Part, type Readings, unreadable } from './readings.ts';
import { sampleOf } from './sample.ts';

/** Between two samples while somebody looks, and in the background. */
const lookEveryMs = 2_000;
const recordEveryMs = 30_000;
/** How old a part may be in a sample. Those that start programs are read less often. */
const freshForMs: Readonly<Record<Part, number>> = {
  machine: Number.POSITIVE_INFINITY,
  load: 1_500,
  gpus: 4_500,
  climate: 29_000,
  folders: 29_000,
};
const parts = Object.keys(freshForMs) as readonly Part[];
/** After the last look the process of the sensors stays that long, for somebody who comes back. */
const lingerMs = 30_000;

export interface HardwareOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly sensors: {
    read<P extends Part>(part: P): Promise<Readings[P]>;
    rest(): void;
    close(): Promise<void>;
  };
  /** What providers say of GPU memory, from memory: nobody is asked for it. */
  readonly modelMemory: () => readonly AdminModelMemory[];
  /** Whether samples are recorded in the background. */
  readonly isRecorded: boolean;
  /** A background sample. */
  readonly onSample: (sample: AdminHardwareSample) => void;
}

interface Kept<P extends Part> {
  readonly reading: Readings[P];
  readonly atMs: number;
}

export class Hardware {
  readonly #options: HardwareOptions;
  readonly #kept: { [P in Part]?: Kept<P> } = {};
  readonly #listeners = new Set<(hardware: AdminHardware) => void>();
  #isRecorded: boolean;
  #recordedAtMs = Number.NEGATIVE_INFINITY;
  #running: Promise<AdminHardware> | null = null;
  #cancelNext: (() => void) | null = null;
  #life: 'running' | 'paused' | 'closed' = 'running';

  constructor(options: HardwareOptions) {
    this.#options = options;
    this.#isRecorded = options.isRecorded;
    this.#wait(0);
  }

  /** The machine now: what is old is read anew, one part after the other. Never rejects. */
  read(): Promise<AdminHardware> {
    this.#running ??= this.#sample().finally(() => {
      this.#running = null;
      this.#wait(this.#everyMs ?? lingerMs);
    });
    return this.#running;
  }

  /** Calls back with each sample, the first as soon as there is one, until the returned function is called. */
  subscribe(listener: (hardware: AdminHardware) => void): () => void {
    // The same function may look twice.
    const own = (hardware: AdminHardware): void => listener(hardware);
    this.#listeners.add(own);
    this.#wait(0);
    return () => {
      if (this.#listeners.delete(own) && this.#listeners.size === 0) this.#wait(this.#everyMs ?? lingerMs);
    };
  }

  /** How many look at it now. */
  get watchers(): number {
    return this.#listeners.size;
  }

  setRecorded(isRecorded: boolean): void {
    if (isRecorded === this.#isRecorded) return;
    this.#isRecorded = isRecorded;
    this.#wait(isRecorded ? 0 : (this.#everyMs ?? lingerMs));
  }

  /** The machine goes to sleep: nothing is read by itself until `resume()`. */
  pause(): void {
    if (this.#life !== 'running') return;
    this.#life = 'paused';
    this.#forgetNext();
    this.#options.sensors.rest();
  }

  resume(): void {
    if (this.#life !== 'paused') return;
    this.#life = 'running';
    this.#wait(0);
  }

  async close(): Promise<void> {
    this.#life = 'closed';
    this.#forgetNext();
    this.#listeners.clear();
    await this.#options.sensors.close();
    await this.#running;
  }

  /** Between two samples; null: nobody wants any. */
  get #everyMs(): number | null {
    if (this.#listeners.size > 0) return lookEveryMs;
    return this.#isRecorded ? recordEveryMs : null;
  }

  #forgetNext(): void {
    this.#cancelNext?.();
    this.#cancelNext = null;
  }

  #wait(delayMs: number): void {
    this.#forgetNext();
    // What runs decides again when it ends.
    if (this.#life !== 'running' || this.#running !== null) return;
    this.#cancelNext = this.#options.clock.after(delayMs, () => {
      this.#cancelNext = null;
      if (this.#everyMs === null) this.#options.sensors.rest();
      else void this.read();
    });
  }

  async #sample(): Promise<AdminHardware> {
    this.#forgetNext();
    for (const part of parts) await this.#refresh(part);
    const hardware = this.#put();
    for (const listener of this.#listeners) this.#tell(() => listener(hardware));
    if (this.#isRecorded && hardware.atMs - this.#recordedAtMs >= recordEveryMs - lookEveryMs) {
      this.#recordedAtMs = hardware.atMs;
      this.#tell(() => this.#options.onSample(sampleOf(hardware)));
    }
    return hardware;
  }

  async #refresh<P extends Part>(part: P): Promise<void> {
    const { clock, sensors } = this.#options;
    const former = this.#kept[part] as Kept<P> | undefined;
    if (former !== undefined && clock.monotonic() - former.atMs < this.#freshForMs(part)) return;
    const reading = await sensors.read(part);
    const kept: { [Q in Part]?: unknown } = this.#kept;
    kept[part] = { reading, atMs: clock.monotonic() } satisfies Kept<P>;
  }

  /** What never changes is asked for again only until it is known. */
  #freshForMs(part: Part): number {
    if (part !== 'machine') return freshForMs[part];
    const machine = this.#kept.machine?.reading;
    const isKnown = machine?.cpu.is === 'known' && machine.system.is === 'known';
    return isKnown ? freshForMs.machine : recordEveryMs;
  }

  #put(): AdminHardware {
    const { machine, load, gpus, climate, folders } = this.#kept;
    const nothing = unreadable('it was not read yet');
    return {
      atMs: this.#options.clock.now(),
      machine: machine?.reading ?? nothing.machine,
      ...(load?.reading ?? nothing.load),
      ...(climate?.reading ?? nothing.climate),
      gpus: gpus?.reading ?? nothing.gpus,
      modelFolders: folders?.reading ?? nothing.folders,
      modelMemory: this.#options.modelMemory(),
    };
  }

  #tell(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#options.log.error('a listener of the hardware failed', { error });
    }
  }
}
