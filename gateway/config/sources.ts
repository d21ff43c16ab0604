// The files of a configuration: read, with what they include, and merged into one document.

import { createHash } from 'node:crypto';
import { readFileSync, realpathSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type Located, type LocatedMap, mergeInto, positionOf } from './located.ts';
import { misplacedItems } from './misplaced.ts';
import { ProblemList } from './problems.ts';
import type { Environment } from './references.ts';
import { knownKeys } from './schema/known-keys.ts';
import type { FilePosition } from './settings.ts';
import { parseYamlFile } from './yaml-file.ts';

/** A file that belongs to the configuration, whether it could be read or not. */
export interface ReadFile {
  readonly file: string;
  /** SHA-256 of what it held; null: not there, or not readable. */
  readonly digest: string | null;
}

export interface Sources {
  readonly root: LocatedMap;
  readonly read: readonly ReadFile[];
}

/** SHA-256 as lower-case hex: tells one content from another. */
export function digestOf(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

/** SHA-256 of what a file holds now; null: not there, or not readable. */
export function digestOfFile(file: string): string | null {
  try {
    return digestOf(readFileSync(file));
  } catch {
    return null;
  }
}

/** Larger is no configuration that a person keeps. */
const mostBytes = 16 * 1024 * 1024;

interface SourceOptions {
  readonly env: Environment;
  readonly problems: ProblemList;
  /** In place of what these files hold, by absolute path. */
  readonly texts: ReadonlyMap<string, string>;
}

interface Reading extends SourceOptions {
  readonly read: ReadFile[];
  /** Real paths of what was merged already: a file counts once, whoever includes it. */
  readonly merged: Set<string>;
}

/**
 * Reads all files (absolute paths) with their includes and merges them, an earlier one and an including one winning.
 * `root` is empty where nothing could be read; `problems` says why.
 */
export function readSources(files: readonly string[], options: SourceOptions): Sources {
  const reading: Reading = { ...options, read: [], merged: new Set() };
  let root: LocatedMap | null = null;
  for (const file of files) {
    const tree = readTree(file, [], null, reading);
    if (tree && root) mergeInto(root, tree);
    else root ??= tree;
  }
  return { root: root ?? emptyMap(files[0] ?? ''), read: reading.read };
}

function emptyMap(file: string): LocatedMap {
  const root = parseYamlFile(file, '{}', new ProblemList());
  if (root?.kind !== 'map') throw new TypeError('an empty map is a map');
  return root;
}

/** Where a file was asked for: null for one that was named on the command line. */
type IncludedAt = FilePosition | null;

function readTree(file: string, chain: readonly string[], includedAt: IncludedAt, reading: Reading): LocatedMap | null {
  const text = readText(file, includedAt, reading);
  if (text === null) return null;
  const real = reading.texts.has(file) ? file : realpathSync(file);
  if (chain.includes(real)) {
    const at = includedAt ?? { file, line: 1, column: 1 };
    const circle = `${at.file} includes ${file}, which (directly or not) includes ${at.file}`;
    const message = at.file === file ? `${file} includes itself` : circle;
    reading.problems.error(at, ['include'], { code: 'include_cycle', message });
    return null;
  }
  if (reading.merged.has(real)) return null;
  reading.merged.add(real);
  const root = asMap(file, parseYamlFile(file, text, reading.problems), reading.problems);
  if (root) mergeIncludes(root, file, [...chain, real], reading);
  return root;
}

function readText(file: string, includedAt: IncludedAt, { problems, read, texts }: Reading): string | null {
  const at = includedAt ?? { file, line: 1, column: 1 };
  problems.expectFile(file);
  const by = includedAt ? ` (included by ${includedAt.file})` : '';
  try {
    const bytes = Buffer.from(texts.get(file) ?? readFileSync(file));
    read.push({ file, digest: digestOf(bytes) });
    if (bytes.byteLength <= mostBytes) return bytes.toString('utf8');
    problems.error(at, [], { code: 'too_large', message: `${file} is larger than 16 MB${by}` });
  } catch (error) {
    read.push({ file, digest: null });
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    const code = !isMissing ? 'file_unreadable' : includedAt ? 'include_missing' : 'file_missing';
    const cause = isMissing ? 'does not exist' : `cannot be read: ${error instanceof Error ? error.message : error}`;
    problems.error(at, includedAt ? ['include'] : [], { code, message: `${file} ${cause}${by}` });
  }
  return null;
}

/** The root of a file as keys and values; anything else is explained. */
function asMap(file: string, root: Located | null, problems: ProblemList): LocatedMap | null {
  if (root === null) return null;
  if (root.kind === 'scalar' && root.value === null) return null;
  const misplaced = misplacedItems(root);
  if (misplaced) problems.error(positionOf(root), [], { code: 'bare_entry', message: misplaced.message });
  if (root.kind === 'map') {
    // Said once for the whole entry: its keys are not to be reported one by one.
    for (const key of misplaced ? knownKeys([...misplaced.path, 0]) : []) root.entries.delete(key);
    return root;
  }
  if (misplaced) return null;
  const got = root.kind === 'list' ? 'a list' : 'a text';
  problems.error(positionOf(root), [], {
    code: 'wrong_type',
    message: `expected sections such as "providers:", got ${got} in ${file}`,
  });
  return null;
}

function mergeIncludes(root: LocatedMap, file: string, chain: readonly string[], reading: Reading): void {
  const include = root.entries.get('include')?.value;
  if (include?.kind !== 'list') return;
  for (const item of include.items) {
    if (item.kind !== 'scalar' || typeof item.value !== 'string') continue;
    const path = item.value.replace(
      /os\.environ\/([A-Za-z_]\w*)|\$\{([A-Za-z_]\w*)\}/g,
      (whole, dotted?: string, braced?: string) => {
        return reading.env[dotted ?? braced ?? ''] ?? whole;
      },
    );
    const included = readTree(resolve(dirname(file), path), chain, positionOf(item), reading);
    if (!included) continue;
    // What a file includes is its own business: it must not lengthen our list.
    included.entries.delete('include');
    mergeInto(root, included);
  }
}
