// Holds a located document against the schema. What is wrong is reported and taken out, so that the rest can still be
// understood and its own mistakes are reported in the same go.

import type * as z from 'zod';
import {
  keyPosition,
  type Located,
  type LocatedMap,
  nearestPosition,
  positionOf,
  removeAt,
  toPlain,
  valueAt,
} from './located.ts';
import { misplacedEntry } from './misplaced.ts';
import { didYouMean, listing, nearest } from './nearest.ts';
import { type DocumentPath, type ProblemList, pathText } from './problems.ts';
import { knownKeys, placesOfKey } from './schema/known-keys.ts';
import { type ConfigValues, configSchema } from './schema/root.ts';
import { strategyWords } from './schema/values.ts';

type Issue = z.core.$ZodIssue;

/** Taking out what is wrong can only bring few new things to light. */
const mostRounds = 6;

/**
 * Reports everything in the document that the schema does not allow and takes it out of `root`.
 * Returns the values of what is left, or null when even that is not a configuration.
 */
export function validateDocument(root: LocatedMap, problems: ProblemList): ConfigValues | null {
  for (let round = 0; round < mostRounds; round++) {
    const result = configSchema.safeParse(toPlain(root));
    // The schema's own type has every unused section of LiteLLM besides, which nobody reads.
    if (result.success) return result.data as ConfigValues;
    const removals = new Map<string, DocumentPath>();
    for (const issue of result.error.issues) {
      const path = issue.path.map((step) => (typeof step === 'number' ? step : String(step)));
      if (correct(root, path, issue, problems)) continue;
      for (const removal of report(root, path, issue, problems)) removals.set(pathText(removal), removal);
    }
    // From the end, so that the indexes of what is still to go stay true.
    for (const path of [...removals.values()].sort(laterFirst)) removeAt(root, path);
  }
  return null;
}

function laterFirst(a: DocumentPath, b: DocumentPath): number {
  for (const [index, step] of a.entries()) {
    const other = b[index];
    if (other === undefined) return -1;
    if (typeof step === 'number' && typeof other === 'number' && step !== other) return other - step;
  }
  return b.length - a.length;
}

/** Differences that a slip of the pen makes. */
const slip = 2;

/** Mends what is meant without doubt: numbers that came as text from outside, strategies with a slip of the pen. */
function correct(root: Located, path: DocumentPath, issue: Issue, problems: ProblemList): boolean {
  const node = valueAt(root, path);
  if (node?.kind !== 'scalar' || typeof node.value !== 'string') return false;
  if (node.isSubstituted && issue.code === 'invalid_type') {
    const meant = fromText(node.value, issue.expected);
    if (meant === null) return false;
    node.value = meant;
    return true;
  }
  const isStrategy = path.at(-1) === 'routing_strategy' || path.at(-1) === 'fallback_strategy';
  if (!isStrategy || issue.code !== 'invalid_value') return false;
  const meant = nearest(node.value, strategyWords, slip);
  if (meant === null) return false;
  problems.warning(positionOf(node), path, {
    code: 'value_corrected',
    message: `"${node.value}" is no strategy; taken as "${meant}"`,
  });
  node.value = meant;
  return true;
}

function fromText(text: string, expected: string): number | boolean | null {
  if (expected === 'boolean') return text === 'true' ? true : text === 'false' ? false : null;
  const isNumber = expected === 'number' || expected === 'int';
  return isNumber && text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : null;
}

/** Reports one issue; returns what has to go. */
function report(root: LocatedMap, path: DocumentPath, issue: Issue, problems: ProblemList): readonly DocumentPath[] {
  if (issue.code === 'unrecognized_keys') {
    for (const key of issue.keys) reportUnknown(root, path, key, problems);
    return issue.keys.map((key) => [...path, key]);
  }
  const node = valueAt(root, path);
  if (issue.code === 'invalid_key') {
    problems.error(keyPosition(root, path), path, { code: 'invalid_value', message: 'a name must not be empty' });
  } else if (node === undefined) {
    const message = `the key "${path.at(-1)}" is missing${expectation(issue)}`;
    problems.error(nearestPosition(root, path), path, { code: 'missing_key', message });
  } else {
    const code = issue.code === 'invalid_type' ? 'wrong_type' : 'invalid_value';
    problems.error(positionOf(node), path, { code, message: sentence(issue, node, path) });
  }
  return [removable(path)];
}

/** What goes when something in it is wrong: the item of a list, else the entry of a section. */
function removable(path: DocumentPath): DocumentPath {
  const lastItem = path.findLastIndex((step) => typeof step === 'number');
  return path.slice(0, lastItem >= 0 ? lastItem + 1 : 2);
}

function expectation(issue: Issue): string {
  if (issue.code === 'invalid_value') return `: one of ${listing(issue.values.map(String))}`;
  return '';
}

function reportUnknown(root: LocatedMap, parent: DocumentPath, key: string, problems: ProblemList): void {
  const path = [...parent, key];
  const position = keyPosition(root, path);
  const value = valueAt(root, path);
  const isAtRoot = parent.length === 0;
  const misplaced = isAtRoot && value ? misplacedEntry(key, value) : null;
  if (misplaced !== null) {
    problems.error(position, path, { code: 'bare_entry', message: misplaced });
    return;
  }
  const where = isAtRoot ? '' : ` in ${pathText(parent)}`;
  const hint = unknownKeyHint(parent, key, value?.kind !== 'map');
  problems.error(position, path, { code: 'unknown_key', message: `unknown key "${key}"${where}${hint}` });
}

function unknownKeyHint(parent: DocumentPath, key: string, isSimple: boolean): string {
  const known = knownKeys(parent);
  const places = parent.length === 0 ? placesOfKey(key) : [];
  const elsewhere = `; it belongs under ${listing(places, 4)}`;
  if (places.length > 0 && isSimple) return elsewhere;
  const near = didYouMean(key, known);
  if (near !== '') return near;
  return places.length > 0 ? elsewhere : `; expected ${listing(known)}`;
}

const typeNames: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'keys and values',
  record: 'keys and values',
};

/** What was expected, and what is there. */
function sentence(issue: Issue, node: Located, path: DocumentPath): string {
  const got = `got ${described(node, path)}`;
  // The schema's own words for what its values look like; all others are the library's.
  if (issue.message.startsWith('expected')) return `${issue.message}, ${got}`;
  if (issue.code === 'invalid_type') {
    const isUnquoted = issue.expected === 'string' && node.kind === 'scalar' && node.value !== null;
    const hint = isUnquoted ? '; put it in quotes' : '';
    return `expected ${typeNames[issue.expected] ?? issue.expected}, ${got}${hint}`;
  }
  if (issue.code === 'invalid_value') {
    const values = issue.values.map(String);
    const near = node.kind === 'scalar' && !node.isSubstituted ? didYouMean(String(node.value), values) : '';
    return `expected ${listing(values, 30)}, ${got}${near}`;
  }
  if (issue.code === 'too_small') {
    if (issue.origin === 'string') return 'expected a text that is not empty';
    return `expected ${issue.inclusive === false ? 'more than' : 'at least'} ${issue.minimum}, ${got}`;
  }
  if (issue.code === 'too_big') return `expected at most ${issue.maximum}, ${got}`;
  return `${issue.message}, ${got}`;
}

const secretKeys = /key|password|secret|token|credential|headers|sha256|database_url/i;

/** Whether what stands at a path must not be repeated in a message. */
function isSecretPath(path: DocumentPath): boolean {
  return path.some((step) => typeof step === 'string' && secretKeys.test(step));
}

/** What is there, in a few words; nothing secret. */
function described(node: Located, path: DocumentPath): string {
  if (node.kind === 'list') return 'a list';
  if (node.kind === 'map') return 'keys and values';
  if (node.value === null) return 'nothing';
  if (node.isSubstituted || isSecretPath(path))
    return typeof node.value === 'string' ? 'a text' : `a ${typeof node.value}`;
  const text = typeof node.value === 'string' ? JSON.stringify(node.value) : String(node.value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
