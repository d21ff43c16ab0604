// Former contents of configuration files, for undo.

import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { digestOf } from './sources.ts';

/** How many are kept of each file. */
export const versionsKept = 20;

export interface FileVersion {
  /** Absolute path of the copy. */
  readonly file: string;
  /** When it was replaced, epoch ms. */
  readonly savedAtMs: number;
}

/** One folder for each file: two files of one name must not mix. */
function versionsFolder(dataFolder: string, file: string): string {
  return join(dataFolder, 'versions', digestOf(file).slice(0, 16));
}

const copyName = /^(\d{15})-\d{3}\.yaml$/;

/** The versions kept of a file, the newest first. */
export function listVersions(dataFolder: string, file: string): readonly FileVersion[] {
  const folder = versionsFolder(dataFolder, file);
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return [];
  }
  return names
    .filter((name) => copyName.test(name))
    .sort()
    .reverse()
    .map((name) => ({ file: join(folder, name), savedAtMs: Number(copyName.exec(name)?.[1]) }));
}

/**
 * Keeps what a file held before it is changed, and drops what is older than the last 20. The copies are readable by
 * their owner alone: a configuration may hold keys.
 */
export function keepVersion(dataFolder: string, file: string, text: string, nowMs: number): void {
  const folder = versionsFolder(dataFolder, file);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const stamp = String(Math.floor(nowMs)).padStart(15, '0');
  const taken = readdirSync(folder).filter((name) => name.startsWith(`${stamp}-`)).length;
  const copy = join(folder, `${stamp}-${String(taken).padStart(3, '0')}.yaml`);
  writeFileSync(copy, text, { mode: 0o600, flag: 'wx' });
  for (const old of listVersions(dataFolder, file).slice(versionsKept)) rmSync(old.file, { force: true });
}
