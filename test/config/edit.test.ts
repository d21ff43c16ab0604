import { chmodSync, lstatSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { setProviderEnabled } from '../../gateway/config/edit.ts';
import { digestOf } from '../../gateway/config/sources.ts';
import { listVersions, versionsKept } from '../../gateway/config/versions.ts';
import { temporaryFolder } from './support.ts';

interface Edited {
  readonly text: string;
  readonly file: string;
  readonly dataFolder: string;
}

function edit(text: string, isEnabled: boolean, name = 'a'): Edited {
  const folder = temporaryFolder();
  const file = join(folder, 'switchyard.yaml');
  const dataFolder = join(folder, 'data');
  writeFileSync(file, text);
  setProviderEnabled(file, name, isEnabled, { dataFolder });
  return { text: readFileSync(file, 'utf8'), file, dataFolder };
}

interface Row {
  readonly rule: string;
  readonly before: string;
  readonly after: string;
}

const rows: readonly Row[] = [
  {
    rule: 'an existing value is replaced, its comment stays',
    before: '# mine\nproviders:\n  a:\n    enabled: true   # for now\n    kind: ollama\n',
    after: '# mine\nproviders:\n  a:\n    enabled: false   # for now\n    kind: ollama\n',
  },
  {
    rule: 'a new key gets a line of its own behind the last simple one',
    before:
      'providers:\n  a:\n    kind: ollama # small\n    base_url: http://127.0.0.1:1 # here\n    models:\n      m: { size: 7B }\n\n  b: {}\n',
    after:
      'providers:\n  a:\n    kind: ollama # small\n    base_url: http://127.0.0.1:1 # here\n    enabled: false\n    models:\n      m: { size: 7B }\n\n  b: {}\n',
  },
  {
    rule: 'an entry on one line stays on one line, columns and all',
    before: 'providers:\n  a:   { kind: ollama,   base_url: "http://127.0.0.1:1"  }   # left\n  bb: { kind: vllm }\n',
    after:
      'providers:\n  a:   { kind: ollama,   base_url: "http://127.0.0.1:1", enabled: false  }   # left\n  bb: { kind: vllm }\n',
  },
  {
    rule: 'an entry on one line with a comma at its end keeps it',
    before: 'providers: {a: {kind: ollama,}}\n',
    after: 'providers: {a: {kind: ollama, enabled: false,}}\n',
  },
  {
    rule: 'the last line of a file needs no line end before',
    before: 'providers:\n  a:\n    kind: ollama',
    after: 'providers:\n  a:\n    kind: ollama\n    enabled: false\n',
  },
  {
    rule: 'line ends of Windows stay',
    before: 'providers:\r\n  a:\r\n    kind: ollama\r\nlog_level: info\r\n',
    after: 'providers:\r\n  a:\r\n    kind: ollama\r\n    enabled: false\r\nlog_level: info\r\n',
  },
  {
    rule: 'anchors and merge keys stay, an own key covers the merged one',
    before: 'providers:\n  base: &base\n    kind: vllm\n  a:\n    <<: *base\n    base_url: x\n',
    after: 'providers:\n  base: &base\n    kind: vllm\n  a:\n    <<: *base\n    base_url: x\n    enabled: false\n',
  },
  {
    rule: 'an entry with nothing simple in it gets the key first',
    before: 'providers:\n  a:\n    models:\n      m:\n        size: 7B\n',
    after: 'providers:\n  a:\n    enabled: false\n    models:\n      m:\n        size: 7B\n',
  },
  {
    rule: 'of a section printed twice the last one is changed',
    before: 'providers:\n  a: {kind: ollama}\nproviders:\n  a: {kind: vllm}\n',
    after: 'providers:\n  a: {kind: ollama}\nproviders:\n  a: {kind: vllm, enabled: false}\n',
  },
  {
    rule: 'what is so already is not written again',
    before: 'providers:\n  a: {kind: ollama, enabled: off, enabled: false}\n',
    after: 'providers:\n  a: {kind: ollama, enabled: off, enabled: false}\n',
  },
];

describe('only the one value changes', () => {
  for (const { rule, before, after } of rows) test(rule, () => expect(edit(before, false).text).toBe(after));

  test('switching on what is on by default writes nothing and keeps no version', () => {
    const { text, file, dataFolder } = edit('providers:\n  a: {kind: ollama}\n', true);
    expect(text).toBe('providers:\n  a: {kind: ollama}\n');
    expect(listVersions(dataFolder, file)).toEqual([]);
  });

  test('in any layout of comments, blank lines and further keys', () => {
    const filler = fc.constantFrom(
      '',
      '    # a remark\n',
      '\n',
      '    rpm: 5 # limit\n',
      "    api_key: 'it''s'\n",
      '    headers:\n      X: y\n',
      '    ca_file: >-\n      folded\n      text\n',
    );
    fc.assert(
      fc.property(fc.uniqueArray(filler, { maxLength: 6 }), fc.boolean(), (parts, hasKey) => {
        const before = `x: 1\nproviders:\n  a:\n    kind: ollama\n${parts.join('')}${hasKey ? '    enabled: true\n' : ''}  b:\n    kind: vllm\n`;
        const after = edit(before, false).text;
        const line = '    enabled: false\n';
        return hasKey ? after === before.replace('    enabled: true\n', line) : after.replace(line, '') === before;
      }),
      { numRuns: 100 },
    );
  });
});

describe('what cannot be changed safely is refused', () => {
  const refused = (text: string, name = 'a') => {
    try {
      return edit(text, false, name).text;
    } catch (error) {
      return error instanceof Error && 'code' in error ? error.code : error;
    }
  };
  test('an unknown provider', () => expect(refused('providers:\n  b: {kind: ollama}\n')).toBe('not_found'));
  test('a file without providers', () => expect(refused('log_level: info\n')).toBe('not_found'));
  test('an alias for another entry', () => {
    expect(refused('providers:\n  b: &b {kind: ollama}\n  a: *b\n')).toBe('invalid_request');
  });
  test('a file that is no valid YAML', () => expect(refused('providers: {a: {kind: ollama\n')).toBe('invalid_request'));
  test('an entry others point to, when that changes them too', () => {
    expect(refused('providers:\n  a: &a {kind: ollama}\n  b: *a\n')).toBe('invalid_request');
  });
});

describe('the file', () => {
  test('is refused with a conflict when it changed since it was read', () => {
    const folder = temporaryFolder();
    const file = join(folder, 'f.yaml');
    writeFileSync(file, 'providers:\n  a: {kind: ollama}\n');
    const expectedDigest = digestOf(readFileSync(file));
    writeFileSync(file, 'providers:\n  a: {kind: ollama} # changed\n');
    expect(() => setProviderEnabled(file, 'a', false, { dataFolder: folder, expectedDigest })).toThrow(
      expect.objectContaining({ code: 'conflict' }),
    );
    expect(readFileSync(file, 'utf8')).toContain('# changed');
    expect(readdirSync(folder)).toEqual(['f.yaml']);
  });

  test('keeps its mode and stays a link, and no temporary file is left', () => {
    const folder = temporaryFolder();
    const real = join(folder, 'real.yaml');
    writeFileSync(real, 'providers:\n  a: {kind: ollama}\n');
    chmodSync(real, 0o640);
    symlinkSync(real, join(folder, 'link.yaml'));
    setProviderEnabled(join(folder, 'link.yaml'), 'a', false, { dataFolder: join(folder, 'data') });
    expect(lstatSync(join(folder, 'link.yaml')).isSymbolicLink()).toBe(true);
    expect(statSync(real).mode & 0o777).toBe(0o640);
    expect(readFileSync(real, 'utf8')).toContain('enabled: false');
    expect(readdirSync(folder).sort()).toEqual(['data', 'link.yaml', 'real.yaml']);
  });

  test('keeps its last 20 versions, readable by the owner alone, the newest first', () => {
    const folder = temporaryFolder();
    const file = join(folder, 'f.yaml');
    const dataFolder = join(folder, 'data');
    writeFileSync(file, 'providers:\n  a: {kind: ollama}\n');
    for (let round = 0; round < 25; round++)
      setProviderEnabled(file, 'a', round % 2 === 1, { dataFolder, nowMs: 1000 + Math.floor(round / 2) });
    const versions = listVersions(dataFolder, file);
    expect(versions).toHaveLength(versionsKept);
    expect(versions[0]?.savedAtMs).toBe(1012);
    expect(readFileSync(versions[0]?.file ?? '', 'utf8')).toBe('providers:\n  a: {kind: ollama, enabled: true}\n');
    expect(statSync(versions[0]?.file ?? '').mode & 0o777).toBe(0o600);
    expect(listVersions(dataFolder, join(folder, 'other.yaml'))).toEqual([]);
  });
});
