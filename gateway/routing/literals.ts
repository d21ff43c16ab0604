// Text that every match of a pattern must contain, read off the pattern: most patterns are ruled out without running them.
// Where the reading is not certain it claims nothing; a claim too few costs time, a claim too many would cost a match.

/** What a name must have for one branch of a pattern to match. Empty strings claim nothing. */
export interface RequiredLiterals {
  /** The name begins with it. */
  readonly prefix: string;
  /** The name ends with it. */
  readonly suffix: string;
  /** It occurs somewhere in the name. */
  readonly inner: string;
}

/** Escapes of one letter that match one character of a class or none at all: they end a literal and take nothing more with them. */
const SIMPLE_CLASS_ESCAPES = 'dDwWsSbBfnrtvAz';
/** More branches cost more to check than they save. */
const MOST_BRANCHES = 50;

/**
 * Reads a pattern of RE2 syntax without flags: `^(?:llama|qwen)-` begins with one of two texts.
 * @returns one entry per branch, of which a matching name satisfies at least one; none: nothing is certain
 */
export function requiredLiterals(pattern: string): readonly RequiredLiterals[] {
  const branches = splitBranches(pattern, 0, pattern.length);
  if (!branches) return [];
  const found: RequiredLiterals[] = [];
  for (const branch of branches) {
    const runs = readRuns(branch);
    const literals = runs && strongest(runs);
    if (!literals) return [];
    for (const beginning of runs.beginnings ?? [null]) {
      found.push(beginning === null ? literals : { ...literals, prefix: beginning });
    }
  }
  const claimsNothing = found.some(({ prefix, suffix, inner }) => prefix + suffix + inner === '');
  return claimsNothing || found.length > MOST_BRANCHES ? [] : found;
}

/** Whether a name can match a pattern with these literals; false is certain, true is not. */
export function mayMatch(branches: readonly RequiredLiterals[], name: string): boolean {
  if (branches.length === 0) return true;
  for (const { prefix, suffix, inner } of branches) {
    if (prefix !== '' && !name.startsWith(prefix)) continue;
    if (suffix !== '' && !name.endsWith(suffix)) continue;
    if (inner === '' || name.includes(inner)) return true;
  }
  return false;
}

/** One run of literal characters and what stands at its ends. */
interface Run {
  readonly text: string;
  readonly isAtStart: boolean;
  readonly isAtEnd: boolean;
}

interface Runs {
  readonly runs: readonly Run[];
  /** Texts of which the name begins with one; null: none are known. */
  readonly beginnings: readonly string[] | null;
}

function strongest({ runs }: Runs): RequiredLiterals {
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

/** The branches between `|` outside of groups, or null when the text is not understood for certain. */
function splitBranches(pattern: string, from: number, to: number): readonly string[] | null {
  const branches: string[] = [];
  let start = from;
  let index = from;
  while (index < to) {
    const character = pattern.charAt(index);
    if (character === '|') {
      branches.push(pattern.slice(start, index));
      start = index + 1;
      index += 1;
    } else if ('^$*+?{}'.includes(character)) {
      index += 1;
    } else {
      const atom = readAtom(pattern, index);
      if (!atom) return null;
      index = atom.end;
    }
  }
  branches.push(pattern.slice(start, to));
  return branches;
}

/** The runs of literals of one branch, or null when anything in it is not understood for certain. */
function readRuns(pattern: string): Runs | null {
  const runs: Run[] = [];
  let beginnings: readonly string[] | null = null;
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
    if (character === '^' || character === '$') {
      close(character === '$' && index === pattern.length - 1);
      // `^` begins a prefix only where nothing stands before it.
      isAtStart = character === '^' && index === 0;
      index += 1;
      if (isQuantifier(pattern, index)) return null;
      continue;
    }
    const atom = readAtom(pattern, index);
    const repeat = atom && readRepeat(pattern, atom.end);
    if (!atom || !repeat) return null;
    if (atom.literal === null || repeat.mayBeAbsent) {
      if (isAtStart && text === '' && repeat.end === atom.end) beginnings = plainAlternatives(pattern, index, atom.end);
      close(false);
    } else {
      text += atom.literal;
      if (repeat.mayRepeat) close(false);
    }
    index = repeat.end;
  }
  close(false);
  return { runs, beginnings };
}

/** The texts of a group that holds nothing but literal texts (`(?:llama|qwen)`); null for anything else. */
function plainAlternatives(pattern: string, start: number, end: number): readonly string[] | null {
  if (pattern.charAt(start) !== '(') return null;
  const inner = pattern.startsWith('(?:', start) ? start + 3 : start + 1;
  const branches = splitBranches(pattern, inner, end - 1);
  if (!branches) return null;
  const texts: string[] = [];
  for (const branch of branches) {
    const read = readRuns(branch);
    const [only] = read?.runs ?? [];
    // One run that is as long as the branch (escapes aside) has nothing else beside it.
    if (!only || read?.runs.length !== 1 || only.text.length !== branch.replace(/\\(.)/g, '$1').length) return null;
    texts.push(only.text);
  }
  return texts;
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
