// Types of the admin API: what `/admin` answers and what the window, the tray and `switchyard status` read.

import type { AdminConfigProblem } from './contract-status.ts';
import type {
  Candidate,
  Cause,
  CauseClass,
  Decision,
  DecisionError,
  DecisionStep,
  DeploymentKey,
  Endpoint,
  ObservedState,
  Outcome,
  OutcomeResult,
} from './types.ts';

export type * from './contract-config.ts';
export type * from './contract-hardware.ts';
export type * from './contract-live.ts';
export type * from './contract-status.ts';

/**
 * `POST /admin/explain`: what would be decided for a request; nothing is sent. A body without any of these keys is the
 * request's own body instead: then the headers are those of the call itself, and `endpoint` and `down` may stand in
 * its query (`?endpoint=messages&down=ollama`).
 */
export interface AdminExplainRequest {
  /** `chat` if absent. */
  readonly endpoint?: Endpoint;
  /** As a client would send them; names in any case. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The JSON body of the request; `{}` if absent. */
  readonly body?: Readonly<Record<string, unknown>>;
  /** The API key's name; if absent, the User-Agent names the client. */
  readonly client?: string;
  /** Providers to be thought of as down. */
  readonly down?: readonly string[];
  /** YAML to decide by: stands in the place of the first configuration file, which is not touched. */
  readonly rules?: string;
}

/** A decision wherever it is JSON; `POST /admin/explain` answers it, as lines of text for `Accept: text/plain`. */
export interface AdminDecision {
  /** `STEP:KEY`. */
  readonly rule: string | null;
  readonly chosen: DeploymentKey | null;
  readonly candidates: readonly AdminCandidate[];
  readonly steps: readonly DecisionStep[];
  readonly considered: number;
  readonly error: DecisionError | null;
}

export type AdminCandidate = Pick<Candidate, 'provider' | 'model' | 'place' | 'kept' | 'reason' | 'order' | 'terms'>;

/** `POST /admin/ui-links`: signs one browser in, once. */
export interface AdminWindowLink {
  /** Below the gateway's own address. */
  readonly path: string;
  /** Epoch ms. */
  readonly expiresAtMs: number;
}

/** The error (400, code `invalid_configuration`) for `rules` that are no configuration. */
export interface AdminDraftError {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: 'rules';
    readonly code: 'invalid_configuration';
    /** Errors, warnings and lints by line. */
    readonly problems: readonly AdminConfigProblem[];
  };
}

/** `GET /admin/requests/ID`: how it ended, its attempts, and its decision with `chosen` beside all that was kept of it. */
export interface AdminStoredRequest extends Omit<Outcome, 'decision'> {
  readonly decision: (Decision & Pick<AdminDecision, 'chosen'>) | null;
}

/** `POST /admin/replay`. */
export interface AdminReplayRequest {
  /** At most so many of the latest requests, 1 to 10,000; 1,000 if absent. */
  readonly limit?: number;
  /** YAML to decide by, as for `AdminExplainRequest`; the rules in force if absent. */
  readonly rules?: string;
}

/** What the rules would change: requests decided by the rules of their time and by the given ones, on one snapshot. */
export interface AdminReplay {
  /** How many requests could be decided again. */
  readonly total: number;
  /** Those that would be refused otherwise, or asked of others, or in another order; the latest first. */
  readonly changed: readonly {
    readonly id: string;
    readonly before: AdminDecision;
    readonly after: AdminDecision;
  }[];
}

/** Which requests; what is absent does not matter. Times are epoch ms, from (inclusive) to (exclusive), of their receipt. */
export interface AdminRequestFilter {
  readonly fromMs?: number;
  readonly toMs?: number;
  /** Who answered. */
  readonly provider?: string;
  /** The model that served; for requests that nobody served the one that was asked for. */
  readonly model?: string;
  readonly result?: OutcomeResult;
  readonly client?: string;
  readonly variant?: string;
  /** Part of the id, of the error's code or message, or of a model's name; letters of either case. */
  readonly text?: string;
}

/** A request in a list: without its decision. */
export type AdminRequestRow = Omit<Outcome, 'decision'>;

/** `GET /admin/requests`: newest first. */
export interface AdminRequestPage {
  readonly requests: readonly AdminRequestRow[];
  /** For the requests before these; null: there are none. Opaque. */
  readonly nextCursor: string | null;
  /** False: the search paused after its share of time, with less than a page; `nextCursor` goes on from there. */
  readonly isFull: boolean;
  /** When the oldest request that was looked at was received; null: all were looked at. */
  readonly searchedToMs: number | null;
  /** How many requests the filter finds, all pages together; null: not known (a filter by text). */
  readonly count: number | null;
  readonly isCountExact: boolean;
}

/** The result of one probe. */
export interface AdminBeat {
  readonly atMs: number;
  readonly provider: string;
  readonly isOk: boolean;
  /** Null: no answer came. */
  readonly latencyMs: number | null;
  /** The state after this probe. */
  readonly observed: ObservedState;
  readonly cause: CauseClass | null;
}

/** Time in ms by what it counts as. */
export interface AdminUptimeBasis {
  /** Ready or warming. */
  readonly upMs: number;
  readonly degradedMs: number;
  /** Down, or refusing our key. */
  readonly downMs: number;
  /** Pending, paused or switched off: neither up nor down. */
  readonly excludedMs: number;
  /** The machine slept. */
  readonly asleepMs: number;
  /** No gateway ran. */
  readonly stoppedMs: number;
  /** The gateway ran and had not heard of the provider yet. */
  readonly unknownMs: number;
}

export interface AdminLatency {
  /** Exact. */
  readonly meanMs: number;
  readonly minMs: number;
  readonly maxMs: number;
  /** Within one percent; null where only sums were asked for. */
  readonly p95Ms: number | null;
}

export interface AdminHealthBucket {
  readonly atMs: number;
  readonly upMs: number;
  readonly degradedMs: number;
  readonly downMs: number;
  readonly excludedMs: number;
  readonly beats: number;
  readonly failedBeats: number;
  /** Null: no probe was answered. */
  readonly latency: AdminLatency | null;
}

export interface AdminProviderHealth {
  readonly provider: string;
  /** 0 to 1: up / (up + degraded + down); null: observed for less than a tenth of the range. */
  readonly uptime: number | null;
  /** Up, degraded and down together: what `uptime` is a share of. */
  readonly observedMs: number;
  readonly basis: AdminUptimeBasis;
  readonly beats: number;
  readonly failedBeats: number;
  readonly latency: AdminLatency | null;
  /** In order of time, without gaps. */
  readonly buckets: readonly AdminHealthBucket[];
}

/** A time in which nothing was observed. */
export interface AdminGap {
  readonly is: 'asleep' | 'stopped';
  readonly fromMs: number;
  readonly toMs: number;
}

/** `GET /admin/health`. The range may be a little wider than asked for: it ends and begins with the periods that are summed up. */
export interface AdminHealth {
  /** False: sums are being made still (after an upgrade or a burst) and the latest is missing; asking again helps. */
  readonly isUpToDate: boolean;
  readonly fromMs: number;
  readonly toMs: number;
  readonly bucketMs: number;
  readonly gaps: readonly AdminGap[];
  readonly providers: readonly AdminProviderHealth[];
}

/** A time in which a provider was not ready: degraded, down or refusing our key, until it was ready again. */
export interface AdminIncident {
  readonly provider: string;
  readonly fromMs: number;
  /** Null: it lasts. */
  readonly toMs: number | null;
  /** Awake time only. */
  readonly durationMs: number;
  /** The worst of its states: `down`, then `auth`, then `degraded`. */
  readonly state: ObservedState;
  /** The first that was given. */
  readonly cause: Cause | null;
  /** Requests that tried this provider meanwhile and in the end failed (at most 10,000 are counted). */
  readonly failedRequests: number;
  /** Requests that tried it meanwhile and were answered by another. */
  readonly movedRequests: number;
  readonly endedBy: 'recovered' | 'switched_off' | 'paused' | 'gateway_stopped' | null;
}

/** `GET /admin/incidents`: the latest first. */
export interface AdminIncidents {
  readonly incidents: readonly AdminIncident[];
  /** False: there are older ones in the range. */
  readonly isComplete: boolean;
}

export type AdminEventKind = 'transition' | 'keep_warm' | 'cooldown' | 'breaker' | 'gateway_started' | 'slept';

/** One line of the list of events. */
export interface AdminEvent {
  readonly atMs: number;
  readonly kind: AdminEventKind;
  readonly provider: string | null;
  readonly model: string | null;
  /** A sentence. */
  readonly message: string;
  /** Of a transition. */
  readonly before: ObservedState | null;
  readonly after: ObservedState | null;
}

export interface AdminPercentiles {
  readonly count: number;
  /** Each within one percent. Null: nothing was measured. */
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
}

/** What a series measures, of complete requests; all in ms but `tokensPerSecond`, which is of streams, after their first token. */
export type AdminMetric = 'durationMs' | 'firstContentWarmMs' | 'firstContentColdMs' | 'tokensPerSecond';

export interface AdminSeriesBucket extends AdminPercentiles {
  readonly atMs: number;
}

/** Percentiles over time, made from the measurements themselves and never from averages. */
export interface AdminSeries {
  /** False: sums are being made still (after an upgrade or a burst) and the latest is missing; asking again helps. */
  readonly isUpToDate: boolean;
  readonly metric: AdminMetric;
  readonly fromMs: number;
  readonly toMs: number;
  readonly bucketMs: number;
  readonly total: AdminPercentiles;
  readonly buckets: readonly AdminSeriesBucket[];
}

export interface AdminUsageRow {
  /** Name of the provider, the model or the client; empty where no provider was asked. */
  readonly name: string;
  readonly requests: number;
  readonly complete: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly cachedTokens: number;
  /** Null for clients, of whom only the counts above are kept. */
  readonly details: AdminUsageDetails | null;
}

export interface AdminUsageDetails {
  readonly failed: number;
  readonly broken: number;
  readonly cancelled: number;
  readonly rejected: number;
  readonly attempts: number;
  readonly failedAttempts: number;
  /** Failed attempts after which another provider or model was tried. */
  readonly moved: number;
  /** Requests that waited for a place, and how long all together. */
  readonly queued: number;
  readonly queuedMs: number;
}

/** Sums over a range; the range may be a little wider than asked for. The largest first. */
export interface AdminUsage {
  /** False: sums are being made still (after an upgrade or a burst) and the latest is missing; asking again helps. */
  readonly isUpToDate: boolean;
  readonly by: 'provider' | 'model' | 'client';
  readonly fromMs: number;
  readonly toMs: number;
  readonly rows: readonly AdminUsageRow[];
}

export interface AdminGpuSample {
  readonly name: string;
  /** 0 to 1; null: not known, here and below. */
  readonly usedShare: number | null;
  readonly vramUsedBytes: number | null;
  readonly vramTotalBytes: number | null;
  readonly temperatureCelsius: number | null;
  readonly powerWatts: number | null;
}

/** The machine at one instant. */
export interface AdminHardwareSample {
  readonly atMs: number;
  /** 0 to 1, over all cores. */
  readonly cpuShare: number | null;
  readonly memoryUsedBytes: number | null;
  readonly memoryTotalBytes: number | null;
  readonly gpus: readonly AdminGpuSample[];
}
