// A document whose every value knows where it was written, also after several files were merged into one.

import type { LineCounter } from 'yaml';
import type { DocumentPath } from './problems.ts';
import type { FilePosition } from './settings.ts';

/** A file as it was read. */
export interface SourceFile {
  readonly file: string;
  readonly text: string;
  readonly lines: LineCounter;
}

interface Placed {
  readonly source: SourceFile;
  readonly offset: number;
}

export interface LocatedScalar extends Placed {
  readonly kind: 'scalar';
  value: string | number | boolean | null;
  /** Where the text itself begins: behind an opening quote, below the header of a block. */
  readonly textOffset: number;
  /** It holds something from outside the file, which must never be shown. */
  isSubstituted: boolean;
  /** Why what it refers to is not there; null: nothing is missing. */
  missing: string | null;
}

interface LocatedList extends Placed {
  readonly kind: 'list';
  readonly items: Located[];
}

export interface LocatedEntry {
  readonly key: Placed;
  readonly value: Located;
}

export interface LocatedMap extends Placed {
  readonly kind: 'map';
  readonly entries: Map<string, LocatedEntry>;
}

export type Located = LocatedScalar | LocatedList | LocatedMap;

function positionAt(placed: Placed, offset = placed.offset): FilePosition {
  const { line, col } = placed.source.lines.linePos(offset);
  return { file: placed.source.file, line: Math.max(line, 1), column: Math.max(col, 1) };
}

/** Where a value or key begins. */
export function positionOf(placed: Placed): FilePosition {
  return positionAt(placed);
}

/** Where the text of a scalar begins. */
export function textPosition(scalar: LocatedScalar): FilePosition {
  return positionAt(scalar, scalar.textOffset);
}

/** The value at a path, or undefined. */
export function valueAt(root: Located, path: DocumentPath): Located | undefined {
  let node: Located | undefined = root;
  for (const step of path) {
    if (node?.kind === 'map') node = node.entries.get(String(step))?.value;
    else if (node?.kind === 'list') node = node.items[Number(step)];
    else return undefined;
  }
  return node;
}

/** The position of the value at a path, else of the nearest thing around it that exists. */
export function nearestPosition(root: Located, path: DocumentPath): FilePosition {
  for (let length = path.length; length > 0; length--) {
    const part = path.slice(0, length);
    const node = valueAt(root, part);
    // What is missing inside an entry is reported at the entry's name, not at its first key.
    if (node && length < path.length && node.kind !== 'scalar') return keyPosition(root, part);
    if (node) return positionOf(node);
  }
  return positionOf(root);
}

/** The position of the key at a path; of the value where it is an item of a list. */
export function keyPosition(root: Located, path: DocumentPath): FilePosition {
  const parent = valueAt(root, path.slice(0, -1));
  const key = parent?.kind === 'map' ? parent.entries.get(String(path.at(-1)))?.key : undefined;
  return key ? positionOf(key) : nearestPosition(root, path);
}

/** Takes the value at a path out of the document. */
export function removeAt(root: Located, path: DocumentPath): void {
  const parent = valueAt(root, path.slice(0, -1));
  const step = path.at(-1);
  if (parent?.kind === 'map') parent.entries.delete(String(step));
  else if (parent?.kind === 'list') parent.items.splice(Number(step), 1);
}

/** The bare value, as a schema sees it. */
export function toPlain(node: Located): unknown {
  if (node.kind === 'scalar') return node.value;
  if (node.kind === 'list') return node.items.map(toPlain);
  const plain: Record<string, unknown> = {};
  for (const [key, entry] of node.entries) plain[key] = toPlain(entry.value);
  return plain;
}

/**
 * Adds a second document to a first: lists append, maps merge by key, and where both say something else the first
 * one counts. A key without a value says nothing.
 */
export function mergeInto(first: LocatedMap, second: LocatedMap): void {
  for (const [key, entry] of second.entries) {
    const mine = first.entries.get(key)?.value;
    if (mine === undefined || (mine.kind === 'scalar' && mine.value === null)) first.entries.set(key, entry);
    else if (mine.kind === 'map' && entry.value.kind === 'map') mergeInto(mine, entry.value);
    else if (mine.kind === 'list' && entry.value.kind === 'list') mine.items.push(...entry.value.items);
  }
}

/** Visits every scalar with its path. */
export function eachScalar(
  node: Located,
  visit: (scalar: LocatedScalar, path: DocumentPath) => void,
  path: DocumentPath = [],
): void {
  if (node.kind === 'scalar') visit(node, path);
  else if (node.kind === 'list')
    for (const [index, item] of node.items.entries()) eachScalar(item, visit, [...path, index]);
  else for (const [key, entry] of node.entries) eachScalar(entry.value, visit, [...path, key]);
}
