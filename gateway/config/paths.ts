// Where the gateway keeps its own files, and where a configuration is looked for.

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import envPaths from 'env-paths';
import type { Environment } from './references.ts';

const fileName = 'switchyard.yaml';

/**
 * The absolute folder for database, token, secrets and logs: `--data` where given, else the per-user folder of the
 * system (XDG on Linux, `~/Library/Application Support` on macOS, `%LOCALAPPDATA%` on Windows).
 */
export function dataFolder(given: string | null = null, cwd: string = process.cwd()): string {
  return given === null ? envPaths('switchyard', { suffix: '' }).data : resolve(cwd, given);
}

/** The absolute per-user folder for the configuration. */
export function configFolder(): string {
  return envPaths('switchyard', { suffix: '' }).config;
}

export interface FindOptions {
  /** Each `--config`, in order. */
  readonly given: readonly string[];
  readonly env: Environment;
  readonly cwd: string;
  /** The per-user folder; for tests. */
  readonly configFolder?: string;
}

export interface FoundFiles {
  /** Absolute; empty when there is none. What was asked for by name is here even if it does not exist. */
  readonly files: readonly string[];
  /** Where the first change made in the window goes: the first file, else the one that will be created. */
  readonly writeTo: string;
}

/** The first of: `--config` (may be several), `SWITCHYARD_CONFIG`, `./switchyard.yaml`, the per-user folder. */
export function findConfigFiles(options: FindOptions): FoundFiles {
  const { given, env, cwd } = options;
  const asked = given.length > 0 ? given : env.SWITCHYARD_CONFIG ? [env.SWITCHYARD_CONFIG] : [];
  if (asked.length > 0) return found(asked.map((file) => resolve(cwd, file)));
  const here = resolve(cwd, fileName);
  if (existsSync(here)) return found([here]);
  const perUser = join(options.configFolder ?? configFolder(), fileName);
  return existsSync(perUser) ? found([perUser]) : { files: [], writeTo: perUser };
}

function found(files: readonly string[]): FoundFiles {
  return { files, writeTo: files[0] ?? fileName };
}
