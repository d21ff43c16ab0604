import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadSettings } from '../../gateway/config/load.ts';
import type { Settings } from '../../gateway/config/settings.ts';
import { machine, told } from './support.ts';

const folder = join(import.meta.dirname, 'guides');
const variables = [
  'ANTHROPIC_API_KEY',
  'OPENAI_API_KEY',
  'AZURE_API_KEY',
  'AZURE_KEY_EAST',
  'AZURE_KEY_WEST',
  'VERTEX_PROJECT_ID',
  'REDIS_PASSWORD',
];
const env = Object.fromEntries(variables.map((name) => [name, `value of ${name}`]));

function loadGuide(name: string, variablesSet: Readonly<Record<string, string>> = env) {
  return loadSettings({ files: [join(folder, name)], env: variablesSet, dataFolder: folder, cwd: folder, machine });
}

function settingsOfGuide(name: string): Settings {
  const { settings, problems } = loadGuide(name);
  if (!settings) throw new Error(JSON.stringify(problems));
  return settings;
}

/** Entries the guides print without their section, and the section each belongs to. */
const bare: Readonly<Record<string, string>> = {
  'routing-configuration-04.yaml': 'patterns',
  'routing-configuration-05.yaml': 'patterns',
  'routing-configuration-06.yaml': 'patterns',
  'routing-configuration-08.yaml': 'capabilities',
  'routing-configuration-09.yaml': 'capabilities',
  'routing-configuration-10.yaml': 'capabilities',
  'routing-configuration-11.yaml': 'capabilities',
  'routing-configuration-12.yaml': 'capabilities',
  'routing-configuration-13.yaml': 'strategies',
  'routing-configuration-14.yaml': 'strategies',
  'routing-configuration-15.yaml': 'strategies',
  'routing-configuration-16.yaml': 'strategies',
  'routing-configuration-19.yaml': 'fallback_chains',
  'routing-configuration-20.yaml': 'fallback_chains',
};

const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));

describe('every complete example of the guides starts unchanged', () => {
  for (const name of files.filter((file) => bare[file] === undefined))
    test(name, () => {
      const { settings, problems } = loadGuide(name);
      expect(problems.filter(({ severity }) => severity === 'error')).toEqual([]);
      expect(problems.filter(({ code }) => code === 'unknown_key')).toEqual([]);
      expect(settings).not.toBeNull();
    });
});

describe('every example without its section says where it belongs', () => {
  for (const [name, section] of Object.entries(bare))
    test(`${name}: ${section}`, () => {
      const { settings, problems } = loadGuide(name);
      expect(settings).toBeNull();
      expect(problems.map(({ code }) => code)).toEqual(['bare_entry']);
      expect(problems[0]?.message).toMatch(new RegExp(`Write:\n${section}:\n  .+\n    .+`));
    });
});

test('an example without any of its keys starts, with deployments that are not callable', () => {
  for (const name of files.filter((file) => bare[file] === undefined && !/reference-0[68]/.test(file)))
    expect([name, loadGuide(name, {}).settings === null]).toEqual([name, false]);
  const { settings, problems } = loadGuide('load-balancing-05.yaml', {});
  expect(settings?.providers.get('anthropic')?.notCallableBecause).toContain('ANTHROPIC_API_KEY is not set');
  expect(problems.map(({ severity, code }) => `${severity} ${code}`)).toContain('warning variable_missing');
});

test('the stray quote of the overview becomes the strategy that was meant', () => {
  expect(settingsOfGuide('routing-overview-04.yaml').routing.strategy).toBe('latency');
});

test('sections printed several times: the last one counts', () => {
  const { settings, problems } = loadGuide('load-balancing-11.yaml');
  expect(settings?.routing.strategy).toBe('cost');
  expect(problems.map(({ code }) => code)).toEqual(['duplicate_root_key', 'duplicate_root_key']);
});

test('the complete production example is understood to the last key', () => {
  const settings = settingsOfGuide('router-reference-08.yaml');
  expect([...settings.providers.keys()]).toEqual(['azure', 'azure@westus.openai.azure.com:443', 'openai', 'anthropic']);
  expect(settings.routing.groups.get('gpt-4')?.deployments.map(({ provider, tpm }) => [provider, tpm])).toEqual([
    ['azure', 100_000],
    ['azure@westus.openai.azure.com:443', 150_000],
    ['openai', 90_000],
  ]);
  expect(settings.providers.get('azure')?.models.get('gpt-4')?.inputCostPerToken).toBe(0.00003);
  expect(settings.routing.strategy).toBe('latency');
  expect(settings.routing.strategyOptions.sampleTtlMs).toBe(60_000);
  expect(settings.routing.aliases.get('gpt4')?.targets).toEqual(['prod-gpt-4']);
  expect(settings.reliability).toMatchObject({
    numRetries: 3,
    answerTimeoutMs: 30_000,
    retryPolicy: new Map([
      ['rate_limited', 5],
      ['timeout', 2],
    ]),
    allowedFails: 3,
    cooldownMs: 120_000,
    fallbacks: new Map([['gpt-4', ['gpt-3.5-turbo', 'claude-2']]]),
    contextWindowFallbacks: new Map([['gpt-3.5-turbo', ['gpt-3.5-turbo-16k']]]),
    dropsRefusedParams: true,
  });
  expect(settings.redis).toMatchObject({ host: 'localhost', port: 6379, password: 'value of REDIS_PASSWORD' });
  expect(settings.cache).toMatchObject({ isEnabled: true, store: 'redis' });
  expect(settings.callbacks).toEqual({ onSuccess: ['langfuse', 'prometheus'], onFailure: ['sentry'] });
  expect(told(loadGuide('router-reference-08.yaml')).filter((line) => line.includes('unknown_target'))).toHaveLength(2);
});

test('the complete router example of the routing guide is understood', () => {
  const { routing, reliability, redis } = settingsOfGuide('routing-configuration-26.yaml');
  expect(routing.strategy).toBe('usage');
  expect(routing.aliases.get('high_throughput')).toMatchObject({ targets: ['llama2-13b-vllm'], isGroup: true });
  expect(reliability.fallbacks.get('llama3.1:8b')).toEqual(['llama3.1-backup', 'llama-cpp-python']);
  expect(reliability).toMatchObject({ allowedFails: 3, numRetries: 2, answerTimeoutMs: 30_000, cooldownMs: 60_000 });
  expect(redis?.host).toBe('127.0.0.1');
});

test('beside a circuit breaker the timeout is how long the circuit stays open', () => {
  const { reliability } = settingsOfGuide('load-balancing-09.yaml');
  expect(reliability.circuitBreaker).toEqual({ failureThreshold: 10, openMs: 120_000 });
  expect(reliability.successThreshold).toBe(3);
  expect(reliability.answerTimeoutMs).toBeNull();
});

test('default chain, sizes, metadata and special cases of the routing guide are understood', () => {
  const chain = settingsOfGuide('routing-configuration-18.yaml').routing.fallbackChains.get('default');
  expect(chain?.links.map(({ role, provider, condition }) => [role, provider, condition?.text])).toEqual([
    ['primary', 'vllm', 'model_size >= "13B"'],
    ['secondary', 'ollama', 'always'],
    ['tertiary', 'llama_cpp_python', 'always'],
  ]);
  const sizes = settingsOfGuide('routing-configuration-21.yaml').routing.sizeRules;
  expect(sizes.map(({ min, max, provider }) => [min, max, provider])).toEqual([
    [null, { size: 8e9, isIncluded: false }, 'ollama'],
    [{ size: 8e9, isIncluded: true }, { size: 13e9, isIncluded: true }, 'ollama'],
    [{ size: 13e9, isIncluded: false }, null, 'vllm'],
  ]);
  const metadata = settingsOfGuide('routing-configuration-22.yaml').routing.metadataRules;
  expect(metadata.map(({ name, condition, isStrict }) => [name, condition.text, isStrict])).toEqual([
    ['high_priority_requests', 'header.x-priority == "high"', false],
    ['batch_requests', 'batch_size > 1', false],
    ['streaming_requests', 'stream == true', false],
  ]);
  expect(settingsOfGuide('routing-configuration-23.yaml').routing.firstRequest?.warmCheckTimeoutMs).toBe(100);
  expect(settingsOfGuide('routing-configuration-24.yaml').reliability.rateLimited.durationMs).toBe(60_000);
  expect(settingsOfGuide('routing-configuration-25.yaml').reliability.errorBased).toEqual({
    errorThreshold: 3,
    cooldownMs: 300_000,
  });
  const redundant = settingsOfGuide('routing-configuration-17.yaml').routing.redundantModels.get('llama3.1:8b');
  expect(redundant?.providers.map(({ provider, weight }) => [provider, weight])).toEqual([
    ['ollama', 0.7],
    ['llama_cpp_python', 0.3],
  ]);
});
