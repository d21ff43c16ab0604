import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadSettings } from '../../gateway/config/load.ts';
import { load, machine, settingsOf, temporaryFolder, writeFiles } from './support.ts';

test('lists append, maps merge by key, and the including file wins', () => {
  const settings = settingsOf({
    'switchyard.yaml': `
include: [more/rules.yaml, more/boxes.yaml]
log_level: warn
providers:
  a: { kind: ollama, base_url: "http://127.0.0.1:1", priority: 1 }
patterns: [{ pattern: first, provider: a }]
`,
    'more/rules.yaml': `
log_level: debug
default_provider: b
patterns: [{ pattern: second, provider: a }]
`,
    'more/boxes.yaml': `
providers:
  a: { priority: 9, weight: 7 }
  b: { kind: vllm, base_url: "http://127.0.0.1:2" }
patterns: [{ pattern: third, provider: b }]
`,
  });
  expect(settings.logLevel).toBe('warn');
  expect(settings.routing.defaultProvider).toBe('b');
  expect([...settings.providers.keys()]).toEqual(['a', 'b']);
  expect(settings.providers.get('a')).toMatchObject({ priority: 1, weight: 7 });
  expect(settings.routing.patterns.map(({ pattern }) => pattern)).toEqual(['first', 'second', 'third']);
  expect(settings.routing.patterns[2]?.position.file).toMatch(/more\/boxes\.yaml$/);
});

test('several files are merged as if the first included the others', () => {
  const folder = temporaryFolder();
  writeFiles(folder, {
    'a.yaml': 'log_level: warn\npatterns: [{pattern: one, provider: x}]\n',
    'b.yaml': 'log_level: debug\nhistory: {max_mb: 5}\npatterns: [{pattern: two, provider: x}]\n',
  });
  const { settings } = loadSettings({ files: ['a.yaml', 'b.yaml'], env: {}, dataFolder: folder, cwd: folder, machine });
  expect(settings).toMatchObject({ logLevel: 'warn', history: { maxMb: 5 } });
  expect(settings?.routing.patterns.map(({ pattern }) => pattern)).toEqual(['one', 'two']);
  expect(settings?.files).toEqual([join(folder, 'a.yaml'), join(folder, 'b.yaml')]);
});

test('a section without a value takes that of the included file', () => {
  const files = { 'switchyard.yaml': 'include: [b.yaml]\nhistory:\n', 'b.yaml': 'history: {max_mb: 5}\n' };
  expect(settingsOf(files).history.maxMb).toBe(5);
});

test('a missing include is an error at its line that names both files', () => {
  const { problems, settings } = load('include:\n  - there/not.yaml\n');
  expect(settings).toBeNull();
  expect(problems).toMatchObject([{ code: 'include_missing', line: 2, column: 5 }]);
  expect(problems[0]?.message).toMatch(/there\/not\.yaml does not exist \(included by .*switchyard\.yaml\)/);
});

test('a cycle is an error that names both files', () => {
  const { problems } = load({
    'a.yaml': 'include: [b.yaml]\n',
    'b.yaml': 'include: [c.yaml]\n',
    'c.yaml': 'include: [a.yaml]\n',
  });
  expect(problems.map(({ code }) => code)).toEqual(['include_cycle']);
  expect(problems[0]?.file).toMatch(/c\.yaml$/);
  expect(problems[0]?.message).toMatch(/c\.yaml includes .*a\.yaml/);
  expect(load('include: [switchyard.yaml]\n').problems[0]?.message).toMatch(/includes itself$/);
});

test('a cycle through a link is found as well', () => {
  const folder = temporaryFolder();
  writeFiles(folder, { 'a.yaml': 'include: [link.yaml]\n' });
  symlinkSync(join(folder, 'a.yaml'), join(folder, 'link.yaml'));
  const { problems } = loadSettings({ files: ['a.yaml'], env: {}, dataFolder: folder, cwd: folder, machine });
  expect(problems.map(({ code }) => code)).toEqual(['include_cycle']);
});

test('a file that two others include counts once', () => {
  const settings = settingsOf({
    'switchyard.yaml': 'include: [b.yaml, c.yaml]\n',
    'b.yaml': 'include: [d.yaml]\n',
    'c.yaml': 'include: [d.yaml]\n',
    'd.yaml': 'patterns: [{pattern: once, provider: x}]\n',
  });
  expect(settings.routing.patterns).toHaveLength(1);
});

test('problems of all files are told at once, each with its own file', () => {
  const { problems } = load({
    'switchyard.yaml': 'include: [b.yaml]\nlog_level: x\n',
    'b.yaml': 'history: {max_mb: none}\n',
  });
  expect(problems.map(({ file, line }) => `${file.split('/').at(-1)}:${line}`)).toEqual([
    'switchyard.yaml:2',
    'b.yaml:1',
  ]);
});

test('a path of an include may come from the environment', () => {
  const settings = settingsOf(
    { 'switchyard.yaml': `include: ["\${WHERE}/b.yaml"]\n`, 'sub/b.yaml': 'log_level: error\n' },
    { env: { WHERE: 'sub' } },
  );
  expect(settings.logLevel).toBe('error');
});

test('a configuration file that is not there, or a folder, is an error', () => {
  const folder = temporaryFolder();
  const at = (file: string) => loadSettings({ files: [file], env: {}, dataFolder: folder, cwd: folder, machine });
  expect(at('none.yaml').problems).toMatchObject([{ code: 'file_missing' }]);
  expect(at('.').problems).toMatchObject([{ code: 'file_unreadable' }]);
});
