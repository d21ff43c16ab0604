// Which patterns match a model name: linear in the name's length, remembered per name.

import { RE2JS } from 're2js';
import { BoundedMemory } from './bounded-memory.ts';
import { mayMatch, type RequiredLiterals, requiredLiterals } from './literals.ts';

/** Longer names are refused before anything is matched against them, in UTF-16 code units. */
export const LONGEST_MODEL_NAME = 512;

const REMEMBERED_NAMES = 2_000;

/** Answers for one list of patterns. Its memory is invisible: the same name always gets the same answer. */
export class PatternMatcher {
  readonly #patterns: readonly LazyPattern[];
  readonly #remembered = new BoundedMemory<string, readonly number[]>(REMEMBERED_NAMES);

  /** @param sources in file order; unanchored and case-sensitive, without flags of our own */
  constructor(sources: readonly string[]) {
    this.#patterns = sources.map((source) => new LazyPattern(source));
  }

  /** @returns the positions, from 0, of all patterns that match, in file order. Call with names of at most `LONGEST_MODEL_NAME`. */
  matches(name: string): readonly number[] {
    const known = this.#remembered.get(name);
    if (known) return known;
    const found: number[] = [];
    for (let index = 0; index < this.#patterns.length; index += 1) {
      if (this.#patterns[index]?.matches(name)) found.push(index);
    }
    this.#remembered.set(name, found);
    return found;
  }
}

/** Compiled when a name first comes that its literal text does not rule out: of a thousand patterns most never are. */
class LazyPattern {
  readonly #source: string;
  readonly #literals: readonly RequiredLiterals[];
  /** Undefined: not compiled yet. Null for a pattern that the engine refuses: it matches nothing. */
  #engine: RE2JS | null | undefined = undefined;

  constructor(source: string) {
    this.#source = source;
    this.#literals = requiredLiterals(source);
    // Every name comes to such a pattern: the first request is not to pay for all of them.
    if (this.#literals.length === 0) this.#engine = compile(source);
  }

  matches(name: string): boolean {
    if (!mayMatch(this.#literals, name)) return false;
    if (this.#engine === undefined) this.#engine = compile(this.#source);
    return this.#engine?.test(name) ?? false;
  }
}

function compile(source: string): RE2JS | null {
  try {
    return RE2JS.compile(source);
  } catch {
    // The configuration's loader refuses such a pattern with its line; rules made by hand simply lack it.
    return null;
  }
}
