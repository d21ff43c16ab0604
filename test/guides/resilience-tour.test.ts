// The configurations of docs/resilience-tour.md: valid, shown as they are, and everything in them that the page is about.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadSettings } from '../../gateway/config/load.ts';

const docs = join(import.meta.dirname, '../../docs');
const page = readFileSync(join(docs, 'resilience-tour.md'), 'utf8');

function settingsOf(name: string) {
  const { settings, problems } = loadSettings({
    files: [join(docs, 'resilience-tour', `${name}.yaml`)],
    env: { REDIS_PASSWORD: 'a password' },
    dataFolder: docs,
    cwd: docs,
    machine: { hostname: 'workbench', addresses: ['127.0.0.1'] },
  });
  expect(problems.filter(({ severity }) => severity !== 'lint')).toEqual([]);
  if (settings === null) throw new Error('no settings');
  return settings;
}

describe.each(['router', 'balancing', 'routing'])('%s.yaml', (name) => {
  test('has no mistakes, and calls nobody in the cloud', () => {
    const { providers } = settingsOf(name);
    for (const { baseUrl } of providers.values()) expect(baseUrl).toMatch(/^http:\/\/127\.0\.0\.1:/);
    expect(providers.size).toBeGreaterThanOrEqual(2);
  });

  test('stands in the page as it is', () => {
    expect(page).toContain(readFileSync(join(docs, 'resilience-tour', `${name}.yaml`), 'utf8').trim());
  });
});
