// Step 5: what the client wants done instead of which model does it.

import type { CapabilityRule } from '../../config/settings.ts';
import type { ProviderSnapshot } from '../../types.ts';
import {
  canServe,
  type Demands,
  matched,
  noMatch,
  type Proposal,
  propose,
  proposeTargets,
  type StepFinding,
  skipped,
} from '../proposal.ts';
import { isListKnown, type Question } from '../question.ts';
import { bareRule, type Rule } from '../rules.ts';
import { byListOnly, exactTerms, namedWithoutSubstitutes, providerTerms } from '../servable.ts';
import { proposeProviderModels } from './pool.ts';

/** The model name that leaves the choice to the gateway. */
export const AUTO = 'auto';

export function capabilityStep(question: Question): StepFinding {
  const { rules, facts, name } = question;
  const hint = facts.capabilityHint;
  const wanted = hint ?? name;
  const entry = wanted === null ? undefined : rules.capabilities.get(wanted);
  if (entry) return proposeCapability(question, entry.rule, entry.source);
  if (name === AUTO || (name === null && facts.needs.length > 0) || (name === null && !hasDefault(question))) {
    return proposeAnything(question);
  }
  if (hint !== null) return noMatch(`no capability is named "${hint}"`);
  if (rules.capabilities.size === 0) return skipped('no capabilities are configured');
  return noMatch(name === null ? 'the default provider serves requests without a model' : `"${name}" is no capability`);
}

function hasDefault({ rules, pin }: Question): boolean {
  return pin !== null || rules.settings.routing.defaultProvider !== null;
}

/** Preferred models as one set; when none can serve, all models of the named providers, of all if none is named. */
function proposeCapability(question: Question, rule: Rule, source: CapabilityRule): StepFinding {
  const demands = capabilityDemands(question, source);
  const providers = namedProviders(question, source);
  const preferred = source.preferredModels.flatMap((model) => proposePreferred(question, providers, model, source));
  if (preferred.some(canServe)) {
    const finding = matched(
      `capability "${source.name}" prefers ${source.preferredModels.join(', ')}`,
      rule,
      preferred,
      demands,
    );
    return hasStrategy(question, source) || finding.is !== 'matched'
      ? finding
      : { ...finding, tier: { ...finding.tier, isInOrder: true } };
  }
  const pool = providers.flatMap((provider) => proposeProviderModels(question, provider, source.providers.length > 0));
  const all = [...preferred, ...pool];
  if (pool.some(canServe))
    return matched(`capability "${source.name}" takes any model of ${wordFor(source)}`, rule, all, demands);
  const assumed = providers.filter((provider) => source.providers.length > 0 && !isListKnown(provider));
  const unlisted = assumed.map((provider) => propose(question, provider, null, providerTerms(question), null));
  if (unlisted.some(canServe))
    return matched(`capability "${source.name}" names ${wordFor(source)}`, rule, [...all, ...unlisted], demands);
  return skipped(`capability "${source.name}" is asked for, but no model of ${wordFor(source)} is known`, all);
}

/** @param source null: `auto` */
export function capabilityDemands(question: Question, source: CapabilityRule | null): Demands {
  const needsCompletion = needsText(question);
  return { minSize: source?.minModelSize ?? null, minContext: source?.minContext ?? null, needsCompletion };
}

/**
 * What a provider that stands behind a capability would be asked for: a preferred model that it has, else any of its own.
 * @param source null: `auto`
 */
export function proposeBehindCapability(
  question: Question,
  source: CapabilityRule | null,
  provider: ProviderSnapshot,
): readonly Proposal[] {
  const { rules, snapshot } = question;
  const preferred = (source?.preferredModels ?? []).map((model) => {
    const asked: Question = { ...question, name: model, named: rules.models.find(model, snapshot.providers) };
    return propose(asked, provider, null, namedWithoutSubstitutes, null);
  });
  if (preferred.some(canServe)) return preferred;
  const pool = proposeProviderModels(question, provider, true);
  return pool.some(canServe) ? pool : [propose(question, provider, null, providerTerms(question), null)];
}

/** The rule's own strategy or one for this capability; without one the written order of the preferred models holds. */
function hasStrategy({ rules }: Question, source: CapabilityRule): boolean {
  const { strategies, strategy } = rules.settings.routing;
  if (source.routingStrategy !== null || strategy !== null) return true;
  for (const entry of strategies.values()) {
    if (entry.applicableTo === null || entry.applicableTo.includes(source.name)) return true;
  }
  return false;
}

function wordFor(source: CapabilityRule): string {
  return source.providers.length === 0 ? 'all providers' : source.providers.join(', ');
}

function namedProviders({ snapshot }: Question, source: CapabilityRule): readonly ProviderSnapshot[] {
  if (source.providers.length === 0) return [...snapshot.providers.values()];
  return source.providers.map((name) => snapshot.providers.get(name)).filter((provider) => provider !== undefined);
}

/** A preferred model where the capability's providers have it; its group or exact rule says so first. */
function proposePreferred(
  question: Question,
  providers: readonly ProviderSnapshot[],
  model: string,
  source: CapabilityRule,
): readonly Proposal[] {
  const { rules, snapshot } = question;
  const asked: Question = { ...question, name: model, named: rules.models.find(model, snapshot.providers) };
  const ruled = rules.groups.get(model) ?? rules.exact.get(model);
  const targets = ruled?.targets.filter(
    ({ provider }) => source.providers.length === 0 || source.providers.includes(provider),
  );
  if (targets && targets.length > 0) {
    const proposals = proposeTargets(asked, targets, exactTerms);
    if (proposals.some(canServe)) return proposals;
  }
  const terms = source.providers.length > 0 ? namedWithoutSubstitutes : byListOnly;
  const all = providers.map((provider) => propose(asked, provider, null, terms, null));
  return source.providers.length > 0 ? all : all.filter((proposal) => proposal.barred !== 'model_missing');
}

/** `auto`: the whole `model_list` where there is one, else every model that can do what the request needs. */
function proposeAnything(question: Question): StepFinding {
  const { rules, snapshot } = question;
  const demands = capabilityDemands(question, null);
  const groups = [...rules.groups.values()].flatMap(({ targets }) => targets);
  const rule = bareRule('capability:auto', rules.strategyFor(AUTO, groups.length > 0));
  const listed = groups.length > 0 ? proposeTargets(question, groups, exactTerms) : [];
  if (listed.some(canServe)) return matched('any model of the model_list will do', rule, listed, demands);
  const pool = [...snapshot.providers.values()].flatMap((provider) => proposeProviderModels(question, provider, false));
  if (pool.some(canServe)) return matched('any model that can do what the request needs will do', rule, pool, demands);
  return noMatch('no provider lists a model', [...listed, ...pool]);
}

/** An endpoint that generates text needs a model that can, which an embedding model cannot. */
function needsText({ facts }: Question): boolean {
  switch (facts.endpoint) {
    case 'chat':
    case 'completions':
    case 'responses':
    case 'messages':
    case 'ollama_chat':
    case 'ollama_generate':
      return true;
    default:
      return false;
  }
}
