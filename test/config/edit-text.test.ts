// Changes of a configuration's text: what is meant comes about, and nothing else moves.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { changedText } from '../../gateway/config/edit-text.ts';

const TEXT = `# mine
providers:
  # the big one
  one:
    kind: ollama   # local
    base_url: http://127.0.0.1:11434

  two: { kind: vllm, base_url: "http://10.0.0.2:8000" } # far
default_provider: one # usually
`;

describe('a change', () => {
  test('of a value touches that value alone', () => {
    expect(changedText(TEXT, [{ path: ['providers', 'one', 'base_url'], value: 'http://other:1' }])).toBe(
      TEXT.replace('http://127.0.0.1:11434', 'http://other:1'),
    );
    expect(changedText(TEXT, [{ path: ['providers', 'one', 'kind'], value: 'vllm' }])).toBe(
      TEXT.replace('kind: ollama   #', 'kind: vllm   #'),
    );
    expect(changedText(TEXT, [{ path: ['providers', 'two', 'kind'], value: 'ollama' }])).toBe(
      TEXT.replace('kind: vllm', 'kind: ollama'),
    );
  });

  test('adds a key behind the others of its section', () => {
    expect(changedText(TEXT, [{ path: ['providers', 'one', 'priority'], value: 5 }])).toBe(
      TEXT.replace('11434\n', '11434\n    priority: 5\n'),
    );
    expect(changedText(TEXT, [{ path: ['providers', 'two', 'weight'], value: 2 }])).toBe(
      TEXT.replace('8000" }', '8000", weight: 2 }'),
    );
  });

  test('adds a whole provider, and sections that are missing', () => {
    const three = { kind: 'openai', base_url: 'http://c:1', probe: { interval: 5 } };
    expect(changedText(TEXT, [{ path: ['providers', 'three'], value: three }])).toBe(
      TEXT.replace(
        '# far\n',
        '# far\n  three:\n    kind: openai\n    base_url: http://c:1\n    probe:\n      interval: 5\n',
      ),
    );
    expect(changedText('', [{ path: ['server', 'port'], value: 4001 }])).toBe('server:\n  port: 4001\n');
    expect(changedText('# nothing yet', [{ path: ['server', 'port'], value: 1 }])).toBe(
      '# nothing yet\nserver:\n  port: 1\n',
    );
    expect(changedText('server:\n', [{ path: ['server', 'port'], value: 1 }])).toBe('server:\n  port: 1\n');
  });

  test('takes a provider out with its lines, also the last one', () => {
    expect(changedText(TEXT, [{ path: ['providers', 'two'], value: undefined }])).toBe(
      TEXT.replace(/ {2}two:.*\n/, ''),
    );
    expect(
      changedText('providers:\n  one:\n    kind: ollama\n', [{ path: ['providers', 'one'], value: undefined }]),
    ).toBe('providers:\n');
    expect(changedText(TEXT, [{ path: ['nothing', 'there'], value: undefined }])).toBe(TEXT);
  });

  test('keeps the line ends of the file', () => {
    const text = TEXT.replaceAll('\n', '\r\n');
    const changed = changedText(text, [{ path: ['providers', 'three'], value: { kind: 'ollama' } }]);
    expect(changed.replaceAll('\r\n', '')).not.toContain('\n');
  });

  test.each([
    ['of an alias', 'base: &b { kind: ollama }\nproviders:\n  one: *b\n', ['providers', 'one', 'kind']],
    ['in what is no YAML', 'providers: [', ['providers', 'one']],
    ['in a list', '- a\n', ['providers']],
  ])('%s is left to a person', (_what, text, path) => {
    expect(() => changedText(text, [{ path, value: 'x' }])).toThrow(/by hand|not valid YAML/);
  });

  test('either comes about as it is meant or is refused, whatever the values are', () => {
    const key = fc.constantFrom('one', 'two', 'three', 'a: b', 'true', '#x', '');
    const value = fc.oneof(
      fc.string({ maxLength: 12 }),
      fc.integer(),
      fc.boolean(),
      fc.array(fc.string({ maxLength: 5 }), { maxLength: 3 }),
      fc.dictionary(fc.string({ minLength: 1, maxLength: 4 }), fc.string({ maxLength: 5 }), { maxKeys: 3 }),
      fc.constant(undefined),
    );
    const change = fc.record({ path: fc.tuple(fc.constantFrom('providers', 'server'), key, key), value });
    let made = 0;
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 5 }), fc.boolean(), (changes, isWindows) => {
        let text = isWindows ? TEXT.replaceAll('\n', '\r\n') : TEXT;
        for (const one of changes) {
          let after: string;
          try {
            after = changedText(text, [one]);
          } catch {
            continue;
          }
          made += 1;
          const [section, name, field] = one.path;
          const read = parse(after) as Record<string, Record<string, Record<string, unknown> | null> | null>;
          const found = read[section]?.[name]?.[field];
          expect(found ?? undefined).toEqual(one.value);
          for (const comment of ['# mine', '# the big one']) expect(after).toContain(comment);
          text = after;
        }
      }),
    );
    expect(made).toBeGreaterThan(100);
  });
});
