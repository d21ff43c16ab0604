// The gateway's own fields of a request body: read and checked here, cut out before a provider sees the body.

import { GatewayError } from '../errors.ts';
import type { CacheControl, RequestOverrides } from '../types.ts';

type JsonObject = Readonly<Record<string, unknown>>;
type MockSwitch = RequestOverrides['mockTesting'][number];

const LARGEST_RETRIES = 100;
const LONGEST_TIMEOUT_S = 86_400;

/** What a request without any of the fields says; shared, since almost every request is one. */
export const noOverrides: RequestOverrides = Object.freeze({
  fallbacks: null,
  contextWindowFallbacks: null,
  contentPolicyFallbacks: null,
  numRetries: null,
  maxFallbacks: null,
  timeoutMs: null,
  isFallbackDisabled: false,
  cache: null,
  mockTesting: Object.freeze([]),
});

/**
 * Reads the fields (names and forms as LiteLLM's: `fallbacks` as names or as `[{NAME: [names]}]`, `timeout` in seconds).
 * Null counts as absent.
 * @throws GatewayError `invalid_request` whose `param` is the JSON path of the field at fault
 */
export function readOverrides(body: JsonObject): RequestOverrides {
  if (!hasOverrides(body)) return noOverrides;
  const model = typeof body.model === 'string' ? body.model : '';
  return {
    fallbacks: readNames(body.fallbacks, 'fallbacks', model),
    contextWindowFallbacks: readNames(body.context_window_fallbacks, 'context_window_fallbacks', model),
    contentPolicyFallbacks: readNames(body.content_policy_fallbacks, 'content_policy_fallbacks', model),
    numRetries: readCount(body.num_retries, 'num_retries'),
    maxFallbacks: readCount(body.max_fallbacks, 'max_fallbacks'),
    timeoutMs: readTimeoutMs(body.timeout),
    isFallbackDisabled: readSwitch(body.disable_fallbacks, 'disable_fallbacks'),
    cache: readCache(body.cache),
    mockTesting: readMockTesting(body),
  };
}

function hasOverrides(body: JsonObject): boolean {
  return (
    body.fallbacks !== undefined ||
    body.context_window_fallbacks !== undefined ||
    body.content_policy_fallbacks !== undefined ||
    body.num_retries !== undefined ||
    body.max_fallbacks !== undefined ||
    body.timeout !== undefined ||
    body.disable_fallbacks !== undefined ||
    body.cache !== undefined ||
    body.mock_testing_fallbacks !== undefined ||
    body.mock_testing_context_fallbacks !== undefined ||
    body.mock_testing_content_policy_fallbacks !== undefined ||
    body.mock_testing_rate_limit_error !== undefined
  );
}

function readNames(value: unknown, path: string, model: string): readonly string[] | null {
  if (value === undefined || value === null) return null;
  if (!Array.isArray(value)) throw refuse(path, 'a list of model names');
  const names: string[] = [];
  for (const [index, entry] of value.entries()) {
    if (typeof entry === 'string' && entry !== '') names.push(entry);
    else if (typeof entry === 'object' && entry !== null && !Array.isArray(entry)) {
      readMap(entry as JsonObject, `${path}[${index}]`, model, names);
    } else throw refuse(`${path}[${index}]`, 'a model name, or a map from a model name to a list of them');
  }
  return names;
}

/** `{"gpt-4": ["a", "b"]}`: counts where its key is the model asked for, or `*`. */
function readMap(map: JsonObject, path: string, model: string, names: string[]): void {
  for (const key of Object.keys(map)) {
    const targets = map[key];
    if (!Array.isArray(targets)) throw refuse(`${path}[${JSON.stringify(key)}]`, 'a list of model names');
    for (const [index, target] of targets.entries()) {
      if (typeof target !== 'string' || target === '') {
        throw refuse(`${path}[${JSON.stringify(key)}][${index}]`, 'a model name');
      }
      if (key === model || key === '*') names.push(target);
    }
  }
}

function readCount(value: unknown, path: string): number | null {
  if (value === undefined || value === null) return null;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= LARGEST_RETRIES) return value;
  throw refuse(path, `a whole number from 0 to ${LARGEST_RETRIES}`);
}

function readTimeoutMs(value: unknown): number | null {
  if (value === undefined || value === null) return null;
  if (typeof value === 'number' && value > 0 && value <= LONGEST_TIMEOUT_S) return Math.ceil(value * 1000);
  throw refuse('timeout', `a number of seconds above 0 and up to ${LONGEST_TIMEOUT_S}`);
}

function readSwitch(value: unknown, path: string): boolean {
  if (value === undefined || value === null) return false;
  if (typeof value === 'boolean') return value;
  throw refuse(path, 'true or false');
}

const LONGEST_CACHE_S = 365 * 86_400;

/** LiteLLM's names, with hyphens or underscores; ages and times in seconds. */
function readCache(value: unknown): CacheControl | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== 'object' || Array.isArray(value)) throw refuse('cache', 'an object such as {"no-cache": true}');
  const fields = value as JsonObject;
  const field = (name: string): unknown => fields[name] ?? fields[name.replaceAll('-', '_')];
  return {
    isReadForbidden: readSwitch(field('no-cache'), 'cache.no-cache'),
    isStoreForbidden: readSwitch(field('no-store'), 'cache.no-store'),
    isWanted: readSwitch(field('use-cache'), 'cache.use-cache'),
    ttlMs: readSeconds(field('ttl'), 'cache.ttl'),
    maxAgeMs: readSeconds(field('s-maxage') ?? field('s-max-age'), 'cache.s-maxage'),
    namespace: readNamespace(field('namespace')),
  };
}

function readSeconds(value: unknown, path: string): number | null {
  if (value === undefined || value === null) return null;
  if (typeof value === 'number' && value >= 0 && value <= LONGEST_CACHE_S) return Math.ceil(value * 1000);
  throw refuse(path, `a number of seconds from 0 to ${LONGEST_CACHE_S}`);
}

function readNamespace(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value === 'string' && value.length <= 200) return value;
  throw refuse('cache.namespace', 'a text of at most 200 characters');
}

function readMockTesting(body: JsonObject): readonly MockSwitch[] {
  const switches: MockSwitch[] = [];
  if (readSwitch(body.mock_testing_fallbacks, 'mock_testing_fallbacks')) switches.push('fallbacks');
  if (readSwitch(body.mock_testing_context_fallbacks, 'mock_testing_context_fallbacks')) {
    switches.push('context_fallbacks');
  }
  if (readSwitch(body.mock_testing_content_policy_fallbacks, 'mock_testing_content_policy_fallbacks')) {
    switches.push('content_policy_fallbacks');
  }
  if (readSwitch(body.mock_testing_rate_limit_error, 'mock_testing_rate_limit_error')) {
    switches.push('rate_limit_error');
  }
  return switches;
}

function refuse(path: string, expected: string): GatewayError {
  return new GatewayError('invalid_request', `${path} must be ${expected}`, { param: path });
}
