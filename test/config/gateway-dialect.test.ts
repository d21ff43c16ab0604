import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { defaultServer, emptySettings } from '../../gateway/config/defaults.ts';
import { load, settingsOf, temporaryFolder, told } from './support.ts';

const four = `
providers:
  ollama:            { kind: ollama,           base_url: http://127.0.0.1:11434 }
  vllm:              { kind: vllm,             base_url: http://127.0.0.1:8001/v1, api_key: os.environ/VLLM_KEY }
  llama_cpp_python:  { kind: llama_cpp_python, base_url: http://127.0.0.1:8000/ }
  llama_cpp_native:  { kind: llama_cpp,        base_url: http://127.0.0.1:8080/v1/, max_parallel_requests: 2 }
default_provider: ollama
`;

test('providers keep the order of the file, with one spelling of their base URL and every default applied', () => {
  const settings = settingsOf(four, { env: { VLLM_KEY: 'sk-1' } });
  expect(
    [...settings.providers.values()].map(({ name, kind, baseUrl, apiKey }) => [name, kind, baseUrl, apiKey]),
  ).toEqual([
    ['ollama', 'ollama', 'http://127.0.0.1:11434', null],
    ['vllm', 'vllm', 'http://127.0.0.1:8001', 'sk-1'],
    ['llama_cpp_python', 'llama_cpp_python', 'http://127.0.0.1:8000', null],
    ['llama_cpp_native', 'llama_cpp', 'http://127.0.0.1:8080', null],
  ]);
  expect(settings.providers.get('ollama')).toMatchObject({
    isEnabled: true,
    priority: 0,
    weight: 1,
    maxParallelRequests: null,
    maxQueue: 100,
    queueTimeoutMs: 60_000,
    timeouts: { connectMs: null, firstByteMs: null, idleMs: null, totalMs: null },
    probe: { schedule: null, intervalMs: 15_000, timeoutMs: 2_000, retries: 2 },
    place: 'local',
    isDiscovered: false,
    position: { line: 3, column: 3 },
  });
  expect(settings.providers.get('llama_cpp_native')?.maxParallelRequests).toBe(2);
  expect(settings.routing.defaultProvider).toBe('ollama');
});

test('every key of a provider arrives, in milliseconds and plain numbers', () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'ca.pem'), 'pem');
  const text = `
providers:
  box:
    kind: vllm
    base_url: https://box.lan:8001/api/v1
    headers: { X-Team: a }
    enabled: false
    priority: 5
    weight: 0.5
    max_parallel_requests: 3
    max_queue: 7
    queue_timeout: 2m
    ca_file: ${join(folder, 'ca.pem')}
    rpm: 10
    tpm: 1000
    timeouts: { connect: 500ms, first_byte: 3s, idle_ms: 1500, total: 0.5 }
    default_model: big
    models:
      big:
        aliases: [large]
        size: 30B
        active_size: 3.3B
        context: 32768
        capabilities: [completion, tools]
        rpm: 1
        tpm: 2
        weight: 3
        priority: 4
        input_cost_per_token: 0.1
        output_cost_per_token: 0.2
        max_parallel_requests: 5
      small:
    probe: { schedule: "*/10 * * * * *", timeout: 1, retries: 0 }
    keep_warm:
      - { schedule: "0 8 * * 1-5", model: big, action: load }
`;
  const box = settingsOf(text).providers.get('box');
  expect(box).toMatchObject({
    baseUrl: 'https://box.lan:8001/api',
    place: 'lan',
    headers: { 'X-Team': 'a' },
    isEnabled: false,
    priority: 5,
    weight: 0.5,
    maxParallelRequests: 3,
    maxQueue: 7,
    queueTimeoutMs: 120_000,
    caFile: join(folder, 'ca.pem'),
    rpm: 10,
    tpm: 1000,
    timeouts: { connectMs: 500, firstByteMs: 3000, idleMs: 1500, totalMs: 500 },
    defaultModel: 'big',
    probe: { schedule: '*/10 * * * * *', intervalMs: 15_000, timeoutMs: 1000, retries: 0 },
    keepWarm: [{ schedule: '0 8 * * 1-5', model: 'big', action: 'load' }],
  });
  expect(box?.models.get('big')).toMatchObject({
    aliases: ['large'],
    size: 30e9,
    activeSize: 3.3e9,
    context: 32_768,
    capabilities: new Set(['completion', 'tools']),
    rpm: 1,
    tpm: 2,
    weight: 3,
    priority: 4,
    inputCostPerToken: 0.1,
    outputCostPerToken: 0.2,
    maxParallelRequests: 5,
  });
  expect(box?.models.get('small')).toMatchObject({ id: 'small', size: null, capabilities: null });
});

test('files named in a configuration are taken from the folder of the file that names them, and must be there', () => {
  const { problems, settings } = load({
    'switchyard.yaml': 'include: [sub/more.yaml]\n',
    'sub/more.yaml': 'server: { tls_cert: cert.pem, tls_key: key.pem }\n',
    'sub/cert.pem': 'pem',
  });
  expect(settings).toBeNull();
  expect(problems.map(({ code, message }) => [code, message.endsWith('sub/key.pem does not exist')])).toEqual([
    ['file_missing', true],
  ]);
});

test('certificate and key come together', () => {
  expect(told(load({ 'switchyard.yaml': 'server: { tls_cert: cert.pem }\n', 'cert.pem': 'pem' }))).toEqual([
    '1:21 error missing_key',
  ]);
});

test('the server has its defaults, keeps only hashes of keys and takes the command line before the file', () => {
  expect(settingsOf('log_level: warn\n').server).toEqual(defaultServer);
  const text = `
server:
  host: 0.0.0.0
  port: 5000
  api_keys:
    - { name: a, key: os.environ/A_KEY }
    - { name: b, sha256: ${'AB'.repeat(32)} }
  allowed_hosts: [gpu.example.com]
  allowed_origins: ["https://chat.example.com"]
  remote_admin: true
  allow_model_management: true
  shutdown_timeout_ms: 1500
  limits: { body_mb: 1, header_kb: 8, json_depth: 10 }
history: { retention_days: 7, max_mb: 100, record_hardware: true }
debug_router: true
`;
  const settings = settingsOf(text, { env: { A_KEY: 'one' }, listen: { port: 0 } });
  expect(settings.server).toMatchObject({
    host: '0.0.0.0',
    port: 0,
    apiKeys: [
      { name: 'a', sha256: createHash('sha256').update('one').digest('hex') },
      { name: 'b', sha256: 'ab'.repeat(32) },
    ],
    allowedHosts: ['gpu.example.com'],
    allowedOrigins: ['https://chat.example.com'],
    isRemoteAdminAllowed: true,
    isModelManagementAllowed: true,
    shutdownTimeoutMs: 1500,
    limits: { bodyBytes: 1024 * 1024, headerBytes: 8192, jsonDepth: 10, connections: 1024 },
  });
  expect(settings.history).toEqual({ retentionDays: 7, maxMb: 100 });
  expect(settings.hardware).toEqual({ isRecorded: true });
  expect(settings.logLevel).toBe('debug');
});

test('a host given on the command line needs API keys as one in the file does', () => {
  expect(told(load('log_level: info\n', { listen: { host: '192.168.1.20' } }))).toEqual(['1:1 error lan_without_keys']);
  expect(load('log_level: info\n', { listen: { host: '::1' } }).settings).not.toBeNull();
});

test('every key of every kind of rule arrives', () => {
  const { routing } = settingsOf(`
providers:
  a: { kind: ollama, base_url: "http://127.0.0.1:1" }
  b: { kind: vllm, base_url: "http://127.0.0.1:2" }
routing_mode: "pin: a"
exact_matches:
  "llama3.1:8b":
    provider: a
    priority: primary
    model: llama3.1:8b-q8
    fallback: null
    routing_strategy: least_loaded
    require_warm: true
    timeouts: { first_byte: 1 }
    description: why
    reason: because
  "70":
    provider: b
    fallback: none
  other: { provider: b, fallback: [a, default] }
patterns:
  - { pattern: ".*:\\\\d+[bB]$", provider: a, preferred_model: m, fallback: b }
capabilities:
  large_context: { min_context: 8192, min_model_size: 13B, provider: a, providers: [b, a], routing_strategy: most_capacity }
  code: { preferred_models: [x, y], routing_strategy: load_balance }
request_metadata_routing:
  vip: { condition: 'header.x-priority == "high"', provider: b, strict: true, model: m }
redundant_models:
  m: { providers: [{ provider: a, weight: 0.7 }, { provider: b, weight: 0.3, model: org/m }] }
fallback_chains:
  default:
    chain: [{ primary: a, preferred_model: p }, { secondary: b, condition: a_unavailable }]
    retry_attempts: 3
    retry_delay_ms: 500
strategies:
  least_loaded: { applicable_to: [code] }
  usage_based: { weight_factors: [{ latency: 0.5 }, { success_rate: 0.3 }, { cost: 0.2 }] }
  fastest_response: { measure: time_to_first_token }
routing_metrics: [exact_match_rate]
`);
  expect(routing.mode).toEqual({ is: 'pin', provider: 'a' });
  expect([...routing.exactMatches.keys()]).toEqual(['llama3.1:8b', '70', 'other']);
  expect(routing.exactMatches.get('llama3.1:8b')).toMatchObject({
    provider: 'a',
    upstreamModel: 'llama3.1:8b-q8',
    label: 'primary',
    fallback: { kind: 'default' },
    routingStrategy: 'least_busy',
    requiresWarm: true,
    timeouts: { firstByteMs: 1000, connectMs: null },
    description: 'why; because',
    position: { line: 7, column: 3 },
  });
  expect(routing.exactMatches.get('70')?.fallback).toEqual({ kind: 'none' });
  expect(routing.exactMatches.get('other')?.fallback).toEqual({ kind: 'list', targets: ['a', 'default'] });
  expect(routing.patterns).toMatchObject([
    { pattern: '.*:\\d+[bB]$', provider: 'a', upstreamModel: 'm', position: { line: 22, column: 5 } },
  ]);
  expect(routing.capabilities.get('large_context')).toMatchObject({
    providers: ['a', 'b'],
    minModelSize: 13e9,
    minContext: 8192,
    routingStrategy: 'most_capacity',
  });
  expect(routing.capabilities.get('code')).toMatchObject({
    preferredModels: ['x', 'y'],
    routingStrategy: 'round_robin',
  });
  expect(routing.metadataRules).toMatchObject([
    {
      name: 'vip',
      isStrict: true,
      upstreamModel: 'm',
      condition: { text: 'header.x-priority == "high"', position: { line: 27, column: 22 } },
    },
  ]);
  expect(routing.redundantModels.get('m')?.providers).toMatchObject([
    { provider: 'a', weight: 0.7, upstreamModel: null },
    { provider: 'b', weight: 0.3, upstreamModel: 'org/m' },
  ]);
  expect(routing.fallbackChains.get('default')).toMatchObject({
    retryAttempts: 3,
    retryDelayMs: 500,
    links: [
      { role: 'primary', provider: 'a', preferredModel: 'p', condition: null },
      { role: 'secondary', provider: 'b', condition: { text: 'a_unavailable' } },
    ],
  });
  expect([...routing.strategies.keys()]).toEqual(['least_busy', 'usage_based', 'fastest_response']);
  expect(routing.strategyOptions.weights).toEqual({ latency: 0.5, successRate: 0.3, cost: 0.2 });
  expect(routing.metrics).toEqual(new Set(['exact_match_rate']));
});

test('a condition in a block of its own has the position of its text', () => {
  const { routing } = settingsOf(
    'request_metadata_routing:\n  r:\n    provider: a\n    condition: >-\n      stream == true\n      && batch_size > 1\n',
  );
  expect(routing.metadataRules[0]?.condition).toMatchObject({
    text: 'stream == true && batch_size > 1',
    position: { line: 5, column: 7 },
  });
});

test('every accepted spelling of a strategy means one of eleven', () => {
  const spellings = {
    'simple-shuffle': 'shuffle',
    'round-robin': 'round_robin',
    round_robin: 'round_robin',
    load_balance: 'round_robin',
    'weighted-round-robin': 'weighted_round_robin',
    'least-busy': 'least_busy',
    least_loaded: 'least_busy',
    'latency-based-routing': 'latency',
    fastest_response: 'fastest_response',
    'usage-based-routing': 'usage',
    'usage-based-routing-v2': 'usage',
    usage_based: 'usage_based',
    'cost-based-routing': 'cost',
    most_capacity: 'most_capacity',
    predicted: 'predicted',
  };
  for (const [spelling, name] of Object.entries(spellings))
    expect([spelling, settingsOf(`router_settings: {routing_strategy: ${spelling}}`).routing.strategy]).toEqual([
      spelling,
      name,
    ]);
});

test('every way to write the routing mode is understood', () => {
  const mode = (text: string) => settingsOf(`routing_mode: ${text}\n`).routing.mode;
  expect(mode('rules')).toEqual({ is: 'rules' });
  expect(mode('order')).toEqual({ is: 'order' });
  expect(mode('fastest')).toEqual({ is: 'fastest' });
  expect(mode('{pin: box}')).toEqual({ is: 'pin', provider: 'box' });
  expect(mode('"pin: box"')).toEqual({ is: 'pin', provider: 'box' });
});

test('an empty file and no file are the empty configuration', () => {
  const { files: _, ...empty } = emptySettings();
  expect(settingsOf('')).toMatchObject(empty);
  expect(settingsOf('# nothing yet\n')).toMatchObject(empty);
  expect(load('', { files: [] }).settings).toMatchObject(emptySettings());
});

test('settings are frozen all the way down', () => {
  const settings = settingsOf(four, { env: { VLLM_KEY: 'k' } });
  const ollama = settings.providers.get('ollama');
  for (const part of [
    settings,
    settings.routing,
    settings.server,
    settings.server.limits,
    ollama,
    ollama?.probe,
    settings.problems,
  ])
    expect(Object.isFrozen(part)).toBe(true);
});

test('anchors and merge keys are understood, and a key of its own counts before a merged one', () => {
  const settings = settingsOf(`
providers:
  a: &base { kind: vllm, base_url: "http://127.0.0.1:1", priority: 3 }
  b: { <<: *base, base_url: "http://127.0.0.1:2" }
`);
  expect(settings.providers.get('b')).toMatchObject({ kind: 'vllm', baseUrl: 'http://127.0.0.1:2', priority: 3 });
});

test('those who will use the settings may refuse them', () => {
  const refused = load('default_provider: a\n', {
    verify: () => [
      { severity: 'error', code: 'invalid_value', message: 'no', path: 'x', file: 'f', line: 1, column: 2 },
    ],
  });
  expect(refused.settings).toBeNull();
  expect(told(refused)).toContain('1:2 error invalid_value');
});
