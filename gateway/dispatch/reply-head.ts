// The head of what a client gets: the provider's own headers but for those that belong to its connection, and ours.

import type { ProviderHeaders } from './attempt-contract.ts';

/** Hop-by-hop (RFC 9110 section 7.6.1), CORS and cookies are the connection's business; length and id are ours to set. */
const DROPPED = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'set-cookie',
  'content-length',
  'content-encoding',
  'x-request-id',
  'alt-svc',
  'strict-transport-security',
]);

/** Appends the provider's headers that a client may see, as a flat list. */
export function passHeaders(into: string[], headers: ProviderHeaders): void {
  for (const name in headers) {
    if (DROPPED.has(name) || name.startsWith('access-control-') || name.startsWith('x-switchyard-')) continue;
    const value = headers[name];
    if (typeof value === 'string') into.push(name, value);
    else if (value !== undefined) for (const one of value) into.push(name, one);
  }
}

const PRINTABLE = /^[\x20-\x7e]*$/;

/** A header value that is safe whatever a model or rule is called: percent-encoded outside printable ASCII. */
function headerSafe(value: string): string {
  // Half of a surrogate pair, which JSON can carry, has no encoding.
  return PRINTABLE.test(value) ? value : encodeURIComponent(value.toWellFormed());
}

/** What the `x-switchyard-*` headers say of an answer. */
export interface ReplyFacts {
  readonly requestId: string;
  /** Null where nobody answered. */
  readonly provider: string | null;
  readonly model: string | null;
  readonly rule: string | null;
  readonly attempts: number;
  readonly decisionMs: number;
  readonly queuedMs: number;
  /** From receipt to this moment. */
  readonly elapsedMs: number;
  /** What the cache of answers had for it; null or absent: it was not asked. */
  readonly cache?: 'hit' | 'miss' | null;
}

function milliseconds(value: number): string {
  return String(Math.round(value * 1_000) / 1_000);
}

/** Our headers, as a flat list. */
export function ownHeaders(facts: ReplyFacts): string[] {
  const headers = ['x-request-id', facts.requestId];
  if (facts.provider !== null) headers.push('x-switchyard-provider', headerSafe(facts.provider));
  if (facts.model !== null) headers.push('x-switchyard-model', headerSafe(facts.model));
  if (facts.rule !== null) headers.push('x-switchyard-rule', headerSafe(facts.rule));
  headers.push(
    'x-switchyard-attempts',
    String(facts.attempts),
    'x-switchyard-decision-ms',
    milliseconds(facts.decisionMs),
    'server-timing',
    `decision;dur=${milliseconds(facts.decisionMs)}, queue;dur=${milliseconds(facts.queuedMs)}, total;dur=${milliseconds(facts.elapsedMs)}`,
  );
  if (facts.cache != null) headers.push('x-switchyard-cache', facts.cache);
  return headers;
}

/** The same in one line, for a stream whose headers went out before they were known. */
export function ownComment(facts: ReplyFacts): string {
  const headers = ownHeaders(facts);
  const parts: string[] = [];
  for (let index = 0; index < headers.length; index += 2) parts.push(`${headers[index]}: ${headers[index + 1]}`);
  return parts.join('; ');
}
