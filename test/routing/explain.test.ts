import { describe, expect, test } from 'vitest';
import { decisionToJson, decisionToText, fallbackLine, logLine } from '../../gateway/routing/explain.ts';
import type { RequestFacts } from '../../gateway/types.ts';
import {
  capability,
  decide,
  exact,
  facts,
  fallbackTo,
  fleet,
  metadata,
  model,
  pattern,
  provider,
  type RoutingSketch,
  rules,
  sizeRule,
} from './worlds.ts';

const home = fleet(
  provider('ollama', { models: [model('llama3.1:8b', { size: 8e9 })] }),
  provider('vllm', { models: ['meta-llama/Llama-2-7b'] }),
  provider('llama_cpp', { models: ['tiny.gguf'], isSingleModel: true }),
);

describe('the log line names the step as the guides do', () => {
  const sizes = [sizeRule('<= 8B', { min: null, max: { size: 8e9, isIncluded: true } }, 'ollama')];
  test.each<readonly [Partial<RequestFacts>, RoutingSketch, string]>([
    [
      { model: 'llama3.1:8b' },
      { exact: [exact('llama3.1:8b', 'ollama')] },
      '[ROUTER] Model: llama3.1:8b -> Provider: ollama (exact match)',
    ],
    [
      { model: 'meta-llama/Llama-2-7b' },
      { patterns: [pattern('^meta-llama/.*', 'vllm')] },
      '[ROUTER] Model: meta-llama/Llama-2-7b -> Provider: vllm (pattern match)',
    ],
    [
      { capabilityHint: 'code' },
      { capabilities: [capability('code', { providers: ['ollama'] })] },
      '[ROUTER] Model: (none) -> Provider: ollama (capability match)',
    ],
    [{ model: 'llama3.1:8b' }, { sizeRules: sizes }, '[ROUTER] Model: llama3.1:8b -> Provider: ollama (size match)'],
    [
      { model: 'llama3.1:8b' },
      { metadataRules: [metadata('a', 'always', 'ollama')] },
      '[ROUTER] Model: llama3.1:8b -> Provider: ollama (metadata match)',
    ],
    [{ model: 'llama3.1:8b', pin: 'ollama' }, {}, '[ROUTER] Model: llama3.1:8b -> Provider: ollama (pin)'],
    [{ model: 'llama3.1:8b' }, {}, '[ROUTER] Model: llama3.1:8b -> Provider: ollama (load balancing)'],
    [{ model: 'x' }, { defaultProvider: 'llama_cpp' }, '[ROUTER] Model: x -> Provider: llama_cpp (default provider)'],
    [
      { model: 'x' },
      { chains: { default: [{ provider: 'llama_cpp' }] } },
      '[ROUTER] Model: x -> Provider: llama_cpp (fallback chain)',
    ],
    [{ model: 'x' }, {}, '[ROUTER] Model: x -> refused (model_not_found)'],
  ])('%j by %j', (asked, sketch, line) => {
    expect(logLine(facts(asked), decide(asked, rules(sketch), home))).toBe(line);
  });
  test('a client cannot write lines of its own into the log', () => {
    const name = `x\n[ROUTER] Model: y\u001b[31m${'z'.repeat(400)}`;
    const line = logLine(facts({ model: name }), decide(name, rules(), home));
    expect([...line].filter((character) => character < ' ')).toEqual([]);
    expect(line.length).toBeLessThan(300);
  });
  test('a fallback is told with both names', () => {
    expect(fallbackLine('ollama', 'llama_cpp_python')).toBe('[ROUTER] Fallback triggered: ollama -> llama_cpp_python');
  });
});

describe('a decision as JSON', () => {
  test('has exactly the documented fields', () => {
    const by = rules({ exact: [exact('llama3.1:8b', 'ollama', { fallback: fallbackTo('llama_cpp') })] });
    const json = JSON.parse(JSON.stringify(decisionToJson(decide('llama3.1:8b', by, home))));
    expect(Object.keys(json)).toEqual(['rule', 'chosen', 'candidates', 'steps', 'considered', 'error']);
    expect(json.chosen).toEqual({ provider: 'ollama', model: 'llama3.1:8b' });
    expect(json.candidates).toEqual([
      { provider: 'ollama', model: 'llama3.1:8b', place: 'local', kept: true, reason: null, order: 1, terms: {} },
      {
        provider: 'llama_cpp',
        model: 'tiny.gguf',
        place: 'local',
        kept: true,
        reason: 'lost_on_score',
        order: 2,
        terms: {},
      },
    ]);
    expect(json.steps[3]).toEqual({ step: 'exact', result: 'matched', why: '"llama3.1:8b" is named' });
    expect(json.considered).toBe(3);
    expect(json.error).toBeNull();
  });
  test('of a refusal has nobody chosen and the error', () => {
    const json = decisionToJson(decide('x', rules(), home));
    expect(json).toMatchObject({ rule: null, chosen: null, error: { code: 'model_not_found' } });
  });
});

test('a decision as text shows steps, candidates and the end', () => {
  const by = rules({ exact: [exact('llama3.1:8b', 'ollama', { fallback: fallbackTo('vllm') })] });
  const text = decisionToText(decide('llama3.1:8b', by, home));
  expect(text).toContain('model llama3.1:8b');
  expect(text).toMatch(/exact\s+matched\s+"llama3\.1:8b" is named/);
  expect(text).toMatch(/ 1 {2}ollama\/llama3\.1:8b/);
  expect(text).toMatch(/ - {2}vllm\/llama3\.1:8b .*model_missing/);
  expect(text).toContain('2 more deployments');
  expect(text.split('\n').at(-1)).toBe('└─ ollama is asked for llama3.1:8b by exact:llama3.1:8b');
});
