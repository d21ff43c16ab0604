// The closed catalogue of everything this gateway itself tells a client. What a provider says is relayed, not listed here.

import type { Protocol } from './types.ts';

interface CatalogueEntry {
  readonly status: number;
  /** `type` in OpenAI's envelope. */
  readonly openai: string;
  /** `error.type` in Anthropic's envelope. */
  readonly anthropic: string;
  /** Whether the same request can succeed later: decides `x-should-retry`, which the official clients obey. */
  readonly isRetryable: boolean;
}

export const errorCatalogue = {
  invalid_json: {
    status: 400,
    openai: 'invalid_request_error',
    anthropic: 'invalid_request_error',
    isRetryable: false,
  },
  invalid_request: {
    status: 400,
    openai: 'invalid_request_error',
    anthropic: 'invalid_request_error',
    isRetryable: false,
  },
  invalid_configuration: {
    status: 400,
    openai: 'invalid_request_error',
    anthropic: 'invalid_request_error',
    isRetryable: false,
  },
  json_too_deep: {
    status: 400,
    openai: 'invalid_request_error',
    anthropic: 'invalid_request_error',
    isRetryable: false,
  },
  model_required: {
    status: 400,
    openai: 'invalid_request_error',
    anthropic: 'invalid_request_error',
    isRetryable: false,
  },
  model_name_too_long: {
    status: 400,
    openai: 'invalid_request_error',
    anthropic: 'invalid_request_error',
    isRetryable: false,
  },
  unknown_provider: {
    status: 400,
    openai: 'invalid_request_error',
    anthropic: 'invalid_request_error',
    isRetryable: false,
  },
  context_length_exceeded: {
    status: 400,
    openai: 'invalid_request_error',
    anthropic: 'invalid_request_error',
    isRetryable: false,
  },
  unsupported_encoding: {
    status: 415,
    openai: 'invalid_request_error',
    anthropic: 'invalid_request_error',
    isRetryable: false,
  },
  invalid_api_key: {
    status: 401,
    openai: 'authentication_error',
    anthropic: 'authentication_error',
    isRetryable: false,
  },
  management_token_required: {
    status: 401,
    openai: 'authentication_error',
    anthropic: 'authentication_error',
    isRetryable: false,
  },
  host_not_allowed: { status: 403, openai: 'permission_error', anthropic: 'permission_error', isRetryable: false },
  origin_not_allowed: { status: 403, openai: 'permission_error', anthropic: 'permission_error', isRetryable: false },
  remote_admin_disabled: { status: 403, openai: 'permission_error', anthropic: 'permission_error', isRetryable: false },
  model_management_disabled: {
    status: 403,
    openai: 'permission_error',
    anthropic: 'permission_error',
    isRetryable: false,
  },
  model_not_found: { status: 404, openai: 'invalid_request_error', anthropic: 'not_found_error', isRetryable: false },
  not_found: { status: 404, openai: 'invalid_request_error', anthropic: 'not_found_error', isRetryable: false },
  method_not_allowed: {
    status: 405,
    openai: 'invalid_request_error',
    anthropic: 'invalid_request_error',
    isRetryable: false,
  },
  request_timeout: {
    status: 408,
    openai: 'invalid_request_error',
    anthropic: 'invalid_request_error',
    isRetryable: true,
  },
  conflict: { status: 409, openai: 'invalid_request_error', anthropic: 'invalid_request_error', isRetryable: false },
  body_too_large: { status: 413, openai: 'invalid_request_error', anthropic: 'request_too_large', isRetryable: false },
  json_content_type_required: {
    status: 415,
    openai: 'invalid_request_error',
    anthropic: 'invalid_request_error',
    isRetryable: false,
  },
  rate_limited: { status: 429, openai: 'rate_limit_error', anthropic: 'rate_limit_error', isRetryable: true },
  headers_too_large: {
    status: 431,
    openai: 'invalid_request_error',
    anthropic: 'invalid_request_error',
    isRetryable: false,
  },
  client_closed_request: { status: 499, openai: 'invalid_request_error', anthropic: 'api_error', isRetryable: false },
  request_cancelled: { status: 499, openai: 'invalid_request_error', anthropic: 'api_error', isRetryable: false },
  internal: { status: 500, openai: 'server_error', anthropic: 'api_error', isRetryable: true },
  not_translated: {
    status: 501,
    openai: 'invalid_request_error',
    anthropic: 'invalid_request_error',
    isRetryable: false,
  },
  all_attempts_failed: { status: 502, openai: 'server_error', anthropic: 'api_error', isRetryable: true },
  provider_broke_off: { status: 502, openai: 'server_error', anthropic: 'api_error', isRetryable: true },
  no_available_deployment: { status: 503, openai: 'server_error', anthropic: 'overloaded_error', isRetryable: true },
  all_busy: { status: 503, openai: 'server_error', anthropic: 'overloaded_error', isRetryable: true },
  queue_full: { status: 503, openai: 'server_error', anthropic: 'overloaded_error', isRetryable: true },
  queue_timeout: { status: 503, openai: 'server_error', anthropic: 'overloaded_error', isRetryable: true },
  shutting_down: { status: 503, openai: 'server_error', anthropic: 'overloaded_error', isRetryable: true },
  memory_exhausted: { status: 503, openai: 'server_error', anthropic: 'overloaded_error', isRetryable: true },
  all_timed_out: { status: 504, openai: 'server_error', anthropic: 'timeout_error', isRetryable: true },
  loop_detected: {
    status: 508,
    openai: 'invalid_request_error',
    anthropic: 'invalid_request_error',
    isRetryable: false,
  },
} as const satisfies Record<string, CatalogueEntry>;

export type ErrorCode = keyof typeof errorCatalogue;

export interface GatewayErrorOptions {
  /** Seconds until time alone will have cured it; sent as `Retry-After`. */
  readonly retryAfterSeconds?: number | null;
  /** The field of the request at fault (`model`, `messages[0].role`). */
  readonly param?: string | null;
  /** Overrides the catalogue where the failure at hand is known to be final (or not). */
  readonly isRetryable?: boolean;
  readonly cause?: unknown;
}

/** The one thing thrown on purpose on the way of a request: the error boundary alone turns it into an answer. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError';
  readonly code: ErrorCode;
  readonly status: number;
  readonly retryAfterSeconds: number | null;
  readonly param: string | null;
  readonly isRetryable: boolean;

  constructor(code: ErrorCode, message: string, options: GatewayErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.code = code;
    this.status = errorCatalogue[code].status;
    this.retryAfterSeconds = options.retryAfterSeconds ?? null;
    this.param = options.param ?? null;
    this.isRetryable = options.isRetryable ?? errorCatalogue[code].isRetryable;
  }
}

/** The `type` word that protocol uses for this error (Ollama has none). */
export function errorType(protocol: Protocol, code: ErrorCode): string {
  return protocol === 'anthropic' ? errorCatalogue[code].anthropic : errorCatalogue[code].openai;
}

/** For `default:` of a switch over a union: a new member then fails the build here. */
export function assertNever(value: never): never {
  throw new TypeError(`unexpected value ${JSON.stringify(value)}`);
}
