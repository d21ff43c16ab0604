// `secrets.yaml` in the data folder: keys that must not stand in the configuration itself.

import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { ProblemList } from './problems.ts';
import { parseYamlFile } from './yaml-file.ts';

/** Where it lies. */
export function secretsFile(dataFolder: string): string {
  return join(dataFolder, 'secrets.yaml');
}

/**
 * Names and values of `secrets.yaml`; empty when there is none. What is wrong with the file (not readable, no plain
 * list of names and texts, open to other users) goes to `problems`, without a value.
 */
export function readSecretsFile(dataFolder: string, problems: ProblemList): ReadonlyMap<string, string> {
  const file = secretsFile(dataFolder);
  const secrets = new Map<string, string>();
  if (!existsSync(file)) return secrets;
  const start = { file, line: 1, column: 1 };
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
    // Windows has no such mode bits: its profile folders are closed by default.
    if (process.platform !== 'win32' && (statSync(file).mode & 0o077) !== 0)
      problems.warning(start, [], {
        code: 'secrets_readable',
        message: 'other users of this machine can read the secrets; run chmod 600 on the file',
      });
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    problems.error(start, [], { code: 'file_unreadable', message: `the secrets cannot be read: ${cause}` });
    return secrets;
  }
  const root = parseYamlFile(file, text, problems);
  if (root === null) return secrets;
  if (root.kind !== 'map') {
    problems.error(start, [], { code: 'wrong_type', message: 'expected lines of the form NAME: VALUE' });
    return secrets;
  }
  for (const [name, { value }] of root.entries) {
    if (value.kind === 'scalar' && value.value !== null) secrets.set(name, String(value.value));
  }
  return secrets;
}
