// What a fresh clone depends on: a lockfile that works anywhere, and packages that run nothing when they are installed.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

interface LockedPackage {
  readonly resolved?: string;
  readonly hasInstallScript?: boolean;
  readonly integrity?: string;
  readonly link?: boolean;
}

const ROOT = path.join(import.meta.dirname, '..', '..');
const lockfile = JSON.parse(readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8')) as {
  packages: Record<string, LockedPackage>;
};
const packages = Object.entries(lockfile.packages).filter(([name]) => name !== '');

test('no locked package names the address it came from', () => {
  expect(packages.length).toBeGreaterThan(100);
  expect(packages.filter(([, one]) => one.resolved !== undefined).map(([name]) => name)).toEqual([]);
});

test('no locked package runs a script when it is installed', () => {
  expect(packages.filter(([, one]) => one.hasInstallScript === true).map(([name]) => name)).toEqual([]);
});

test('every locked package is pinned by its hash', () => {
  expect(packages.filter(([, one]) => one.integrity === undefined && one.link !== true).map(([name]) => name)).toEqual(
    [],
  );
});
