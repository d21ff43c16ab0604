// The facts of an exchange: what `readFacts` wants to know of it, put together.

import { formField } from '../protocols/form.ts';
import { readFacts } from '../routing/facts.ts';
import type { RequestFacts } from '../types.ts';
import type { IncomingExchange } from './exchange.ts';
import { clientOf } from './request-facts.ts';

/** The model a JSON body names; null where it names none. */
export function modelIn(json: unknown): string | null {
  if (typeof json !== 'object' || json === null) return null;
  const { model } = json as { readonly model?: unknown };
  return typeof model === 'string' ? model : null;
}

/**
 * @param conversationSecret keys the hash of conversations, per installation
 * @param charactersPerToken learned for the model
 * @throws GatewayError as `readFacts`
 */
export function exchangeFacts(
  exchange: IncomingExchange,
  conversationSecret: string,
  charactersPerToken: number,
): RequestFacts {
  const { id, receivedAtMs, endpoint, protocol, request, json, body, apiKeyName } = exchange;
  return readFacts({
    id,
    receivedAtMs,
    endpoint,
    protocol,
    headers: request.headers,
    body: json,
    bodyBytes: body.length,
    form: formFields(exchange),
    client: apiKeyName ?? clientOf(request.headers['user-agent']),
    conversationSecret,
    charactersPerToken,
  });
}

/** The text fields of an upload that a decision can depend on. */
function formFields({
  json,
  body,
  request,
}: IncomingExchange): Readonly<Record<string, string | undefined>> | undefined {
  const type = request.headers['content-type'];
  if (json !== null || type === undefined) return undefined;
  return {
    model: formField(body, type, 'model') ?? undefined,
    stream: formField(body, type, 'stream') ?? undefined,
  };
}
