// Sets and removes values in the text of a configuration. What is not concerned stays as it is, comments included.

import { isDeepStrictEqual } from 'node:util';
import { isMap, isScalar, type Pair, parseDocument, stringify, type YAMLMap } from 'yaml';
import { lastPair, parseOptions, plainValue, spliced, unsafe } from './edit.ts';
import { pathText } from './problems.ts';

/** One value to be set (`undefined`: removed), by its keys from the root. */
export interface TextChange {
  readonly path: readonly string[];
  readonly value: unknown;
}

/**
 * The text with all changes made, one after the other. Sections that are missing are added.
 * Throws `GatewayError` `invalid_request` where it is no YAML, or where nothing but a person can make the change.
 */
export function changedText(text: string, changes: readonly TextChange[]): string {
  return changes.reduce(withChange, text);
}

function withChange(text: string, { path, value }: TextChange): string {
  const document = parseDocument(text, parseOptions);
  const [fault] = document.errors;
  if (fault) throw unsafe(`the configuration cannot be changed while it is not valid YAML: ${fault.message}`);
  const intended = changedValue(plainValue(text), path, value);
  const changed = isMap(document.contents)
    ? inMap(text, document.contents, path, value)
    : withoutRoot(text, document.contents === null, path, value);
  if (isDeepStrictEqual(plainValue(changed) ?? {}, intended ?? {})) return changed;
  throw unsafe(`${pathText(path)} cannot be changed without touching something else; change it by hand`);
}

/** The document as plain values after the change: what the changed text has to mean. */
function changedValue(root: unknown, [key, ...rest]: readonly string[], value: unknown): unknown {
  if (key === undefined) return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
  const isObject = typeof root === 'object' && root !== null && !Array.isArray(root);
  const entries = new Map(isObject ? Object.entries(root) : []);
  const inner = changedValue(entries.get(key), rest, value);
  if (inner === undefined) entries.delete(key);
  else entries.set(key, inner);
  // A section whose last key is taken out stands there without a value.
  if (entries.size === 0 && value === undefined) return root === undefined ? undefined : null;
  return Object.fromEntries(entries);
}

function withoutRoot(text: string, isEmpty: boolean, path: readonly string[], value: unknown): string {
  if (!isEmpty) throw unsafe('the configuration is not written as sections; change it by hand');
  if (value === undefined) return text;
  const start = text === '' || text.endsWith('\n') ? text : `${text}\n`;
  return start + rendered(nested(path, value), '', '\n');
}

function inMap(text: string, map: YAMLMap, path: readonly string[], value: unknown): string {
  const [key = '', ...rest] = path;
  const pair = lastPair(map, key);
  if (pair === undefined) return value === undefined ? text : withPair(text, map, key, nested(rest, value));
  if (rest.length === 0) return value === undefined ? withoutPair(text, map, pair) : withValue(text, map, pair, value);
  if (isMap(pair.value)) return inMap(text, pair.value, rest, value);
  if (!isScalar(pair.value) || pair.value.value !== null)
    throw unsafe(`"${key}" is not written as keys of its own (an alias?); change it by hand`);
  return value === undefined ? text : withValue(text, map, pair, nested(rest, value));
}

function nested(path: readonly string[], value: unknown): unknown {
  return path.reduceRight((inner: unknown, key) => ({ [key]: inner }), value);
}

/** Behind the last pair: in a flow map on its line, else on lines of its own. */
function withPair(text: string, map: YAMLMap, key: string, value: unknown): string {
  const last = map.items.at(-1);
  if (last === undefined) {
    const [from, to] = extentOf(map);
    return spliced(text, from, to, `{ ${flow({ [key]: value })} }`);
  }
  const end = endOf(text, last);
  if (map.flow === true) return spliced(text, end, end, `, ${flow({ [key]: value })}`);
  const lineEnd = lineEndOf(text);
  const after = text.indexOf('\n', end);
  const lines = rendered({ [key]: value }, indentOf(text, map.items[0]), lineEnd);
  return after < 0 ? `${text}${lineEnd}${lines}` : spliced(text, after + 1, after + 1, lines);
}

function withValue(text: string, map: YAMLMap, pair: Pair, value: unknown): string {
  const [start] = extentOf(pair.key);
  const end = endOf(text, pair);
  const isPlain = (part: unknown) => typeof part !== 'object' || part === null;
  if (map.flow === true) return spliced(text, start, end, flow({ [keyText(pair)]: value }));
  if (isScalar(pair.value) && isPlain(value) && pair.value.range && pair.value.range[1] > pair.value.range[0])
    return spliced(text, pair.value.range[0], end, stringify(value, { lineWidth: 0 }).trimEnd());
  const lines = rendered({ [keyText(pair)]: value }, indentOf(text, pair), lineEndOf(text));
  return spliced(text, start, end, lines.trim());
}

/** With the whole of its lines, and a comment that stands behind it. */
function withoutPair(text: string, map: YAMLMap, pair: Pair): string {
  const index = map.items.indexOf(pair);
  const [start] = extentOf(pair.key);
  const end = endOf(text, pair);
  if (map.flow === true) {
    const next = map.items[index + 1];
    const former = map.items[index - 1];
    if (next) return spliced(text, start, extentOf(next.key)[0], '');
    return spliced(text, former ? endOf(text, former) : start, end, '');
  }
  const lineStart = text.lastIndexOf('\n', start - 1) + 1;
  const after = text.indexOf('\n', end);
  return spliced(text, lineStart, after < 0 ? text.length : after + 1, '');
}

/** One map as lines, each with that indent. */
function rendered(value: unknown, indent: string, lineEnd: string): string {
  const lines = stringify(value, { lineWidth: 0 }).trimEnd().split('\n');
  return `${lines.map((line) => (line === '' ? '' : indent + line)).join(lineEnd)}${lineEnd}`;
}

/** `key: value` as it stands between the braces of a flow map. */
function flow(value: unknown): string {
  return stringify(value, { lineWidth: 0, collectionStyle: 'flow' })
    .trim()
    .replace(/^\{\s*|\s*\}$/g, '');
}

function keyText(pair: Pair): string {
  return isScalar(pair.key) ? String(pair.key.value) : '';
}

function indentOf(text: string, pair: Pair | undefined): string {
  const [start] = extentOf(pair?.key);
  const indent = text.slice(text.lastIndexOf('\n', start - 1) + 1, start);
  if (indent.trim() !== '') throw unsafe('the section begins in the middle of a line; change it by hand');
  return indent;
}

function lineEndOf(text: string): string {
  return text.includes('\r\n') ? '\r\n' : '\n';
}

function extentOf(node: unknown): readonly [number, number] {
  const range = typeof node === 'object' && node !== null ? Reflect.get(node, 'range') : undefined;
  if (!Array.isArray(range)) throw unsafe('it is not clear where the value stands; change it by hand');
  return [range[0], range[1]];
}

/** Where the value's own text ends: before the line end that block values count as theirs. */
function endOf(text: string, pair: Pair): number {
  const [from, to] = extentOf(pair.value ?? pair.key);
  const own = text.slice(from, to).trimEnd().length;
  if (own > 0) return from + own;
  const [, keyEnd] = extentOf(pair.key);
  return text.indexOf(':', keyEnd) + 1;
}
