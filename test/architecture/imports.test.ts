// The arrows between the folders of the gateway, and what is deliberately absent from each: read from the code itself.

import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';

const ROOT = path.join(import.meta.dirname, '..', '..');
const GATEWAY = path.join(ROOT, 'gateway');

/** Which folders (or files at the top) each folder may import; itself is always allowed. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  'types.ts': [],
  'clock.ts': [],
  'errors.ts': ['types.ts'],
  'contract.ts': ['types.ts', 'contract-config.ts', 'contract-hardware.ts', 'contract-live.ts', 'contract-status.ts'],
  'contract-config.ts': ['types.ts', 'contract-status.ts'],
  'contract-hardware.ts': [],
  'contract-live.ts': ['types.ts', 'contract-hardware.ts', 'contract-status.ts'],
  'contract-status.ts': ['types.ts'],
  config: ['types.ts', 'errors.ts', 'clock.ts', 'telemetry/log.ts'],
  providers: ['types.ts', 'errors.ts', 'config'],
  protocols: ['types.ts', 'errors.ts'],
  catalog: ['types.ts', 'errors.ts', 'clock.ts', 'contract.ts', 'config', 'providers', 'telemetry/log.ts'],
  routing: ['types.ts', 'errors.ts', 'config/settings.ts'],
  telemetry: ['types.ts', 'errors.ts', 'clock.ts'],
  events: ['types.ts', 'errors.ts', 'clock.ts', 'contract.ts', 'telemetry/log.ts'],
  hardware: ['clock.ts', 'contract.ts', 'contract-hardware.ts', 'telemetry/log.ts'],
  history: ['types.ts', 'errors.ts', 'clock.ts', 'contract.ts', 'config/settings.ts', 'telemetry/log.ts'],
  cache: ['types.ts', 'errors.ts', 'clock.ts', 'config/settings.ts', 'config/settings-reliability.ts', 'protocols'],
  sharing: [
    'types.ts',
    'clock.ts',
    'config/settings.ts',
    'config/address.ts',
    'cache/store.ts',
    'cache/cached-answer.ts',
    'dispatch/cooldowns.ts',
    'dispatch/rate-limits.ts',
    'telemetry/log.ts',
  ],
  dispatch: [
    'types.ts',
    'errors.ts',
    'clock.ts',
    'contract.ts',
    'config',
    'providers',
    'catalog',
    'routing',
    'protocols',
    'cache',
    'telemetry',
  ],
  http: [
    'types.ts',
    'errors.ts',
    'clock.ts',
    'contract.ts',
    'config',
    'providers',
    'catalog',
    'routing',
    'protocols',
    'dispatch',
    'dry-run',
    'events',
    'history',
    'telemetry',
    'version.ts',
  ],
  'dry-run': [
    'types.ts',
    'errors.ts',
    'clock.ts',
    'contract.ts',
    'config',
    'catalog',
    'routing',
    'protocols',
    'dispatch',
    'history/history.ts',
    'telemetry/log.ts',
  ],
  warm: ['types.ts', 'clock.ts', 'contract.ts', 'config/settings.ts', 'catalog', 'providers', 'telemetry/log.ts'],
  'version.ts': ['../package.json'],
  'naming.ts': ['*'],
  'outcomes.ts': ['*'],
  'recording.ts': ['types.ts', 'contract.ts', 'catalog', 'dispatch', 'history/history.ts'],
  'live-changes.ts': ['types.ts', 'contract.ts', 'clock.ts', 'catalog', 'events'],
  'request-cancel.ts': ['errors.ts', 'contract.ts', 'dispatch'],
  'provider-switch.ts': ['*'],
  'traffic-status.ts': ['*'],
  'index.ts': ['*'],
  'cli.ts': ['*'],
  cli: ['*'],
};

/** Packages only one folder may know. */
const PACKAGE_HOME: Readonly<Record<string, string>> = {
  'better-sqlite3': 'history',
  express: 'http',
  'prom-client': 'telemetry',
  pino: 'telemetry',
  zod: 'config|catalog|http',
  'node-cron': 'catalog|config|warm',
  re2js: 'routing|config',
  systeminformation: 'hardware',
  'lru-cache': 'cache',
  '@redis': 'sharing',
};

interface Import {
  readonly from: string;
  readonly to: string;
  readonly isTypeOnly: boolean;
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => path.join(entry.parentPath, entry.name));
}

function importsOf(file: string): Import[] {
  const source = readFileSync(file, 'utf8');
  const pattern = /^(?:import|export)\s+(type\s)?[^'";]*?from\s+'([^']+)'|^import\s+'([^']+)'|\bimport\('([^']+)'\)/gm;
  return [...source.matchAll(pattern)].map((match) => ({
    from: file,
    to: match[2] ?? match[3] ?? match[4] ?? '',
    isTypeOnly: match[1] !== undefined,
  }));
}

const files = filesBelow(GATEWAY);
const imports = files.flatMap(importsOf);
const local = imports
  .filter(({ to }) => to.startsWith('.'))
  .map((one) => ({ ...one, target: path.resolve(path.dirname(one.from), one.to) }));

function placeOf(file: string): string {
  const relative = path.relative(GATEWAY, file).split(path.sep);
  return relative[0] ?? '';
}

describe('the arrows between folders', () => {
  test('every file is found, and every import is understood', () => {
    expect(files.length).toBeGreaterThan(40);
    expect(local.length).toBeGreaterThan(100);
  });

  test('no folder imports what it must not know', () => {
    const wrong = local.filter(({ from, target }) => {
      const here = placeOf(from);
      if (placeOf(target) === here) return false;
      const allowed = ALLOWED[here];
      const relative = path.relative(GATEWAY, target).split(path.sep).join('/');
      return !allowed?.some((entry) => entry === '*' || relative === entry || relative.startsWith(`${entry}/`));
    });
    expect(wrong.map(({ from, to }) => `${path.relative(ROOT, from)} -> ${to}`)).toEqual([]);
  });

  test('nothing in the gateway imports Electron, the window or the tests', () => {
    const wrong = imports.filter(({ to }) => to === 'electron' || /(^|\/)(main|renderer|test|bench)\//.test(to));
    expect(wrong.map(({ from, to }) => `${path.relative(ROOT, from)} -> ${to}`)).toEqual([]);
  });

  test('a package with one home is imported nowhere else', () => {
    const wrong = imports.filter(({ from, to }) => {
      const home = PACKAGE_HOME[to.split('/')[0] ?? ''];
      return home !== undefined && !home.split('|').includes(placeOf(from));
    });
    expect(wrong.map(({ from, to }) => `${path.relative(ROOT, from)} -> ${to}`)).toEqual([]);
  });

  test('no file imports itself by a round trip', () => {
    const edges = new Map<string, string[]>();
    // Types vanish before anything runs, so they close no circle.
    for (const { from, target, isTypeOnly } of local)
      if (!isTypeOnly) edges.set(from, [...(edges.get(from) ?? []), target]);
    const state = new Map<string, 'open' | 'done'>();
    const circles: string[] = [];
    const visit = (file: string, trail: readonly string[]): void => {
      if (state.get(file) === 'done') return;
      if (state.get(file) === 'open') {
        circles.push(
          [...trail.slice(trail.indexOf(file)), file].map((name) => path.relative(GATEWAY, name)).join(' -> '),
        );
        return;
      }
      state.set(file, 'open');
      for (const next of edges.get(file) ?? []) visit(next, [...trail, file]);
      state.set(file, 'done');
    };
    for (const file of files) visit(file, []);
    expect(circles).toEqual([]);
  });

  test('pure folders know no clock, no chance and no log', () => {
    const pure = files.filter((file) => placeOf(file) === 'routing' || placeOf(file) === 'protocols');
    const wrong = pure.filter((file) =>
      /\bDate\.now\(|\bMath\.random\(|\bperformance\.now\(|\bconsole\./.test(readFileSync(file, 'utf8')),
    );
    expect(wrong.map((file) => path.relative(ROOT, file))).toEqual([]);
  });
});
