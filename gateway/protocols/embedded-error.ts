// Errors where a success should be: inside a 200 answer or in the middle of a stream.

import { isObject, type JsonObject, objectOf, textOf } from './json-values.ts';
import type { ProtocolError } from './protocol.ts';

/** Anthropic's closed list names a status by a word (docs.anthropic.com, "Errors"). */
export const anthropicStatus: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  authentication_error: 401,
  billing_error: 402,
  permission_error: 403,
  not_found_error: 404,
  request_too_large: 413,
  rate_limit_error: 429,
  api_error: 500,
  timeout_error: 504,
  overloaded_error: 529,
};

function isErrorStatus(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 400 && value <= 599;
}

function statusOf(error: JsonObject): number | null {
  // vLLM and llama.cpp write the status into `code` (recordings killed_engine_kill_stream, kvfull-concurrent-1).
  for (const value of [error.code, error.status, error.status_code]) {
    if (isErrorStatus(value)) return value;
    if (typeof value === 'string' && /^[45]\d\d$/.test(value)) return Number(value);
  }
  const type = textOf(error.type);
  return (type !== null && Object.hasOwn(anthropicStatus, type) && anthropicStatus[type]) || null;
}

/** @param error what stands under `error`: a text or an object; @param raw the whole event or answer it came in */
export function protocolError(error: unknown, raw: unknown): ProtocolError {
  if (!isObject(error)) {
    return { message: textOf(error) ?? 'an error without words', status: null, raw };
  }
  const message = textOf(error.message) ?? textOf(error.error) ?? textOf(error.detail) ?? JSON.stringify(error);
  return { message, status: statusOf(error), raw };
}

/**
 * The error that a whole JSON value carries instead of an answer, or null.
 * Knows `{"error": ...}` of all kinds and `{"object":"error","message":...}` of older vLLM and SGLang.
 */
export function embeddedError(value: JsonObject): ProtocolError | null {
  if (value.error) return protocolError(value.error, value);
  if (value.object === 'error' || value.type === 'error') return protocolError(objectOf(value), value);
  return null;
}
