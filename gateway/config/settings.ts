// The frozen result of reading the configuration: the only thing the rest of the gateway knows of it.
// Both dialects end here, every default is applied, every time is in milliseconds.

import type { Capability, Place, ProviderKind } from '../types.ts';
import type { ConfigProblem, FilePosition, TimeLimits } from './settings-base.ts';
import type { CacheSettings, RedisSettings, ReliabilitySettings } from './settings-reliability.ts';
import type { RoutingSettings } from './settings-routing.ts';

export type * from './settings-base.ts';
export type * from './settings-reliability.ts';
export type * from './settings-routing.ts';

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
  /** It has an entry under `providers`, where its switch is kept; false: it comes from `model_list` or was discovered. */
  readonly isNamedInFile: boolean;
  /** Where it was written; null for a discovered one. */
  readonly position: FilePosition | null;
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

export interface HardwareSettings {
  /** Whether samples of it are kept while nobody looks. */
  readonly isRecorded: boolean;
}

export interface Settings {
  /** Files read, absolute, the one that UI edits go to first. Empty: nothing configured. */
  readonly files: readonly string[];
  readonly server: ServerSettings;
  readonly history: HistorySettings;
  readonly hardware: HardwareSettings;
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
