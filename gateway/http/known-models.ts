// Every model name that can be asked for, with what is known of the deployments behind it. Pure.

import type { Settings } from '../config/settings.ts';
import { adapters } from '../providers/index.ts';
import type { Capability, ModelFacts, ProviderSnapshot, Snapshot } from '../types.ts';

/** One deployment behind a name; `facts` null where its provider has told no list, or has no such model. */
export interface NamedDeployment {
  readonly provider: ProviderSnapshot;
  /** The model id there. */
  readonly model: string;
  readonly facts: ModelFacts | null;
}

/** A name a client may send, and who would answer to it. Never without a deployment. */
export interface NamedModel {
  readonly name: string;
  readonly deployments: readonly NamedDeployment[];
}

/** Facts of all deployments of a name as one: of each the first that is known. */
export interface MergedFacts {
  /** Tokens: as loaded, else as trained. */
  readonly contextLength: number | null;
  readonly size: number | null;
  readonly activeSize: number | null;
  readonly quantization: string | null;
  readonly capabilities: readonly Capability[] | null;
  /** Loaded anywhere; null: nobody tells. */
  readonly isLoaded: boolean | null;
  readonly createdAtSeconds: number | null;
  readonly providers: readonly string[];
}

/** A provider whose models can be asked for now or as soon as it is back. */
function isOffered(provider: ProviderSnapshot | undefined): provider is ProviderSnapshot {
  return provider?.isEnabled === true && provider.isCallable;
}

/** The model of that provider which this name means there, in its own spelling, or null. */
function findModel(provider: ProviderSnapshot, name: string): ModelFacts | null {
  const exact = provider.models.get(name);
  if (exact) return exact;
  const { isSameName } = adapters[provider.kind];
  for (const facts of provider.models.values())
    if (isSameName(facts.id, name) || facts.aliases.some((alias) => isSameName(alias, name))) return facts;
  return provider.isSingleModel && provider.models.size === 1 ? (provider.models.values().next().value ?? null) : null;
}

function deploymentOf(snapshot: Snapshot, providerName: string, model: string): NamedDeployment | null {
  const provider = snapshot.providers.get(providerName);
  if (!isOffered(provider)) return null;
  const facts = findModel(provider, model);
  return { provider, model: facts?.id ?? model, facts };
}

class Names {
  readonly #byName = new Map<string, NamedDeployment[]>();

  add(name: string, deployment: NamedDeployment | null): void {
    if (deployment === null) return;
    const known = this.#byName.get(name);
    if (known === undefined) this.#byName.set(name, [deployment]);
    else if (!known.some((other) => other.provider === deployment.provider && other.model === deployment.model))
      known.push(deployment);
  }

  list(): readonly NamedModel[] {
    return [...this.#byName].map(([name, deployments]) => ({ name, deployments }));
  }
}

/**
 * Names in the order of precedence: exact rules, model groups without wildcards, then what the providers list (those
 * with the higher priority first) and the aliases declared for it. Switched-off providers are left out, absent ones are not.
 */
export function knownModels(settings: Settings, snapshot: Snapshot): readonly NamedModel[] {
  const names = new Names();
  for (const rule of settings.routing.exactMatches.values())
    names.add(rule.model, deploymentOf(snapshot, rule.provider, rule.upstreamModel ?? rule.model));
  for (const group of settings.routing.groups.values()) {
    if (group.isWildcard) continue;
    for (const { provider, model } of group.deployments) names.add(group.name, deploymentOf(snapshot, provider, model));
  }
  const providers = [...snapshot.providers.values()].filter(isOffered).sort((a, b) => b.priority - a.priority);
  for (const provider of providers)
    for (const facts of provider.models.values()) names.add(facts.id, { provider, model: facts.id, facts });
  for (const provider of providers)
    for (const declared of settings.providers.get(provider.name)?.models.values() ?? [])
      for (const alias of declared.aliases) names.add(alias, deploymentOf(snapshot, provider.name, declared.id));
  return names.list();
}

/** The entry a client means by this name: as written, else as the providers behind it compare names. */
export function findNamedModel(models: readonly NamedModel[], name: string): NamedModel | null {
  return (
    models.find((model) => model.name === name) ??
    models.find((model) =>
      model.deployments.some(({ provider }) => adapters[provider.kind].isSameName(model.name, name)),
    ) ??
    null
  );
}

export function mergedFacts({ deployments }: NamedModel): MergedFacts {
  const all = deployments.flatMap(({ facts }) => facts ?? []);
  const first = <Value>(read: (facts: ModelFacts) => Value | null): Value | null => {
    for (const facts of all) {
      const value = read(facts);
      if (value !== null) return value;
    }
    return null;
  };
  const capabilities = first((facts) => facts.capabilities);
  return {
    contextLength: first((facts) => facts.contextLoaded ?? facts.contextTrained),
    size: first((facts) => facts.size),
    activeSize: first((facts) => facts.activeSize),
    quantization: first((facts) => facts.quantization),
    capabilities: capabilities === null ? null : [...capabilities],
    isLoaded: all.some((facts) => facts.isLoaded === true) ? true : first((facts) => facts.isLoaded),
    createdAtSeconds: first((facts) => facts.createdAtSeconds),
    providers: [...new Set(deployments.map(({ provider }) => provider.name))],
  };
}
