// The frozen result of reading the configuration: the only thing the rest of the gateway knows of it.
// Both dialects end here, every default is applied, every time is in milliseconds.

import type { Capability, Place, ProviderKind } from '../types.ts';

/** A place in a configuration file; lines and columns count from 1. */
export interface FilePosition {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** One thing to tell about a configuration; printed as `file:line:col severity code message`. */
export interface ConfigProblem extends FilePosition {
  readonly severity: 'error' | 'warning' | 'lint';
  /** A closed list of snake_case words, kept in `problems.ts`. */
  readonly code: string;
  readonly message: string;
  /** Where in the document, as `providers.ollama.base_url`. */
  readonly path: string;
}

/** How an order among kept candidates is chosen; every spelling of a file ends as one of these. */
export type StrategyName =
  | 'shuffle'
  | 'round_robin'
  | 'weighted_round_robin'
  | 'least_busy'
  | 'latency'
  | 'fastest_response'
  | 'usage'
  | 'usage_based'
  | 'cost'
  | 'most_capacity'
  | 'predicted';

/** A `condition` as written, and where its first character stands. */
export interface ConditionText {
  readonly text: string;
  readonly position: FilePosition;
}

/** Null: not configured; then first content is predicted and the others take the kind's default. */
export interface TimeLimits {
  readonly connectMs: number | null;
  readonly firstByteMs: number | null;
  readonly idleMs: number | null;
  readonly totalMs: number | null;
}

/** What the user declared about a model: stronger than what a provider reports. */
export interface DeclaredModel {
  readonly id: string;
  readonly aliases: readonly string[];
  readonly size: number | null;
  readonly activeSize: number | null;
  readonly context: number | null;
  /** The whole list; null: not declared as a whole. */
  readonly capabilities: ReadonlySet<Capability> | null;
  /** Declared one by one (`model_info.supports_vision: true`): stands beside what is reported. */
  readonly addedCapabilities: ReadonlySet<Capability>;
  /** Declared as missing one by one (`model_info.supports_vision: false`). */
  readonly lackingCapabilities: ReadonlySet<Capability>;
  readonly rpm: number | null;
  readonly tpm: number | null;
  readonly weight: number | null;
  readonly priority: number | null;
  readonly inputCostPerToken: number | null;
  readonly outputCostPerToken: number | null;
  readonly maxParallelRequests: number | null;
}

export interface ProbeSettings {
  /** A cron expression; null: by `intervalMs`. */
  readonly schedule: string | null;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly retries: number;
}

export interface KeepWarmEntry {
  readonly schedule: string;
  readonly model: string;
  readonly action: 'load' | 'unload';
}

export interface ProviderSettings {
  readonly name: string;
  readonly kind: ProviderKind;
  /** LiteLLM's prefix of a cloud entry (`azure`, `bedrock`); null for the five kinds of server. */
  readonly vendor: string | null;
  /** Without a final slash and without a final `/v1`; '' for a cloud vendor without one. */
  readonly baseUrl: string;
  readonly place: Place;
  /** Null: none needed. A secret: never logged, never in an answer of `/admin`. */
  readonly apiKey: string | null;
  /** Further headers for every request to it. Values are secrets like the key. */
  readonly headers: Readonly<Record<string, string>>;
  /** Null: it can be called; else why not (a missing key, a vendor that is not called yet). */
  readonly notCallableBecause: string | null;
  readonly isEnabled: boolean;
  readonly priority: number;
  readonly weight: number;
  /** Null: the kind's default. */
  readonly maxParallelRequests: number | null;
  readonly maxQueue: number;
  readonly queueTimeoutMs: number;
  readonly caFile: string | null;
  readonly isTlsInsecure: boolean;
  readonly rpm: number | null;
  readonly tpm: number | null;
  readonly timeouts: TimeLimits;
  readonly defaultModel: string | null;
  readonly models: ReadonlyMap<string, DeclaredModel>;
  readonly probe: ProbeSettings;
  readonly keepWarm: readonly KeepWarmEntry[];
  /** Found on a loopback port, in no file yet. */
  readonly isDiscovered: boolean;
  /** Where it was written; null for a discovered one. */
  readonly position: FilePosition | null;
}

/** A rule's `fallback`: names of providers, chains or model groups in order. `none` also switches the default chain off. */
export type FallbackTargets =
  | { readonly kind: 'default' }
  | { readonly kind: 'none' }
  | { readonly kind: 'list'; readonly targets: readonly string[] };

export interface ExactRule {
  readonly model: string;
  readonly provider: string;
  /** The model to ask that provider for; null: found as `routing.md` section 4 says. */
  readonly upstreamModel: string | null;
  /** `priority: primary`: a word for people, nothing more. */
  readonly label: string | null;
  readonly fallback: FallbackTargets;
  readonly routingStrategy: StrategyName | null;
  readonly requiresWarm: boolean;
  readonly timeouts: TimeLimits | null;
  readonly description: string | null;
  readonly position: FilePosition;
}

export interface PatternRule {
  /** As written. Valid for the linear-time engine: checked while loading. */
  readonly pattern: string;
  readonly provider: string;
  readonly upstreamModel: string | null;
  readonly fallback: FallbackTargets;
  readonly routingStrategy: StrategyName | null;
  readonly requiresWarm: boolean;
  readonly timeouts: TimeLimits | null;
  readonly description: string | null;
  readonly position: FilePosition;
}

/** One `model_list` entry with `litellm_params`. */
export interface GroupDeployment {
  readonly provider: string;
  readonly model: string;
  readonly weight: number | null;
  readonly rpm: number | null;
  readonly tpm: number | null;
  /** Higher first. */
  readonly priority: number | null;
  /** Lower first. */
  readonly order: number | null;
  readonly variant: string | null;
  readonly maxParallelRequests: number | null;
  readonly timeouts: TimeLimits | null;
  /** The whole of a JSON answer, or the first content of a stream. */
  readonly answerTimeoutMs: number | null;
  /** The first content of a stream, before `answerTimeoutMs`. */
  readonly streamTimeoutMs: number | null;
  readonly numRetries: number | null;
  readonly cooldownMs: number | null;
  readonly position: FilePosition;
}

/** All `model_list` entries of one `model_name`; a name with `*` is a wildcard. */
export interface ModelGroup {
  readonly name: string;
  readonly isWildcard: boolean;
  readonly deployments: readonly GroupDeployment[];
}

/** A `model_list` entry without `litellm_params`: holds for that model name wherever it is served. */
export interface ModelNameLimits {
  readonly name: string;
  readonly weight: number | null;
  readonly rpm: number | null;
  readonly tpm: number | null;
  readonly priority: number | null;
  readonly order: number | null;
  readonly maxParallelRequests: number | null;
  readonly position: FilePosition;
}

/** `model_group_alias`. */
export interface ModelAlias {
  readonly name: string;
  /** One for a plain alias; several make the name a virtual group. */
  readonly targets: readonly string[];
  /** Written as a list, even of one. */
  readonly isGroup: boolean;
  /** Not in the lists of models. */
  readonly isHidden: boolean;
  readonly position: FilePosition;
}

/** `request_metadata_routing`, in the order of the file. */
export interface MetadataRule {
  readonly name: string;
  readonly condition: ConditionText;
  readonly provider: string;
  readonly upstreamModel: string | null;
  /** The only provider for requests it holds for. */
  readonly isStrict: boolean;
  readonly fallback: FallbackTargets;
  readonly routingStrategy: StrategyName | null;
  readonly requiresWarm: boolean;
  readonly timeouts: TimeLimits | null;
  readonly description: string | null;
  readonly position: FilePosition;
}

export interface RedundantProvider {
  readonly provider: string;
  /** Its own name for that model; null: found as usual. */
  readonly upstreamModel: string | null;
  /** Its share; null: not given. */
  readonly weight: number | null;
  readonly position: FilePosition;
}

/** `redundant_models`: one model that several providers serve. */
export interface RedundantModel {
  readonly name: string;
  readonly providers: readonly RedundantProvider[];
  readonly routingStrategy: StrategyName | null;
  readonly description: string | null;
  readonly position: FilePosition;
}

export interface CapabilityRule {
  readonly name: string;
  readonly preferredModels: readonly string[];
  /** `provider` and `providers` together; empty: all. */
  readonly providers: readonly string[];
  /** Parameters, as a plain number. */
  readonly minModelSize: number | null;
  readonly minContext: number | null;
  readonly fallback: FallbackTargets;
  readonly routingStrategy: StrategyName | null;
  readonly requiresWarm: boolean;
  readonly timeouts: TimeLimits | null;
  readonly description: string | null;
  readonly position: FilePosition;
}

/** One bound of a size rule, in parameters. */
export interface SizeBound {
  readonly size: number;
  readonly isIncluded: boolean;
}

/** `model_size_routing`, in the order of the file. */
export interface SizeRule {
  /** As written: `8B - 13B`. */
  readonly text: string;
  readonly min: SizeBound | null;
  readonly max: SizeBound | null;
  readonly provider: string;
  readonly upstreamModel: string | null;
  readonly fallback: FallbackTargets;
  readonly routingStrategy: StrategyName | null;
  readonly requiresWarm: boolean;
  readonly timeouts: TimeLimits | null;
  readonly description: string | null;
  readonly position: FilePosition;
}

export interface ChainLink {
  readonly role: 'primary' | 'secondary' | 'tertiary';
  readonly provider: string;
  readonly preferredModel: string | null;
  /** Null: always. */
  readonly condition: ConditionText | null;
  readonly position: FilePosition;
}

export interface FallbackChain {
  readonly name: string;
  readonly links: readonly ChainLink[];
  /** How often the whole chain is walked again. */
  readonly retryAttempts: number;
  readonly retryDelayMs: number;
  readonly description: string | null;
  readonly position: FilePosition;
}

/** Weights of the strategy `usage_based`. */
export interface ScoreWeights {
  readonly latency: number;
  readonly successRate: number;
  readonly cost: number;
}

/** One entry of `strategies`. */
export interface StrategyEntry {
  readonly strategy: StrategyName;
  /** Capabilities or model groups it is for; null: all that name no strategy themselves. */
  readonly applicableTo: readonly string[] | null;
  readonly weights: ScoreWeights | null;
  readonly description: string | null;
  readonly position: FilePosition;
}

/** What the strategies are tuned with. */
export interface StrategyOptions {
  /** Latest samples that count (100). */
  readonly windowSize: number;
  /** Samples older than this do not count (3,600,000). */
  readonly sampleTtlMs: number;
  /** `latency`: those within this fraction above the lowest are equals (0). */
  readonly lowestLatencyBuffer: number;
  /** `cost`: who decides among those near the cheapest. */
  readonly fallbackStrategy: StrategyName | null;
  readonly weights: ScoreWeights;
}

/** What chooses the order, whatever the rules say. */
export type RoutingMode =
  | { readonly is: 'rules' }
  | { readonly is: 'order' }
  | { readonly is: 'fastest' }
  | { readonly is: 'pin'; readonly provider: string };

/** `first_request_routing`: warm candidates first while a group is cold. */
export interface FirstRequestSettings {
  readonly strategy: 'prefer_warm_providers';
  readonly warmCheckTimeoutMs: number;
}

export type RoutingMetric =
  | 'routing_decision_time_ms'
  | 'exact_match_rate'
  | 'pattern_match_rate'
  | 'fallback_trigger_rate'
  | 'provider_distribution'
  | 'load_balance_effectiveness'
  | 'cache_hit_rate';

/** Maps keep the order of the file. */
export interface RoutingSettings {
  readonly mode: RoutingMode;
  readonly aliases: ReadonlyMap<string, ModelAlias>;
  readonly metadataRules: readonly MetadataRule[];
  readonly exactMatches: ReadonlyMap<string, ExactRule>;
  readonly redundantModels: ReadonlyMap<string, RedundantModel>;
  readonly patterns: readonly PatternRule[];
  readonly groups: ReadonlyMap<string, ModelGroup>;
  readonly modelLimits: ReadonlyMap<string, ModelNameLimits>;
  readonly capabilities: ReadonlyMap<string, CapabilityRule>;
  readonly sizeRules: readonly SizeRule[];
  readonly defaultProvider: string | null;
  readonly fallbackChains: ReadonlyMap<string, FallbackChain>;
  /** `router_settings.routing_strategy`; null: not given. */
  readonly strategy: StrategyName | null;
  readonly strategies: ReadonlyMap<StrategyName, StrategyEntry>;
  readonly strategyOptions: StrategyOptions;
  /** Null: off. */
  readonly firstRequest: FirstRequestSettings | null;
  /** Null: all of them. */
  readonly metrics: ReadonlySet<RoutingMetric> | null;
}

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

export interface CircuitBreakerSettings {
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

/** Names of what is told about each request (`langfuse`, `prometheus`, ...), as written. */
export interface CallbackSettings {
  readonly onSuccess: readonly string[];
  readonly onFailure: readonly string[];
}

export interface ApiKey {
  readonly name: string;
  /** Lower-case hex: only the hash is kept in memory. */
  readonly sha256: string;
}

/** Bounds on what clients and providers may send and on what is held; bytes unless the name says otherwise. */
export interface LimitSettings {
  readonly bodyBytes: number;
  readonly heldBodiesBytes: number;
  readonly headerBytes: number;
  readonly jsonDepth: number;
  readonly modelNameCharacters: number;
  readonly connections: number;
  /** One JSON answer held before the commit. */
  readonly heldAnswerBytes: number;
  readonly heldAnswersBytes: number;
  readonly sseLineBytes: number;
  readonly logFiles: number;
  readonly logFileBytes: number;
}

export interface ServerSettings {
  /** `127.0.0.1` also binds `::1`. */
  readonly host: string;
  readonly port: number;
  readonly apiKeys: readonly ApiKey[];
  readonly allowedHosts: readonly string[];
  readonly allowedOrigins: readonly string[];
  readonly isRemoteAdminAllowed: boolean;
  readonly tlsCertFile: string | null;
  readonly tlsKeyFile: string | null;
  readonly isModelManagementAllowed: boolean;
  readonly shutdownTimeoutMs: number;
  readonly limits: LimitSettings;
}

export interface HistorySettings {
  readonly retentionDays: number;
  readonly maxMb: number;
}

export interface Settings {
  /** Files read, absolute, the one that UI edits go to first. Empty: nothing configured. */
  readonly files: readonly string[];
  readonly server: ServerSettings;
  readonly history: HistorySettings;
  readonly logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error';
  readonly providers: ReadonlyMap<string, ProviderSettings>;
  readonly routing: RoutingSettings;
  readonly reliability: ReliabilitySettings;
  readonly cache: CacheSettings;
  /** Rate windows and cooldowns are shared through it; null: kept here alone. */
  readonly redis: RedisSettings | null;
  readonly callbacks: CallbackSettings;
  /** Warnings and lints that did not stop it from loading. */
  readonly problems: readonly ConfigProblem[];
}
