// From a provider that a rule names to the model it would be asked for.

import type { ModelFacts, ModelSource, Place, ProviderSnapshot } from '../types.ts';
import type { ListedModel, NamedModel } from './model-index.ts';
import { isListKnown, isVectorEndpoint, type Question } from './question.ts';

/** The model of a provider that would serve the request. */
export interface ServedModel {
  readonly model: string;
  /** Null: not in the provider's list, or there is no list yet. */
  readonly facts: ModelFacts | null;
  readonly source: ModelSource | null;
  /** The request or the configuration names exactly this deployment: only then may it run on somebody else's machine. */
  readonly isNamed: boolean;
  readonly note: string | null;
}

/** How freely a step finds a model at a provider. */
export interface ServeTerms {
  /** Another model than the one asked for may answer (`single_model`, `default_model`). */
  readonly maySubstitute: boolean;
  /** The rule names the provider, so a provider without a list is taken at the rule's word. */
  readonly namesProvider: boolean;
}

/** Steps that look at models only. */
export const byListOnly: ServeTerms = Object.freeze({ maySubstitute: false, namesProvider: false });
const namedWithSubstitutes: ServeTerms = Object.freeze({ maySubstitute: true, namesProvider: true });
/** Steps whose rule names a provider for the very model that was asked for. */
export const namedWithoutSubstitutes: ServeTerms = Object.freeze({ maySubstitute: false, namesProvider: true });

/** An exact rule means what it says, even where vectors of two models would be mixed. */
export const exactTerms: ServeTerms = namedWithSubstitutes;

/** All other rules that name a provider. */
export function providerTerms({ facts }: Question): ServeTerms {
  return isVectorEndpoint(facts.endpoint) ? namedWithoutSubstitutes : namedWithSubstitutes;
}

const NO_LIST = 'its list of models is not known yet';

/**
 * The model that this provider would be asked for.
 * @param model what the rule says; null: found by the name of the request
 * @returns null when it has none that may answer (`model_missing`)
 */
export function servedBy(
  question: Question,
  provider: ProviderSnapshot,
  model: string | null,
  terms: ServeTerms,
): ServedModel | null {
  return model === null ? byName(question, provider, question.name, terms) : byRule(question, provider, model, terms);
}

/** The rule names the model: as the provider spells it, or as written where no list says otherwise. */
function byRule(question: Question, provider: ProviderSnapshot, model: string, terms: ServeTerms): ServedModel | null {
  const facts = provider.models.get(model) ?? findNamed(question, model).listedBy.get(provider.name)?.facts;
  if (facts) return { model: facts.id, facts, source: 'rule', isNamed: true, note: null };
  if (!isListKnown(provider)) return { model, facts: null, source: 'rule', isNamed: true, note: NO_LIST };
  return terms.maySubstitute && provider.isSingleModel ? singleModel(provider, model) : null;
}

function byName(
  question: Question,
  provider: ProviderSnapshot,
  name: string | null,
  terms: ServeTerms,
): ServedModel | null {
  if (name !== null) {
    const listed = findNamed(question, name).listedBy.get(provider.name);
    if (listed && listed.source !== 'same_model') return byListing(question, provider, name, listed, terms);
    const declared = byDeclaration(question, provider, name);
    if (declared) return declared;
    if (listed) return byListing(question, provider, name, listed, terms);
  }
  if (terms.maySubstitute && provider.isSingleModel) return singleModel(provider, name);
  if (name !== null && terms.namesProvider && !isListKnown(provider)) {
    return { model: name, facts: null, source: null, isNamed: true, note: NO_LIST };
  }
  return terms.maySubstitute ? defaultModel(question, provider) : null;
}

function byListing(
  question: Question,
  provider: ProviderSnapshot,
  name: string,
  { facts, source }: ListedModel,
  terms: ServeTerms,
): ServedModel {
  const isNamed =
    source === 'listed' ||
    (terms.namesProvider && provider.place === 'cloud') ||
    (source === 'alias' && isDeclaredAlias(question, provider, facts.id, name));
  return { model: facts.id, facts, source, isNamed, note: null };
}

/** `redundant_models` says under which name this provider has the model. */
function byDeclaration({ rules, snapshot }: Question, provider: ProviderSnapshot, name: string): ServedModel | null {
  const entry = rules.redundant.get(name)?.targets.find((target) => target.provider === provider.name);
  if (!entry || entry.model === null) return null;
  const listed = rules.models.find(entry.model, snapshot.providers).listedBy.get(provider.name);
  if (listed) return { model: listed.facts.id, facts: listed.facts, source: 'same_model', isNamed: true, note: null };
  if (isListKnown(provider)) return null;
  return { model: entry.model, facts: null, source: 'same_model', isNamed: true, note: NO_LIST };
}

/** It answers any name with the one model it has. */
function singleModel(provider: ProviderSnapshot, name: string | null): ServedModel | null {
  const [only] = provider.models.values();
  if (only) return { model: only.id, facts: only, source: 'single_model', isNamed: true, note: null };
  if (isListKnown(provider) && provider.models.size > 0) return null;
  const model = name ?? provider.defaultModel;
  return model === null ? null : { model, facts: null, source: 'single_model', isNamed: true, note: NO_LIST };
}

function defaultModel(question: Question, provider: ProviderSnapshot): ServedModel | null {
  const name = provider.defaultModel;
  if (name === null) return null;
  const listed = findNamed(question, name).listedBy.get(provider.name);
  if (listed)
    return { model: listed.facts.id, facts: listed.facts, source: 'default_model', isNamed: true, note: null };
  if (isListKnown(provider)) return null;
  return { model: name, facts: null, source: 'default_model', isNamed: true, note: NO_LIST };
}

function findNamed({ name, named, rules, snapshot }: Question, wanted: string): NamedModel {
  return named && wanted === name ? named : rules.models.find(wanted, snapshot.providers);
}

/** An alias that the user gave it in the configuration names it. */
function isDeclaredAlias({ rules }: Question, provider: ProviderSnapshot, id: string, name: string): boolean {
  return rules.settings.providers.get(provider.name)?.models.get(id)?.aliases.includes(name) ?? false;
}

/** Where a deployment really runs: a local server may hand a model on to its vendor. */
export function placeOf(provider: ProviderSnapshot, facts: ModelFacts | null): Place {
  return facts !== null && facts.remoteHost !== null ? 'cloud' : provider.place;
}
