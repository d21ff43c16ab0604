// What goes wrong here, in the words and the framing of the client's protocol.

import { errorType, type GatewayError } from '../errors.ts';
import type { Endpoint, Protocol } from '../types.ts';
import { endpointTraits } from './endpoints.ts';
import type { RenderedError } from './protocol.ts';

/** Ends whatever line or event was cut off before: blank lines mean nothing to readers of server-sent events. */
const SSE_BREAK = '\n\n';

/** The error object of OpenAI's envelope; `code` is always a string. */
function openaiError(error: GatewayError) {
  return { message: error.message, type: errorType('openai', error.code), param: error.param, code: error.code };
}

function anthropicEnvelope(error: GatewayError, requestId: string) {
  const type = errorType('anthropic', error.code);
  return { type: 'error', error: { type, message: error.message }, request_id: requestId };
}

function envelope(protocol: Protocol, error: GatewayError, requestId: string): unknown {
  switch (protocol) {
    case 'openai':
      return { error: openaiError(error) };
    case 'anthropic':
      return anthropicEnvelope(error, requestId);
    case 'ollama':
      return { error: error.message };
  }
}

/**
 * An error of ours as a whole answer. `x-should-retry: false` keeps the official clients from repeating in vain what
 * their own rule (408, 409, 429 and all 5xx) would repeat.
 */
export function renderError(protocol: Protocol, error: GatewayError, requestId: string): RenderedError {
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  if (protocol === 'anthropic') headers['request-id'] = requestId;
  if (error.retryAfterSeconds !== null)
    headers['retry-after'] = String(Math.max(0, Math.ceil(error.retryAfterSeconds)));
  if (!error.isRetryable) headers['x-should-retry'] = 'false';
  return { status: error.status, headers, body: JSON.stringify(envelope(protocol, error, requestId)) };
}

/**
 * An error of ours as the last event of a stream that has begun, such that the official client of the protocol raises
 * it. Empty where a stream has no events (audio): there only a connection that ends too early can tell.
 * An event or line cut off before it does not swallow it. NDJSON has no blank lines (strict readers stumble over
 * them), so there it must follow a whole line, as `StreamObserver.boundary` has it.
 */
export function renderStreamError(endpoint: Endpoint, error: GatewayError, requestId: string): string {
  const { framing, protocol } = endpointTraits[endpoint];
  if (framing === 'none') return '';
  if (framing === 'ndjson') return `${JSON.stringify(envelope(protocol, error, requestId))}\n`;
  if (protocol === 'anthropic') {
    return `${SSE_BREAK}event: error\ndata: ${JSON.stringify(anthropicEnvelope(error, requestId))}\n\n`;
  }
  if (endpoint === 'responses') {
    return `${SSE_BREAK}event: response.failed\ndata: ${JSON.stringify(failedResponse(error, requestId))}\n\n`;
  }
  return `${SSE_BREAK}data: ${JSON.stringify({ error: openaiError(error) })}\n\n`;
}

/**
 * The protocol's own last event for a failure; clients that follow the protocol (Codex) act on `response.error.code`.
 * The official client would hand it out like any other event, and raises it because of `error`.
 */
function failedResponse(error: GatewayError, requestId: string) {
  return {
    type: 'response.failed',
    response: {
      id: `resp_${requestId}`,
      object: 'response',
      status: 'failed',
      error: { code: error.code, message: error.message },
      output: [],
    },
    error: openaiError(error),
  };
}

/** What keeps a stream alive that is open but has nothing to say; null where the protocol has no such thing. */
export function streamFiller(endpoint: Endpoint): string | null {
  const { framing, protocol } = endpointTraits[endpoint];
  if (framing !== 'sse') return null;
  return protocol === 'anthropic' ? 'event: ping\ndata: {"type":"ping"}\n\n' : ': waiting\n\n';
}

/** A remark that every client passes over; null where the protocol has none. The text is brought onto one line. */
export function streamComment(endpoint: Endpoint, text: string): string | null {
  if (endpointTraits[endpoint].framing !== 'sse') return null;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not get through
  return `: ${text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ').trim()}\n\n`;
}
