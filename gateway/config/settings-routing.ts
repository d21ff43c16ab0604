// Rules, groups, chains and strategies, as the decision reads them.

import type { ConditionText, FallbackTargets, FilePosition, StrategyName, TimeLimits } from './settings-base.ts';

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

interface RedundantProvider {
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

type RoutingMetric =
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
