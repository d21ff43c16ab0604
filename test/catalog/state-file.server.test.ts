import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { emptyState, parseState, type SavedList, serializeState } from '../../gateway/catalog/saved-state.ts';
import { StateFile } from '../../gateway/catalog/state-file.ts';
import { factsOf } from '../../gateway/providers/openai-models.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { TestLog } from './test-log.ts';

let folder: string;
let clock: FakeClock;
let log: TestLog;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'switchyard-state-'));
  clock = new FakeClock();
  log = new TestLog();
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const path = (): string => join(folder, 'state.json');
const open = (): StateFile => new StateFile({ path: path(), clock, log });
const others = (): string[] => readdirSync(folder).filter((name) => name !== 'state.json');

const list: SavedList = {
  kind: 'ollama',
  baseUrl: 'http://127.0.0.1:11434',
  version: '0.17.4',
  isSingleModel: false,
  loadsOnDemand: true,
  models: [
    {
      ...factsOf('qwen3:8b', {}),
      size: 8.2e9,
      capabilities: new Set(['completion', 'tools']),
      isLoaded: true,
      loadedUntilMs: Number.POSITIVE_INFINITY,
      contextLoaded: 4096,
    },
  ],
};

describe('what is remembered', () => {
  test('is there after a restart, but for what depends on the running process', async () => {
    const first = open();
    first.update({ switches: { ollama: false }, lists: { ollama: list } });
    await first.close();
    const { switches, lists } = open().current;
    expect(switches).toEqual({ ollama: false });
    expect(lists.ollama?.models[0]).toEqual({
      ...list.models[0],
      isLoaded: null,
      loadedUntilMs: null,
      contextLoaded: null,
    });
  });

  test('is written once for several changes, by the owner and readable for no one else', async () => {
    const state = open();
    state.update({ switches: { a: false } });
    state.update({ switches: { a: false, b: false } });
    expect(clock.pending).toBe(1);
    clock.advance(1_000);
    await state.flush();
    expect(JSON.parse(readFileSync(path(), 'utf8')).switches).toEqual({ a: false, b: false });
    expect(statSync(path()).mode & 0o777).toBe(0o600);
    expect(others()).toEqual([]);
    expect(clock.pending).toBe(0);
  });

  test('nothing is written when nothing changed', async () => {
    await open().close();
    expect(readdirSync(folder)).toEqual([]);
  });

  test('a folder that is missing is made', async () => {
    const inner = join(folder, 'a', 'b', 'state.json');
    const state = new StateFile({ path: inner, clock, log });
    state.update({ switches: { a: true } });
    await state.close();
    expect(statSync(inner).isFile()).toBe(true);
  });
});

describe('a file that cannot be understood', () => {
  test.each([
    ['no JSON', '{ "version": 1, "switches":'],
    ['of another shape', '{ "version": 1, "switches": [] }'],
    ['empty', ''],
    ['without a version', '{}'],
  ])('%s: is set aside and never deleted', async (_, text) => {
    writeFileSync(path(), text);
    const state = open();
    expect(state.current).toEqual(emptyState);
    const [aside = ''] = others();
    expect(readFileSync(join(folder, aside), 'utf8')).toBe(text);
    expect(log.lines.filter((line) => line.level === 'warn')).toHaveLength(1);
    state.update({ switches: { a: false } });
    await state.close();
    expect(open().current.switches).toEqual({ a: false });
  });

  test('from a newer version: is left alone', async () => {
    const text = '{ "version": 2, "new": true }';
    writeFileSync(path(), text);
    const state = open();
    state.update({ switches: { a: false } });
    await state.close();
    expect(readFileSync(path(), 'utf8')).toBe(text);
    expect(others()).toEqual([]);
    expect(log.lines[0]?.message).toContain('newer version');
  });
});

describe('a folder that cannot be written to', () => {
  test('is told once, and what is remembered goes on in memory', async () => {
    // A folder in place of the file: not even root can rename over it.
    const state = open();
    mkdirSync(join(path(), 'in-the-way'), { recursive: true });
    state.update({ switches: { a: false } });
    await state.flush();
    state.update({ switches: { a: false, b: false } });
    await state.flush();
    expect(state.current.switches).toEqual({ a: false, b: false });
    expect(log.lines.filter((line) => line.level === 'warn')).toHaveLength(1);
    expect(others()).toEqual([]);
    rmSync(path(), { recursive: true });
    state.update({ switches: {} });
    await state.flush();
    expect(open().current.switches).toEqual({});
  });

  test.skipIf(process.getuid?.() === 0)('read-only: the same', async () => {
    const state = open();
    chmodSync(folder, 0o500);
    state.update({ switches: { a: false } });
    await state.close();
    chmodSync(folder, 0o700);
    expect(state.current.switches).toEqual({ a: false });
    expect(log.lines).toHaveLength(1);
  });
});

test('what was written is read back the same', () => {
  const state = {
    ...emptyState,
    discovered: [{ name: 'vllm', kind: 'vllm', baseUrl: 'http://127.0.0.1:8001', seenAtMs: 5 }],
  } as const;
  expect(parseState(serializeState(state))).toEqual({ is: 'read', state });
});
