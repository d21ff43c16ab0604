// The LiteLLM dialect. Its sections let unknown keys pass, as LiteLLM does; `litellm-keys.ts` says what becomes of them.

import * as z from 'zod';
import { count, flag, fraction, key, number, oneOrMore, required, seconds, strategy, text, texts } from './values.ts';

const limits = {
  rpm: key(number, 'Requests per minute.'),
  tpm: key(number, 'Tokens per minute.'),
  weight: key(fraction, 'Share of this deployment.'),
  priority: key(z.number(), 'Higher first.'),
  order: key(z.number(), 'Lower first.'),
  max_parallel_requests: key(number, 'Requests it takes at once.'),
};

const prices = {
  input_cost_per_token: key(fraction, 'Price of a prompt token.'),
  output_cost_per_token: key(fraction, 'Price of an answer token.'),
};

const litellmParams = z.looseObject({
  model: required(
    text,
    'VENDOR/MODEL. `ollama/`, `ollama_chat/`, `hosted_vllm/` and `openai/` with an api_base are servers of yours.',
  ),
  api_base: key(text, 'The address of the server.'),
  base_url: key(text, 'Another word for `api_base`.'),
  api_key: key(text, 'The key; best as os.environ/NAME.'),
  api_version: key(text, "Azure's version of its API."),
  custom_llm_provider: key(text, 'The vendor, where `model` does not begin with it.'),
  organization: key(z.union([z.string(), z.array(z.string())]), 'The organization the key belongs to.'),
  region_name: key(text, 'The region.'),
  aws_region_name: key(text, 'The region at AWS.'),
  vertex_project: key(text, 'The project at Google.'),
  vertex_location: key(text, 'The region at Google.'),
  extra_headers: key(z.record(text, z.string()), 'Further headers for every request to it.'),
  metadata: key(z.looseObject({ variant: key(text, 'Recorded with each request, for comparisons.') }), 'Free notes.'),
  timeout: key(seconds, 'The whole of a JSON answer, or the first content of a stream.'),
  request_timeout: key(seconds, 'Another word for `timeout`.'),
  stream_timeout: key(seconds, 'The first content of a stream.'),
  num_retries: key(count, 'In place of the general number.'),
  cooldown_time: key(seconds, 'In place of the general time.'),
  ...limits,
  ...prices,
});

const modelInfo = z.looseObject({
  mode: key(text, 'What it is for: chat, completion, embedding, rerank, ...'),
  max_input_tokens: key(number, 'Tokens of context.'),
  supports_vision: key(flag, 'Images.'),
  supports_function_calling: key(flag, 'Tools.'),
  supports_tool_choice: key(flag, 'Tools.'),
  supports_reasoning: key(flag, 'Reasoning.'),
  supports_fim: key(flag, 'Completion between a prefix and a suffix.'),
  supports_response_schema: key(flag, 'Answers by a JSON Schema.'),
  supports_audio_input: key(flag, 'Audio in requests.'),
  supports_audio_output: key(flag, 'Speech.'),
  ...prices,
});

export const modelEntry = z.looseObject({
  model_name: required(text, 'The name clients ask for. Entries of one name form a group; `*` stands for anything.'),
  litellm_params: key(litellmParams, 'What is called. Without it the entry only sets limits for that model name.'),
  model_info: key(modelInfo, 'Facts about the model.'),
  ...limits,
});

const fallbackLists = z.union([z.array(z.record(text, oneOrMore)), z.record(text, oneOrMore)], {
  error: 'expected a list such as [{gpt-4: [claude-2]}] or [{model: gpt-4, fallback_models: [claude-2]}]',
});

const fallbackKeys = {
  fallbacks: key(fallbackLists, 'Groups asked next when a group failed; `*` for all others.'),
  default_fallbacks: key(texts, 'Groups asked after those of fallbacks, for every request.'),
  context_window_fallbacks: key(fallbackLists, 'Groups asked next when the prompt was too long.'),
  content_policy_fallbacks: key(fallbackLists, 'Groups asked next when the content was refused.'),
};

const retryPolicy = z.record(
  text,
  z.union([count, z.looseObject({ max_retries: required(count, 'How often.') })], {
    error: 'expected a number, or {max_retries: NUMBER}',
  }),
);

const cacheOptions = z.looseObject({
  type: key(text, '`local` or `redis`.'),
  ttl: key(seconds, 'How long an answer is kept (3600 s).'),
  namespace: key(text, 'Put before each key in Redis.'),
  mode: key(z.enum(['default_on', 'default_off']), '`default_off`: only for requests that ask for it.'),
  host: key(text, 'Address of Redis.'),
  port: key(number, 'Port of Redis (6379).'),
  password: key(text, 'Password of Redis.'),
  url: key(text, 'Redis as one URL.'),
  db: key(count, 'Number of the Redis database (0).'),
});

export const routerSettings = z.looseObject({
  routing_strategy: key(strategy, 'What orders the deployments of a group.'),
  routing_strategy_args: key(
    z.looseObject({
      ttl: key(seconds, 'How long a sample counts (3600 s).'),
      lowest_latency_buffer: key(fraction, 'Those this fraction above the lowest are equals (0).'),
      max_latency_list_size: key(number, 'Samples that count (100).'),
    }),
    'What the strategy is tuned with.',
  ),
  window_size: key(number, 'Samples that count (100).'),
  fallback_strategy: key(strategy, 'Who decides among those near the cheapest, with cost-based-routing.'),
  model_group_alias: key(
    z.record(
      text,
      z.union([text, texts, z.looseObject({ model: text, hidden: flag.nullish() })], {
        error: 'expected a model name, a list of them, or {model: NAME, hidden: true}',
      }),
    ),
    'Further names for groups; a list makes one group of several.',
  ),
  num_retries: key(count, 'How often the same deployment is asked again (2).'),
  retry_after: key(seconds, 'The least wait before that (0 s).'),
  retry_policy: key(
    retryPolicy,
    'Retries by class of error: `RateLimitErrorRetries: 3` or `RateLimitError: {max_retries: 3}`.',
  ),
  model_group_retry_policy: key(z.record(text, retryPolicy), 'The same for one group.'),
  max_fallbacks: key(count, 'Fallback targets per request (5).'),
  ...fallbackKeys,
  timeout: key(
    seconds,
    "The whole of a JSON answer, or the first content of a stream; beside enable_circuit_breaker the breaker's open time.",
  ),
  stream_timeout: key(seconds, 'The first content of a stream.'),
  allowed_fails: key(count, 'Failures within 60 s that start a cooldown (3).'),
  allowed_fails_policy: key(z.record(text, count), 'The same by class of error: `RateLimitErrorAllowedFails: 3`.'),
  cooldown_time: key(seconds, 'How long a deployment is left alone (30 s).'),
  disable_cooldowns: key(flag, 'No cooldowns but the pause after a 429 (false).'),
  enable_circuit_breaker: key(flag, 'Open a circuit after many failures (false).'),
  failure_threshold: key(number, 'Failures that open it (10).'),
  success_threshold: key(number, 'Successes that end a cooldown or close the circuit (1).'),
  health_check_interval: key(seconds, 'Between two probes (15 s).'),
  health_check_timeout: key(seconds, 'Until a probe counts as failed (2 s).'),
  enable_pre_call_checks: key(flag, 'Accepted: candidates are always checked.'),
  enable_pre_call_check: key(flag, 'Accepted: candidates are always checked.'),
  rpm: key(number, 'Requests per minute, all together.'),
  tpm: key(number, 'Tokens per minute, all together.'),
  redis_url: key(text, 'Redis as one URL.'),
  redis_host: key(text, 'Address of a Redis that shares rate windows, cooldowns and cache.'),
  redis_port: key(number, 'Its port (6379).'),
  redis_password: key(z.string(), 'Its password; empty: none.'),
  redis_db: key(count, 'Number of its database (0).'),
  cache_responses: key(flag, 'Answer repeated requests from a cache (false).'),
  cache_kwargs: key(cacheOptions, 'What the cache is set up with.'),
  default_cache_time_seconds: key(seconds, 'How long an answer is kept (3600 s).'),
  set_verbose: key(flag, 'Log level debug (false).'),
});

export const litellmSettings = z.looseObject({
  num_retries: key(count, 'As in router_settings, which counts before this.'),
  request_timeout: key(seconds, 'The whole of a JSON answer, or the first content of a stream.'),
  allowed_fails: key(count, 'As in router_settings, which counts before this.'),
  cooldown_time: key(seconds, 'As in router_settings, which counts before this.'),
  ...fallbackKeys,
  drop_params: key(flag, 'Leave out what the provider is known to refuse (false).'),
  cache: key(flag, 'Answer repeated requests from a cache (false).'),
  cache_params: key(cacheOptions, 'What the cache is set up with.'),
  callbacks: key(oneOrMore, 'Accepted; nobody is told yet. What happened is at /metrics and /admin.'),
  success_callback: key(oneOrMore, 'Accepted; nobody is told yet.'),
  failure_callback: key(oneOrMore, 'Accepted; nobody is told yet.'),
  set_verbose: key(flag, 'Log level debug (false).'),
  database_url: key(text, 'Ignored: what happened is kept in the data folder.'),
});

export const generalSettings = z.looseObject({
  master_key: key(z.string(), 'An API key that clients need.'),
  allow_mock_testing: key(flag, 'Obey the mock_testing_* fields of requests from other machines (false).'),
  health_check_interval: key(seconds, 'Between two probes (15 s).'),
  health_check_timeout: key(seconds, 'Until a probe counts as failed (2 s).'),
  database_url: key(text, 'Ignored: what happened is kept in the data folder.'),
});

export const environmentVariables = z.record(
  text,
  z.union([z.string(), z.number(), z.boolean()], { error: 'expected a text, a number, true or false' }),
);

export type ModelEntryValues = z.infer<typeof modelEntry>;
export type LitellmParamsValues = z.infer<typeof litellmParams>;
export type ModelInfoValues = z.infer<typeof modelInfo>;
export type CacheValues = z.infer<typeof cacheOptions>;
export type FallbackValues = z.infer<typeof fallbackLists>;
export type RetryPolicyValues = z.infer<typeof retryPolicy>;
