// Text that every match of a pattern must contain, read off the pattern: most patterns are ruled out without running them.
// Where the reading is not certain it claims nothing; a claim too few costs time, a claim too many would cost a match.

/** What a name must have for the pattern to match at all. Empty strings claim nothing. */
export interface RequiredLiterals {
  /** The name begins with it. */
  readonly prefix: string;
  /** The name ends with it. */
  readonly suffix: string;
  /** It occurs somewhere in the name. */
  readonly inner: string;
}

const NONE: RequiredLiterals = Object.freeze({ prefix: '', suffix: '', inner: '' });
/** Escapes of one letter that match one character of a class or none at all: they end a literal and take nothing more with them. */
const SIMPLE_CLASS_ESCAPES = 'dDwWsSbBfnrtvAz';

/** One run of literal characters and what stands at its ends. */
interface Run {
  readonly text: string;
  readonly isAtStart: boolean;
  readonly isAtEnd: boolean;
}

/**
 * Reads a pattern of RE2 syntax without flags.
 * @returns the literals; nothing for patterns with an alternative at the top, flags, or escapes whose extent is uncertain
 */
export function requiredLiterals(pattern: string): RequiredLiterals {
  const runs = readRuns(pattern);
  if (!runs) return NONE;
  let prefix = '';
  let suffix = '';
  let inner = '';
  for (const run of runs) {
    if (run.isAtStart) prefix = run.text;
    if (run.isAtEnd) suffix = run.text;
    if (run.text.length > inner.length) inner = run.text;
  }
  return { prefix, suffix, inner: inner === prefix || inner === suffix ? '' : inner };
}

/** Whether a name can match a pattern with these literals; false is certain, true is not. */
export function mayMatch(literals: RequiredLiterals, name: string): boolean {
  return (
    (literals.prefix === '' || name.startsWith(literals.prefix)) &&
    (literals.suffix === '' || name.endsWith(literals.suffix)) &&
    (literals.inner === '' || name.includes(literals.inner))
  );
}

/** The runs of literals at the top level of the pattern, or null when anything in it is not understood for certain. */
function readRuns(pattern: string): Run[] | null {
  const runs: Run[] = [];
  let text = '';
  let isAtStart = false;
  let index = 0;
  const close = (isAtEnd: boolean): void => {
    if (text !== '') runs.push({ text, isAtStart, isAtEnd });
    text = '';
    isAtStart = false;
  };
  while (index < pattern.length) {
    const character = pattern.charAt(index);
    if (character === '|') return null;
    if (character === '^') {
      close(false);
      // `^` begins a prefix only where nothing stands before it.
      isAtStart = index === 0;
      index += 1;
      if (isQuantifier(pattern, index)) return null;
      continue;
    }
    if (character === '$') {
      close(index === pattern.length - 1);
      index += 1;
      if (isQuantifier(pattern, index)) return null;
      continue;
    }
    const atom = readAtom(pattern, index);
    if (!atom) return null;
    const repeat = readRepeat(pattern, atom.end);
    if (!repeat) return null;
    if (atom.literal === null || repeat.mayBeAbsent) {
      close(false);
    } else {
      text += atom.literal;
      if (repeat.mayRepeat) close(false);
    }
    index = repeat.end;
  }
  close(false);
  return runs;
}

interface Atom {
  /** The one character it stands for; null: more than one, or none. */
  readonly literal: string | null;
  readonly end: number;
}

function readAtom(pattern: string, index: number): Atom | null {
  const character = pattern.charAt(index);
  switch (character) {
    case '\\':
      return readEscape(pattern, index);
    case '[':
      return readClass(pattern, index);
    case '(':
      return readGroup(pattern, index);
    case '.':
      return { literal: null, end: index + 1 };
    case ')':
    case '*':
    case '+':
    case '?':
    case '{':
      return null;
    default:
      // Half of a surrogate pair is not a character to RE2.
      if (character >= '\ud800' && character <= '\udfff') return null;
      return { literal: character, end: index + 1 };
  }
}

function readEscape(pattern: string, index: number): Atom | null {
  const next = pattern.charAt(index + 1);
  if (next === '') return null;
  if (SIMPLE_CLASS_ESCAPES.includes(next)) return { literal: null, end: index + 2 };
  // Letters and digits with other meanings (`\Q`, `\x41`, `\pL`) reach further than two characters.
  if (/[^!-/:-@[-`{-~]/.test(next)) return null;
  return { literal: next, end: index + 2 };
}

function readClass(pattern: string, index: number): Atom | null {
  let at = index + 1;
  if (pattern.charAt(at) === '^') at += 1;
  if (pattern.charAt(at) === ']') at += 1;
  while (at < pattern.length) {
    const character = pattern.charAt(at);
    if (character === ']') return { literal: null, end: at + 1 };
    if (character === '[') return null;
    at += character === '\\' ? 2 : 1;
  }
  return null;
}

/** Skips a group as a whole: what is inside may be an alternative or absent. */
function readGroup(pattern: string, index: number): Atom | null {
  if (pattern.charAt(index + 1) === '?' && pattern.charAt(index + 2) !== ':') return null;
  let depth = 0;
  let at = index;
  while (at < pattern.length) {
    const character = pattern.charAt(at);
    if (character === '[') {
      const skipped = readClass(pattern, at);
      if (!skipped) return null;
      at = skipped.end;
      continue;
    }
    if (character === '\\') {
      if (!readEscape(pattern, at)) return null;
      at += 2;
      continue;
    }
    if (character === '(') {
      if (pattern.charAt(at + 1) === '?' && pattern.charAt(at + 2) !== ':') return null;
      depth += 1;
    }
    if (character === ')') {
      depth -= 1;
      if (depth === 0) return { literal: null, end: at + 1 };
    }
    at += 1;
  }
  return null;
}

function isQuantifier(pattern: string, index: number): boolean {
  return '*+?{'.includes(pattern.charAt(index) || ' ');
}

interface Repeat {
  readonly mayBeAbsent: boolean;
  readonly mayRepeat: boolean;
  readonly end: number;
}

function readRepeat(pattern: string, index: number): Repeat | null {
  const character = pattern.charAt(index);
  let repeat: Repeat = { mayBeAbsent: false, mayRepeat: false, end: index };
  if (character === '*' || character === '?') repeat = { mayBeAbsent: true, mayRepeat: true, end: index + 1 };
  else if (character === '+') repeat = { mayBeAbsent: false, mayRepeat: true, end: index + 1 };
  else if (character === '{') {
    const counted = /^\{(\d+)(?:,\d*)?\}/.exec(pattern.slice(index, index + 16));
    if (!counted) return null;
    repeat = { mayBeAbsent: Number(counted[1]) === 0, mayRepeat: true, end: index + counted[0].length };
  }
  // The lazy form of a repetition; a second repetition is more than this reads.
  if (repeat.end > index && pattern.charAt(repeat.end) === '?') repeat = { ...repeat, end: repeat.end + 1 };
  return repeat.end > index && isQuantifier(pattern, repeat.end) ? null : repeat;
}
