// What the gateway says of its own health. Pure, from memory: no provider is asked for it.

import type { AdminProvider } from '../contract.ts';
import type { ObservedState } from '../types.ts';

const HEALTHY: ReadonlySet<ObservedState> = new Set(['ready', 'warming', 'degraded', 'pending']);

function endpoints(provider: AdminProvider): Record<string, unknown>[] {
  const shared = { api_base: provider.baseUrl, provider: provider.name, state: provider.observed };
  const error = provider.cause === null ? {} : { error: provider.cause.message };
  const models = provider.models.length === 0 ? [null] : provider.models.map(({ id }) => id);
  return models.map((id) => ({ model: id === null ? null : `${provider.kind}/${id}`, ...shared, ...error }));
}

/** `GET /health` in LiteLLM's shape: one endpoint per model of each enabled provider (one without a model where no list is known). */
export function healthReport(providers: readonly AdminProvider[]): Record<string, unknown> {
  const enabled = providers.filter((provider) => provider.isEnabled);
  const healthy = enabled.filter((provider) => HEALTHY.has(provider.observed)).flatMap(endpoints);
  const unhealthy = enabled.filter((provider) => !HEALTHY.has(provider.observed)).flatMap(endpoints);
  return {
    healthy_endpoints: healthy,
    unhealthy_endpoints: unhealthy,
    healthy_count: healthy.length,
    unhealthy_count: unhealthy.length,
  };
}

export interface ReadinessFacts {
  readonly isDraining: boolean;
  readonly version: string;
  readonly instance: string;
  readonly providers: readonly AdminProvider[];
}

/** `GET /health/readiness`: 200 while requests are accepted, whatever the providers do. */
export function readiness(facts: ReadinessFacts): {
  readonly status: 200 | 503;
  readonly body: Record<string, unknown>;
} {
  const providers = facts.providers.map(({ name, observed, isEnabled }) => [name, isEnabled ? observed : 'off']);
  return {
    status: facts.isDraining ? 503 : 200,
    body: {
      status: facts.isDraining ? 'draining' : 'ready',
      product: 'switchyard',
      version: facts.version,
      instance: facts.instance,
      providers: Object.fromEntries(providers),
    },
  };
}
