// Which limits per minute concern a deployment: its own, those of its provider, and those of the whole gateway.

import type { DeclaredModel, GroupDeployment, ProviderSettings, Settings } from '../config/settings.ts';
import { BoundedMemory } from '../routing/bounded-memory.ts';
import { DeclaredModels } from '../routing/declared-models.ts';
import type { Naming } from '../routing/naming.ts';
import type { DeploymentUse } from '../routing/question.ts';
import { deploymentLimit, limitsOfName } from '../routing/share.ts';

/** Something that is limited: what counts there counts under one key. */
export interface LimitedScope {
  /** Unique within a configuration, and the same in every gateway that has it. */
  readonly key: string;
  /** For people: `gateway`, `provider ollama`, `ollama/qwen3`. */
  readonly label: string;
  /** Requests per minute; null: any number. */
  readonly rpm: number | null;
  /** Tokens per minute; null: any number. */
  readonly tpm: number | null;
}

interface PerMinute {
  readonly rpm: number | null;
  readonly tpm: number | null;
}

export interface RateScopesOptions {
  readonly isSameName: Naming['isSameName'];
  /** A provider that answers any name with the one model it has. */
  readonly isSingleModel: (provider: string) => boolean;
}

/** What one request of a deployment was limited by is remembered for the next one of its kind. */
interface Known {
  readonly entry: GroupDeployment | null;
  readonly name: string | null;
  readonly isSingle: boolean;
  readonly scopes: readonly LimitedScope[];
}

/** Models remembered per provider: clients may invent them. */
const MOST_KNOWN = 1_000;

const NOTHING: readonly LimitedScope[] = Object.freeze([]);

/** The limits of one settings object. */
export class RateScopes {
  readonly settings: Settings;
  /** False: nothing is limited, whatever is asked. */
  readonly hasLimits: boolean;
  readonly #isSingleModel: RateScopesOptions['isSingleModel'];
  readonly #declared: DeclaredModels;
  readonly #ofGateway: readonly LimitedScope[];
  /** Those of each provider with limits of its own, and the gateway's. */
  readonly #ofProviders = new Map<string, readonly LimitedScope[]>();
  readonly #hasDeploymentLimits: boolean;
  readonly #known = new Map<string, BoundedMemory<string, Known>>();

  constructor(settings: Settings, { isSameName, isSingleModel }: RateScopesOptions) {
    const { providers, reliability } = settings;
    this.settings = settings;
    this.#isSingleModel = isSingleModel;
    this.#declared = new DeclaredModels(isSameName);
    const whole = { rpm: reliability.globalRpm, tpm: reliability.globalTpm };
    this.#ofGateway = isLimit(whole) ? [{ key: 'gateway', label: 'gateway', ...whole }] : NOTHING;
    for (const provider of providers.values())
      if (isLimit(provider)) this.#ofProviders.set(provider.name, [...this.#ofGateway, providerScope(provider)]);
    this.#hasDeploymentLimits = hasDeploymentLimits(settings);
    this.hasLimits = this.#ofGateway.length > 0 || this.#ofProviders.size > 0 || this.#hasDeploymentLimits;
  }

  /** All that must have room for this use; none: it is not limited. */
  of(use: DeploymentUse): readonly LimitedScope[] {
    const wide = this.#ofProviders.get(use.provider) ?? this.#ofGateway;
    if (!this.#hasDeploymentLimits) return wide;
    const { provider, model, entry, name } = use;
    let known = this.#known.get(provider);
    if (known === undefined) {
      known = new BoundedMemory(MOST_KNOWN);
      this.#known.set(provider, known);
    }
    const own = this.settings.providers.get(provider) ?? null;
    const isSingle = own?.models.size === 1 && this.#isSingleModel(provider);
    const before = known.get(model);
    if (before?.entry === entry && before.name === name && before.isSingle === isSingle) return before.scopes;
    const scopes = this.#ofDeployment(use, own, isSingle, wide);
    known.set(model, { entry, name, isSingle, scopes });
    return scopes;
  }

  #ofDeployment(
    use: DeploymentUse,
    provider: ProviderSettings | null,
    isSingle: boolean,
    wide: readonly LimitedScope[],
  ): readonly LimitedScope[] {
    const isForMany = use.entry?.model.includes('*') ?? false;
    const entry = isForMany ? null : use.entry;
    const declared = provider === null ? null : this.#declared.of(provider, use.model, isSingle);
    const named = limitsOfName(this.settings, use.name, use.model);
    const rpm = deploymentLimit('rpm', entry, declared, named);
    const tpm = deploymentLimit('tpm', entry, declared, named);
    const own = rpm === null && tpm === null ? null : deploymentScope(use, declared, { rpm, tpm });
    // What an entry for many models allows, it allows for all of them together.
    const many = isForMany && use.entry !== null && isLimit(use.entry) ? wildcardScope(use.entry) : null;
    if (own === null) return many === null ? wide : [...wide, many];
    return many === null ? [...wide, own] : [...wide, many, own];
  }

  /** Those that can be told without a request: of the gateway, of providers and of declared models. */
  configured(): readonly LimitedScope[] {
    const scopes = [...this.#ofGateway];
    for (const provider of this.settings.providers.values()) {
      if (isLimit(provider)) scopes.push(providerScope(provider));
      for (const model of provider.models.values())
        if (isLimit(model)) scopes.push(deploymentScope({ provider: provider.name, model: model.id }, model, model));
    }
    return scopes;
  }
}

function isLimit({ rpm, tpm }: PerMinute): boolean {
  return rpm !== null || tpm !== null;
}

function hasDeploymentLimits({ providers, routing }: Settings): boolean {
  for (const { models } of providers.values()) for (const model of models.values()) if (isLimit(model)) return true;
  for (const named of routing.modelLimits.values()) if (isLimit(named)) return true;
  for (const { deployments } of routing.groups.values()) if (deployments.some(isLimit)) return true;
  return false;
}

function providerScope({ name, rpm, tpm }: PerMinute & { readonly name: string }): LimitedScope {
  return { key: `provider\u0000${name}`, label: `provider ${name}`, rpm, tpm };
}

/** One deployment counts once, however its name is spelled: what is declared of it gives the spelling. */
function deploymentScope(
  { provider, model }: { readonly provider: string; readonly model: string },
  declared: DeclaredModel | null,
  { rpm, tpm }: PerMinute,
): LimitedScope {
  const id = declared?.id ?? model;
  return { key: `deployment\u0000${provider}\u0000${id}`, label: `${provider}/${id}`, rpm, tpm };
}

function wildcardScope({ provider, model, rpm, tpm }: GroupDeployment): LimitedScope {
  return { key: `entry\u0000${provider}\u0000${model}`, label: `${provider}/${model}`, rpm, tpm };
}
