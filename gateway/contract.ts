// Types of the admin API: what `/admin` answers and what the window, the tray and `switchyard status` read.

import type { Capability, Cause, ObservedState, Place, ProviderKind } from './types.ts';

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
