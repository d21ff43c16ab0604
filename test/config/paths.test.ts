import { mkdirSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { expect, test } from 'vitest';
import { configFolder, dataFolder, findConfigFiles } from '../../gateway/config/paths.ts';
import { temporaryFolder, writeFiles } from './support.ts';

test('the configuration is looked for in the documented order', () => {
  const folder = temporaryFolder();
  const cwd = join(folder, 'work');
  const perUser = join(folder, 'user');
  mkdirSync(cwd);
  const find = (given: readonly string[], env: Record<string, string> = {}) =>
    findConfigFiles({ given, env, cwd, configFolder: perUser });

  expect(find([])).toEqual({ files: [], writeTo: join(perUser, 'switchyard.yaml') });
  writeFiles(perUser, { 'switchyard.yaml': '' });
  expect(find([]).files).toEqual([join(perUser, 'switchyard.yaml')]);
  writeFiles(cwd, { 'switchyard.yaml': '' });
  expect(find([]).files).toEqual([join(cwd, 'switchyard.yaml')]);
  expect(find([], { SWITCHYARD_CONFIG: 'other.yaml' }).files).toEqual([join(cwd, 'other.yaml')]);
  expect(find(['a.yaml', '/b.yaml'], { SWITCHYARD_CONFIG: 'other.yaml' })).toEqual({
    files: [join(cwd, 'a.yaml'), '/b.yaml'],
    writeTo: join(cwd, 'a.yaml'),
  });
});

test('the folders are absolute and named after the product, and --data is taken from the working folder', () => {
  for (const folder of [dataFolder(), configFolder()]) {
    expect(isAbsolute(folder)).toBe(true);
    expect(folder).toMatch(/switchyard/);
    expect(folder).not.toMatch(/nodejs/);
  }
  expect(dataFolder('here', '/somewhere')).toBe('/somewhere/here');
});
