// What the configuration says of a deployment's share, gathered from every place that may say it.

import type { Settings } from '../config/settings.ts';
import type { ProviderSnapshot } from '../types.ts';
import type { Target } from './rules.ts';
import type { Share } from './strategies/strategy.ts';

/** The rule's own entry first, then the provider's for that model, then the one for the model's name, then the provider's. */
export function shareOf(
  settings: Settings,
  provider: ProviderSnapshot,
  model: string,
  name: string | null,
  target: Target | null,
): Share {
  const own = settings.providers.get(provider.name);
  const declared = own?.models.get(model);
  const limits = name === null ? undefined : settings.routing.modelLimits.get(name);
  const entry = target?.deployment;
  return {
    weight: target?.weight ?? entry?.weight ?? declared?.weight ?? limits?.weight ?? weightOf(provider),
    rpm: entry?.rpm ?? declared?.rpm ?? limits?.rpm ?? own?.rpm ?? null,
    tpm: entry?.tpm ?? declared?.tpm ?? limits?.tpm ?? own?.tpm ?? null,
    priority: entry?.priority ?? declared?.priority ?? limits?.priority ?? provider.priority,
    order: entry?.order ?? limits?.order ?? null,
    inputCostPerToken: declared?.inputCostPerToken ?? null,
    outputCostPerToken: declared?.outputCostPerToken ?? null,
  };
}

/** A provider's weight of 1 is what everybody has without saying so: then rpm and tpm may speak. */
function weightOf(provider: ProviderSnapshot): number | null {
  return provider.weight === 1 ? null : provider.weight;
}
