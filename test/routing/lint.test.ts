// What is said of rules that cannot do what they were written for, as tables.

import { describe, expect, test } from 'vitest';
import type { ModelAlias } from '../../gateway/config/settings.ts';
import { naming } from '../../gateway/naming.ts';
import { lintRules } from '../../gateway/routing/lint.ts';
import { lintAgainstModels } from '../../gateway/routing/lint-models.ts';
import { coversPattern, exactName } from '../../gateway/routing/pattern-cover.ts';
import {
  capability,
  deployment,
  exact,
  fleet,
  metadata,
  model,
  pattern,
  position,
  provider,
  type RoutingSketch,
  rules,
  sizeRule,
} from './worlds.ts';

function alias(name: string, ...targets: string[]): [string, ModelAlias] {
  return [name, { name, targets, isGroup: targets.length > 1, isHidden: false, position }];
}

const below = (size: number, isIncluded = false) => ({ min: null, max: { size, isIncluded } });
const between = (from: number, to: number) => ({
  min: { size: from, isIncluded: true },
  max: { size: to, isIncluded: true },
});

function told(sketch: RoutingSketch): readonly string[] {
  return lintRules(rules(sketch)).map(({ code, path }) => `${code} ${path}`);
}

describe('a lint of the rules alone', () => {
  test.each<readonly [string, RoutingSketch, readonly string[]]>([
    ['nothing', {}, []],
    [
      'a condition after "always"',
      { metadataRules: [metadata('a', 'always', 'p'), metadata('b', 'stream == true', 'q')] },
      ['unreachable_rule request_metadata_routing.b'],
    ],
    [
      '"always" at the end',
      { metadataRules: [metadata('b', 'stream == true', 'q'), metadata('a', 'always', 'p')] },
      [],
    ],
    [
      'the same condition twice',
      { metadataRules: [metadata('a', 'stream == true', 'p'), metadata('b', ' stream == true ', 'q')] },
      ['unreachable_rule request_metadata_routing.b'],
    ],
    [
      'a pattern after one for all names',
      { patterns: [pattern('.*', 'p'), pattern('^qwen', 'q')] },
      ['unreachable_rule patterns[1]'],
    ],
    ['a pattern for all names at the end', { patterns: [pattern('^qwen', 'q'), pattern('.*', 'p')] }, []],
    [
      'a pattern after a wider one',
      { patterns: [pattern('^meta-llama/.*', 'p'), pattern('^meta-llama/Llama-(2|3)', 'q')] },
      ['unreachable_rule patterns[1]'],
    ],
    ['a pattern after a narrower one', { patterns: [pattern('^llama3', 'p'), pattern('^llama', 'q')] }, []],
    [
      'a pattern for one name that an exact rule has',
      { exact: [exact('a.b', 'p')], patterns: [pattern('^a\\.b$', 'q')] },
      ['unreachable_rule patterns[0]'],
    ],
    [
      'a wildcard behind a pattern for all names',
      { patterns: [pattern('.*', 'p')], groups: { 'gpt-*': [deployment('q', 'm')] } },
      ['unreachable_rule model_list'],
    ],
    [
      'a group and an exact rule of one name',
      { exact: [exact('m', 'p')], groups: { m: [deployment('q', 'm')] } },
      ['unreachable_rule model_list'],
    ],
    [
      'a capability with the name of an exact rule',
      { exact: [exact('code', 'p')], capabilities: [capability('code')] },
      ['unreachable_rule capabilities.code'],
    ],
    [
      'a size within an earlier one',
      { sizeRules: [sizeRule('< 13B', below(13e9), 'p'), sizeRule('7B - 8B', between(7e9, 8e9), 'q')] },
      ['unreachable_rule model_size_routing[1]'],
    ],
    [
      'sizes that only touch or overlap',
      {
        sizeRules: [
          sizeRule('< 8B', below(8e9), 'p'),
          sizeRule('8B - 13B', between(8e9, 13e9), 'q'),
          sizeRule('<= 8B', below(8e9, true), 'r'),
        ],
      },
      [],
    ],
    [
      'an alias with the name of an exact rule',
      { exact: [exact('m', 'p')], aliases: new Map([alias('m', 'other')]) },
      ['alias_hides_model router_settings.model_group_alias.m'],
    ],
    [
      'an alias for the group that asks for the model of its name',
      { groups: { prod: [deployment('p', 'm')] }, aliases: new Map([alias('m', 'prod')]) },
      [],
    ],
    ['an alias for itself', { exact: [exact('m', 'p')], aliases: new Map([alias('m', 'm')]) }, []],
    [
      'aliases in a circle',
      { aliases: new Map([alias('a', 'b'), alias('b', 'c'), alias('c', 'a'), alias('d', 'a')]) },
      ['a', 'b', 'c'].map((name) => `alias_cycle router_settings.model_group_alias.${name}`),
    ],
  ])('%s', (_what, sketch, expected) => {
    expect(told(sketch)).toEqual(expected);
  });

  test('says of an alias that it hides a model only as long as its target is there: one without is passed over', () => {
    const [lint] = lintRules(rules({ exact: [exact('m', 'p')], aliases: new Map([alias('m', 'x', 'y')]) }));
    expect(lint?.message).toMatch(/is reached by that name only as long as nothing answers to x or y$/);
  });

  test('stands where the rule stands, and tells the circle', () => {
    const [lint] = lintRules(rules({ aliases: new Map([alias('a', 'b'), alias('b', 'a')]) }));
    expect(lint).toEqual({
      ...position,
      severity: 'lint',
      code: 'alias_cycle',
      message: 'the alias leads in a circle: a -> b -> a',
      path: 'router_settings.model_group_alias.a',
    });
  });
});

describe('one pattern covers another', () => {
  test.each([
    ['.*', '^x', true],
    ['^.+$', 'x|y', true],
    ['^llama', '^llama3', true],
    ['^llama.*', '^llama3\\.1:(8b|70b)$', true],
    ['^llama', '^(llama2|llama3)-', true],
    ['^llama$', '^llama3', false],
    ['^llama', 'llama3', false],
    ['^llama', '^(llama|qwen)', false],
    ['llama', '^llama3', false],
    ['^ll.ma', '^llama', false],
    ['^a|^b', '^ab', false],
  ])('%s covers %s: %s', (first, second, expected) => {
    expect(coversPattern(first, second)).toBe(expected);
  });
  test.each([
    ['^a\\.b:1$', 'a.b:1'],
    ['^a.b$', null],
    ['^ab', null],
    ['a$', null],
  ])('%s matches the one name %s', (text, expected) => {
    expect(exactName(text)).toBe(expected);
  });
});

describe('a lint against known models', () => {
  const known = fleet(
    provider('ollama', { models: [model('llama3.1:8b', { size: 8e9 }), model('tiny', { aliases: ['small'] })] }),
    provider('box'),
  );
  const unlisted = new Set(['box']);
  const lints = (sketch: RoutingSketch, among = known) =>
    lintAgainstModels(rules(sketch, naming), among, unlisted).map(({ code, path }) => `${code} ${path}`);

  test('finds patterns and sizes that none of them meets', () => {
    const sketch: RoutingSketch = {
      patterns: [pattern('^llama', 'ollama'), pattern('^qwen', 'ollama'), pattern('^small$', 'ollama')],
      sizeRules: [sizeRule('< 8B', below(8e9), 'ollama'), sizeRule('8B - 13B', between(8e9, 13e9), 'ollama')],
    };
    expect(lints(sketch)).toEqual(['matches_no_model patterns[1]', 'matches_no_model model_size_routing[0]']);
  });

  test('says nothing of rules for a provider whose models are not known, nor without any list', () => {
    const sketch: RoutingSketch = {
      patterns: [pattern('^qwen', 'box')],
      sizeRules: [sizeRule('< 1B', below(1e9), 'box')],
    };
    expect(lints(sketch)).toEqual([]);
    expect(lints({ patterns: [pattern('^qwen', 'ollama')] }, fleet(provider('ollama')))).toEqual([]);
  });

  test('finds an alias that hides a listed model', () => {
    expect(lints({ aliases: new Map([alias('tiny', 'llama3.1:8b'), alias('new', 'tiny')]) })).toEqual([
      'alias_hides_model router_settings.model_group_alias.tiny',
    ]);
    // The group asks for that very model; the other alias is a lint of the rules alone already.
    const groups = { prod: [deployment('ollama', 'tiny')] };
    expect(lints({ groups, aliases: new Map([alias('tiny', 'prod')]) })).toEqual([]);
    expect(lints({ exact: [exact('tiny', 'ollama')], aliases: new Map([alias('tiny', 'x')]) })).toEqual([]);
  });
});
