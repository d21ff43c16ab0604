// When two names mean the same model, and which names are near one that nobody serves. Pure.

import { parseModelName } from '../providers/model-name.ts';
import type { ModelFacts } from '../types.ts';

/** What makes a model the one it is, whatever a server calls it. */
export interface ModelIdentity {
  /** As written, for equal names. */
  readonly name: string;
  readonly family: string | null;
  readonly fineTune: string;
  readonly size: number | null;
  /** The size is a server's count of parameters, not the round number of a name. */
  readonly isSizeReported: boolean;
  readonly activeSize: number | null;
  readonly quantization: string | null;
}

/**
 * `same`: equal family, total size and fine-tune. `near`: the same but for the quantisation, or for a fine-tune that only one of
 * the names tells: to be used only if declared or confirmed.
 */
export type Likeness = 'same' | 'near' | 'different';

/** A server's count and a name's round number of one model differ by less than this share. */
const roundingShare = 0.1;

/** Reads the identity from a name, and from the facts where its server reports them. */
export function identify(name: string, facts: ModelFacts | null = null): ModelIdentity {
  const { family, fineTune, size, activeSize, quantization } = parseModelName(name);
  return {
    name: name.toLowerCase(),
    // A server's family is its architecture (`llama`), which many models share: only the name tells.
    family,
    fineTune,
    size: size ?? facts?.size ?? null,
    isSizeReported: size === null,
    activeSize: activeSize ?? facts?.activeSize ?? null,
    quantization: facts?.quantization ?? quantization,
  };
}

/** How alike two models are; a name stands for what can be read from it. */
export function sameModel(a: ModelIdentity | string, b: ModelIdentity | string): Likeness {
  const first = typeof a === 'string' ? identify(a) : a;
  const second = typeof b === 'string' ? identify(b) : b;
  if (first.name === second.name) return 'same';
  if (first.family === null || first.family !== second.family || !isSameSize(first, second)) return 'different';
  const isSameTune = first.fineTune === second.fineTune;
  if (!isSameTune && first.fineTune !== '' && second.fineTune !== '') return 'different';
  return isSameTune && first.quantization === second.quantization ? 'same' : 'near';
}

/** Unknown sizes are not equal: a family alone is many models. */
function isSameSize(a: ModelIdentity, b: ModelIdentity): boolean {
  if (a.size === null || b.size === null) return false;
  if (a.isSizeReported || b.isSizeReported) {
    // The active part is seldom reported, so only two told ones can differ.
    const isOtherMixture = a.activeSize !== null && b.activeSize !== null && !isNear(a.activeSize, b.activeSize);
    return isNear(a.size, b.size) && !isOtherMixture;
  }
  return a.size === b.size && a.activeSize === b.activeSize;
}

function isNear(a: number, b: number): boolean {
  return Math.abs(a - b) <= roundingShare * Math.max(a, b);
}

/** Longer parts of a name are not compared. */
const comparedCharacters = 80;

/**
 * Up to `limit` of `names` that somebody who wrote `name` may have meant, nearest first: equal but for case and separators,
 * one within the other, or a third of the characters wrong at most.
 */
export function nearestNames(name: string, names: Iterable<string>, limit = 3): readonly string[] {
  const wanted = plain(name);
  if (wanted === '') return [];
  const near: { name: string; distance: number }[] = [];
  for (const candidate of new Set(names)) {
    const distance = distanceOf(wanted, plain(candidate));
    if (distance !== null) near.push({ name: candidate, distance });
  }
  near.sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1));
  return near.slice(0, limit).map((entry) => entry.name);
}

/** Share of wrong characters, 0 to 1/3; null: not near. */
function distanceOf(wanted: string, known: string): number | null {
  if (wanted === known) return 0;
  const longer = Math.max(wanted.length, known.length);
  const shorter = Math.min(wanted.length, known.length);
  const isWithin = shorter >= 3 && (known.includes(wanted) || wanted.includes(known));
  // Less than one wrong character, more for what is missing.
  if (isWithin) return 0.1 + 0.2 * (1 - shorter / longer);
  if (longer - shorter > longer / 3) return null;
  const share = editDistance(wanted, known) / longer;
  return share <= 1 / 3 ? share : null;
}

/** Letters and digits only, in lower case; a vendor's folder and `:latest` are not worth a distance. */
function plain(name: string): string {
  const own = name.slice(name.lastIndexOf('/') + 1).replace(/:latest$/i, '');
  return own
    .slice(0, comparedCharacters)
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]/gu, '');
}

/** Insertions, deletions and replacements between two words (Levenshtein), with one row of memory. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
