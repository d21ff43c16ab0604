import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ConditionScope, conditionHolds, conditionText, firstFailure } from '../../gateway/routing/condition.ts';
import { parseCondition, parseSize } from '../../gateway/routing/condition-syntax.ts';
import type { RequestFacts } from '../../gateway/types.ts';
import { facts } from './worlds.ts';

interface World extends Partial<RequestFacts> {
  readonly size?: number | null;
  readonly down?: readonly string[];
}

function scope({ size = null, down = [], ...changes }: World): ConditionScope {
  const asked = facts(changes);
  return {
    facts: asked,
    model: asked.model ?? '',
    modelSize: () => size,
    isUnavailable: (name) => down.includes(name),
  };
}

function holds(text: string, world: World = {}): boolean {
  const parsed = parseCondition(text);
  if (!parsed.ok) throw new Error(`${parsed.message} at ${parsed.offset}`);
  return conditionHolds(parsed.condition, scope(world));
}

describe('a condition holds', () => {
  test.each<readonly [string, World, boolean]>([
    ['header.x-priority == "high"', { headers: { 'x-priority': 'high' } }, true],
    ['header.X-Priority == "high"', { headers: { 'x-priority': 'high' } }, true],
    ['header.x-priority == "high"', {}, false],
    ['header.x-priority == ""', {}, true],
    ['header.x-priority != "high"', {}, true],
    ['header.x-count >= 5', { headers: { 'x-count': '7' } }, true],
    ['header.x-count >= 5', { headers: { 'x-count': 'seven' } }, false],
    ['header.x-count >= 5', {}, false],
    ['header.x-list == "a"', { headers: { 'x-list': ['a', 'b'] } }, true],
    ['batch_size > 1', { batchSize: 2 }, true],
    ['batch_size > 1', { batchSize: 1 }, false],
    ['1 < batch_size', { batchSize: 2 }, true],
    ['stream == true', { isStream: true }, true],
    ['stream != true', { isStream: true }, false],
    ['stream', { isStream: true }, true],
    ['!stream', {}, true],
    ['model_size >= "13B"', { size: 13e9 }, true],
    ['model_size >= "13B"', { size: 8e9 }, false],
    ['model_size >= 13B', { size: 13e9 }, true],
    ['model_size < "350M"', { size: 0.1e9 }, true],
    ['model_size >= "13B"', { size: null }, false],
    ['model_size < "13B"', { size: null }, false],
    ['model_size != "13B"', { size: null }, false],
    ['prompt_tokens > 1000', { promptTokens: 1001 }, true],
    ['model == "llama3.1:8b"', { model: 'llama3.1:8b' }, true],
    ["model == 'llama3.1:8b'", { model: 'llama3.1:8b' }, true],
    ['endpoint == "embeddings"', { endpoint: 'embeddings' }, true],
    ['capability == "code"', { capabilityHint: 'code' }, true],
    ['client == "ide"', { client: 'ide' }, true],
    ['has_images', { needs: ['vision'] }, true],
    ['has_tools == false', { needs: ['tools'] }, false],
    ['always', {}, true],
    ['ollama_unavailable', { down: ['ollama'] }, true],
    ['ollama_unavailable', {}, false],
    ['my-box.2_unavailable', { down: ['my-box.2'] }, true],
    ['!ollama_unavailable && stream', { isStream: true }, true],
    ['stream && batch_size > 1 || always', {}, true],
    ['stream && (batch_size > 1 || always)', {}, false],
    ['!(stream || has_tools)', {}, true],
    ['header.x-a == "say \\"hi\\""', { headers: { 'x-a': 'say "hi"' } }, true],
  ])('%s', (text, world, expected) => {
    expect(holds(text, world)).toBe(expected);
  });
});

describe('a mistake is named where it stands', () => {
  test.each([
    ['header.x = "high"', 9, '"=="'],
    ['stream & has_tools', 7, '"&&"'],
    ['stream == "yes"', 10, 'true or false'],
    ['batch_size > "two"', 13, 'a number'],
    ['model_size > "big"', 13, '"13B"'],
    ['model == llama', 9, 'quotes'],
    ['model < "a"', 8, '== or !='],
    ['colour == "red"', 0, 'not known'],
    ['header. == "a"', 0, 'missing'],
    ['header.authorization == "x"', 0, 'credentials'],
    ['header.cookie == "x"', 0, 'credentials'],
    ['header.x-api-key == "x"', 0, 'credentials'],
    ['(stream', 7, '")"'],
    ['stream)', 6, '")"'],
    ['stream ==', 9, 'value'],
    ['', 0, 'missing'],
    ['stream && ', 9, 'missing'],
    ['model', 0, 'compared'],
    ['"a" == "b"', 7, 'one side'],
    ['model == "open', 9, 'not closed'],
    ['process.exit(1)', 0, 'not known'],
    ['batch_size > 3zebras', 13, 'neither'],
    ['model == "a" ; stream', 13, '";"'],
  ])('%s at %i: %s', (text, offset, words) => {
    const parsed = parseCondition(text);
    expect(parsed).toMatchObject({ ok: false, offset });
    if (!parsed.ok) expect(parsed.message).toContain(words);
  });
  test('nesting is limited', () => {
    expect(parseCondition(`${'('.repeat(10_000)}stream`).ok).toBe(false);
    expect(parseCondition(`${'!'.repeat(1_000)}stream`)).toMatchObject({ ok: false });
  });
});

describe('the first part that failed is told with its value', () => {
  const tell = (text: string, world: World = {}): string => {
    const parsed = parseCondition(text);
    return parsed.ok ? firstFailure(parsed.condition, scope(world)) : '';
  };
  test.each([
    [
      'stream && header.x-priority == "high"',
      { isStream: true, headers: { 'x-priority': 'low' } },
      'header.x-priority == "high" (it is "low")',
    ],
    ['model_size >= "13B"', {}, 'model_size >= "13B" (not known)'],
    ['ollama_unavailable', {}, 'ollama_unavailable (ollama is available)'],
    ['stream || has_tools', {}, 'stream (it is false), has_tools (it is false)'],
    ['!always', {}, '!(always) (it holds)'],
  ] as const)('%s', (text, world, expected) => {
    expect(tell(text, world)).toBe(expected);
  });
  test('of one request after another, each with its own value', () => {
    const parsed = parseCondition('batch_size > 4 && header.x-priority == "high"');
    const met = (world: World) => parsed.ok && firstFailure(parsed.condition, scope(world));
    for (const batchSize of [1, 2, 2, 1]) expect(met({ batchSize })).toBe(`batch_size > 4 (it is ${batchSize})`);
    for (const priority of ['low', '1', 'low'])
      expect(met({ batchSize: 5, headers: { 'x-priority': priority } })).toBe(
        `header.x-priority == "high" (it is "${priority}")`,
      );
  });
  test('what a client sent is escaped and short', () => {
    const text = tell('header.x-a == "b"', { headers: { 'x-a': `\n${'x'.repeat(1000)}` } });
    expect(text).not.toContain('\n');
    expect(text.length).toBeLessThan(200);
  });
});

test.each([
  ['13B', 13e9],
  ['0.5b', 0.5e9],
  ['350M', 350e6],
  [' 7 B ', 7e9],
  ['7', null],
  ['big', null],
])('the size %s', (text, size) => {
  expect(parseSize(text)).toBe(size);
});

test('any text is parsed or refused with a place inside it, never anything else', () => {
  const piece = fc.constantFrom(
    'stream',
    'model',
    '==',
    '!=',
    '<',
    '&&',
    '||',
    '!',
    '(',
    ')',
    '"a"',
    "'b'",
    '13B',
    '7',
    ' ',
    'header.x',
    'batch_size',
    'true',
    'x_unavailable',
    '"',
    '\\',
    '=',
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(piece, { maxLength: 12 }).map((list) => list.join(' ')),
      ),
      (text) => {
        const parsed = parseCondition(text);
        if (!parsed.ok) {
          expect(parsed.offset).toBeGreaterThanOrEqual(0);
          expect(parsed.offset).toBeLessThanOrEqual(text.length);
          return;
        }
        const world = scope({ size: 8e9 });
        const result = conditionHolds(parsed.condition, world);
        if (!result) expect(firstFailure(parsed.condition, world)).not.toBe('');
        const again = parseCondition(conditionText(parsed.condition));
        expect(again.ok && conditionHolds(again.condition, world)).toBe(result);
      },
    ),
    { numRuns: 3_000 },
  );
});
