// `router_settings`, `litellm_settings` and `general_settings`: what they say about routing, failures, cache and probes.

import { durationMs } from '../amounts.ts';
import {
  defaultCache,
  defaultCircuitBreaker,
  defaultProbe,
  defaultRedis,
  defaultReliability,
  defaultStrategyOptions,
} from '../defaults.ts';
import type { DocumentPath } from '../problems.ts';
import type { CacheValues, FallbackValues, RetryPolicyValues } from '../schema/litellm.ts';
import type {
  CacheSettings,
  CallbackSettings,
  GroupFallbacks,
  ModelAlias,
  ProbeSettings,
  RedisSettings,
  ReliabilitySettings,
  RetryClass,
  RetryPolicy,
  ScoreWeights,
  StrategyOptions,
} from '../settings.ts';
import { readErrorBased, readRateLimited } from './chains.ts';
import { at, entryAt, type Reading, secondsMs, strategyName } from './reading.ts';

/** What a provider's `probe` starts from. */
export function readGeneralProbe({ values }: Reading): ProbeSettings {
  const { router_settings: router, general_settings: general } = values;
  const interval = router?.health_check_interval ?? general?.health_check_interval;
  const timeout = router?.health_check_timeout ?? general?.health_check_timeout;
  return {
    ...defaultProbe,
    intervalMs: secondsMs(interval) ?? defaultProbe.intervalMs,
    timeoutMs: secondsMs(timeout) ?? defaultProbe.timeoutMs,
  };
}

export function readStrategyOptions({ values }: Reading, weights: ScoreWeights | null): StrategyOptions {
  const router = values.router_settings;
  const args = router?.routing_strategy_args;
  return {
    windowSize: router?.window_size ?? args?.max_latency_list_size ?? defaultStrategyOptions.windowSize,
    sampleTtlMs: secondsMs(args?.ttl) ?? defaultStrategyOptions.sampleTtlMs,
    lowestLatencyBuffer: args?.lowest_latency_buffer ?? defaultStrategyOptions.lowestLatencyBuffer,
    fallbackStrategy: strategyName(router?.fallback_strategy),
    weights: weights ?? defaultStrategyOptions.weights,
  };
}

export function readAliases(reading: Reading): ReadonlyMap<string, ModelAlias> {
  const aliases = new Map<string, ModelAlias>();
  for (const [name, target] of Object.entries(reading.values.router_settings?.model_group_alias ?? {})) {
    const isGroup = Array.isArray(target);
    const isLong = typeof target === 'object' && !isGroup;
    const targets = typeof target === 'string' ? [target] : Array.isArray(target) ? target : [target.model];
    const position = entryAt(reading, ['router_settings', 'model_group_alias', name]);
    aliases.set(name, { name, targets, isGroup, isHidden: isLong && target.hidden === true, position });
  }
  return aliases;
}

export function readReliability(reading: Reading): ReliabilitySettings {
  const router = reading.values.router_settings ?? {};
  const litellm = reading.values.litellm_settings ?? {};
  const hasBreaker = router.enable_circuit_breaker === true;
  // Beside a circuit breaker the same key means how long the circuit stays open.
  const answerTimeout = (hasBreaker ? null : router.timeout) ?? litellm.request_timeout;
  return {
    ...defaultReliability,
    numRetries: router.num_retries ?? litellm.num_retries ?? defaultReliability.numRetries,
    retryAfterMs: secondsMs(router.retry_after) ?? defaultReliability.retryAfterMs,
    retryPolicy: readRetryPolicy(reading, ['router_settings', 'retry_policy'], router.retry_policy),
    groupRetryPolicies: readGroupPolicies(reading),
    maxFallbacks: router.max_fallbacks ?? defaultReliability.maxFallbacks,
    fallbacks: groupFallbacks(router.fallbacks ?? litellm.fallbacks),
    defaultFallbacks: router.default_fallbacks ?? litellm.default_fallbacks ?? [],
    contextWindowFallbacks: groupFallbacks(router.context_window_fallbacks ?? litellm.context_window_fallbacks),
    contentPolicyFallbacks: groupFallbacks(router.content_policy_fallbacks ?? litellm.content_policy_fallbacks),
    answerTimeoutMs: secondsMs(answerTimeout),
    streamTimeoutMs: secondsMs(router.stream_timeout),
    allowedFails: router.allowed_fails ?? litellm.allowed_fails ?? defaultReliability.allowedFails,
    allowedFailsPolicy: readClassCounts(
      reading,
      ['router_settings', 'allowed_fails_policy'],
      'AllowedFails',
      router.allowed_fails_policy,
    ),
    cooldownMs: secondsMs(router.cooldown_time ?? litellm.cooldown_time) ?? defaultReliability.cooldownMs,
    isCooldownDisabled: router.disable_cooldowns ?? defaultReliability.isCooldownDisabled,
    successThreshold: router.success_threshold ?? defaultReliability.successThreshold,
    circuitBreaker: hasBreaker
      ? {
          failureThreshold: router.failure_threshold ?? defaultCircuitBreaker.failureThreshold,
          openMs: secondsMs(router.timeout) ?? defaultCircuitBreaker.openMs,
        }
      : null,
    rateLimited: readRateLimited(reading),
    errorBased: readErrorBased(reading),
    globalRpm: router.rpm ?? null,
    globalTpm: router.tpm ?? null,
    isMockTestingAllowed: reading.values.general_settings?.allow_mock_testing ?? false,
    dropsRefusedParams: litellm.drop_params ?? false,
  };
}

/** LiteLLM's words for classes of errors, without the ending `Retries` or `AllowedFails`. */
const retryClasses: Readonly<Record<string, RetryClass>> = {
  BadRequestError: 'bad_request',
  AuthenticationError: 'auth',
  TimeoutError: 'timeout',
  Timeout: 'timeout',
  RateLimitError: 'rate_limited',
  ContentPolicyViolationError: 'content_filtered',
  InternalServerError: 'server_error',
  ServiceUnavailableError: 'overloaded',
  BadGatewayError: 'server_error',
  NotFoundError: 'model_missing',
  Default: 'default',
};

function readGroupPolicies(reading: Reading): ReadonlyMap<string, RetryPolicy> {
  const policies = new Map<string, RetryPolicy>();
  const section = ['router_settings', 'model_group_retry_policy'];
  for (const [group, policy] of Object.entries(reading.values.router_settings?.model_group_retry_policy ?? {}))
    policies.set(group, readRetryPolicy(reading, [...section, group], policy));
  return policies;
}

/** Both spellings: `RateLimitErrorRetries: 3` and `RateLimitError: {max_retries: 3}`. */
function readRetryPolicy(
  reading: Reading,
  path: DocumentPath,
  written: RetryPolicyValues | null | undefined,
): RetryPolicy {
  const counts = Object.entries(written ?? {}).map(
    ([word, value]) => [word, typeof value === 'number' ? value : value.max_retries] as const,
  );
  return readClassCounts(reading, path, 'Retries', Object.fromEntries(counts));
}

function readClassCounts(
  reading: Reading,
  path: DocumentPath,
  ending: string,
  written: Readonly<Record<string, number>> | null | undefined,
): RetryPolicy {
  const policy = new Map<RetryClass, number>();
  for (const [word, value] of Object.entries(written ?? {})) {
    const known = retryClasses[word.endsWith(ending) ? word.slice(0, -ending.length) : word];
    if (known !== undefined) policy.set(known, value);
    else
      reading.problems.warning(entryAt(reading, [...path, word]), [...path, word], {
        code: 'unknown_key',
        message: `"${word}" is no class of error; LiteLLM ignores this too. Known are ${Object.keys(retryClasses)
          .map((name) => `${name}${ending}`)
          .join(', ')}`,
      });
  }
  return policy;
}

/** All forms of a fallback list: `{gpt-4: [a, b]}`, a list of such, `{model: gpt-4, fallback_models: [a, b]}`. */
function groupFallbacks(written: FallbackValues | null | undefined): GroupFallbacks {
  const fallbacks = new Map<string, readonly string[]>();
  const add = (group: string, targets: string | readonly string[]): void => {
    if (!fallbacks.has(group)) fallbacks.set(group, typeof targets === 'string' ? [targets] : [...targets]);
  };
  for (const item of Array.isArray(written) ? written : written ? [written] : []) {
    const { model, fallback_models: targets } = item;
    if (typeof model === 'string' && targets !== undefined) add(model, targets);
    else for (const [group, list] of Object.entries(item)) add(group, list);
  }
  return fallbacks;
}

export function readRedis({ values }: Reading): RedisSettings | null {
  const router = values.router_settings;
  if (router?.redis_host == null && router?.redis_url == null) return null;
  return {
    url: router.redis_url ?? null,
    host: router.redis_host ?? defaultRedis.host,
    port: router.redis_port ?? defaultRedis.port,
    password: router.redis_password || null,
    database: router.redis_db ?? defaultRedis.database,
  };
}

export function readCache(reading: Reading, shared: RedisSettings | null): CacheSettings {
  const { router_settings: router, litellm_settings: litellm } = reading.values;
  const options: CacheValues = { ...router?.cache_kwargs, ...litellm?.cache_params };
  const ttl = litellm?.cache_params?.ttl ?? router?.default_cache_time_seconds ?? router?.cache_kwargs?.ttl;
  return {
    ...defaultCache,
    isEnabled: litellm?.cache ?? router?.cache_responses ?? false,
    store: readStore(reading, options, shared),
    ttlMs: ttl == null ? defaultCache.ttlMs : durationMs(ttl, 's'),
    isOnByDefault: options.mode !== 'default_off',
    namespace: options.namespace ?? null,
    redis: readCacheRedis(options),
  };
}

function readStore(reading: Reading, options: CacheValues, shared: RedisSettings | null): CacheSettings['store'] {
  const { type } = options;
  const hasRedis = shared !== null || readCacheRedis(options) !== null;
  if (type == null) return hasRedis ? 'redis' : 'memory';
  if (type === 'redis' && hasRedis) return 'redis';
  if (type === 'local' || type === 'memory') return 'memory';
  const isParams = reading.values.litellm_settings?.cache_params?.type != null;
  const path = isParams ? ['litellm_settings', 'cache_params', 'type'] : ['router_settings', 'cache_kwargs', 'type'];
  const because = type === 'redis' ? 'no redis_host is given' : `a cache of the type "${type}" is not supported`;
  reading.problems.warning(at(reading, path), path, {
    code: 'unused_key',
    message: `${because}; answers are kept in memory`,
  });
  return 'memory';
}

function readCacheRedis(options: CacheValues): RedisSettings | null {
  if (options.host == null && options.url == null) return null;
  return {
    url: options.url ?? null,
    host: options.host ?? defaultRedis.host,
    port: options.port ?? defaultRedis.port,
    password: options.password || null,
    database: options.db ?? defaultRedis.database,
  };
}

export function readCallbacks({ values }: Reading): CallbackSettings {
  const { callbacks, success_callback: success, failure_callback: failure } = values.litellm_settings ?? {};
  const names = (written: string | readonly string[] | null | undefined): readonly string[] =>
    written == null ? [] : typeof written === 'string' ? [written] : written;
  const union = (list: readonly string[]): readonly string[] => [...new Set([...names(callbacks), ...list])];
  return { onSuccess: union(names(success)), onFailure: union(names(failure)) };
}
