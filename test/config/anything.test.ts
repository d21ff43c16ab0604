import fc from 'fast-check';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { knownKeys } from '../../gateway/config/schema/known-keys.ts';
import { load } from './support.ts';

/** Loading must end with settings or with an error that says why, whatever is in the file. */
function endsWell(text: string): boolean {
  const { settings, problems } = load(text);
  const hasError = problems.some(({ severity }) => severity === 'error');
  return (settings === null) === hasError && problems.every(({ line, column }) => line >= 1 && column >= 1);
}

test('no text whatever makes loading throw', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => endsWell(text)),
    { numRuns: 150 },
  );
});

test('no text of YAML punctuation and known words makes loading throw', () => {
  const words = [...knownKeys([]), ...knownKeys(['providers', 'N']), ...knownKeys(['router_settings'])];
  const part = fc.oneof(
    fc.constantFrom(...words),
    fc.constantFrom(
      ': ',
      ':',
      '\n',
      '\n  ',
      '\n    ',
      '- ',
      '{',
      '}',
      '[',
      ']',
      '&a ',
      '*a',
      '<<',
      '"',
      "'",
      '#',
      '|',
      '>',
      '?',
      '!t ',
      ', ',
      '---\n',
      '%YAML',
      '\t',
      `\${A}`,
      'os.environ/A',
      'secret/x',
      '~',
      '1',
      'true',
      '0x1',
      '.inf',
      '__proto__',
      'constructor',
    ),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 60 }), (parts) => endsWell(parts.join(''))),
    { numRuns: 250 },
  );
});

test('no values whatever in known places make loading throw', () => {
  const sections = knownKeys([]);
  const inner = [
    ...knownKeys(['providers', 'N']),
    ...knownKeys(['patterns', 0]),
    ...knownKeys(['model_list', 0]),
    ...knownKeys(['model_list', 0, 'litellm_params']),
    'constructor',
    'toString',
    '',
  ];
  const value = fc.letrec((tie) => ({
    node: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom<unknown>(
        null,
        0,
        -1,
        1e308,
        true,
        '',
        'x',
        'http://127.0.0.1:1',
        'ollama',
        'ollama/x',
        '13B',
        '3s',
        Number.NaN,
      ),
      fc.array(tie('node'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...inner), tie('node'), { maxKeys: 5 }),
    ),
  })).node;
  const document = fc.dictionary(fc.constantFrom(...sections), value, { maxKeys: 6 });
  fc.assert(
    fc.property(document, (root) => endsWell(stringify(root))),
    { numRuns: 250 },
  );
});

test('aliases that multiply without end are refused in a moment', () => {
  const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x]'];
  for (let level = 1; level < 12; level++)
    lines.push(
      `a${level}: &a${level} [${Array(9)
        .fill(`*a${level - 1}`)
        .join(', ')}]`,
    );
  const startedAt = performance.now();
  const { settings, problems } = load(lines.join('\n'));
  expect(settings).toBeNull();
  expect(problems.map(({ code }) => code)).toContain('too_large');
  expect(performance.now() - startedAt).toBeLessThan(5000);
});

test('an alias inside its own anchor, endless nesting and a key of a prototype are errors', () => {
  expect(load('providers: &a { x: *a }\n').settings).toBeNull();
  expect(load('['.repeat(50_000)).settings).toBeNull();
  expect(load(`x: ${'{a: '.repeat(100)}1${'}'.repeat(100)}`).problems.map(({ code }) => code)).toContain('too_large');
  expect(load('__proto__: { log_level: debug }\n').settings).toBeNull();
  expect(
    load('exact_matches: { constructor: { provider: a }, toString: { provider: a } }\n').settings?.routing.exactMatches
      .size,
  ).toBe(2);
});

test('a thousand rules load in less than 150 ms', () => {
  const rules = ['providers:', '  vllm: {kind: vllm, base_url: "http://127.0.0.1:8001"}', 'patterns:'];
  for (let index = 0; index < 500; index++)
    rules.push(
      `  - pattern: "^model-${index}/.*"`,
      '    provider: vllm',
      '    fallback: vllm',
      `    description: rule ${index}`,
    );
  rules.push('exact_matches:');
  for (let index = 0; index < 500; index++)
    rules.push(`  "model-${index}:8b":`, '    provider: vllm', '    fallback: null');
  const text = rules.join('\n');
  // The best of several, in time of this thread: what is measured is the work, not what else this machine is doing.
  const tookMs = Array.from({ length: 8 }, () => {
    const startedAtMs = workedMs();
    const { settings } = load(text);
    expect(settings?.routing.patterns).toHaveLength(500);
    return workedMs() - startedAtMs;
  });
  expect(Math.min(...tookMs)).toBeLessThan(150);
});

/** Processor time of this thread; where Node cannot tell (before 23.9), the time that passed. */
function workedMs(): number {
  if (typeof process.threadCpuUsage !== 'function') return performance.now();
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
