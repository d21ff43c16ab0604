// What the admin API tells of the machine: `GET /admin/hardware`. What cannot be had says why.

/** Something of the machine that may not be known. */
export type AdminReading<T> =
  | {
      readonly is: 'known';
      readonly value: T;
      /** Who says so: `nvidia-smi`, `/proc/meminfo`. */
      readonly source: string;
    }
  | {
      readonly is: 'not_detected';
      /** A sentence without its subject: `no nvidia-smi is installed`. */
      readonly because: string;
    };

/** What does not change while the machine runs. */
export interface AdminMachine {
  readonly system: AdminReading<{ readonly name: string; readonly version: string; readonly architecture: string }>;
  readonly cpu: AdminReading<{ readonly model: string; readonly physicalCores: number; readonly threads: number }>;
}

export interface AdminMemory {
  readonly totalBytes: number;
  /** What cannot be given to another program. */
  readonly usedBytes: number;
}

/** One GPU now. */
export interface AdminGpu {
  readonly name: string;
  readonly vendor: string;
  /** 0 to 1. */
  readonly usedShare: AdminReading<number>;
  readonly vramUsedBytes: AdminReading<number>;
  readonly vramTotalBytes: AdminReading<number>;
  readonly temperatureCelsius: AdminReading<number>;
  readonly powerWatts: AdminReading<number>;
}

export interface AdminPower {
  readonly from: 'mains' | 'battery';
  /** 0 to 1; null: it has no battery. */
  readonly chargeShare: number | null;
}

/** A folder in which a kind of server keeps its models unless told otherwise, and the disk it is on. */
export interface AdminModelFolder {
  /** `Ollama`, `Hugging Face`, `llama.cpp`. */
  readonly usedBy: string;
  readonly folder: string;
  readonly disk: AdminReading<{ readonly totalBytes: number; readonly freeBytes: number }>;
}

/** GPU memory that a provider says one of its models occupies, on whatever machine it runs. */
export interface AdminModelMemory {
  readonly provider: string;
  readonly model: string;
  readonly vramBytes: number;
  /** Where it was read. */
  readonly source: string;
}

/** `GET /admin/hardware`: this machine now. */
export interface AdminHardware {
  /** When the latest part of it was read, epoch ms. */
  readonly atMs: number;
  readonly machine: AdminMachine;
  /** 0 to 1, over all cores, since the reading before. */
  readonly cpuShare: AdminReading<number>;
  readonly cpuTemperatureCelsius: AdminReading<number>;
  readonly memory: AdminReading<AdminMemory>;
  readonly gpus: AdminReading<readonly AdminGpu[]>;
  readonly power: AdminReading<AdminPower>;
  readonly modelFolders: readonly AdminModelFolder[];
  readonly modelMemory: readonly AdminModelMemory[];
}
