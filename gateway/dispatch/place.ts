// What an attempt takes before it may begin: a slot, its part of the rate limits, and the trial of what was taken out.

import type { ProviderSettings } from '../config/settings.ts';
import type { Rules } from '../routing/rules.ts';
import { limitsOfName } from '../routing/share.ts';
import type { Candidate, ProviderSnapshot, RequestFacts, RequestHeaders } from '../types.ts';
import type { Trial } from './cooldowns.ts';
import type { Reservation } from './rate-limits.ts';
import type { Slot, SlotOption, Waiter } from './slots.ts';

/** Everything one attempt holds while it runs. */
export interface Place {
  readonly candidate: Candidate;
  readonly slot: Slot;
  /** Null: no limit concerns it. */
  readonly reservation: Reservation | null;
  /** Begun with the place: whoever looks next sees that the one trial is out. */
  readonly trial: Trial;
}

/** Who waits in line: each API key or client program is one, whatever number of requests it sends. */
export function waiterOf({ client, headers }: RequestFacts): Waiter {
  return { client, priority: priorityOf(headers) };
}

function priorityOf(headers: RequestHeaders): Waiter['priority'] {
  const value = headers['x-priority'];
  const text = (typeof value === 'string' ? value : (value?.[0] ?? '')).trim().toLowerCase();
  return text === 'high' || text === 'low' ? text : 'normal';
}

/** What the line needs to know of a candidate, by the limits as they are now. */
export function slotOption(
  { provider, model }: Candidate,
  settings: ProviderSettings,
  snapshot: ProviderSnapshot | null,
  maxParallelOfModel: number | null,
): SlotOption {
  return {
    provider,
    model,
    maxParallelRequests: snapshot === null ? settings.maxParallelRequests : snapshot.maxParallelRequests,
    maxParallelOfModel,
    maxQueue: settings.maxQueue,
    queueTimeoutMs: settings.queueTimeoutMs,
  };
}

/**
 * Requests one deployment takes at once: its entry's number, the provider's for that model, the one for its name.
 * @param name what was asked for, after aliases
 */
export function maxParallelOfModel(
  candidate: Candidate,
  name: string | null,
  rules: Rules,
  provider: ProviderSettings,
  isSingleModel: boolean,
): number | null {
  const { model } = candidate;
  return (
    rules.entryFor(candidate)?.maxParallelRequests ??
    rules.declared.of(provider, model, isSingleModel)?.maxParallelRequests ??
    limitsOfName(rules.settings, name, model)?.maxParallelRequests ??
    null
  );
}
