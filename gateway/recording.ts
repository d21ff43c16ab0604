// What the history is told besides requests: probes, changes of health, and what live traffic takes out.

import type { CatalogChange } from './catalog/catalog.ts';
import type { AdminBeat } from './contract.ts';
import type { CooldownChange } from './dispatch/cooldowns.ts';
import type { HistoryEvent, Transition } from './history/history.ts';
import type { ObservedState } from './types.ts';

/**
 * A probe as it is kept.
 * @param observed what the provider counts as after it, which also depends on earlier probes and on requests
 */
export function beatOf(beat: Extract<CatalogChange, { kind: 'beat' }>, observed: ObservedState): AdminBeat {
  const { atMs, provider, durationMs, cause } = beat;
  const hasAnswered = beat.observed !== 'down';
  return {
    atMs,
    provider,
    isOk: hasAnswered && beat.observed !== 'auth',
    latencyMs: hasAnswered ? durationMs : null,
    observed,
    cause: cause?.class ?? null,
  };
}

export function transitionOf(change: Extract<CatalogChange, { kind: 'transition' }>): Transition {
  const { atMs, provider, from, to, cause } = change;
  return { atMs, provider, before: from, after: to, cause };
}

/** Null: a trial of one that was out is under way, which says nothing yet. */
export function eventOf({ atMs, provider, model, is, message }: CooldownChange): HistoryEvent | null {
  if (is === 'half_open') return null;
  const kind = is === 'breaker_open' ? 'breaker' : 'cooldown';
  return { atMs, provider, model, kind, message };
}
