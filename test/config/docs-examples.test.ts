// The documentation against the product: every YAML block in it is a configuration that starts, every default in
// docs/resilience.md is the default, every link between pages leads somewhere.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  defaultCache,
  defaultCircuitBreaker,
  defaultErrorBased,
  defaultProvider,
  defaultReliability,
} from '../../gateway/config/defaults.ts';
import { adapters } from '../../gateway/providers/index.ts';
import { load } from './support.ts';

const root = join(import.meta.dirname, '../..');
const pages = [
  'README.md',
  'gateway/README.md',
  ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`),
].filter((name) => name.endsWith('.md'));

interface Example {
  readonly page: string;
  readonly line: number;
  readonly text: string;
}

function examplesOf(page: string): readonly Example[] {
  const text = readFileSync(join(root, page), 'utf8');
  return Array.from(text.matchAll(/^```yaml\n(.*?)^```$/gms), ({ 1: yaml = '', index }) => ({
    page,
    line: text.slice(0, index).split('\n').length,
    text: yaml,
  }));
}

const examples = pages.flatMap(examplesOf);

describe('every example starts as it is printed', () => {
  test('there are some on the pages about configuration', () => {
    const withSome = new Set(examples.map(({ page }) => page));
    for (const page of ['README.md', 'docs/configuration.md', 'docs/resilience.md']) expect(withSome).toContain(page);
  });

  test.each(examples)('$page:$line', ({ text }) => {
    const { settings, problems } = load(text, { env: { VLLM_KEY: 'k', BOX_KEY: 'k', REDIS_PASSWORD: 'secret' } });
    expect(problems.filter(({ severity }) => severity !== 'lint')).toEqual([]);
    expect(settings).not.toBeNull();
  });
});

describe('docs/resilience.md', () => {
  const text = readFileSync(join(root, 'docs/resilience.md'), 'utf8');
  const rows = text.split('\n').filter((line) => line.startsWith('| `'));
  const rowsOf = (key: string) => rows.filter((row) => row.split('|')[1]?.includes(`\`${key}\``));
  const defaultOf = (key: string) => rowsOf(key).map((row) => row.split('|')[2]?.trim());
  const seconds = (ms: number) => `${ms / 1_000} s`;

  test.each([
    ['max_fallbacks', String(defaultReliability.maxFallbacks)],
    ['num_retries', String(defaultReliability.numRetries)],
    ['retry_after', seconds(defaultReliability.retryAfterMs)],
    ['allowed_fails', String(defaultReliability.allowedFails)],
    ['cooldown_time', seconds(defaultReliability.cooldownMs)],
    ['success_threshold', String(defaultReliability.successThreshold)],
    ['disable_cooldowns', String(defaultReliability.isCooldownDisabled)],
    ['failure_threshold', String(defaultCircuitBreaker.failureThreshold)],
    ['timeout', seconds(defaultCircuitBreaker.openMs)],
    ['max_queue', String(defaultProvider.maxQueue)],
    ['queue_timeout', seconds(defaultProvider.queueTimeoutMs)],
    ['cache', String(defaultCache.isEnabled)],
    ['ttl', seconds(defaultCache.ttlMs)],
  ])('tells the default of %s: %s', (key, expected) => {
    expect(defaultOf(key)).toContain(expected);
  });

  test('tells the figures that stand in sentences', () => {
    expect(text).toContain(`more than \`error_threshold\` (${defaultErrorBased.errorThreshold}) failures`);
    expect(text).toContain(`\`cooldown_seconds\` (${seconds(defaultErrorBased.cooldownMs)})`);
    expect(text).toContain(`\`local\`: ${defaultCache.maxBytes / 1024 / 1024} MB of memory`);
    expect(defaultReliability.isMockTestingAllowed || defaultReliability.dropsRefusedParams).toBe(false);
  });

  test('names every field that a kind is known to refuse, and no other', () => {
    const refused = Object.values(adapters).flatMap(({ kind, quirks }) =>
      quirks.refuses.map(({ endpoint, field }) => `| \`${kind}\` | ${endpoint} | \`${field}\``),
    );
    const told = rows.filter((row) => Object.keys(adapters).some((kind) => row.startsWith(`| \`${kind}\` |`)));
    expect(told.map((row) => refused.find((start) => row.startsWith(start)))).toEqual(refused);
  });
});

test('the map of the gateway names only what is there', () => {
  const folder = join(root, 'gateway');
  const folders = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const text = readFileSync(join(folder, 'README.md'), 'utf8');
  const named = [...text.matchAll(/\b([a-z-]+)\/([a-z-]+)\b/g)].filter(([, first]) =>
    folders.some(({ name }) => name === first),
  );
  expect(named.length).toBeGreaterThan(20);
  const missing = named
    .map(([path]) => path)
    .filter((path) => !existsSync(join(folder, `${path}.ts`)) && !existsSync(join(folder, path)));
  expect(missing).toEqual([]);
});

test.each(pages)('every link of %s to a page or a heading leads there', (page) => {
  const text = readFileSync(join(root, page), 'utf8');
  const broken: string[] = [];
  for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(target)) continue;
    const [file = '', heading] = target.split('#');
    const path = file === '' ? join(root, page) : join(root, dirname(page), file);
    if (!existsSync(path)) broken.push(target);
    else if (heading !== undefined && !anchorsOf(path).has(heading)) broken.push(target);
  }
  expect(broken).toEqual([]);
});

/** The anchors of a page's headings, as a page of Markdown shows them. */
function anchorsOf(path: string): ReadonlySet<string> {
  const headings = readFileSync(path, 'utf8').matchAll(/^#+ (.+)$/gm);
  return new Set(
    Array.from(headings, ([, title = '']) =>
      title
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
        .trim()
        .replaceAll(/\s/g, '-'),
    ),
  );
}
