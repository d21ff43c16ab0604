// What the configuration says of a deployment's share and limits, gathered from every place that may say it.

import type { DeclaredModel, GroupDeployment, ModelNameLimits, Settings } from '../config/settings.ts';
import type { ModelFacts, ProviderSnapshot } from '../types.ts';
import type { Proposal } from './proposal.ts';
import type { Share } from './strategies/strategy.ts';

/**
 * The rule's own entry first, then the provider's for that model, then the one for the model's name, then the provider's.
 * @param name what was asked for, after aliases
 */
export function shareOf(
  settings: Settings,
  { provider, model, facts, target }: Pick<Proposal, 'provider' | 'model' | 'facts' | 'target'>,
  name: string | null,
): Share {
  const own = settings.providers.get(provider.name);
  const declared = own === undefined ? undefined : declaredModel(own.models, model, facts);
  const limits = limitsOfName(settings, name, model);
  const entry = target?.deployment;
  return {
    weight: target?.weight ?? entry?.weight ?? declared?.weight ?? limits?.weight ?? weightOf(provider),
    rpm: deploymentLimit('rpm', entry, declared, limits) ?? own?.rpm ?? null,
    tpm: deploymentLimit('tpm', entry, declared, limits) ?? own?.tpm ?? null,
    priority: entry?.priority ?? declared?.priority ?? limits?.priority ?? provider.priority,
    order: entry?.order ?? limits?.order ?? null,
    inputCostPerToken: declared?.inputCostPerToken ?? null,
    outputCostPerToken: declared?.outputCostPerToken ?? null,
  };
}

/** What is declared under another spelling stands among the aliases of the model it was found to be. */
function declaredModel(
  models: ReadonlyMap<string, DeclaredModel>,
  model: string,
  facts: ModelFacts | null,
): DeclaredModel | undefined {
  if (models.size === 0) return undefined;
  const exact = models.get(model);
  if (exact !== undefined || facts === null) return exact;
  for (const alias of facts.aliases) {
    const declared = models.get(alias);
    if (declared !== undefined) return declared;
  }
  return undefined;
}

/** A deployment's own limit per minute: the entry's, else what is declared of the model, else what is said of its name. */
export function deploymentLimit(
  limit: 'rpm' | 'tpm',
  entry: GroupDeployment | null | undefined,
  declared: DeclaredModel | null | undefined,
  named: ModelNameLimits | null | undefined,
): number | null {
  return entry?.[limit] ?? declared?.[limit] ?? named?.[limit] ?? null;
}

/**
 * What is said of a model's name wherever it is served: the name that was asked for, else the one the provider has.
 * @param name after aliases; null: the request names no model
 */
export function limitsOfName({ routing }: Settings, name: string | null, model: string): ModelNameLimits | null {
  const { modelLimits } = routing;
  if (modelLimits.size === 0) return null;
  return (name === null ? undefined : modelLimits.get(name)) ?? modelLimits.get(model) ?? null;
}

/** A provider's weight of 1 is what everybody has without saying so: then rpm and tpm may speak. */
function weightOf(provider: ProviderSnapshot): number | null {
  return provider.weight === 1 ? null : provider.weight;
}
