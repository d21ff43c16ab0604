// Changes to a configuration file that leave everything else in it as it was, byte for byte.

import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { isMap, isScalar, type Pair, parseDocument, type YAMLMap } from 'yaml';
import { GatewayError } from '../errors.ts';
import { digestOf } from './sources.ts';
import { keepVersion } from './versions.ts';

export interface EditOptions {
  /** Where former versions go. */
  readonly dataFolder: string;
  /** SHA-256 of the file as the change was decided on; null: as it is now. Another content is a conflict. */
  readonly expectedDigest?: string | null;
  readonly nowMs?: number;
}

/**
 * Sets `providers.NAME.enabled` in a file. Comments, order, anchors and line ends stay; the file is replaced at once
 * or not at all, and the former version is kept. Does nothing when the file says so already.
 *
 * Throws `GatewayError`: `conflict` when the file changed since it was read, `not_found` when it has no such provider,
 * `invalid_request` when it cannot be changed safely (it is no valid YAML, or the provider is an alias).
 */
export function setProviderEnabled(file: string, name: string, isEnabled: boolean, options: EditOptions): void {
  editFile(file, options, (text) => {
    const { map, document } = findProvider(file, text, name);
    if (effectiveEnabled(document.toJS({ maxAliasCount }), name) === isEnabled) return text;
    const changed = withEnabled(text, map, isEnabled);
    verifyEdit(file, text, changed, name, isEnabled);
    return changed;
  });
}

/**
 * Reads, changes, keeps the former version and replaces the file. Throws `conflict` where somebody else changed it
 * meanwhile, and what `change` throws.
 */
export function editFile(file: string, options: EditOptions, change: (text: string) => string): void {
  const real = realpathSync(file);
  const text = readFileSync(real, 'utf8');
  const { expectedDigest = null } = options;
  if (expectedDigest !== null && digestOf(text) !== expectedDigest) throw conflict(file);
  const changed = change(text);
  if (changed === text) return;
  keepVersion(options.dataFolder, file, text, options.nowMs ?? Date.now());
  replaceFile(real, changed, () => {
    if (readFileSync(real, 'utf8') !== text) throw conflict(file);
  });
}

function conflict(file: string): GatewayError {
  return new GatewayError('conflict', `${file} was changed by somebody else since it was read; look at it again`);
}

/** What cannot be changed without touching something else. */
export function unsafe(message: string): GatewayError {
  return new GatewayError('invalid_request', message);
}

/** Writes beside the file and renames, so that a reader sees the old or the new content and never a part. */
function replaceFile(file: string, text: string, beforeRename: () => void): void {
  const temporary = join(dirname(file), `.${basename(file)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    const descriptor = openSync(temporary, 'wx', statSync(file).mode & 0o777);
    try {
      writeFileSync(descriptor, text);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    beforeRename();
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** As lenient as the reading of a configuration is. */
export const parseOptions = { uniqueKeys: false, prettyErrors: false, merge: true, logLevel: 'silent' } as const;
const maxAliasCount = 1000;

interface FoundProvider {
  readonly map: YAMLMap;
  readonly document: ReturnType<typeof parseDocument>;
}

function findProvider(file: string, text: string, name: string): FoundProvider {
  const document = parseDocument(text, parseOptions);
  const [fault] = document.errors;
  if (fault) throw unsafe(`${file} cannot be changed while it is not valid YAML: ${fault.message}`);
  const root = document.contents;
  // Where a key stands twice the last one counts, as when the configuration is read.
  const providers = isMap(root) ? lastPair(root, 'providers')?.value : undefined;
  const pair = isMap(providers) ? lastPair(providers, name) : undefined;
  if (!pair) throw new GatewayError('not_found', `${file} has no provider "${name}"`);
  if (!isMap(pair.value))
    throw unsafe(`"${name}" in ${file} is not written as keys of its own (an alias?); change it by hand`);
  return { map: pair.value, document };
}

/** Where a key stands twice the last one counts. */
export function lastPair(map: YAMLMap, key: string): Pair | undefined {
  return map.items.findLast((pair) => isScalar(pair.key) && String(pair.key.value) === key);
}

function effectiveEnabled(root: unknown, name: string): boolean {
  return fieldOf(fieldOf(fieldOf(root, 'providers'), name), 'enabled') !== false;
}

function fieldOf(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
}

function withEnabled(text: string, map: YAMLMap, isEnabled: boolean): string {
  const existing = lastPair(map, 'enabled')?.value;
  if (isScalar(existing) && existing.range && existing.range[1] > existing.range[0])
    return spliced(text, existing.range[0], existing.range[1], String(isEnabled));
  if (isScalar(existing)) throw unsafe('"enabled" stands there without a value; change it by hand');
  return map.flow ? insertInFlow(text, map, isEnabled) : insertInBlock(text, map, isEnabled);
}

/** The text with that part of it replaced. */
export function spliced(text: string, from: number, to: number, replacement: string): string {
  return text.slice(0, from) + replacement + text.slice(to);
}

/** `{ kind: ollama }` to `{ kind: ollama, enabled: false }`. */
function insertInFlow(text: string, map: YAMLMap, isEnabled: boolean): string {
  const end = rangeOf(map.items.at(-1)?.value)?.[1];
  if (end === undefined) throw unsafe('the provider has no keys yet; change it by hand');
  return spliced(text, end, end, `, enabled: ${isEnabled}`);
}

/** A line of its own, behind the last value that fits on one line, else before the first key. */
function insertInBlock(text: string, map: YAMLMap, isEnabled: boolean): string {
  const first = rangeOf(map.items[0]?.key)?.[0];
  if (first === undefined) throw unsafe('the provider has no keys yet; change it by hand');
  const lineStart = text.lastIndexOf('\n', first - 1) + 1;
  const indent = text.slice(lineStart, first);
  if (indent.trim() !== '') throw unsafe('the provider begins in the middle of a line; change it by hand');
  const lineEnd = text.includes('\r\n') ? '\r\n' : '\n';
  const line = `${indent}enabled: ${isEnabled}`;
  const before = map.items.findLast((pair) => isOneLine(text, pair));
  const end = rangeOf(before?.value)?.[1];
  if (end === undefined) return spliced(text, lineStart, lineStart, `${line}${lineEnd}`);
  const newline = text.indexOf('\n', end);
  if (newline < 0) return `${text}${lineEnd}${line}${lineEnd}`;
  return spliced(text, newline + 1, newline + 1, `${line}${lineEnd}`);
}

function rangeOf(node: unknown): readonly [number, number, number] | undefined {
  return isScalar(node) || isMap(node) ? (node.range ?? undefined) : undefined;
}

function isOneLine(text: string, pair: Pair): boolean {
  const from = rangeOf(pair.key)?.[0];
  const range = isScalar(pair.value) ? rangeOf(pair.value) : undefined;
  return from !== undefined && range !== undefined && range[1] > range[0] && !text.slice(from, range[1]).includes('\n');
}

/** The changed text must say the same as before but for this one value. */
function verifyEdit(file: string, before: string, after: string, name: string, isEnabled: boolean): void {
  const intended = plainValue(before);
  const provider = fieldOf(fieldOf(intended, 'providers'), name);
  if (typeof provider === 'object' && provider !== null) Reflect.set(provider, 'enabled', isEnabled);
  if (isDeepStrictEqual(plainValue(after), intended)) return;
  throw unsafe(
    `"enabled" of "${name}" cannot be changed in ${file} without touching something else; change it by hand`,
  );
}

/** What a text says, without parts that are the same object because of an alias; undefined when it is not valid. */
export function plainValue(text: string): unknown {
  const document = parseDocument(text, parseOptions);
  return document.errors.length > 0 ? undefined : JSON.parse(JSON.stringify(document.toJS({ maxAliasCount })));
}
