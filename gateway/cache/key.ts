// What makes two requests the same request.

import { createHash } from 'node:crypto';
import { isOwnField } from '../protocols/request-edits.ts';
import type { Decision, RequestFacts, RequestHeaders } from '../types.ts';
import { canonicalJson } from './canonical-json.ts';

/** A request that the cache is asked about. */
export interface CacheQuestion {
  readonly facts: RequestFacts;
  readonly decision: Pick<Decision, 'rule' | 'model' | 'candidates'>;
  /** Null: clients have no keys. */
  readonly apiKeyName: string | null;
  /** Query string with its question mark, or ''. */
  readonly search: string;
  /** As the client sent it. */
  readonly body: Buffer;
  /** The body parsed; null for a form. */
  readonly json: unknown;
}

/**
 * The key of a request: a hash, so that no prompt can be read from it, behind the namespace.
 *
 * Same are requests that any provider would take for the same (endpoint, query, body, headers it is shown), of the same
 * API key, and decided alike: a rule may have looked at any header, so another rule means another request.
 * `stream` is a field of the body, hence a stream is never answered by an answer in one piece.
 */
export function cacheKey(question: CacheQuestion, namespace: string | null): string {
  const { facts, decision, apiKeyName, search, body } = question;
  const { endpoint, pin, capabilityHint, headers } = facts;
  const about = [endpoint, decision.model, decision.rule, apiKeyName, pin, capabilityHint, search, ...shown(headers)];
  const hash = createHash('sha256')
    // Line breaks within JSON are escaped, so the first one ends it.
    .update(`${JSON.stringify(about)}\n`)
    .update(canonicalJson(body, isDropped))
    .digest('base64url');
  return namespace === null ? hash : `${namespace}:${hash}`;
}

/** The model's name is in the key as it is after aliases. */
function isDropped(field: string): boolean {
  return field === 'model' || isOwnField(field);
}

/** Answers are JSON or events whichever of these stands there, or none. */
const PLAIN_ACCEPTS: ReadonlySet<string> = new Set(['*/*', 'application/json', 'text/event-stream']);

/** The headers passed on to providers that can change an answer, as names and values. */
function shown(headers: RequestHeaders): string[] {
  const found: string[] = [];
  for (const name in headers) {
    const value = headers[name];
    if (value === undefined) continue;
    const text = typeof value === 'string' ? value : value.join(', ');
    const counts =
      name === 'openai-beta' || name.startsWith('anthropic-') || (name === 'accept' && !PLAIN_ACCEPTS.has(text));
    if (counts) found.push(`${name}: ${text}`);
  }
  return found.sort();
}
