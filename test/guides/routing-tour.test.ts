// The configuration of docs/routing-tour.md: valid, with every kind of rule in it.

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadSettings } from '../../gateway/config/load.ts';

const docs = join(import.meta.dirname, '../../docs');

test('the configuration of the tour has no mistakes, and has every kind of rule', () => {
  const { settings, problems } = loadSettings({
    files: [join(docs, 'routing-tour.yaml')],
    env: {},
    dataFolder: docs,
    cwd: docs,
    machine: { hostname: 'workbench', addresses: ['127.0.0.1'] },
  });
  expect(problems.filter(({ severity }) => severity !== 'lint')).toEqual([]);
  const routing = settings?.routing;
  const entries = [
    routing?.aliases,
    routing?.exactMatches,
    routing?.redundantModels,
    routing?.groups,
    routing?.capabilities,
    routing?.fallbackChains,
  ];
  expect(entries.map((kind) => (kind?.size ?? 0) > 0)).toEqual(entries.map(() => true));
  const lists = [routing?.metadataRules, routing?.patterns, routing?.sizeRules];
  expect(lists.map((list) => (list?.length ?? 0) > 0)).toEqual(lists.map(() => true));
  expect(routing?.defaultProvider).toBe('ollama');
});
