// An error on its way to the client: as an answer while nothing was said yet, as the last event of a stream opened early.

import { type ErrorCode, GatewayError } from '../errors.ts';
import { renderError, renderStreamError } from '../protocols/errors.ts';
import { normaliseProviderError } from '../protocols/provider-errors.ts';
import type { FailureKind } from '../types.ts';
import type { ClientReply, IncomingExchange } from './exchange.ts';
import type { FinalError } from './final-error.ts';
import { ownHeaders, type ReplyFacts } from './reply-head.ts';

/** The headers of a stream that is opened before anything is known of its answer. */
export function earlyHead(requestId: string): readonly string[] {
  return ['content-type', 'text/event-stream; charset=utf-8', 'cache-control', 'no-cache', 'x-request-id', requestId];
}

function allHeaders(rendered: Readonly<Record<string, string>>, facts: ReplyFacts, body: string): string[] {
  return [...ownHeaders(facts), ...Object.entries(rendered).flat(), 'content-length', String(Buffer.byteLength(body))];
}

/** Ends the exchange with an error of ours. */
export function sendError(
  reply: ClientReply,
  exchange: IncomingExchange,
  error: GatewayError,
  facts: ReplyFacts,
): void {
  if (!reply.isSilent) {
    reply.end(renderStreamError(exchange.endpoint, error, exchange.id));
    return;
  }
  const { status, headers, body } = renderError(exchange.protocol, error, exchange.id);
  reply.send(status, allHeaders(headers, facts, body), body);
}

/** The code of our catalogue that says the same as the provider's refusal. */
const CODES: Readonly<Partial<Record<FailureKind, ErrorCode>>> = {
  context_exceeded: 'context_length_exceeded',
  model_missing: 'model_not_found',
};

/**
 * Ends the exchange with the provider's own words, in the shape of the client's protocol.
 * @returns the same as an error of ours, for the record
 */
export function sendProviderWords(
  reply: ClientReply,
  exchange: IncomingExchange,
  final: Extract<FinalError, { say: 'provider_words' }>,
  mask: (text: string) => string,
  facts: ReplyFacts,
): GatewayError {
  const { failure, refusal, provider, model } = final.attempt;
  const code = CODES[failure.kind] ?? 'invalid_request';
  const error = new GatewayError(code, failure.message, { isRetryable: false });
  if (!reply.isSilent) {
    reply.end(renderStreamError(exchange.endpoint, error, exchange.id));
    return error;
  }
  const { headers, body } = normaliseProviderError({
    protocol: exchange.protocol,
    status: final.status,
    text: refusal?.text ?? '',
    json: refusal?.json,
    code: CODES[failure.kind] ?? null,
    requestId: exchange.id,
    mask,
  });
  // The client may well ask whose words these are.
  reply.send(final.status, allHeaders(headers, { ...facts, provider, model }, body), body);
  return error;
}
