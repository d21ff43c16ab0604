// Where a text stops being JSON. Only asked for after the parser refused it: the parser's own words quote the body.

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const SPACE = /[ \t\n\r]*/y;
const WORDS = ['true', 'false', 'null'];

function matchAt(pattern: RegExp, text: string, offset: number): number {
  pattern.lastIndex = offset;
  return pattern.test(text) ? pattern.lastIndex : -1;
}

/**
 * The offset of the quote that closes the string beginning at `at`, or of the first character that cannot be in it.
 * By hand: a pattern over a string of megabytes would overflow the matcher's stack.
 */
function stringEnd(text: string, at: number): number {
  let offset = at + 1;
  for (;;) {
    const code = text.charCodeAt(offset);
    if (Number.isNaN(code) || code === 0x22 || code < 0x20) return offset;
    if (code !== 0x5c) offset += 1;
    else {
      const end = matchAt(ESCAPE, text, offset);
      if (end < 0) return offset;
      offset = end;
    }
  }
}

/** What may stand at the current place. */
type Expected = 'value' | 'value_or_end' | 'key' | 'key_or_end' | 'colon' | 'comma_or_end';

/**
 * The offset (in UTF-16 units) of the first character that cannot belong to a JSON text (RFC 8259), the text's length
 * when it only ends too soon, or -1 when it is JSON.
 */
export function jsonErrorOffset(text: string): number {
  const open: ('{' | '[')[] = [];
  let expected: Expected = 'value';
  let at = matchAt(SPACE, text, 0);
  for (;;) {
    if (expected === 'comma_or_end' && open.length === 0) return at === text.length ? -1 : at;
    if (at >= text.length) return text.length;
    const character = text[at] ?? '';
    let end = at + 1;
    const container = open.at(-1);
    const closes = (container === '{' && character === '}') || (container === '[' && character === ']');
    if (closes && (expected === 'comma_or_end' || expected === 'key_or_end' || expected === 'value_or_end')) {
      open.pop();
      expected = 'comma_or_end';
    } else if (expected === 'comma_or_end') {
      if (character !== ',') return at;
      expected = container === '{' ? 'key' : 'value';
    } else if (expected === 'colon') {
      if (character !== ':') return at;
      expected = 'value';
    } else if (expected === 'key' || expected === 'key_or_end') {
      if (character !== '"') return at;
      const closing = stringEnd(text, at);
      if (text[closing] !== '"') return closing;
      end = closing + 1;
      expected = 'colon';
    } else if (character === '{' || character === '[') {
      open.push(character);
      expected = character === '{' ? 'key_or_end' : 'value_or_end';
    } else {
      const scalarEnd = scalar(text, at);
      if (scalarEnd < 0) return -scalarEnd - 1;
      end = scalarEnd;
      expected = 'comma_or_end';
    }
    at = matchAt(SPACE, text, end);
  }
}

/** The end of the string, number or word that begins there, or minus one minus the offset where it goes wrong. */
function scalar(text: string, at: number): number {
  if (text[at] === '"') {
    const closing = stringEnd(text, at);
    return text[closing] === '"' ? closing + 1 : -closing - 1;
  }
  const number = matchAt(NUMBER, text, at);
  if (number >= 0) return number;
  const word = WORDS.find((candidate) => text.startsWith(candidate, at));
  return word === undefined ? -at - 1 : at + word.length;
}

/** `line 3, column 7 (character 41)`, each counted from 1. */
export function describePosition(text: string, offset: number): string {
  const before = text.slice(0, offset);
  const line = before.split('\n').length;
  const column = offset - before.lastIndexOf('\n');
  return `line ${line}, column ${column} (character ${offset + 1})`;
}
