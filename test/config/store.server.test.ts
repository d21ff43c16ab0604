import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ConfigError, type SettingsChange, SettingsStore, type StoreOptions } from '../../gateway/config/store.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { machine, temporaryFolder, writeFiles } from './support.ts';

interface Watched {
  readonly store: SettingsStore;
  readonly changes: readonly SettingsChange[];
  /** Resolves with the next change that is told. */
  next(): Promise<SettingsChange>;
}

async function open(folder: string, options: Partial<StoreOptions> = {}): Promise<Watched> {
  const store = await SettingsStore.open({
    files: ['switchyard.yaml'],
    env: {},
    dataFolder: join(folder, 'data'),
    cwd: folder,
    machine,
    ...options,
  });
  onTestFinished(() => store.close());
  const changes: SettingsChange[] = [];
  let wake: ((change: SettingsChange) => void) | null = null;
  store.subscribe((change) => {
    changes.push(change);
    wake?.(change);
  });
  return {
    store,
    changes,
    next: () =>
      new Promise((resolve) => {
        wake = resolve;
      }),
  };
}

function folderWith(files: Readonly<Record<string, string>>): string {
  const folder = temporaryFolder();
  writeFiles(folder, files);
  return folder;
}

test('a valid edit is swapped in, and the former settings stay as they were for whoever holds them', async () => {
  const folder = folderWith({ 'switchyard.yaml': 'log_level: info\n' });
  const { store, next } = await open(folder);
  const held = store.current;
  const changed = next();
  writeFileSync(join(folder, 'switchyard.yaml'), 'log_level: error\n');
  const { settings, previous, isCurrent } = await changed;
  expect(settings.logLevel).toBe('error');
  expect(store.current).toBe(settings);
  expect(previous).toBe(held);
  expect(held.logLevel).toBe('info');
  expect(isCurrent).toBe(true);
});

test('an invalid edit keeps the last good settings and tells what is wrong, until it is mended', async () => {
  const folder = folderWith({ 'switchyard.yaml': 'log_level: info\n' });
  const { store, next } = await open(folder);
  const good = store.current;
  const broken = next();
  writeFileSync(join(folder, 'switchyard.yaml'), 'log_level: loud\nserver: {port: x}\n');
  expect(await broken).toMatchObject({ isCurrent: false, settings: good, previous: good });
  expect(store.current).toBe(good);
  expect(store.isCurrent).toBe(false);
  expect(store.problems.map(({ line }) => line)).toEqual([1, 2]);
  const mended = next();
  writeFileSync(join(folder, 'switchyard.yaml'), 'log_level: warn\n');
  await mended;
  expect(store.isCurrent).toBe(true);
  expect(store.problems).toEqual([]);
  expect(store.current.logLevel).toBe('warn');
});

test('an edit by renaming another file over it is seen, each time', async () => {
  const folder = folderWith({ 'switchyard.yaml': 'history: {max_mb: 1}\n' });
  const { store, next } = await open(folder);
  for (const size of [2, 3, 4]) {
    const changed = next();
    writeFileSync(join(folder, 'switchyard.yaml.new'), `history: {max_mb: ${size}}\n`);
    renameSync(join(folder, 'switchyard.yaml.new'), join(folder, 'switchyard.yaml'));
    await changed;
    expect(store.current.history.maxMb).toBe(size);
  }
});

test('a file that is deleted keeps the last good settings, and counts again once it is back', async () => {
  const folder = folderWith({ 'switchyard.yaml': 'history: {max_mb: 1}\n' });
  const { store, next } = await open(folder);
  const gone = next();
  unlinkSync(join(folder, 'switchyard.yaml'));
  expect(await gone).toMatchObject({ isCurrent: false });
  expect(store.current.history.maxMb).toBe(1);
  const back = next();
  writeFileSync(join(folder, 'switchyard.yaml'), 'history: {max_mb: 2}\n');
  await back;
  expect(store.current.history.maxMb).toBe(2);
});

test('a link that is turned to another file is seen, and a write behind it', async () => {
  const folder = folderWith({ 'one.yaml': 'history: {max_mb: 1}\n', 'two.yaml': 'history: {max_mb: 2}\n' });
  const link = join(folder, 'switchyard.yaml');
  symlinkSync(join(folder, 'one.yaml'), link);
  const { store, next } = await open(folder);
  const turned = next();
  symlinkSync(join(folder, 'two.yaml'), join(folder, 'new-link'));
  renameSync(join(folder, 'new-link'), link);
  await turned;
  expect(store.current.history.maxMb).toBe(2);
  const written = next();
  writeFileSync(join(folder, 'two.yaml'), 'history: {max_mb: 3}\n');
  await written;
  expect(store.current.history.maxMb).toBe(3);
});

test('a folder that is a link, turned as container mounts do, is seen', async () => {
  const folder = folderWith({
    'v1/switchyard.yaml': 'history: {max_mb: 1}\n',
    'v2/switchyard.yaml': 'history: {max_mb: 2}\n',
  });
  symlinkSync(join(folder, 'v1'), join(folder, 'current'));
  symlinkSync(join('current', 'switchyard.yaml'), join(folder, 'switchyard.yaml'));
  const { store, next } = await open(folder);
  const turned = next();
  symlinkSync(join(folder, 'v2'), join(folder, 'next'));
  renameSync(join(folder, 'next'), join(folder, 'current'));
  rmSync(join(folder, 'v1'), { recursive: true });
  await turned;
  expect(store.current.history.maxMb).toBe(2);
});

test('included files are watched, also one that an edit brings in', async () => {
  const folder = folderWith({
    'switchyard.yaml': 'include: [a.yaml]\n',
    'a.yaml': 'history: {max_mb: 1}\n',
    'b.yaml': 'log_level: warn\n',
  });
  const { store, next } = await open(folder);
  const first = next();
  writeFileSync(join(folder, 'a.yaml'), 'include: [b.yaml]\nhistory: {max_mb: 2}\n');
  await first;
  expect(store.current).toMatchObject({ history: { maxMb: 2 }, logLevel: 'warn' });
  const second = next();
  writeFileSync(join(folder, 'b.yaml'), 'log_level: error\n');
  await second;
  expect(store.current.logLevel).toBe('error');
});

test('a secret that changes is seen', async () => {
  const folder = folderWith({
    'switchyard.yaml': 'providers: {a: {kind: vllm, base_url: "http://127.0.0.1:1", api_key: secret/k}}\n',
    'data/secrets.yaml': 'k: one\n',
  });
  chmodSync(join(folder, 'data', 'secrets.yaml'), 0o600);
  const { store, next } = await open(folder);
  expect(store.current.providers.get('a')?.apiKey).toBe('one');
  const changed = next();
  writeFileSync(join(folder, 'data', 'secrets.yaml'), 'k: two\n');
  await changed;
  expect(store.current.providers.get('a')?.apiKey).toBe('two');
});

test('while there is no file, the one that is created counts', async () => {
  const folder = temporaryFolder();
  const createdAt = join(folder, 'user', 'switchyard.yaml');
  mkdirSync(join(folder, 'user'));
  const { store, next } = await open(folder, { files: [], createdAt });
  expect(store.current.files).toEqual([]);
  const created = next();
  writeFileSync(createdAt, 'history: {max_mb: 5}\n');
  await created;
  expect(store.current).toMatchObject({ files: [createdAt], history: { maxMb: 5 } });
});

test('also when its folder is created with it', async () => {
  const folder = temporaryFolder();
  const createdAt = join(folder, 'not', 'yet', 'switchyard.yaml');
  const { store, next } = await open(folder, { files: [], createdAt });
  const created = next();
  writeFiles(folder, { 'not/yet/switchyard.yaml': 'history: {max_mb: 5}\n' });
  await created;
  expect(store.current.files).toEqual([createdAt]);
});

test('content that did not change does nothing, however often it is written', async () => {
  const folder = folderWith({ 'switchyard.yaml': 'log_level: info\n' });
  const { store, changes, next } = await open(folder);
  const before = store.current;
  writeFileSync(join(folder, 'switchyard.yaml'), 'log_level: info\n');
  store.reload();
  expect(store.current).toBe(before);
  const changed = next();
  writeFileSync(join(folder, 'switchyard.yaml'), 'log_level: warn\n');
  await changed;
  expect(changes).toHaveLength(1);
});

test('a configuration is understood once, however often the same content is looked at', async () => {
  const folder = folderWith({ 'switchyard.yaml': 'include: [more.yaml]\n', 'more.yaml': 'log_level: info\n' });
  let understood = 0;
  const verify = () => {
    understood += 1;
    return [];
  };
  const { store } = await open(folder, { verify });
  store.reload();
  expect(understood).toBe(1);
  writeFileSync(join(folder, 'more.yaml'), 'log_level: warn\n');
  store.reload();
  expect(understood).toBe(2);
  expect(store.current.logLevel).toBe('warn');
});

test('a file that was just emptied gets a second look: an editor is probably about to write it', async () => {
  const folder = folderWith({ 'switchyard.yaml': 'history: {max_mb: 1}\n' });
  const clock = new FakeClock();
  const { store, changes } = await open(folder, { clock, debounceMs: 50 });
  writeFileSync(join(folder, 'switchyard.yaml'), '');
  while (clock.pending === 0) await new Promise((resolve) => setImmediate(resolve));
  clock.advance(50);
  expect(store.current.history.maxMb).toBe(1);
  writeFileSync(join(folder, 'switchyard.yaml'), 'history: {max_mb: 2}\n');
  clock.advance(500);
  expect(changes.map(({ settings }) => settings.history.maxMb)).toEqual([2]);
});

test('there is nothing to start with when the first configuration is invalid', async () => {
  const folder = folderWith({ 'switchyard.yaml': 'log_level: loud\nserver: {port: x}\n' });
  const failure = await open(folder).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(ConfigError);
  if (!(failure instanceof ConfigError)) return;
  expect(failure.problems).toHaveLength(2);
  expect(failure.message).toMatch(/switchyard\.yaml:1:12 error[^\n]*\n.*switchyard\.yaml:2:16 error/);
});

test('a store that was closed leaves no timer, hears nothing and keeps its settings', async () => {
  const folder = folderWith({ 'switchyard.yaml': 'log_level: info\n' });
  const clock = new FakeClock();
  const { store, changes } = await open(folder, { clock });
  writeFileSync(join(folder, 'switchyard.yaml'), 'log_level: warn\n');
  await store.close();
  expect(clock.pending).toBe(0);
  store.reload();
  expect(changes).toEqual([]);
  expect(store.current.logLevel).toBe('info');
});

test('who unsubscribed is not told any more', async () => {
  const folder = folderWith({ 'switchyard.yaml': 'log_level: info\n' });
  const { store } = await open(folder);
  let told = 0;
  const unsubscribe = store.subscribe(() => told++);
  unsubscribe();
  writeFileSync(join(folder, 'switchyard.yaml'), 'log_level: warn\n');
  store.reload();
  expect(store.current.logLevel).toBe('warn');
  expect(told).toBe(0);
});
