// Which patterns match a model name: linear in the name's length, remembered per name.

import { RE2JS } from 're2js';
import { BoundedMemory } from './bounded-memory.ts';
import { mayMatch, type RequiredLiterals, requiredLiterals } from './literals.ts';

/** Longer names are refused before anything is matched against them, in UTF-16 code units. */
export const LONGEST_MODEL_NAME = 512;

const REMEMBERED_NAMES = 2_000;

interface CompiledPattern {
  readonly literals: readonly RequiredLiterals[];
  /** Null for a pattern that the engine refuses: it matches nothing. */
  readonly engine: RE2JS | null;
}

/** Answers for one list of patterns. Its memory is invisible: the same name always gets the same answer. */
export class PatternMatcher {
  readonly #patterns: readonly CompiledPattern[];
  readonly #remembered = new BoundedMemory<string, readonly number[]>(REMEMBERED_NAMES);

  /** @param sources in file order; unanchored and case-sensitive, without flags of our own */
  constructor(sources: readonly string[]) {
    this.#patterns = sources.map(compile);
  }

  /** @returns the positions, from 0, of all patterns that match, in file order. Call with names of at most `LONGEST_MODEL_NAME`. */
  matches(name: string): readonly number[] {
    const known = this.#remembered.get(name);
    if (known) return known;
    const found: number[] = [];
    for (let index = 0; index < this.#patterns.length; index += 1) {
      const pattern = this.#patterns[index];
      if (pattern?.engine && mayMatch(pattern.literals, name) && pattern.engine.test(name)) found.push(index);
    }
    this.#remembered.set(name, found);
    return found;
  }
}

function compile(source: string): CompiledPattern {
  try {
    return { literals: requiredLiterals(source), engine: RE2JS.compile(source) };
  } catch {
    // The configuration's loader refuses such a pattern with its line; rules made by hand simply lack it.
    return { literals: requiredLiterals(source), engine: null };
  }
}
