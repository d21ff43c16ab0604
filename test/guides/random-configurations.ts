// Random configurations over given servers, and random requests to them: small alphabets, so that things meet.

import { stringify } from 'yaml';
import { pick } from '../faults/support.ts';
import type { Asked } from './support.ts';

/** A server that a configuration may name. */
export interface Server {
  readonly kind: string;
  readonly url: string;
}

/** Uniform in [0, 1). */
type Random = () => number;

const PROVIDERS = ['ollama', 'vllm', 'llama_cpp', 'llama_cpp_python', 'any', 'gone'] as const;

/** Models that the servers have, in several spellings and on several of them. */
export const SERVED = {
  ollama: ['llama3.1:8b', 'qwen2.5-coder:7b', 'qwen2.5:32b', 'nomic-embed-text', 'llava:7b'],
  vllm: ['llama3.1:8b', 'meta-llama/Llama-2-13b-chat-hf', 'qwen2.5:32b'],
  llama_cpp: ['qwen3-8b-q4_k_m'],
  llama_cpp_python: ['mistral-7b-instruct-q4_k_m'],
  openai: ['gpt-oss-20b', 'text-embedding-3-small', 'qwen2.5-coder:7b'],
} as const;

const NAMES: readonly string[] = [
  ...SERVED.ollama,
  ...SERVED.vllm,
  ...SERVED.llama_cpp,
  ...SERVED.openai,
  'LLAMA3.1:8b',
  'some.gguf',
  'group',
  'pool/llama3.1:8b',
  'nickname',
  'crowd',
  'code',
  'auto',
  'lama3.1:8b',
  'never-heard-of:70b',
];

const STRATEGIES = [
  'simple-shuffle',
  'round-robin',
  'weighted-round-robin',
  'least-busy',
  'latency-based-routing',
  'fastest_response',
  'usage-based-routing',
  'usage_based',
  'cost-based-routing',
  'most_capacity',
] as const;

const CONDITIONS = [
  'header.x-priority == "high"',
  'stream == true',
  'batch_size > 1',
  'prompt_tokens > 200 && !has_tools',
  'model_size >= "13B"',
  'has_images || has_tools',
  'gone_unavailable',
] as const;

/** A configuration in both dialects, valid for any seed. `gone` is a provider whose port is closed. */
export function randomConfiguration(random: Random, servers: readonly Server[], closed: string): string {
  const chance = (probability: number): boolean => random() < probability;
  const some = <Item>(all: readonly Item[], probability = 0.5): Item[] => all.filter(() => chance(probability));
  const provider = () => pick(random, PROVIDERS);
  const fallback = () =>
    chance(0.5) ? {} : { fallback: pick(random, [provider(), 'group', 'default', 'none', [provider(), 'default']]) };
  const strategy = () => (chance(0.6) ? {} : { routing_strategy: pick(random, STRATEGIES) });
  const weight = () => 1 + Math.floor(random() * 5);
  const entry = (name: string) => {
    const { kind, url } = pick(random, servers);
    const prefix = { ollama: 'ollama', vllm: 'hosted_vllm' }[kind] ?? 'openai';
    return {
      model_name: name,
      litellm_params: {
        model: `${prefix}/${pick(random, NAMES)}`,
        api_base: url,
        ...(chance(0.4) ? { weight: weight() } : {}),
        ...(chance(0.2) ? { input_cost_per_token: random() / 1e5 } : {}),
      },
    };
  };
  const cloud = { model_name: 'group', litellm_params: { model: 'anthropic/claude-3-opus', api_key: 'key' } };
  const configuration = {
    providers: providersOf(random, servers, closed),
    exact_matches: Object.fromEntries(some(NAMES, 0.15).map((name) => [name, { provider: provider(), ...fallback() }])),
    patterns: some(['^meta-llama/.*', '.*:\\d+[bB]$', '\\.gguf$', '^qwen|coder', 'heard'], 0.4).map((pattern) => ({
      pattern,
      provider: provider(),
      ...fallback(),
      ...strategy(),
    })),
    capabilities: Object.fromEntries(
      some(['code', 'big', 'qwen2.5:32b'], 0.6).map((name) => [
        name,
        {
          ...(chance(0.6) ? { preferred_models: some(NAMES.slice(0, 8), 0.3) } : {}),
          ...(chance(0.5) ? { providers: some(PROVIDERS) } : {}),
          ...(chance(0.3) ? { min_model_size: '13B' } : {}),
          ...(chance(0.2) ? { min_context: 4096 } : {}),
          ...fallback(),
          ...strategy(),
        },
      ]),
    ),
    redundant_models: chance(0.5)
      ? {
          'llama3.1:8b': {
            providers: [
              { provider: 'ollama', weight: 0.7 },
              { provider: 'vllm', weight: 0.3 },
            ],
          },
        }
      : {},
    model_size_routing: chance(0.5)
      ? [
          { size: '< 8B', provider: provider(), ...strategy() },
          { size: '8B - 13B', provider: provider() },
          { size: '> 13B', provider: provider(), ...fallback() },
        ]
      : [],
    request_metadata_routing: Object.fromEntries(
      some(CONDITIONS, 0.3).map((condition, index) => [
        `rule_${index}`,
        { condition, provider: provider(), ...(chance(0.2) ? { strict: true } : {}) },
      ]),
    ),
    fallback_chains: chance(0.6)
      ? {
          default: { chain: [{ primary: provider(), condition: pick(random, CONDITIONS) }, { secondary: provider() }] },
        }
      : {},
    model_list: [
      ...some(['group', 'group', 'group', 'pool/*', 'qwen2.5:32b'], 0.5).map(entry),
      ...(chance(0.3) ? [cloud] : []),
    ],
    router_settings: {
      // Waiting to ask again would say nothing more of the decision.
      num_retries: 0,
      ...(chance(0.5) ? { routing_strategy: pick(random, STRATEGIES) } : {}),
      model_group_alias: {
        ...(chance(0.5) ? { nickname: pick(random, NAMES) } : {}),
        ...(chance(0.5) ? { crowd: some(NAMES.slice(0, 9), 0.4).concat('llama3.1:8b') } : {}),
      },
    },
    ...(chance(0.5) ? { default_provider: provider() } : {}),
    ...(chance(0.3) ? { first_request_routing: { strategy: 'prefer_warm_providers' } } : {}),
    ...(chance(0.2) ? { routing_mode: pick(random, ['order', 'fastest']) } : {}),
  };
  return stringify(configuration);
}

function providersOf(random: Random, servers: readonly Server[], closed: string): object {
  const chance = (probability: number): boolean => random() < probability;
  const common = () => ({
    priority: Math.floor(random() * 3),
    probe: { interval: 3600 },
    ...(chance(0.3) ? { weight: 1 + Math.floor(random() * 4) } : {}),
    ...(chance(0.1) ? { enabled: false } : {}),
  });
  const entries = servers.map(({ kind, url }) => [
    kind === 'openai' ? 'any' : kind,
    { kind, base_url: url, ...common(), ...(chance(0.2) ? { default_model: 'llama3.1:8b' } : {}) },
  ]);
  const gone = { kind: 'vllm', base_url: closed, probe: { interval: 3600, retries: 0 } };
  return { ...Object.fromEntries(entries), gone };
}

/** A request as clients send them, and which endpoint it is for. */
export interface RandomRequest extends Required<Omit<Asked, 'model'>> {
  readonly endpoint: string;
}

const ENDPOINTS = [
  ['chat', '/v1/chat/completions'],
  ['chat', '/v1/chat/completions'],
  ['completions', '/v1/completions'],
  ['embeddings', '/v1/embeddings'],
  ['messages', '/v1/messages'],
  ['ollama_chat', '/api/chat'],
] as const;

export function randomRequest(random: Random): RandomRequest {
  const chance = (probability: number): boolean => random() < probability;
  const [endpoint, path] = pick(random, ENDPOINTS);
  const headers = {
    ...(chance(0.3) ? { 'x-priority': pick(random, ['high', 'normal', 'low']) } : {}),
    ...(chance(0.1) ? { 'x-capability': pick(random, ['code', 'big', 'nothing']) } : {}),
    ...(chance(0.05) ? { 'x-provider': pick(random, [...PROVIDERS, 'nowhere']) } : {}),
  };
  const words = 'word '.repeat(pick(random, [1, 1, 20, 300, 5_000]));
  const body = {
    ...(chance(0.9) ? { model: pick(random, NAMES) } : {}),
    ...contentOf(random, endpoint, words),
    ...(endpoint === 'embeddings' ? {} : { stream: chance(0.3) }),
    ...(chance(0.1) ? { disable_fallbacks: true } : {}),
    ...(chance(0.1) ? { fallbacks: [pick(random, NAMES)] } : {}),
  };
  return { endpoint, path, headers, body };
}

function contentOf(random: Random, endpoint: string, words: string): Readonly<Record<string, unknown>> {
  const chance = (probability: number): boolean => random() < probability;
  switch (endpoint) {
    case 'completions':
      return { prompt: chance(0.3) ? [words, words] : words, ...(chance(0.1) ? { suffix: 'end' } : {}) };
    case 'embeddings':
      return { input: chance(0.5) ? [words, 'other'] : words };
    default: {
      const picture = { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' } };
      const isPicture = endpoint === 'chat' && chance(0.1);
      const content = isPicture ? [{ type: 'text', text: words }, picture] : words;
      const tool = { type: 'function', function: { name: 'look', parameters: { type: 'object', properties: {} } } };
      return {
        messages: [{ role: 'user', content }],
        ...(endpoint === 'messages' ? { max_tokens: 50 } : {}),
        ...(endpoint === 'chat' && chance(0.1) ? { tools: [tool] } : {}),
        ...(endpoint === 'chat' && chance(0.2) ? { max_tokens: pick(random, [10, 3_000]) } : {}),
      };
    }
  }
}
