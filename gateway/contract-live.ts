// What `GET /admin/events` tells: a snapshot of everything, then what changes, and the requests that run now.

import type { AdminHardware } from './contract-hardware.ts';
import type { AdminCooldown, AdminModel, AdminProvider, AdminStatus, HistoryStatus } from './contract-status.ts';
import type { CauseClass, Endpoint, ObservedState, Outcome, ProviderKind } from './types.ts';

/** A request that is being served. */
export interface AdminLiveRequest {
  readonly id: string;
  /** Epoch ms. */
  readonly receivedAtMs: number;
  readonly endpoint: Endpoint;
  readonly isStream: boolean;
  /** API key name, else the product token of the User-Agent; '' before it was looked at. */
  readonly client: string;
  readonly requestedModel: string | null;
  readonly rule: string | null;
  /** `deciding`: nobody is asked yet, or a pause before asking again. `queued`: it waits for a place. */
  readonly is: 'deciding' | 'queued' | 'asking' | 'answering';
  /** Who is asked, or answers. */
  readonly provider: string | null;
  readonly model: string | null;
  /** Those that have ended. */
  readonly attempts: number;
  readonly bytesOut: number;
}

/** One change. A subject's later change replaces its earlier one: each says all there is to say of it. */
export type AdminChange =
  /** The providers there are, in their order; those not named are gone. */
  | { readonly kind: 'providers'; readonly names: readonly string[] }
  | { readonly kind: 'provider'; readonly provider: Omit<AdminProvider, 'models'> }
  | { readonly kind: 'models'; readonly provider: string; readonly models: readonly AdminModel[] }
  /** A provider was probed. */
  | {
      readonly kind: 'beat';
      readonly provider: string;
      readonly atMs: number;
      readonly isOk: boolean;
      /** Null: no answer came. */
      readonly latencyMs: number | null;
      /** The state after this probe. */
      readonly observed: ObservedState;
      readonly cause: CauseClass | null;
    }
  /** One for each: never merged. */
  | {
      readonly kind: 'transition';
      readonly provider: string;
      readonly atMs: number;
      readonly before: ObservedState;
      readonly after: ObservedState;
      readonly message: string | null;
    }
  /** Began or got further; at most once a second where only its bytes grew. */
  | { readonly kind: 'request'; readonly request: AdminLiveRequest }
  /** Ended: no longer one of those that run. */
  | { readonly kind: 'request_ended'; readonly request: Omit<Outcome, 'decision'> }
  /** All there are. */
  | { readonly kind: 'cooldowns'; readonly cooldowns: readonly AdminCooldown[] }
  | { readonly kind: 'config'; readonly config: AdminStatus['config'] }
  | { readonly kind: 'history'; readonly history: HistoryStatus }
  /** A sample of the machine: while somebody follows with `?look=hardware`. */
  | { readonly kind: 'hardware'; readonly hardware: AdminHardware };

/** The data of `event: snapshot`: everything that changes are changes of. */
export interface AdminSnapshot {
  readonly status: AdminStatus;
  /** Those that run, the oldest first. */
  readonly requests: readonly AdminLiveRequest[];
}

/** `POST /admin/providers/test`: an address as it might become a provider. */
export interface AdminTestedProvider {
  /** `host`, `host:port` or a whole URL. */
  readonly baseUrl: string;
  /** Recognised where absent. */
  readonly kind?: Exclude<ProviderKind, 'cloud'>;
  readonly apiKey?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly caFile?: string;
  readonly isTlsInsecure?: boolean;
}

/** One line of its answer, written when the step has ended; after one that failed the others are skipped. */
export interface AdminTestStep {
  readonly step: 'address' | 'resolves' | 'connects' | 'tls' | 'answers' | 'recognised' | 'accepted' | 'models';
  readonly is: 'passed' | 'failed' | 'skipped';
  /** What was found, or the cause of the failure; '' for a skipped one. */
  readonly message: string;
  readonly durationMs: number;
  /** As asked for, else as recognised by then. */
  readonly kind: Exclude<ProviderKind, 'cloud'> | null;
}

/** `POST /admin/requests/ID/cancel`. */
export interface AdminCancelled {
  readonly id: string;
  /** How it stood when it was ended. */
  readonly request: AdminLiveRequest;
}
