import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import * as z from 'zod';
import { knownKeys } from '../../gateway/config/schema/known-keys.ts';
import { configJsonSchema, configSchema } from '../../gateway/config/schema/root.ts';

const jsonSchema = configJsonSchema();
/** What an editor makes of the JSON Schema: a validator built from nothing but its JSON. */
const editor = z.fromJSONSchema(JSON.parse(JSON.stringify(jsonSchema)));

/** Whether validator and JSON Schema think the same of a document. */
function verdicts(document: unknown): { readonly validator: boolean; readonly editor: boolean } {
  return { validator: configSchema.safeParse(document).success, editor: editor.safeParse(document).success };
}

const guides = join(import.meta.dirname, 'guides');

describe('the JSON Schema and the validator agree', () => {
  test('on every example of the guides', () => {
    for (const name of readdirSync(guides)) {
      const document: unknown = parse(readFileSync(join(guides, name), 'utf8'), { uniqueKeys: false });
      const { validator, editor: schema } = verdicts(document);
      expect([name, schema]).toEqual([name, validator]);
    }
  });

  test('on each section with values right and wrong', () => {
    const values = [
      null,
      1,
      -1,
      0.5,
      'x',
      '',
      '3s',
      '13B',
      '< 8B',
      true,
      [],
      ['a'],
      [1],
      {},
      { a: 1 },
      'rules',
      'least-busy',
    ];
    let accepted = 0;
    for (const path of leaves())
      for (const value of values) {
        const document = nested(path, value);
        const { validator, editor: schema } = verdicts(document);
        expect([path.join('.'), value, schema]).toEqual([path.join('.'), value, validator]);
        accepted += validator ? 1 : 0;
      }
    expect(accepted).toBeGreaterThan(500);
  });

  test('on random changes to a configuration that uses every section', () => {
    const whole = parse(wholeFile);
    expect(verdicts(whole)).toEqual({ validator: true, editor: true });
    const paths = [...pathsOf(whole)];
    fc.assert(
      fc.property(fc.constantFrom(...paths), fc.jsonValue(), (path, value) => {
        const { validator, editor: schema } = verdicts(changed(whole, path, value));
        return validator === schema;
      }),
      { numRuns: 400 },
    );
  });
});

test('every key has a meaning that editors show', () => {
  const silent: string[] = [];
  walkProperties(jsonSchema, '', (path, schema) => {
    if (typeof schema.description !== 'string') silent.push(path);
  });
  // The strategies are named by their keys; `model` and `hidden` stand in a union with a message of its own.
  expect(silent.filter((path) => !/strategies\.[\w-]+$|model_group_alias.*\.(model|hidden)$/.test(path))).toEqual([]);
});

test('the schema names itself for editors', () => {
  expect(jsonSchema).toMatchObject({ $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'object' });
});

test('every key is explained in the documentation', () => {
  const text = readFileSync(join(import.meta.dirname, '../../docs/configuration.md'), 'utf8');
  const missing: string[] = [];
  walkProperties(jsonSchema, '', (path) => {
    const key = path.split('.').at(-1) ?? path;
    if (!text.includes(`\`${key}\``)) missing.push(path);
  });
  expect(missing).toEqual([]);
});

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Visits every named property of a JSON Schema, however deep. */
function walkProperties(
  schema: unknown,
  path: string,
  visit: (path: string, schema: Record<string, unknown>) => void,
): void {
  if (Array.isArray(schema)) for (const part of schema) walkProperties(part, path, visit);
  if (!isRecord(schema)) return;
  for (const word of ['anyOf', 'items', 'additionalProperties']) walkProperties(schema[word], path, visit);
  if (!isRecord(schema.properties)) return;
  for (const [key, inner] of Object.entries(schema.properties)) {
    if (!isRecord(inner)) continue;
    const innerPath = path === '' ? key : `${path}.${key}`;
    visit(innerPath, inner);
    walkProperties(inner, innerPath, visit);
  }
}

/** Paths of all keys of sections and their entries; NAME and 0 stand for any name and any item. */
function leaves(): readonly (readonly (string | number)[])[] {
  const paths: (string | number)[][] = [];
  const visit = (path: readonly (string | number)[]): void => {
    for (const key of knownKeys(path)) {
      const inner = [...path, key];
      paths.push(inner);
      for (const step of ['NAME', 0]) if (knownKeys([...inner, step]).length > 0) visit([...inner, step]);
      visit(inner);
    }
  };
  visit([]);
  return paths;
}

function nested(path: readonly (string | number)[], value: unknown): unknown {
  return path.reduceRight<unknown>((inner, step) => (typeof step === 'number' ? [inner] : { [step]: inner }), value);
}

function* pathsOf(value: unknown, path: readonly string[] = []): Generator<readonly string[]> {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    yield [...path, key];
    yield [...path, `${key}x`];
    yield* pathsOf(inner, [...path, key]);
  }
}

function changed(document: unknown, path: readonly string[], value: unknown): unknown {
  const copy: unknown = structuredClone(document);
  let node: unknown = copy;
  for (const step of path.slice(0, -1))
    node = typeof node === 'object' && node !== null ? Reflect.get(node, step) : null;
  if (isRecord(node)) node[path.at(-1) ?? ''] = value;
  return copy;
}

const wholeFile = `
include: [a.yaml]
providers:
  a:
    kind: ollama
    base_url: http://127.0.0.1:1
    timeouts: { connect: 1 }
    models: { m: { size: 13B, capabilities: [tools] }, n: null }
    probe: { interval: 15s }
    keep_warm: [{ schedule: "0 8 * * *", model: m, action: load }]
server: { port: 1, api_keys: [{ name: n, key: k }], limits: { body_mb: 1 } }
history: { max_mb: 1 }
routing_mode: { pin: a }
exact_matches: { m: { provider: a, fallback: [b] } }
patterns: [{ pattern: x, provider: a }]
capabilities: { c: { providers: [a], min_model_size: 13B } }
model_size_routing: [{ size: "< 8B", provider: a }]
request_metadata_routing: { r: { condition: always, provider: a } }
redundant_models: { m: { providers: [{ provider: a, weight: 1 }] } }
fallback_chains: { default: { chain: [{ primary: a }], retry_delay_ms: 5 } }
strategies: { least-busy: { applicable_to: [c] }, usage_based: { weight_factors: [{ latency: 1 }] } }
first_request_routing: { strategy: prefer_warm_providers }
routing_metrics: [cache_hit_rate]
model_list: [{ model_name: m, litellm_params: { model: ollama/m, metadata: { variant: v } }, model_info: { supports_vision: true } }]
router_settings:
  routing_strategy: cost-based-routing
  fallbacks: [{ a: [b] }, { model: c, fallback_models: [d] }]
  retry_policy: { TimeoutErrorRetries: 1, RateLimitError: { max_retries: 2 } }
  model_group_alias: { a: b, c: [d], e: { model: f, hidden: true } }
  cache_kwargs: { type: local }
litellm_settings: { success_callback: [x], cache_params: { type: redis, ttl: 1 } }
general_settings: { master_key: k }
environment_variables: { A: 1 }
`;
