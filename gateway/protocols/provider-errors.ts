// A provider's refusal, handed on: its own words, in the shape the client's protocol wants them.

import type { Protocol } from '../types.ts';
import { anthropicStatus } from './embedded-error.ts';
import { isObject, type JsonObject, listOf, textOf } from './json-values.ts';
import type { RenderedError } from './protocol.ts';

const MESSAGE_CHARACTERS = 500;

export interface ProviderErrorInput {
  /** The client's. */
  readonly protocol: Protocol;
  /** The status the client gets. */
  readonly status: number;
  /** The provider's body, and the same parsed (undefined: not JSON). */
  readonly text: string;
  readonly json: unknown;
  /** What the failure is known to be (`context_length_exceeded`, `model_not_found`); null: as the provider says. */
  readonly code: string | null;
  readonly requestId: string;
  /** Blots out known secrets. */
  readonly mask: (text: string) => string;
}

/** What a provider said, whatever shape it said it in. Null: it did not say. */
interface ProviderWords {
  readonly message: string;
  readonly type: string | null;
  readonly code: string | null;
  readonly param: string | null;
  /** Numbers it added (`n_ctx`, `n_prompt_tokens` of llama.cpp): clients may read them, and no secret hides in them. */
  readonly numbers: Readonly<Record<string, number>>;
}

/**
 * Says what the provider said. Repeating cannot help: such words are handed on only when they blame the request.
 */
export function normaliseProviderError(input: ProviderErrorInput): RenderedError {
  const words = readWords(input.text, input.json, input.status);
  const message = input.mask(words.message).slice(0, MESSAGE_CHARACTERS);
  const headers: Record<string, string> = { 'content-type': 'application/json', 'x-should-retry': 'false' };
  if (input.protocol === 'anthropic') headers['request-id'] = input.requestId;
  return { status: input.status, headers, body: JSON.stringify(body(input, words, message)) };
}

function body(input: ProviderErrorInput, words: ProviderWords, message: string): unknown {
  const { protocol, status, requestId, mask } = input;
  switch (protocol) {
    case 'openai': {
      const type = words.type === null ? openaiTypeOf(status) : mask(words.type);
      const code = input.code ?? (words.code === null ? codeOf(status) : mask(words.code));
      return {
        error: { ...words.numbers, message, type, param: words.param === null ? null : mask(words.param), code },
      };
    }
    case 'anthropic': {
      const isKnown = words.type !== null && Object.hasOwn(anthropicStatus, words.type);
      const type = isKnown ? words.type : anthropicTypeOf(status);
      return { type: 'error', error: { type, message }, request_id: requestId };
    }
    case 'ollama':
      return { error: message };
  }
}

function readWords(text: string, json: unknown, status: number): ProviderWords {
  const nothing = { type: null, code: null, param: null, numbers: {} };
  if (!isObject(json)) return { ...nothing, message: plainWords(text, status) };
  const error = json.error ?? json;
  // Ollama, and vLLM's 401 (recording auth_missing_chat).
  if (typeof error === 'string') return { ...nothing, message: textOf(error) ?? plainWords('', status) };
  if (!isObject(error)) return { ...nothing, message: plainWords(text, status) };
  const message = textOf(error.message) ?? detailWords(error.detail ?? json.detail) ?? textOf(error.error);
  return {
    message: message ?? plainWords(text, status),
    type: error === json && error.type === 'error' ? null : textOf(error.type),
    code: textOf(error.code),
    param: textOf(error.param),
    numbers: numbersOf(error),
  };
}

function numbersOf(error: JsonObject): Record<string, number> {
  const numbers: Record<string, number> = {};
  for (const [key, value] of Object.entries(error)) {
    if (typeof value === 'number' && key !== 'code' && key !== 'status') numbers[key] = value;
  }
  return numbers;
}

/** FastAPI's `detail`: a text, or a list of `{loc, msg}`. */
function detailWords(detail: unknown): string | null {
  if (typeof detail === 'string') return textOf(detail);
  const sentences = listOf(detail).flatMap((entry) => {
    const text = isObject(entry) ? textOf(entry.msg) : null;
    if (!isObject(entry) || text === null) return [];
    const place = listOf(entry.loc).join('.');
    return [place === '' ? text : `${place}: ${text}`];
  });
  return sentences.length === 0 ? null : sentences.join('; ');
}

function plainWords(text: string, status: number): string {
  const trimmed = text.trim();
  if (trimmed === '') return `the provider answered ${status} without a word`;
  return /^<(!doctype|html|\?xml)/i.test(trimmed) ? `the provider answered ${status} with a web page` : trimmed;
}

function openaiTypeOf(status: number): string {
  if (status === 401) return 'authentication_error';
  if (status === 403) return 'permission_error';
  if (status === 429) return 'rate_limit_error';
  return status >= 500 ? 'server_error' : 'invalid_request_error';
}

function codeOf(status: number): string {
  switch (status) {
    case 401:
      return 'invalid_api_key';
    case 403:
      return 'permission_denied';
    case 404:
      return 'not_found';
    case 413:
      return 'request_too_large';
    case 429:
      return 'rate_limit_exceeded';
    default:
      return status >= 500 ? 'provider_error' : 'invalid_request';
  }
}

function anthropicTypeOf(status: number): string {
  const exact = Object.entries(anthropicStatus).find(([, named]) => named === status);
  if (exact !== undefined) return exact[0];
  if (status === 503) return 'overloaded_error';
  return status >= 500 ? 'api_error' : 'invalid_request_error';
}
