// YAML text to a located document. Nothing here knows what the keys mean.

import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  Scalar,
  type YAMLMap,
} from 'yaml';
import type { Located, LocatedEntry, LocatedMap, LocatedScalar, SourceFile } from './located.ts';
import { positionOf } from './located.ts';
import type { DocumentPath, ProblemList } from './problems.ts';

/** Aliases can multiply a small file without end: what is larger than this is no configuration. */
const mostNodes = 200_000;
const deepest = 60;

class TooLarge extends Error {}

/** What reading one document needs at hand. */
interface Conversion {
  readonly source: SourceFile;
  readonly problems: ProblemList;
  readonly anchors: Map<string, Node>;
  nodesLeft: number;
}

/**
 * Reads the text of one file. The result is null when the file is empty or cannot be understood at all;
 * `problems` then says why. A list at the root is handed back as it is, for the caller to explain.
 */
export function parseYamlFile(file: string, text: string, problems: ProblemList): Located | null {
  const lines = new LineCounter();
  const source: SourceFile = { file, text, lines };
  const start = { file, line: 1, column: 1 };
  const document = parseSafely(text, lines);
  if (!document) {
    problems.error(start, [], { code: 'too_large', message: 'the file is nested too deeply to be read' });
    return null;
  }
  for (const error of document.errors) {
    const position = positionOf({ source, offset: error.pos[0] });
    problems.error(position, [], { code: 'yaml_syntax', message: sentence(error.message) });
  }
  for (const warning of document.warnings) {
    const position = positionOf({ source, offset: warning.pos[0] });
    problems.warning(position, [], { code: 'yaml_syntax', message: sentence(warning.message) });
  }
  if (!document.contents) return null;
  try {
    return convert(document.contents, [], { source, problems, anchors: new Map(), nodesLeft: mostNodes });
  } catch (error) {
    if (!(error instanceof TooLarge)) throw error;
    problems.error(start, [], { code: 'too_large', message: error.message });
    return null;
  }
}

/** The parser recurses: text that is nothing but brackets exhausts the stack. */
function parseSafely(text: string, lineCounter: LineCounter): Document | null {
  try {
    return parseDocument(text, { lineCounter, uniqueKeys: false, prettyErrors: false, logLevel: 'silent' });
  } catch {
    return null;
  }
}

function sentence(message: string): string {
  return message.replaceAll(/\s+/g, ' ').trim();
}

function convert(node: Node, path: DocumentPath, conversion: Conversion): Located {
  conversion.nodesLeft--;
  if (conversion.nodesLeft < 0)
    throw new TooLarge(`the file has more than ${mostNodes} values (aliases counted each time)`);
  if (path.length > deepest) throw new TooLarge(`the file is nested more than ${deepest} levels deep`);
  if (isAlias(node)) return convertAlias(node.source, node, path, conversion);
  const { source, anchors } = conversion;
  const offset = node.range?.[0] ?? 0;
  if ('anchor' in node && typeof node.anchor === 'string') anchors.set(node.anchor, node);
  if (isMap(node)) return convertMap(node, path, conversion);
  if (isSeq(node)) {
    const items = node.items.map((item, index) => convertItem(item, offset, [...path, index], conversion));
    return { kind: 'list', source, offset, items };
  }
  return convertScalar(node, offset, source);
}

/** An item of a list or a value of a map; the parser gives null for one that is empty. */
function convertItem(item: unknown, offset: number, path: DocumentPath, conversion: Conversion): Located {
  return isNode(item) ? convert(item, path, conversion) : emptyScalar(conversion.source, offset);
}

function isNode(value: unknown): value is Node {
  return isAlias(value) || isMap(value) || isSeq(value) || isScalar(value);
}

function emptyScalar(source: SourceFile, offset: number): LocatedScalar {
  return { kind: 'scalar', source, offset, textOffset: offset, value: null, isSubstituted: false, missing: null };
}

function convertAlias(name: string, node: Node, path: DocumentPath, conversion: Conversion): Located {
  const { source, anchors, problems } = conversion;
  const offset = node.range?.[0] ?? 0;
  const target = anchors.get(name);
  // An alias without an anchor was reported by the parser. One inside its own anchor would never end.
  const isInsideItself = target?.range && offset >= target.range[0] && offset < target.range[1];
  if (!target || isInsideItself) {
    if (isInsideItself)
      problems.error(positionOf({ source, offset }), path, {
        code: 'yaml_syntax',
        message: `*${name} contains itself`,
      });
    return emptyScalar(source, offset);
  }
  return convert(target, path, conversion);
}

function convertScalar(node: Node, offset: number, source: SourceFile): LocatedScalar {
  const scalar = isScalar(node) ? node : new Scalar(null);
  const { value } = scalar;
  const isPlain = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
  const located = emptyScalar(source, offset);
  const text = isPlain ? value : value === null || value === undefined ? null : String(value);
  return { ...located, value: text, textOffset: textOffset(scalar, offset, source.text) };
}

function textOffset(scalar: Scalar, offset: number, text: string): number {
  if (scalar.type === Scalar.QUOTE_DOUBLE || scalar.type === Scalar.QUOTE_SINGLE) return offset + 1;
  if (scalar.type !== Scalar.BLOCK_FOLDED && scalar.type !== Scalar.BLOCK_LITERAL) return offset;
  const lineEnd = text.indexOf('\n', offset);
  const rest = lineEnd < 0 ? -1 : text.slice(lineEnd).search(/\S/);
  return rest < 0 ? offset : lineEnd + rest;
}

function convertMap(node: YAMLMap, path: DocumentPath, conversion: Conversion): LocatedMap {
  const { source } = conversion;
  const offset = node.range?.[0] ?? 0;
  const entries = new Map<string, LocatedEntry>();
  const merged: LocatedMap[] = [];
  for (const pair of node.items) {
    const keyOffset = isNode(pair.key) ? (pair.key.range?.[0] ?? offset) : offset;
    const key = keyText(pair.key);
    const place = { source, offset: keyOffset };
    if (key === null || key === '__proto__') {
      const message = key === null ? 'a key must be a plain word' : '__proto__ cannot be a key';
      conversion.problems.error(positionOf(place), path, { code: 'yaml_syntax', message });
      continue;
    }
    const value = convertItem(pair.value, keyOffset, [...path, key], conversion);
    if (key === '<<') {
      merged.push(...(value.kind === 'list' ? value.items : [value]).filter((part) => part.kind === 'map'));
      continue;
    }
    reportDuplicate(entries.get(key), place, [...path, key], conversion);
    entries.delete(key);
    entries.set(key, { key: place, value });
  }
  for (const part of merged) for (const [key, entry] of part.entries) if (!entries.has(key)) entries.set(key, entry);
  return { kind: 'map', source, offset, entries };
}

/** A key as text: `8` and `true` are names like others; null for what cannot be a name. */
function keyText(key: unknown): string | null {
  if (!isScalar(key)) return null;
  if (key.value === null || typeof key.value === 'object') return null;
  return key.source ?? String(key.value);
}

function reportDuplicate(
  earlier: LocatedEntry | undefined,
  place: { readonly source: SourceFile; readonly offset: number },
  path: DocumentPath,
  conversion: Conversion,
): void {
  if (!earlier) return;
  const { problems } = conversion;
  const position = positionOf(place);
  const first = positionOf(earlier.key);
  const key = path.at(-1);
  if (path.length > 1) {
    problems.error(position, path, {
      code: 'duplicate_key',
      message: `"${key}" is already set in line ${first.line}; keep one of the two`,
    });
    return;
  }
  problems.warning(position, path, {
    code: 'duplicate_root_key',
    message: `"${key}" is set in line ${first.line} and again in line ${position.line}: the last one counts, line ${first.line} does nothing`,
  });
}
