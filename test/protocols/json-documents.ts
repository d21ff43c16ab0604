// Random JSON as clients might write it: odd spaces, big numbers, duplicate keys, escapes, any characters.

import fc from 'fast-check';

const space = fc.constantFrom('', '', '', ' ', '\n', '\t\r\n ');
const numbers = fc.oneof(
  fc.constantFrom('0', '-0', '1.0', '1e400', '-1E-7', '12345678901234567890', '0.1000', '3.141592653589793238'),
  fc.integer().map(String),
);

function escaped(text: string, ways: readonly number[]): string {
  const units = Array.from({ length: text.length }, (_, i) => text.charCodeAt(i));
  return units
    .map((unit, i) => {
      const way = ways[i % Math.max(1, ways.length)] ?? 0;
      const hex = `\\u${unit.toString(16).padStart(4, '0')}`;
      const isLone = unit >= 0xd800 && unit <= 0xdfff;
      if (way === 1 || isLone) return hex;
      if (text[i] === '/' && way === 2) return '\\/';
      return JSON.stringify(text[i]).slice(1, -1);
    })
    .join('');
}

const ways = fc.array(fc.nat({ max: 3 }), { maxLength: 5 });

/** A JSON string literal of that text, some of its characters escaped in one of the legal ways. */
export function literalOf(text: string): fc.Arbitrary<string> {
  return ways.map((chosen) => `"${escaped(text, chosen)}"`);
}

const literal = fc
  .oneof(
    fc.string({ unit: 'binary', maxLength: 10 }),
    fc.constantFrom('{', '"}', 'a"b\\', 'x'.repeat(60), `${'y'.repeat(50)}"\\\\`),
  )
  .chain(literalOf);

/** Any JSON value as text. */
export const jsonText: fc.Arbitrary<string> = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom('null', 'true', 'false'),
    numbers,
    literal,
    fc
      .tuple(fc.array(tie('value'), { maxLength: 4 }), space, space)
      .map(([items, a, b]) => `[${a}${items.join(`${b},${a}`)}${b}]`),
    fc
      .tuple(fc.array(fc.tuple(literal, tie('value')), { maxLength: 4 }), space, space)
      .map(
        ([members, a, b]) => `{${a}${members.map(([key, value]) => `${key}${b}:${a}${value}`).join(`${b},${a}`)}${b}}`,
      ),
  ),
})).value;

/** An object's text from its members, with spaces of the given kinds around them. */
export function objectText(members: readonly (readonly [string, string])[], a: string, b: string): string {
  return `${a}{${b}${members.map(([key, value]) => `${key}${a}:${b}${value}`).join(`${a},${b}`)}${a}}${b}`;
}

export const spaces = fc.tuple(space, space);
