import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { applyEdits, elementsOf, type JsonEdit, jsonDepthExceeds, locate } from '../../gateway/protocols/json-text.ts';
import { jsonText, literalOf, objectText, spaces } from './json-documents.ts';

function edited(text: string, ...edits: JsonEdit[]): string {
  return applyEdits(Buffer.from(text), edits).toString();
}

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

function slice(text: string, path: (string | number)[]): string | null {
  const bytes = Buffer.from(text);
  const range = locate(bytes, path);
  return range === null ? null : bytes.subarray(range.start, range.end).toString();
}

describe('depth', () => {
  test('brackets in strings and behind escapes do not count', () => {
    expect(jsonDepthExceeds(Buffer.from('{"a":"[[[[\\"[[{{","b":[[]]}'), 3)).toBe(false);
    expect(jsonDepthExceeds(Buffer.from('{"a":"\\\\","b":[[]]}'), 2)).toBe(true);
    expect(jsonDepthExceeds(Buffer.from(`{"${'x'.repeat(100)}\\"[[[":"${'y'.repeat(100)}\\\\","b":[]}`), 2)).toBe(
      false,
    );
  });

  test('the limit itself is allowed, and siblings do not add up', () => {
    expect(jsonDepthExceeds(Buffer.from('['.repeat(200) + ']'.repeat(200)), 200)).toBe(false);
    expect(jsonDepthExceeds(Buffer.from('['.repeat(201)), 200)).toBe(true);
    expect(jsonDepthExceeds(Buffer.from(`[${'{},'.repeat(500)}[]]`), 2)).toBe(false);
  });

  test('agrees with the parsed value, and takes any bytes at all', () => {
    fc.assert(
      fc.property(jsonText, (text) => {
        // Duplicate keys may hide depth from the parser, never the other way round.
        const depth = depthOf(JSON.parse(text));
        if (depth > 0) expect(jsonDepthExceeds(Buffer.from(text), depth - 1)).toBe(true);
      }),
    );
    fc.assert(fc.property(fc.uint8Array(), (bytes) => typeof jsonDepthExceeds(Buffer.from(bytes), 3) === 'boolean'));
    expect(jsonDepthExceeds(Buffer.from('"never closed \\'), 1)).toBe(false);
  });
});

describe('locating', () => {
  test('finds values by key and index, whatever spaces and escapes stand around', () => {
    const text = ' {"a" : [ 1.0 ,{"b\\u0063":"x\\"y"} ], "n":null}';
    expect(slice(text, ['a', 0])).toBe('1.0');
    expect(slice(text, ['a', 1, 'bc'])).toBe('"x\\"y"');
    expect(slice(text, ['n'])).toBe('null');
    expect(slice(text, [])).toBe(text.trim());
    expect(slice(text, ['a', 2])).toBeNull();
    expect(slice(text, ['x'])).toBeNull();
    expect(slice(text, ['n', 'x'])).toBeNull();
  });

  test('the last of several equal keys counts', () => {
    expect(slice('{"a":{"b":1},"a":{"b":2,"b":3}}', ['a', 'b'])).toBe('3');
  });

  test('what is found parses to what JSON.parse finds there', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.string({ unit: 'binary', maxLength: 4 }), jsonText), { minLength: 1, maxLength: 5 }),
        spaces,
        fc.nat(),
        (members, [a, b], pick) => {
          const text = objectText(
            members.map(([key, value]) => [JSON.stringify(key), value]),
            a,
            b,
          );
          const key = members[pick % members.length]?.[0] ?? '';
          const parsed = JSON.parse(text) as Record<string, unknown>;
          expect(JSON.parse(slice(text, [key]) ?? 'null')).toEqual(Object.getOwnPropertyDescriptor(parsed, key)?.value);
        },
      ),
    );
  });

  test('elements of a list', () => {
    const bytes = Buffer.from('[ 1 ,"a,]" , [2,3],{"x":[]} ]');
    expect(elementsOf(bytes, 0).map(({ start, end }) => bytes.subarray(start, end).toString())).toEqual([
      '1',
      '"a,]"',
      '[2,3]',
      '{"x":[]}',
    ]);
    expect(elementsOf(Buffer.from('[ ]'), 0)).toEqual([]);
  });
});

describe('editing', () => {
  test('without edits the very same buffer comes back', () => {
    const bytes = Buffer.from('{"a":1}');
    expect(applyEdits(bytes, [])).toBe(bytes);
  });

  test.each([
    ['{"a":1,"b":2,"c":3}', 'a', '{"b":2,"c":3}'],
    ['{"a":1,"b":2,"c":3}', 'b', '{"a":1,"c":3}'],
    ['{"a":1,"b":2,"c":3}', 'c', '{"a":1,"b":2}'],
    ['{ "a" : 1 }', 'a', '{  }'],
    ['{"a":1,"b":2,"a":3}', 'a', '{"b":2}'],
    ['{\n  "x": 0,\n  "a": 1\n}', 'a', '{\n  "x": 0\n}'],
  ])('removing from %s %s', (text, key, expected) => {
    expect(edited(text, { op: 'remove', path: [key] })).toBe(expected);
  });

  test('removing all of many, an addition among them', () => {
    const edits: JsonEdit[] = [
      { op: 'remove', path: ['a'] },
      { op: 'remove', path: ['b'] },
      { op: 'add', path: ['m'], value: 'x' },
    ];
    expect(edited('{"a":1, "b":2}', ...edits)).toBe('{"m":"x"}');
    expect(edited('{"a":1, "c":3,"b":2}', ...edits)).toBe('{"m":"x","c":3}');
    expect(edited('{}', edits[2] as JsonEdit)).toBe('{"m":"x"}');
  });

  test('replacing takes every duplicate, so that no reader sees the old value', () => {
    expect(edited('{"m":"a","x":1,"\\u006d":"b"}', { op: 'replace', path: ['m'], value: 'c' })).toBe(
      '{"m":"c","x":1,"\\u006d":"c"}',
    );
  });

  test('renaming keeps the value as written and drops earlier duplicates', () => {
    expect(edited('{"a":1.50,"x":2,"a" : 9007199254740993}', { op: 'rename', path: ['a'], to: 'b' })).toBe(
      '{"x":2,"b" : 9007199254740993}',
    );
  });

  test('several edits below the same list', () => {
    const text = '{"l":[{"r":"d","c":1},{"r":"u"},{"c":[1],"r":"d"}]}';
    expect(
      edited(
        text,
        { op: 'replace', path: ['l', 0, 'r'], value: 's' },
        { op: 'replace', path: ['l', 2, 'r'], value: 's' },
        { op: 'replace', path: ['l', 2, 'c'], value: 'ü"' },
      ),
    ).toBe('{"l":[{"r":"s","c":1},{"r":"u"},{"c":"ü\\"","r":"s"}]}');
  });

  test('an edit that leads nowhere is a mistake of the caller', () => {
    for (const path of [['x'], ['a', 'x'], ['l', 5, 'x'], []]) {
      expect(() => edited('{"a":1,"l":[]}', { op: 'replace', path, value: 1 })).toThrow(TypeError);
    }
  });

  test('on any object: the result is the intended value, and every other member keeps its bytes', () => {
    const member = fc
      .constantFrom('m', 'a', 'b', 'ü', '')
      .chain((key) => fc.tuple(fc.constant(key), literalOf(key), jsonText));
    fc.assert(
      fc.property(
        fc.array(member, { maxLength: 6 }),
        spaces,
        fc.subarray(['a', 'ü', '']),
        (members, [before, after], cut) => {
          const text = objectText(
            members.map(([, literal, value]) => [literal, value]),
            before,
            after,
          );
          const parsed = JSON.parse(text) as Record<string, unknown>;
          const edits: JsonEdit[] = cut
            .filter((key) => Object.hasOwn(parsed, key))
            .map((key) => ({ op: 'remove', path: [key] }));
          edits.push({ op: Object.hasOwn(parsed, 'm') ? 'replace' : 'add', path: ['m'], value: 'new "model"' });
          const result = applyEdits(Buffer.from(text), edits).toString();
          const expected: Record<string, unknown> = { ...parsed, m: 'new "model"' };
          for (const key of cut) delete expected[key];
          expect(JSON.parse(result)).toEqual(expected);
          const kept = members.filter(([key]) => key !== 'm' && !cut.includes(key));
          let at = 0;
          for (const [, literal, value] of kept) {
            const found = result.indexOf(`${literal}${before}:${after}${value}`, at);
            expect(found).toBeGreaterThanOrEqual(at);
            at = found + 1;
          }
          const changed = members.length - kept.length;
          if (changed === 0) expect(result.replace(/"m":"new \\"model\\"",?/, '')).toBe(text);
        },
      ),
      { numRuns: 500 },
    );
  });
});
