// What happens when an attempt fails, and what is kept of answers.

/** The classes that `retry_policy` and `allowed_fails_policy` count by; `default` stands for all not named. */
export type RetryClass =
  | 'bad_request'
  | 'auth'
  | 'timeout'
  | 'rate_limited'
  | 'content_filtered'
  | 'server_error'
  | 'overloaded'
  | 'model_missing'
  | 'default';

export type RetryPolicy = ReadonlyMap<RetryClass, number>;

/** Model group (or `*`) to the groups that are asked next, in order. */
export type GroupFallbacks = ReadonlyMap<string, readonly string[]>;

interface CircuitBreakerSettings {
  readonly failureThreshold: number;
  readonly openMs: number;
}

/** What happens when an attempt fails. */
export interface ReliabilitySettings {
  readonly numRetries: number;
  /** The least wait before the same deployment is asked again. */
  readonly retryAfterMs: number;
  readonly retryPolicy: RetryPolicy;
  readonly groupRetryPolicies: ReadonlyMap<string, RetryPolicy>;
  readonly maxFallbacks: number;
  readonly fallbacks: GroupFallbacks;
  readonly defaultFallbacks: readonly string[];
  readonly contextWindowFallbacks: GroupFallbacks;
  readonly contentPolicyFallbacks: GroupFallbacks;
  /** The whole of a JSON answer, or the first content of a stream; null: none. */
  readonly answerTimeoutMs: number | null;
  /** The first content of a stream, before `answerTimeoutMs`. */
  readonly streamTimeoutMs: number | null;
  readonly allowedFails: number;
  readonly allowedFailsPolicy: RetryPolicy;
  readonly cooldownMs: number;
  readonly isCooldownDisabled: boolean;
  /** Successes of a half-open deployment that close it again. */
  readonly successThreshold: number;
  /** Null: no circuit breaker besides the cooldown. */
  readonly circuitBreaker: CircuitBreakerSettings | null;
  readonly rateLimited: {
    readonly isEnabled: boolean;
    /** Null: as long as any cooldown. */
    readonly durationMs: number | null;
  };
  /** `error_based_routing`; null: off. */
  readonly errorBased: { readonly errorThreshold: number; readonly cooldownMs: number } | null;
  /** All requests of this gateway together. */
  readonly globalRpm: number | null;
  readonly globalTpm: number | null;
  readonly isMockTestingAllowed: boolean;
  /** Request fields a provider is known to refuse are dropped, and named in the record. */
  readonly dropsRefusedParams: boolean;
}

export interface RedisSettings {
  /** Null: by `host` and `port`. */
  readonly url: string | null;
  readonly host: string;
  readonly port: number;
  /** A secret. */
  readonly password: string | null;
  readonly database: number;
}

export interface CacheSettings {
  readonly isEnabled: boolean;
  readonly store: 'memory' | 'redis';
  readonly ttlMs: number;
  readonly maxBytes: number;
  /** False: only requests that ask for it (`mode: default_off`). */
  readonly isOnByDefault: boolean;
  readonly namespace: string | null;
  /** Null: that of `Settings.redis`. */
  readonly redis: RedisSettings | null;
}
