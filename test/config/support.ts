// Configurations as real files in a folder of their own.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type LoadOptions, type LoadResult, loadSettings } from '../../gateway/config/load.ts';
import type { Settings } from '../../gateway/config/settings.ts';

/** A folder that goes away with the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'switchyard-config-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes files by name below a folder. */
export function writeFiles(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

export const machine = { hostname: 'workbench', addresses: ['192.168.1.20', '127.0.0.1'] };

/** Loads files; the first one is the configuration, the others are there to be included. */
export function load(files: string | Readonly<Record<string, string>>, options: Partial<LoadOptions> = {}): LoadResult {
  const folder = temporaryFolder();
  const all = typeof files === 'string' ? { 'switchyard.yaml': files } : files;
  writeFiles(folder, all);
  return loadSettings({
    files: Object.keys(all).slice(0, 1),
    env: {},
    dataFolder: join(folder, 'data'),
    cwd: folder,
    machine,
    ...options,
  });
}

/** The settings of a configuration that has to be valid. */
export function settingsOf(
  files: string | Readonly<Record<string, string>>,
  options: Partial<LoadOptions> = {},
): Settings {
  const { settings, problems } = load(files, options);
  if (!settings) throw new Error(JSON.stringify(problems, null, 2));
  return settings;
}

/** Problems as `line:column severity code`. */
export function told({ problems }: LoadResult): readonly string[] {
  return problems.map(({ line, column, severity, code }) => `${line}:${column} ${severity} ${code}`);
}
