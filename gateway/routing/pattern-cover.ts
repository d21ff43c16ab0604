// Whether one pattern makes another one useless, where that can be told for certain.

import { requiredLiterals } from './literals.ts';

const ALL_NAMES: ReadonlySet<string> = new Set(['', '^', '$', '.*', '^.*', '.*$', '^.*$', '.*?', '(.*)', '^(.*)$']);
/** The same but for the empty name, which no request has. */
const ALL_BUT_EMPTY: ReadonlySet<string> = new Set(['.', '.+', '^.+', '.+$', '^.+$', '^.', '(.+)', '^(.+)$']);
/** Literal text: plain characters, and escaped marks. */
const LITERAL = String.raw`(?:[\w\-/:@ ,#%&=~]|\\[.\-/+*?()[\]{}^$|:@ ])`;
const PREFIX = new RegExp(String.raw`^\^(${LITERAL}+)(?:\.\*\$?)?$`);
const EXACT = new RegExp(String.raw`^\^(${LITERAL}+)\$$`);

/** The one name that a pattern matches, or null. */
export function exactName(pattern: string): string | null {
  const literal = EXACT.exec(pattern)?.[1];
  return literal === undefined ? null : unescaped(literal);
}

/** True: every model name that the second pattern matches is one that the first matches. False: not known. */
export function coversPattern(first: string, second: string): boolean {
  if (ALL_NAMES.has(first) || ALL_BUT_EMPTY.has(first)) return true;
  const literal = PREFIX.exec(first)?.[1];
  if (literal === undefined) return false;
  const prefix = unescaped(literal);
  const branches = requiredLiterals(second);
  return branches.length > 0 && branches.every((branch) => branch.prefix.startsWith(prefix));
}

function unescaped(literal: string): string {
  return literal.replaceAll(/\\(.)/g, '$1');
}
