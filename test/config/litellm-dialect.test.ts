import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { load, settingsOf, told } from './support.ts';

function entry(params: string, rest = ''): string {
  return `model_list:\n  - model_name: m\n    litellm_params: {${params}}\n${rest}`;
}

interface KindRow {
  readonly params: string;
  readonly env?: Record<string, string>;
  readonly provider: object;
  readonly model: string;
}

const kinds: readonly KindRow[] = [
  {
    params: 'model: ollama/llama3.1:8b, api_base: "http://127.0.0.1:11434"',
    provider: {
      name: 'ollama',
      kind: 'ollama',
      vendor: null,
      baseUrl: 'http://127.0.0.1:11434',
      notCallableBecause: null,
    },
    model: 'llama3.1:8b',
  },
  {
    params: 'model: ollama_chat/qwen3, api_base: "http://192.168.1.9:11434"',
    provider: { name: 'ollama', kind: 'ollama', place: 'lan' },
    model: 'qwen3',
  },
  {
    params: 'model: ollama/x',
    provider: { kind: 'ollama', baseUrl: 'http://127.0.0.1:11434' },
    model: 'x',
  },
  {
    params: 'model: ollama/x',
    env: { OLLAMA_API_BASE: 'http://box:11434' },
    provider: { baseUrl: 'http://box:11434', place: 'lan' },
    model: 'x',
  },
  {
    params: 'model: hosted_vllm/meta-llama/Llama-2-13b-chat-hf, api_base: "http://127.0.0.1:8001/v1"',
    provider: { name: 'vllm', kind: 'vllm', baseUrl: 'http://127.0.0.1:8001' },
    model: 'meta-llama/Llama-2-13b-chat-hf',
  },
  {
    params: 'model: openai/local, api_base: "http://127.0.0.1:8080/v1", api_key: none',
    provider: { name: 'openai', kind: 'openai', apiKey: 'none', notCallableBecause: null },
    model: 'local',
  },
  {
    params: 'model: local, api_base: "http://127.0.0.1:8080/v1"',
    provider: { name: 'openai', kind: 'openai' },
    model: 'local',
  },
  {
    params: 'model: x, custom_llm_provider: hosted_vllm, api_base: "http://127.0.0.1:8001"',
    provider: { kind: 'vllm' },
    model: 'x',
  },
  {
    params: 'model: openai/gpt-4, api_key: sk-1',
    provider: {
      name: 'openai',
      kind: 'cloud',
      vendor: 'openai',
      baseUrl: '',
      place: 'cloud',
      notCallableBecause: 'openai is not called yet',
    },
    model: 'gpt-4',
  },
  { params: 'model: gpt-4', provider: { kind: 'cloud', vendor: 'openai' }, model: 'gpt-4' },
  { params: 'model: claude-2', provider: { name: 'anthropic', kind: 'cloud', vendor: 'anthropic' }, model: 'claude-2' },
  {
    params: 'model: "bedrock/anthropic.claude-3-5-sonnet-20241022-v2:0", aws_region_name: us-east-1',
    provider: { name: 'bedrock', vendor: 'bedrock' },
    model: 'anthropic.claude-3-5-sonnet-20241022-v2:0',
  },
  {
    params: 'model: vertex_ai/deepseek-ai/deepseek-r1',
    provider: { vendor: 'vertex_ai' },
    model: 'deepseek-ai/deepseek-r1',
  },
  {
    params: 'model: azure/gpt-4, api_base: "https://x.openai.azure.com/"',
    provider: { kind: 'cloud', vendor: 'azure', baseUrl: 'https://x.openai.azure.com', place: 'cloud' },
    model: 'gpt-4',
  },
];

describe('the provider of an entry follows from its model, address and account', () => {
  for (const { params, env = {}, provider, model } of kinds)
    test(`${params} ${JSON.stringify(env)}`, () => {
      const settings = settingsOf(entry(params), { env });
      expect([...settings.providers.values()]).toMatchObject([provider]);
      expect(settings.routing.groups.get('m')?.deployments).toMatchObject([{ model }]);
    });
});

test('a second server of a kind is named by its address, and a number tells apart what differs in the rest', () => {
  const settings = settingsOf(`
model_list:
  - { model_name: m, litellm_params: { model: openai/a, api_base: "http://box:8000/v1", api_key: one-key-x } }
  - { model_name: m, litellm_params: { model: openai/b, api_base: "http://box:8000", api_key: one-key-x } }
  - { model_name: m, litellm_params: { model: openai/a, api_base: "http://box:9000/v1", api_key: one-key-x } }
  - { model_name: m, litellm_params: { model: openai/a, api_base: "http://box:8000/v1", api_key: two-key-x } }
  - { model_name: m, litellm_params: { model: openai/a, api_base: "http://box:9000/v1", api_key: two-key-x } }
  - { model_name: m, litellm_params: { model: openai/a, api_base: "http://box:9000/v1", api_key: three-key } }
  - { model_name: m, litellm_params: { model: bedrock/a, aws_region_name: us-east-1 } }
  - { model_name: m, litellm_params: { model: bedrock/a, aws_region_name: eu-west-1 } }
  - { model_name: m, litellm_params: { model: vertex_ai/a, vertex_project: p, vertex_location: l } }
  - { model_name: m, litellm_params: { model: vertex_ai/a, vertex_project: q, vertex_location: l } }
  - { model_name: m, litellm_params: { model: vertex_ai/b, vertex_project: q, vertex_location: l } }
`);
  expect(settings.routing.groups.get('m')?.deployments.map(({ provider }) => provider)).toEqual([
    'openai',
    'openai',
    'openai@box:9000',
    'openai#2',
    'openai@box:9000#2',
    'openai@box:9000#3',
    'bedrock',
    'bedrock#2',
    'vertex_ai',
    'vertex_ai#2',
    'vertex_ai#2',
  ]);
});

test('a providers entry with the same base URL and key lends its name and keeps its settings', () => {
  const settings = settingsOf(`
providers:
  workhorse: { kind: llama_cpp, base_url: "http://localhost:8080", priority: 4, models: { big: { rpm: 5 } } }
  ollama: { kind: ollama, base_url: "http://127.0.0.1:9999" }
model_list:
  - { model_name: m, litellm_params: { model: openai/big, api_base: "http://127.0.0.1:8080/v1", rpm: 9 }, model_info: { max_input_tokens: 100 } }
  - { model_name: m, litellm_params: { model: openai/big, api_base: "http://127.0.0.1:8080/v1", api_key: another-key } }
  - { model_name: m, litellm_params: { model: ollama/x } }
`);
  expect([...settings.providers.keys()]).toEqual(['workhorse', 'ollama', 'openai', 'ollama@127.0.0.1:11434']);
  expect(settings.providers.get('workhorse')).toMatchObject({ kind: 'llama_cpp', priority: 4 });
  expect(settings.providers.get('workhorse')?.models.get('big')).toMatchObject({ rpm: 5, context: 100 });
});

test('limits are read inside litellm_params and beside it', () => {
  const settings = settingsOf(`
model_list:
  - model_name: m
    litellm_params: { model: ollama/a, rpm: 1, tpm: 2, weight: 3, priority: 4, order: 5, max_parallel_requests: 6 }
    rpm: 100
  - model_name: m
    litellm_params: { model: ollama/b, metadata: { variant: control }, timeout: 5, stream_timeout: 2s, num_retries: 0, cooldown_time: 9 }
    rpm: 1
    tpm: 2
    weight: 3
    priority: 4
    order: 5
    max_parallel_requests: 6
`);
  const limits = { rpm: 1, tpm: 2, weight: 3, priority: 4, order: 5, maxParallelRequests: 6 };
  expect(settings.routing.groups.get('m')?.deployments).toMatchObject([
    { ...limits, model: 'a', position: { line: 3, column: 5 } },
    {
      ...limits,
      model: 'b',
      variant: 'control',
      answerTimeoutMs: 5000,
      streamTimeoutMs: 2000,
      numRetries: 0,
      cooldownMs: 9000,
    },
  ]);
  expect(settings.providers.get('ollama')?.models.get('b')).toMatchObject({ rpm: 1, tpm: 2, maxParallelRequests: 6 });
});

test('an entry without litellm_params sets limits for the model name wherever it is served', () => {
  const settings = settingsOf('model_list:\n  - {model_name: m, rpm: 50}\n  - {model_name: m, priority: 5, rpm: 40}\n');
  expect(settings.routing.modelLimits.get('m')).toMatchObject({ rpm: 40, priority: 5, weight: null });
  expect(settings.routing.groups.size).toBe(0);
});

test('facts and prices of model_info are declared of the model', () => {
  const settings = settingsOf(`
model_list:
  - model_name: m
    litellm_params: { model: ollama/v, output_cost_per_token: 0 }
    model_info: { supports_vision: true, supports_function_calling: false, mode: chat, input_cost_per_token: 0.5, max_input_tokens: 8192, base_model: x }
`);
  expect(settings.providers.get('ollama')?.models.get('v')).toMatchObject({
    capabilities: null,
    addedCapabilities: new Set(['vision', 'completion']),
    lackingCapabilities: new Set(['tools']),
    inputCostPerToken: 0.5,
    outputCostPerToken: 0,
    context: 8192,
  });
});

test('a wildcard group is marked, and declares no model', () => {
  const settings = settingsOf(`
model_list:
  - { model_name: "ollama/*", litellm_params: { model: "ollama/*" } }
`);
  expect(settings.routing.groups.get('ollama/*')).toMatchObject({ isWildcard: true, deployments: [{ model: '*' }] });
  expect(settings.providers.get('ollama')?.models.size).toBe(0);
});

test('the master key becomes an API key, so that a file that asked for keys never runs open', () => {
  const { apiKeys } = settingsOf('general_settings: {master_key: os.environ/MASTER}\n', {
    env: { MASTER: 'sk-9' },
  }).server;
  expect(apiKeys).toEqual([{ name: 'master_key', sha256: createHash('sha256').update('sk-9').digest('hex') }]);
  const missing = load('general_settings: {master_key: os.environ/MASTER}\n');
  expect(missing.settings).toBeNull();
  expect(told(missing)).toEqual(['1:32 error variable_missing']);
});

test('router_settings counts before litellm_settings', () => {
  const { reliability } = settingsOf(`
router_settings: { num_retries: 1, fallbacks: [{ a: [b] }], retry_after: 5, max_fallbacks: 2, disable_cooldowns: true }
litellm_settings: { num_retries: 9, fallbacks: [{ a: [c] }], request_timeout: 10, allowed_fails: 7, default_fallbacks: [d] }
general_settings: { allow_mock_testing: true }
`);
  expect(reliability).toMatchObject({
    numRetries: 1,
    fallbacks: new Map([['a', ['b']]]),
    retryAfterMs: 5000,
    maxFallbacks: 2,
    isCooldownDisabled: true,
    answerTimeoutMs: 10_000,
    allowedFails: 7,
    defaultFallbacks: ['d'],
    isMockTestingAllowed: true,
  });
});

test('all forms of fallbacks, retry policies and aliases are understood', () => {
  const { reliability, routing } = settingsOf(`
router_settings:
  fallbacks:
    - { model: a, fallback_models: [b, c] }
    - "*": [d]
    - { e: f }
  content_policy_fallbacks: { a: [z] }
  retry_policy: { TimeoutErrorRetries: 2, RateLimitError: { max_retries: 5 }, DefaultRetries: 1 }
  model_group_retry_policy: { g: { InternalServerErrorRetries: 4 } }
  allowed_fails_policy: { RateLimitErrorAllowedFails: 10 }
  model_group_alias:
    one: target
    many: [x, y]
    secret-name: { model: target, hidden: true }
`);
  expect([...reliability.fallbacks]).toEqual([
    ['a', ['b', 'c']],
    ['*', ['d']],
    ['e', ['f']],
  ]);
  expect([...reliability.contentPolicyFallbacks]).toEqual([['a', ['z']]]);
  expect([...reliability.retryPolicy]).toEqual([
    ['timeout', 2],
    ['rate_limited', 5],
    ['default', 1],
  ]);
  expect(reliability.groupRetryPolicies.get('g')?.get('server_error')).toBe(4);
  expect(reliability.allowedFailsPolicy.get('rate_limited')).toBe(10);
  expect(routing.aliases.get('many')).toMatchObject({ targets: ['x', 'y'], isGroup: true, isHidden: false });
  expect(routing.aliases.get('secret-name')).toMatchObject({ targets: ['target'], isGroup: false, isHidden: true });
});

test('health check settings are those of every probe that says nothing else', () => {
  const settings = settingsOf(`
providers:
  a: { kind: ollama, base_url: "http://127.0.0.1:1" }
  b: { kind: ollama, base_url: "http://127.0.0.1:2", probe: { interval: 1 } }
router_settings: { health_check_interval: 30, health_check_timeout: 5 }
`);
  expect(settings.providers.get('a')?.probe).toMatchObject({ intervalMs: 30_000, timeoutMs: 5000 });
  expect(settings.providers.get('b')?.probe).toMatchObject({ intervalMs: 1000, timeoutMs: 5000 });
});

test('the cache is off by default, in memory when local, in Redis where there is one', () => {
  expect(settingsOf('litellm_settings: {drop_params: true}\n').cache).toMatchObject({
    isEnabled: false,
    store: 'memory',
  });
  expect(
    settingsOf(
      'router_settings: {cache_responses: true, cache_kwargs: {type: local}, default_cache_time_seconds: 60}\n',
    ).cache,
  ).toMatchObject({ isEnabled: true, store: 'memory', ttlMs: 60_000 });
  const params = 'cache_params: {type: redis, host: r, ttl: 5, namespace: n, mode: default_off}';
  expect(settingsOf(`litellm_settings: {cache: true, ${params}}\n`).cache).toMatchObject({
    store: 'redis',
    ttlMs: 5000,
    namespace: 'n',
    isOnByDefault: false,
    redis: { host: 'r', port: 6379 },
  });
  const unsupported = load('litellm_settings: {cache: true, cache_params: {type: s3}}\n');
  expect(told(unsupported)).toEqual(['1:54 warning unused_key']);
  expect(unsupported.settings?.cache.store).toBe('memory');
});

test('keys that LiteLLM alone uses, reads past or hands on are told apart', () => {
  const result = load(`
guardrails: []
router_settings: { enable_tag_filtering: true, window_size: 5, fancy: 1 }
litellm_settings: { json_logs: true, routing_strategy: x }
general_settings: { database_url: "postgres://u:p@h/d" }
model_list:
  - model_name: m
    extra: 1
    litellm_params: { model: ollama/a, temperature: 0.5, tags: [x] }
    model_info: { suports_vision: true, anything: goes }
    weight: 3
`);
  expect(result.settings).not.toBeNull();
  expect(told(result)).toEqual([
    '2:1 warning unused_key',
    '3:20 lint unused_key',
    '3:48 lint litellm_differs',
    '3:64 warning unknown_key',
    '4:21 lint unused_key',
    '4:38 warning unknown_key',
    '5:21 lint unused_key',
    '8:5 warning unknown_key',
    '9:40 warning unused_key',
    '9:58 lint unused_key',
    '10:19 warning unknown_key',
    '11:5 lint litellm_differs',
  ]);
});

test('a password of Redis that is empty is none', () => {
  const { settings, problems } = load(
    'router_settings: { redis_host: 127.0.0.1, redis_password: os.environ/REDIS_PASSWORD }',
    { env: { REDIS_PASSWORD: '' } },
  );
  expect(problems.filter(({ severity }) => severity === 'error')).toEqual([]);
  expect(settings?.redis).toMatchObject({ host: '127.0.0.1', password: null });
});
