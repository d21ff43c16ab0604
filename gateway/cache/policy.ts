// Which requests the cache has to do with, and which answers are worth keeping. Pure.

import type { CacheSettings } from '../config/settings-reliability.ts';
import { isObject, type JsonObject } from '../protocols/json-values.ts';
import type { Candidate, Endpoint, OutcomeResult, ReasonCode } from '../types.ts';
import type { CacheQuestion } from './key.ts';

/** What the cache may do for one request. */
export interface CachePolicy {
  readonly canRead: boolean;
  readonly canStore: boolean;
  /** How long its answer is kept. */
  readonly ttlMs: number;
  /** The oldest answer that will do; null: any. */
  readonly maxAgeMs: number | null;
  readonly namespace: string | null;
}

/** Finding the key of a longer body would hold up other requests: 1 MB takes up to 15 ms. */
const LONGEST_BODY_BYTES = 1024 * 1024;

/** Facts about models and prompts: asked for because they may have changed. */
const NEVER: ReadonlySet<Endpoint> = new Set<Endpoint>(['ollama_show', 'messages_count_tokens']);

/** Null: the cache has nothing to do with that request. */
export function cachePolicy(question: CacheQuestion, settings: CacheSettings): CachePolicy | null {
  const { facts, body, json } = question;
  const { cache: wish, mockTesting } = facts.overrides;
  if (!settings.isEnabled || !(settings.isOnByDefault || wish?.isWanted === true)) return null;
  if (!isObject(json) || body.length > LONGEST_BODY_BYTES || mockTesting.length > 0) return null;
  if (NEVER.has(facts.endpoint) || hasEffects(facts.endpoint, json)) return null;
  const ttlMs = wish?.ttlMs ?? settings.ttlMs;
  const canRead = wish?.isReadForbidden !== true;
  const canStore = wish?.isStoreForbidden !== true && ttlMs > 0;
  if (!canRead && !canStore) return null;
  return {
    canRead,
    canStore,
    ttlMs,
    maxAgeMs: wish?.maxAgeMs ?? null,
    namespace: wish?.namespace ?? settings.namespace,
  };
}

/** Whether something beyond the answer comes of it, or the answer depends on more than the request. */
function hasEffects(endpoint: Endpoint, body: JsonObject): boolean {
  switch (endpoint) {
    case 'responses':
      // Kept by the provider unless told otherwise, and then a link in a chain of answers.
      return body.store !== false || isGiven(body.previous_response_id) || isGiven(body.conversation);
    // Without a prompt these load or unload a model.
    case 'ollama_generate':
    case 'ollama_embeddings':
      return isNothing(body.prompt);
    case 'ollama_chat':
      return isNothing(body.messages);
    case 'ollama_embed':
      return isNothing(body.input);
    default:
      return false;
  }
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function isNothing(value: unknown): boolean {
  return !isGiven(value) || value === '' || (Array.isArray(value) && value.length === 0);
}

/** How a request ended, as far as it matters here. */
export interface AnswerEnd {
  readonly result: OutcomeResult;
  /** What the provider answered with. */
  readonly status: number;
  /** Which rule put the deployment there that answered, as in `Attempt.via`. */
  readonly via: string;
  readonly warnings: readonly string[];
}

/**
 * Only a whole and faultless answer of a deployment that was meant to give it: one of a fallback would be given again
 * long after the first choice is back.
 */
export function isWorthKeeping({ result, status, via, warnings }: AnswerEnd): boolean {
  return (
    result === 'complete' &&
    status === 200 &&
    warnings.length === 0 &&
    !via.startsWith('fallback:') &&
    !via.startsWith('chain:')
  );
}

/** Reasons that do not pass: whoever is skipped for one of these must not answer, not even by what it once said. */
const LASTING: ReadonlySet<ReasonCode> = new Set<ReasonCode>([
  'pinned_elsewhere',
  'excluded_by_rule',
  'cloud',
  'not_callable',
  'disabled',
  'model_missing',
]);

/**
 * Whether the deployment that wrote an answer could be asked for it today, were it free and well. The settings may have
 * changed since, or another gateway with other settings may have kept it.
 */
export function mayAnswer(
  candidates: readonly Candidate[],
  { provider, model }: { readonly provider: string; readonly model: string },
): boolean {
  for (const candidate of candidates) {
    if (candidate.provider !== provider || candidate.model !== model) continue;
    if (candidate.kept || candidate.reason === null || !LASTING.has(candidate.reason)) return true;
  }
  return false;
}
