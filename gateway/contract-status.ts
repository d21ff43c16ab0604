// The state of a running gateway as the admin API tells it: `GET /admin/status`, and switching or resetting a provider.

import type { Capability, Cause, FailureKind, ObservedState, Place, ProviderKind } from './types.ts';

/** Whether what happens is being kept. */
export type HistoryStatus =
  | { readonly is: 'on'; readonly file: string }
  | { readonly is: 'degraded'; readonly because: string; readonly rowsLost: number }
  | { readonly is: 'off'; readonly because: string };

export interface AdminModel {
  readonly id: string;
  readonly size: number | null;
  readonly activeSize: number | null;
  readonly quantization: string | null;
  readonly contextTrained: number | null;
  readonly contextLoaded: number | null;
  readonly capabilities: readonly Capability[] | null;
  readonly isLoaded: boolean | null;
  /** Epoch ms, as exact as probes follow one another; null: not loaded, or it was when it was first seen. */
  readonly loadedSinceMs: number | null;
  /** When the server will unload it by itself, epoch ms; `unlimited`: not by itself; null: not loaded, or not told. */
  readonly loadedUntilMs: number | 'unlimited' | null;
  /** What it occupies on the GPUs; null: not told. */
  readonly vramBytes: number | null;
  /** On disk. */
  readonly fileBytes: number | null;
  /** How long loading it is likely to take, by the loads that were seen; null: none was. */
  readonly predictedLoadMs: number | null;
  readonly isCloud: boolean;
}

/** Whether models can be loaded and unloaded there on purpose; `condition` and `because` are sentences without a subject. */
export type AdminModelControl =
  | { readonly is: 'able' }
  | { readonly is: 'able_if'; readonly condition: string }
  | { readonly is: 'unable'; readonly because: string };

/** Something to be done with a model on purpose. */
export interface AdminModelAction {
  readonly provider: string;
  readonly model: string;
  readonly action: 'load' | 'unload';
  /** `schedule`: an entry of `keep_warm`. */
  readonly by: 'schedule' | 'user';
}

/** What came of it: the answer of `POST /admin/models/load` and `/admin/models/unload`. */
export interface AdminModelActionResult extends AdminModelAction {
  /** When it ended. */
  readonly atMs: number;
  /** How long the server took; 0: it was told nothing. */
  readonly durationMs: number;
  /** `unchanged`: it was so already; `busy`: requests run there; `unsupported`: this server has no way to. */
  readonly result: 'done' | 'unchanged' | 'busy' | 'unsupported' | 'failed';
  /** A sentence without its subject, which is the model: `was loaded`. */
  readonly message: string;
}

/** The body of `POST /admin/models/load` and `/admin/models/unload`. */
export interface AdminModelActionRequest {
  readonly provider: string;
  readonly model: string;
  /** How long to wait for requests that run there to end, in ms, at most 600,000; 0 if absent. */
  readonly waitMs?: number;
}

/** `GET /admin/keep-warm`: an entry of the configuration. */
export interface AdminKeepWarm {
  readonly provider: string;
  readonly schedule: string;
  readonly model: string;
  readonly action: 'load' | 'unload';
  /** Epoch ms; null: not while the machine sleeps. */
  readonly nextAtMs: number | null;
  /** Since the start of the gateway. */
  readonly last: AdminModelActionResult | null;
}

export interface AdminProvider {
  readonly name: string;
  readonly kind: ProviderKind;
  /** Without credentials. */
  readonly baseUrl: string;
  readonly place: Place;
  readonly isEnabled: boolean;
  /** Off until then (epoch ms, or the next start), whatever the files say. */
  readonly snoozedUntil: number | 'restart' | null;
  readonly isDraining: boolean;
  readonly isDiscovered: boolean;
  readonly observed: ObservedState;
  readonly cause: Cause | null;
  readonly version: string | null;
  /** Epoch ms of the last probe that ended; null before the first. */
  readonly probedAtMs: number | null;
  readonly inFlight: number;
  readonly queued: number;
  readonly maxParallelRequests: number | null;
  /** Requests the engine works on at once, where it tells. */
  readonly slots: number | null;
  /** What the engine itself reports, all its clients counted; null: it does not tell. */
  readonly busy: { readonly running: number; readonly waiting: number } | null;
  readonly modelControl: AdminModelControl;
  readonly isListStale: boolean;
  readonly models: readonly AdminModel[];
}

export interface AdminConfigProblem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly severity: 'error' | 'warning' | 'lint';
  readonly code: string;
  readonly message: string;
  readonly path: string;
}

/** A deployment, or a whole provider, that live traffic has taken out of use. */
export interface AdminCooldown {
  readonly provider: string;
  /** Null: the whole provider. */
  readonly model: string | null;
  /** `half_open`: its time is up, and the next request is its trial. */
  readonly is: 'cooling_down' | 'breaker_open' | 'half_open';
  /** Epoch ms; null where no time is waited for. */
  readonly untilMs: number | null;
  /** The failure that took it out. */
  readonly because: FailureKind;
  /** That failure as a sentence. */
  readonly message: string;
}

/** Places at one provider, and the line of those who wait for one. */
export interface AdminQueue {
  readonly provider: string;
  readonly used: number;
  /** Requests it takes at once; null: no limit. */
  readonly limit: number | null;
  /** One that waits at several providers counts at each. */
  readonly waiting: number;
  /** Of each class (`X-Priority`), in ms; null: nobody of that class waits. */
  readonly longestWaitMs: Readonly<Record<'high' | 'normal' | 'low', number | null>>;
}

/** What is used of one limit per minute. */
export interface AdminRateWindow {
  /** `gateway`, `provider ollama`, `ollama/qwen3`. */
  readonly scope: string;
  readonly limits: 'requests' | 'tokens';
  /** In the 60 s up to now; tokens with those reserved. */
  readonly used: number;
  readonly limit: number;
}

/** The cache of answers; counts since the start. */
export interface AdminCache {
  /** Where answers are kept, as configured. */
  readonly is: 'off' | 'memory' | 'redis';
  readonly hits: number;
  readonly misses: number;
  readonly stored: number;
  /** Now; null: the store does not tell, here and below. */
  readonly bytes: number | null;
  readonly entries: number | null;
}

/** What is shared with other gateways through Redis. */
export interface AdminSharing {
  /** `off`: no Redis is configured. `away`: this gateway carries on alone. */
  readonly is: 'off' | 'connecting' | 'connected' | 'away';
  /** Epoch ms. */
  readonly sinceMs: number;
  /** Host and port, and why it is away; null otherwise. */
  readonly because: string | null;
}

/** What was learned of a deployment, and what it makes of the time limit for a first content. Null: not known yet. */
export interface AdminTimeLimits {
  readonly provider: string;
  readonly model: string;
  /**
   * How long a request of 1,000 tokens sent now would wait for its first content while somebody else could be asked,
   * in ms; with nobody else it is 600,000. A JSON answer shows nothing before its end.
   */
  readonly firstContentLimitMs: { readonly stream: number; readonly json: number };
  /** True: the limit of streams is configured, and nothing is learned for it. */
  readonly isConfigured: boolean;
  /** From a cold start to the first content, without the reading of the prompt. */
  readonly loadMs: number | null;
  readonly prefillTokensPerSecond: number | null;
  readonly tokensPerSecond: number | null;
  /** One whole answer, on average. */
  readonly answerMs: number | null;
  /** It failed so often within a minute that it counts half (`error_based_routing`). */
  readonly isDegraded: boolean;
}

/** What live traffic has come to: all of it may be different a moment later. */
export interface AdminTraffic {
  /** Those not named here are in use. */
  readonly cooldowns: readonly AdminCooldown[];
  /** Of every provider. */
  readonly queues: readonly AdminQueue[];
  readonly rateWindows: readonly AdminRateWindow[];
  readonly cache: AdminCache;
  readonly sharing: AdminSharing;
  /** At most 1,000: those of which something was learned first, then all that are listed. */
  readonly timeLimits: readonly AdminTimeLimits[];
}

/** `GET /admin/status`. */
export interface AdminStatus {
  readonly product: 'switchyard';
  readonly version: string;
  /** A new one each start. */
  readonly instance: string;
  readonly startedAtMs: number;
  readonly url: string;
  readonly isDraining: boolean;
  readonly config: {
    readonly files: readonly string[];
    /** False while an invalid edit is set aside and the last good configuration runs on. */
    readonly isCurrent: boolean;
    readonly problems: readonly AdminConfigProblem[];
  };
  readonly dataFolder: string;
  readonly history: HistoryStatus;
  readonly providers: readonly AdminProvider[];
  readonly inFlight: number;
  readonly traffic: AdminTraffic;
}

/** `POST /admin/providers/NAME/reset` answers: how the provider stands now, and what was forgotten of it besides failures that were counted. */
export interface AdminProviderResetResult {
  readonly provider: AdminProvider;
  readonly forgotten: readonly AdminCooldown[];
}
