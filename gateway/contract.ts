// Types of the admin API: what `/admin` answers and what the window, the tray and `switchyard status` read.

import type {
  Candidate,
  Capability,
  Cause,
  Decision,
  DecisionError,
  DecisionStep,
  DeploymentKey,
  Endpoint,
  ObservedState,
  Outcome,
  Place,
  ProviderKind,
} from './types.ts';

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
  readonly isCloud: boolean;
}

export interface AdminProvider {
  readonly name: string;
  readonly kind: ProviderKind;
  /** Without credentials. */
  readonly baseUrl: string;
  readonly place: Place;
  readonly isEnabled: boolean;
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
}

/** `PATCH /admin/providers/NAME`. */
export interface AdminProviderPatch {
  readonly enabled: boolean;
}

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
