// The process that reads the machine, apart from the gateway: systeminformation starts programs, and waits for nvidia-smi
// without letting anything else run. Answers the questions of `sensors.ts` one by one, and ends with the gateway.

import { access, constants, statfs } from 'node:fs/promises';
import { cpus, homedir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import systeminformation from 'systeminformation';
import type { AdminModelFolder, AdminReading } from '../contract-hardware.ts';
import { readAmdCards } from './amd-cards.ts';
import { gpusOf } from './gpus.ts';
import { type FolderCandidate, modelFolders } from './model-folders.ts';
import { type Answer, known, knownNumber, notDetected, type Part, type Question, type Readings } from './readings.ts';

const library = 'systeminformation';
/** The first reading of the load has nothing before it to compare with, and waits that long for it. */
const firstSpanMs = 250;

interface CpuTimes {
  readonly busy: number;
  readonly all: number;
}

let formerTimes: CpuTimes | null = null;

function cpuTimes(): CpuTimes {
  let busy = 0;
  let all = 0;
  for (const { times } of cpus()) {
    const working = times.user + times.nice + times.sys + times.irq;
    busy += working;
    all += working + times.idle;
  }
  return { busy, all };
}

async function cpuShare(): Promise<AdminReading<number>> {
  if (formerTimes === null) {
    formerTimes = cpuTimes();
    await new Promise((resolve) => setTimeout(resolve, firstSpanMs));
  }
  const now = cpuTimes();
  const { busy, all } = formerTimes;
  if (now.all <= all) return notDetected('no time has passed since the last reading');
  formerTimes = now;
  return known(Math.min(Math.max((now.busy - busy) / (now.all - all), 0), 1), "the system's processor times");
}

const readers: { readonly [P in Part]: () => Promise<Readings[P]> } = {
  machine: async () => {
    const cpu = await systeminformation.cpu();
    const os = await systeminformation.osInfo();
    const model = [cpu.manufacturer, cpu.brand].filter((word) => word !== '').join(' ');
    return {
      system:
        os.distro === ''
          ? notDetected('the system does not tell its name')
          : known({ name: os.distro, version: os.release, architecture: os.arch }, library),
      cpu:
        model === ''
          ? notDetected('the processor does not tell its name')
          : known({ model, physicalCores: cpu.physicalCores, threads: cpu.cores }, library),
    };
  },
  load: async () => {
    const share = await cpuShare();
    const { total, available } = await systeminformation.mem();
    const memory = { totalBytes: total, usedBytes: Math.max(0, total - available) };
    return {
      cpuShare: share,
      memory: total > 0 ? known(memory, library) : notDetected('the system does not tell its memory'),
    };
  },
  gpus: async () => {
    const { controllers } = await systeminformation.graphics();
    const amdCards = process.platform === 'linux' ? await readAmdCards('/sys/class/drm') : [];
    return gpusOf({ controllers, amdCards, whyNone: await whyNoGpu() });
  },
  climate: async () => {
    const battery = await systeminformation.battery();
    const temperature = await systeminformation.cpuTemperature();
    const power = battery.hasBattery
      ? { from: battery.acConnected ? ('mains' as const) : ('battery' as const), chargeShare: battery.percent / 100 }
      : { from: 'mains' as const, chargeShare: null };
    return {
      power: known(power, library),
      cpuTemperatureCelsius: knownNumber(
        temperature.main,
        library,
        process.platform === 'linux' ? 'no sensor tells it' : 'this system tells it only to an administrator',
      ),
    };
  },
  folders: async () => {
    const candidates = modelFolders({ platform: process.platform, env: process.env, home: homedir() });
    return (await Promise.all(candidates.map(foldersOf))).flat();
  },
};

async function whyNoGpu(): Promise<string> {
  if (process.platform !== 'linux') return 'this system names none';
  const missing = [];
  for (const program of ['nvidia-smi', 'lspci']) if (!(await isInstalled(program))) missing.push(program);
  const amd = 'there is no amdgpu device';
  if (missing.length === 0) return `nvidia-smi and lspci name none, and ${amd}`;
  return `no ${missing.join(' and no ')} is installed, and ${amd}`;
}

async function isInstalled(program: string): Promise<boolean> {
  for (const folder of (process.env.PATH ?? '').split(path.delimiter)) {
    const isThere = await access(path.join(folder, program), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return true;
  }
  return false;
}

/** Those of one kind of server that exist; the likeliest one with the reason where none does. */
async function foldersOf({ usedBy, folders }: FolderCandidate): Promise<readonly AdminModelFolder[]> {
  const found: AdminModelFolder[] = [];
  const reasons: string[] = [];
  for (const folder of folders) {
    try {
      const { bsize, blocks, bavail } = await statfs(folder);
      const disk = { totalBytes: bsize * blocks, freeBytes: bsize * bavail };
      found.push({ usedBy, folder, disk: known(disk, 'the file system') });
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : '';
      reasons.push(code === 'ENOENT' ? 'there is no such folder' : `it cannot be looked at (${code})`);
    }
  }
  if (found.length > 0) return found;
  return [{ usedBy, folder: folders[0] ?? '', disk: notDetected(reasons[0] ?? 'none is known') }];
}

let last: Promise<void> = Promise.resolve();

process.on('message', ({ number, part }: Question) => {
  // One after the other: never two programs at once.
  last = last.then(async () => {
    let answer: Answer;
    try {
      answer = { number, reading: await readers[part]() };
    } catch (error) {
      answer = { number, failed: error instanceof Error ? error.message : String(error) };
    }
    process.send?.(answer);
  });
});
process.on('disconnect', () => process.exit(0));
