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
  readonly capabilities: ReadonlySet<Capability> | null;
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
  readonly fallback: FallbackTargets;
  readonly routingStrategy: string | null;
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
  readonly routingStrategy: string | null;
  readonly requiresWarm: boolean;
  readonly timeouts: TimeLimits | null;
  readonly description: string | null;
  readonly position: FilePosition;
}

/** One `model_list` entry. */
export interface GroupDeployment {
  readonly provider: string;
  readonly model: string;
  readonly weight: number | null;
  readonly rpm: number | null;
  readonly tpm: number | null;
  readonly priority: number | null;
  readonly order: number | null;
  readonly variant: string | null;
  readonly maxParallelRequests: number | null;
  readonly timeouts: TimeLimits | null;
  readonly position: FilePosition;
}

/** All `model_list` entries of one `model_name`; a name with `*` is a wildcard. */
export interface ModelGroup {
  readonly name: string;
  readonly isWildcard: boolean;
  readonly deployments: readonly GroupDeployment[];
}

export interface RoutingSettings {
  readonly exactMatches: ReadonlyMap<string, ExactRule>;
  readonly patterns: readonly PatternRule[];
  readonly groups: ReadonlyMap<string, ModelGroup>;
  readonly defaultProvider: string | null;
}

export interface ApiKey {
  readonly name: string;
  /** Lower-case hex: only the hash is kept in memory. */
  readonly sha256: string;
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
  /** Warnings and lints that did not stop it from loading. */
  readonly problems: readonly ConfigProblem[];
}
