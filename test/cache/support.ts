// Requests and answers for the tests of the cache.

import type { CachedAnswer } from '../../gateway/cache/cached-answer.ts';
import type { CacheQuestion } from '../../gateway/cache/key.ts';
import type { CacheSettings } from '../../gateway/config/settings-reliability.ts';
import type { CacheControl, Candidate, Endpoint, RequestFacts, RequestOverrides } from '../../gateway/types.ts';

export const settings: CacheSettings = {
  isEnabled: true,
  store: 'memory',
  ttlMs: 3_600_000,
  maxBytes: 64 * 1024 * 1024,
  isOnByDefault: true,
  namespace: null,
  redis: null,
};

export const candidate: Candidate = {
  provider: 'p1',
  model: 'tiny',
  place: 'local',
  source: 'listed',
  kept: true,
  reason: null,
  order: 1,
  terms: {},
  via: 'catalog',
  notes: [],
};

const noOverrides: RequestOverrides = {
  fallbacks: null,
  contextWindowFallbacks: null,
  contentPolicyFallbacks: null,
  numRetries: null,
  maxFallbacks: null,
  timeoutMs: null,
  isFallbackDisabled: false,
  cache: null,
  mockTesting: [],
};

const noWish: CacheControl = {
  isReadForbidden: false,
  isStoreForbidden: false,
  isWanted: false,
  ttlMs: null,
  maxAgeMs: null,
  namespace: null,
};

export interface QuestionChanges {
  readonly endpoint?: Endpoint;
  readonly body?: unknown;
  /** In place of the body as JSON. */
  readonly bytes?: Buffer;
  readonly facts?: Partial<RequestFacts>;
  readonly wish?: Partial<CacheControl>;
  readonly overrides?: Partial<RequestOverrides>;
  readonly decision?: Partial<CacheQuestion['decision']>;
  readonly apiKeyName?: string | null;
  readonly search?: string;
}

/** A chat request that may be cached, but for the changes. */
export function question(changes: QuestionChanges = {}): CacheQuestion {
  const body = changes.body ?? { model: 'tiny', messages: [{ role: 'user', content: 'hello' }] };
  const bytes = changes.bytes ?? Buffer.from(JSON.stringify(body));
  const cache = changes.wish === undefined ? null : { ...noWish, ...changes.wish };
  const facts: RequestFacts = {
    id: 'r1',
    receivedAtMs: 0,
    endpoint: changes.endpoint ?? 'chat',
    protocol: 'openai',
    model: 'tiny',
    isStream: false,
    batchSize: 1,
    headers: {},
    pin: null,
    capabilityHint: null,
    needs: [],
    promptTokens: 1,
    maxTokens: null,
    conversationKey: null,
    client: '',
    overrides: { ...noOverrides, cache, ...changes.overrides },
    ...changes.facts,
  };
  return {
    facts,
    decision: { rule: 'catalog', model: 'tiny', candidates: [candidate], ...changes.decision },
    apiKeyName: changes.apiKeyName ?? null,
    search: changes.search ?? '',
    body: bytes,
    json: changes.bytes === undefined ? body : JSON.parse(bytes.toString()),
  };
}

export function answer(changes: Partial<CachedAnswer> = {}): CachedAnswer {
  return {
    status: 200,
    headers: ['content-type', 'application/json'],
    body: Buffer.from('{"choices":[]}'),
    provider: 'p1',
    model: 'tiny',
    usage: { promptTokens: 3, completionTokens: 5, cachedTokens: null, isEstimated: false },
    contentCharacters: 12,
    storedAtMs: 1_000,
    ...changes,
  };
}
