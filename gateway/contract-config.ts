// Reading and changing the configuration by the admin API.

import type { AdminConfigProblem } from './contract-status.ts';
import type { ProviderKind } from './types.ts';

/** `GET /admin/config`: the file that changes go to; also what every change of it answers. */
export interface AdminConfig {
  readonly file: string;
  /** '' while it is not there. */
  readonly text: string;
  /** Of this content: a change names the one it was made from. */
  readonly version: string;
  /** When former contents were replaced, epoch ms, the newest first: each can be restored. */
  readonly former: readonly number[];
  readonly isCurrent: boolean;
  /** Errors, warnings and lints of all files. */
  readonly problems: readonly AdminConfigProblem[];
}

/** `POST /admin/discover`: servers of this machine that are no providers yet. */
export interface AdminFoundServer {
  /** As it could be called. */
  readonly name: string;
  readonly kind: ProviderKind;
  readonly baseUrl: string;
  /** For people (`LM Studio`). */
  readonly product: string;
  readonly version: string | null;
  /** Null: not told. */
  readonly models: number | null;
  readonly needsKey: boolean;
}

/** `POST /admin/config/validate`. */
export interface AdminConfigCheck {
  readonly isValid: boolean;
  readonly problems: readonly AdminConfigProblem[];
}

/** The error (400, code `invalid_configuration`) for a change after which the configuration would not be valid: nothing was written. */
export interface AdminConfigError {
  readonly error: {
    readonly message: string;
    readonly type: string;
    /** The path of the first error in the configuration. */
    readonly param: string;
    readonly code: 'invalid_configuration';
    readonly problems: readonly AdminConfigProblem[];
  };
}
