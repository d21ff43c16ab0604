// What live traffic has come to, as the admin API tells it: read from its owners at the time of asking, nothing is kept.

import type { AnswerCache } from './cache/answer-cache.ts';
import type { Settings } from './config/settings.ts';
import type {
  AdminCooldown,
  AdminProvider,
  AdminQueue,
  AdminRateWindow,
  AdminSharing,
  AdminTraffic,
} from './contract.ts';
import type { CoolingDown } from './dispatch/cooldowns.ts';
import { learnedLimits } from './dispatch/learned-limits.ts';
import type { Learning } from './dispatch/learning.ts';
import type { Guards } from './dispatch/live-state.ts';
import type { RateUsage } from './dispatch/rate-limits.ts';
import type { ProviderQueue, Slots } from './dispatch/slots.ts';
import type { Rules } from './routing/rules.ts';
import type { Snapshot } from './types.ts';

/** The owners. */
export interface TrafficSource {
  readonly guards: Guards;
  readonly slots: Slots;
  readonly cache: AnswerCache;
  readonly learning: Learning;
  readonly catalog: { snapshot(): Snapshot; status(): readonly AdminProvider[] };
  /** In force now. */
  readonly configuration: () => { readonly settings: Settings; readonly rules: Rules };
  readonly sharing: () => AdminSharing;
}

/** Returns what tells the present state; asking changes nothing. */
export function trafficStatus({ guards, slots, cache, learning, catalog, configuration, sharing }: TrafficSource) {
  return (): AdminTraffic => {
    const { settings, rules } = configuration();
    const { isEnabled, store } = settings.cache;
    return {
      cooldowns: guards.cooldowns.list().map(adminCooldown),
      queues: queues(catalog.status(), slots.list()),
      rateWindows: guards.rateLimits.list().flatMap(rateWindows),
      cache: { is: isEnabled ? store : 'off', ...cache.stats() },
      sharing: sharing(),
      timeLimits: learnedLimits({ learning, snapshot: catalog.snapshot(), settings, rules }),
    };
  };
}

/** Without the time of looking. */
export function adminCooldown({ provider, model, is, untilMs, because, message }: CoolingDown): AdminCooldown {
  return { provider, model, is, untilMs, because, message };
}

const NOBODY_WAITS = { high: null, normal: null, low: null } as const;

function queues(providers: readonly AdminProvider[], busy: readonly ProviderQueue[]): AdminQueue[] {
  const known = new Map(busy.map((queue) => [queue.provider, queue]));
  return providers.map(({ name, maxParallelRequests }) => {
    const queue = known.get(name);
    return {
      provider: name,
      used: queue?.used ?? 0,
      limit: maxParallelRequests,
      waiting: queue?.queued ?? 0,
      longestWaitMs: queue?.longestWaitMs ?? NOBODY_WAITS,
    };
  });
}

function rateWindows({ scope, rpm, tpm, requests, tokens }: RateUsage): AdminRateWindow[] {
  const windows: AdminRateWindow[] = [];
  if (rpm !== null) windows.push({ scope, limits: 'requests', used: requests, limit: rpm });
  if (tpm !== null) windows.push({ scope, limits: 'tokens', used: tokens, limit: tpm });
  return windows;
}
