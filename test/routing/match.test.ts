import fc from 'fast-check';
import { RE2JS } from 're2js';
import { describe, expect, test } from 'vitest';
import { BoundedMemory } from '../../gateway/routing/bounded-memory.ts';
import { mayMatch, requiredLiterals } from '../../gateway/routing/literals.ts';
import { LONGEST_MODEL_NAME, PatternMatcher } from '../../gateway/routing/match.ts';
import { compareSpecificity, compileWildcard, fillWildcard, matchWildcard } from '../../gateway/routing/wildcard.ts';

describe('patterns', () => {
  test('the patterns of the guides match what the guides say, unanchored and case-sensitive', () => {
    const matcher = new PatternMatcher(['^meta-llama/.*', '.*:\\d+[bB]$', '.*\\.gguf$', 'coder']);
    expect(matcher.matches('meta-llama/Llama-2-7b-chat-hf')).toEqual([0]);
    expect(matcher.matches('x/meta-llama/y')).toEqual([]);
    expect(matcher.matches('llama3.1:8b')).toEqual([1]);
    expect(matcher.matches('llama3.1:13B')).toEqual([1]);
    expect(matcher.matches('mistral.gguf')).toEqual([2]);
    expect(matcher.matches('mistral.GGUF')).toEqual([]);
    expect(matcher.matches('qwen2.5-coder:7b')).toEqual([1, 3]);
  });
  test('an answer is the same when it is remembered', () => {
    const matcher = new PatternMatcher(['a', 'b']);
    expect(matcher.matches('ab')).toEqual([0, 1]);
    expect(matcher.matches('ab')).toEqual([0, 1]);
  });
  test('a pattern the engine refuses matches nothing and does not disturb the others', () => {
    expect(new PatternMatcher(['(?=a)', '(', 'a']).matches('a')).toEqual([2]);
  });
  test('one that is compiled when a name first needs it answers as one that was compiled before', () => {
    const sources = ['^ab', 'b$', 'a.b', '^(?:a|b)', '(', 'x(?=y)'];
    const warm = new PatternMatcher(sources);
    warm.matches('ab-acb-x');
    for (const name of ['ab', 'a', 'xb', 'acb', 'xy', 'bab'])
      expect([name, new PatternMatcher(sources).matches(name)]).toEqual([name, warm.matches(name)]);
  });
  test('a pattern that would take others exponential time is linear', () => {
    const matcher = new PatternMatcher(['^(a+)+$', '(a|aa)*b$', '(.*)*c']);
    const startedAt = performance.now();
    expect(matcher.matches('a'.repeat(LONGEST_MODEL_NAME - 1).concat('!'))).toEqual([]);
    expect(performance.now() - startedAt).toBeLessThan(500);
  });
});

describe('required literals', () => {
  const claim = (prefix: string, suffix: string, inner: string) => ({ prefix, suffix, inner });
  test.each([
    ['^meta-llama/.*', [claim('meta-llama/', '', '')]],
    ['.*\\.gguf$', [claim('', '.gguf', '')]],
    ['.*:\\d+[bB]$', [claim('', '', ':')]],
    ['^exact$', [claim('exact', 'exact', '')]],
    ['ab?cd', [claim('', '', 'cd')]],
    ['^a*b', [claim('', '', 'b')]],
    ['xa+bcd', [claim('', '', 'bcd')]],
    ['a|^bc', [claim('', '', 'a'), claim('bc', '', '')]],
    ['a|.*', []],
    ['(?:a|b)cd', [claim('', '', 'cd')]],
    ['^(?:llama|qwen\\.)-', [claim('llama', '', '-'), claim('qwen.', '', '-')]],
    ['^(?:llama|q+)', []],
    ['^(?:llama|)x', [claim('', '', 'x')]],
    ['^(?:llama|qwen)?x', [claim('', '', 'x')]],
    ['(?i)abc', []],
    ['\\Qa.b\\E', []],
    ['x{0}y', [claim('', '', 'y')]],
  ])('%s must contain %j', (pattern, expected) => {
    expect(requiredLiterals(pattern)).toEqual(expected);
  });

  const piece = fc.constantFrom(
    'a',
    'b',
    'ab',
    '.',
    '.*',
    'a+',
    'b?',
    'a*',
    '[ab]',
    '[^a]',
    '(a|b)',
    '(?:ab)',
    '\\.',
    '\\d',
    '^',
    '$',
    '|',
    'a{2}',
    'b{0,1}',
    '\\x61',
    '(?i)',
    '-',
    '[]a]',
    '\\|',
    'a*?',
    '\\b',
    '(',
    ')',
    ']',
    '{',
  );
  test('never rule out a name that the engine would match', () => {
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 7 }),
        fc.array(fc.constantFrom('a', 'b', 'A', '.', '1', '-', '|'), { maxLength: 8 }),
        (pieces, letters) => {
          const source = pieces.join('');
          const name = letters.join('');
          let engine: RE2JS;
          try {
            engine = RE2JS.compile(source);
          } catch {
            return;
          }
          if (engine.test(name)) expect(mayMatch(requiredLiterals(source), name)).toBe(true);
          expect(new PatternMatcher([source]).matches(name)).toEqual(engine.test(name) ? [0] : []);
        },
      ),
      { numRuns: 5_000 },
    );
  });
});

describe('wildcards', () => {
  const captured = (pattern: string, name: string) => matchWildcard(compileWildcard(pattern), name);
  test.each([
    ['*', 'anything', ['anything']],
    ['openai/*', 'openai/gpt-4', ['gpt-4']],
    ['openai/*', 'openai/', ['']],
    ['openai/*', 'azure/gpt-4', null],
    ['*-instruct', 'llama-instruct', ['llama']],
    ['a*a', 'a', null],
    ['a*a', 'aa', ['']],
    ['*/*:free', 'x/y/z:free', ['x/y', 'z']],
    ['a*b*c', 'a1b2c', ['1', '2']],
    ['a*b*c', 'abc', ['', '']],
    ['a*b*c', 'ac', null],
    ['a**b', 'axb', ['x', '']],
  ])('%s on %s gives %j', (pattern, name, captures) => {
    expect(captured(pattern, name)).toEqual(captures);
  });
  test('what the stars stood for always puts the name together again', () => {
    const letters = fc
      .array(fc.constantFrom('a', 'b', '*'), { minLength: 1, maxLength: 6 })
      .map((list) => list.join(''));
    fc.assert(
      fc.property(letters, fc.array(fc.constantFrom('a', 'b'), { maxLength: 8 }), (pattern, name) => {
        fc.pre(pattern.includes('*'));
        const text = name.join('');
        const captures = captured(pattern, text);
        const native = new RegExp(`^${pattern.replaceAll('*', '(.*)')}$`).exec(text);
        expect(captures).toEqual(native ? [...native].slice(1) : null);
        if (captures) expect(fillWildcard(pattern, captures, text)).toBe(text);
      }),
      { numRuns: 2_000 },
    );
  });
  test('the most specific comes first', () => {
    const sorted = ['*', 'openai/*', 'openai/gpt-4*', '*-*', 'openai/gpt-*-*']
      .map(compileWildcard)
      .sort(compareSpecificity);
    expect(sorted.map(({ name }) => name)).toEqual(['openai/gpt-4*', 'openai/gpt-*-*', 'openai/*', '*-*', '*']);
  });
  test('stars of the target are filled from left to right, unless the numbers differ', () => {
    expect(fillWildcard('x/*', ['a'], 'n')).toBe('x/a');
    expect(fillWildcard('*-*', ['a', 'b'], 'n')).toBe('a-b');
    expect(fillWildcard('fixed', ['a'], 'n')).toBe('fixed');
    expect(fillWildcard('x/*', ['a', 'b'], 'n')).toBe('n');
  });
});

describe('what is remembered', () => {
  test('is bounded, and the least recently used is forgotten first', () => {
    const memory = new BoundedMemory<string, number>(2);
    memory.set('a', 1);
    memory.set('b', 2);
    expect(memory.get('a')).toBe(1);
    memory.set('c', 3);
    expect(memory.size).toBe(2);
    expect(memory.get('b')).toBeUndefined();
    expect(memory.get('a')).toBe(1);
  });
});
