// Stored requests as the decision reads them.

import { deserialize } from 'node:v8';
import type { ModelFacts, ProviderSnapshot, RequestFacts, RequestOverrides, Snapshot } from '../types.ts';
import type { ReplayableRequest, StoredSettings } from './history.ts';
import type { StoredReplay, StoredRequest } from './replay-rows.ts';

const noOverrides: RequestOverrides = Object.freeze({
  fallbacks: null,
  contextWindowFallbacks: null,
  contentPolicyFallbacks: null,
  numRetries: null,
  maxFallbacks: null,
  timeoutMs: null,
  isFallbackDisabled: false,
  cache: null,
  mockTesting: [],
});

/** In the order of `stored.requests`, without those of which something is missing or cannot be read by this version. */
export function replayableRequests(stored: StoredReplay): readonly ReplayableRequest[] {
  const lists = restoredBy(stored.lists, (body) => deserialize(body) as ReadonlyMap<string, ModelFacts>);
  const settings = restoredBy(stored.ruleSets, (body) => deserialize(body) as StoredSettings);
  const snapshots = restoredBy(stored.snapshots, ({ providers, lists: ids, ...rest }): Snapshot => {
    const known = deserialize(providers) as readonly Omit<ProviderSnapshot, 'models'>[];
    const whole = known.map((provider, index): [string, ProviderSnapshot] => [
      provider.name,
      { ...provider, models: lists(ids[index] ?? 0) ?? new Map() },
    ]);
    return { ...rest, providers: new Map(whole) };
  });
  const requests: ReplayableRequest[] = [];
  for (const request of stored.requests) {
    const snapshot = snapshots(request.snapshot);
    const rules = settings(request.rule_set);
    if (snapshot && rules)
      requests.push({ facts: factsOf(request), snapshot, settings: rules, blocked: request.blocked });
  }
  return requests;
}

/** Restores each entry once, when it is first asked for; null where that fails. */
function restoredBy<Body, Value>(bodies: ReadonlyMap<number, Body>, restore: (body: Body) => Value) {
  const restored = new Map<number, Value | null>();
  return (id: number): Value | null => {
    const known = restored.get(id);
    if (known !== undefined) return known;
    const body = bodies.get(id);
    const value = body === undefined ? null : orNull(() => restore(body));
    restored.set(id, value);
    return value;
  };
}

/** Another version of Node may have written it. */
function orNull<Value>(restore: () => Value): Value | null {
  try {
    return restore();
  } catch {
    return null;
  }
}

function factsOf(request: StoredRequest): RequestFacts {
  const { facts } = request;
  return {
    ...facts,
    id: request.id,
    receivedAtMs: request.received_at_ms,
    endpoint: request.endpoint,
    protocol: request.protocol,
    model: request.requested_model,
    isStream: request.is_stream === 1,
    conversationKey: null,
    client: request.client,
    overrides: facts.overrides ?? noOverrides,
  };
}
