// Step 0: another name for a model, or one name for several.

import type { ModelAlias } from '../../config/settings.ts';
import type { ProviderSnapshot, Snapshot } from '../../types.ts';
import { LONGEST_MODEL_NAME } from '../match.ts';
import { canServe, matched, type Proposal, propose, proposeTargets, type StepFinding, skipped } from '../proposal.ts';
import type { Question } from '../question.ts';
import { bareRule, type Rules } from '../rules.ts';
import { byListOnly, exactTerms } from '../servable.ts';
import { wildcardFor } from './pattern.ts';

/** What an alias made of the name that was asked for. */
export interface AliasedName {
  readonly name: string | null;
  /** The alias with several targets that the name stands for; null: it stands for one model. */
  readonly group: ModelAlias | null;
  readonly is: 'matched' | 'no_match' | 'skipped';
  readonly why: string;
}

/** Aliases of aliases are followed this far; a circle ends there too. */
const LONGEST_CHAIN = 10;

/** Rewrites the name. An alias whose target nothing answers to is passed over, so a real group of that name still works. */
export function followAlias(name: string | null, rules: Rules, snapshot: Snapshot): AliasedName {
  const { aliases } = rules.settings.routing;
  if (aliases.size === 0) return { name, group: null, is: 'skipped', why: 'no aliases are configured' };
  const first = name === null ? undefined : aliases.get(name);
  if (name === null || !first) return { name, group: null, is: 'no_match', why: 'no alias has this name' };
  let current = name;
  for (let step = 0; step < LONGEST_CHAIN; step += 1) {
    const alias = aliases.get(current);
    if (!alias) return { name: current, group: null, is: 'matched', why: `"${name}" stands for "${current}"` };
    if (alias.isGroup || alias.targets.length > 1) return aliasGroup(name, alias, rules, snapshot);
    const [target] = alias.targets;
    if (target === undefined || !isAnswered(target, rules, snapshot)) {
      const why = `"${current}" stands for "${target ?? ''}", which nothing answers to: the alias is passed over`;
      return { name: current, group: null, is: current === name ? 'skipped' : 'matched', why };
    }
    if (target === current) return { name, group: null, is: 'matched', why: `"${name}" stands for itself` };
    current = target;
  }
  return { name, group: null, is: 'skipped', why: `the alias "${name}" leads in a circle` };
}

function aliasGroup(name: string, alias: ModelAlias, rules: Rules, snapshot: Snapshot): AliasedName {
  const answered = alias.targets.filter((target) => isAnswered(target, rules, snapshot));
  if (answered.length === 0) {
    return { name, group: null, is: 'skipped', why: `nothing answers to any of ${alias.targets.join(', ')}` };
  }
  return { name, group: alias, is: 'matched', why: `"${name}" stands for ${answered.join(', ')}` };
}

/** Whether any rule or provider knows the name. */
function isAnswered(name: string, rules: Rules, snapshot: Snapshot): boolean {
  if (name.length > LONGEST_MODEL_NAME) return false;
  const { aliases } = rules.settings.routing;
  return (
    rules.exact.has(name) ||
    rules.groups.has(name) ||
    rules.redundant.has(name) ||
    rules.capabilities.has(name) ||
    aliases.has(name) ||
    rules.models.find(name, snapshot.providers).listedBy.size > 0 ||
    rules.patternMatcher.matches(name).length > 0 ||
    wildcardFor(rules, name) !== null
  );
}

/** All deployments of a virtual group under one strategy. */
export function proposeAliasGroup(question: Question, alias: ModelAlias): StepFinding {
  const proposals = alias.targets.flatMap((target) => proposeName(question, target));
  const rule = bareRule(`alias:${alias.name}`, question.rules.strategyFor(alias.name, true));
  if (!proposals.some(canServe)) return skipped(`no deployment of "${alias.name}" can serve`, proposals);
  return matched(`"${alias.name}" is a group of ${alias.targets.join(', ')}`, rule, proposals);
}

/** The deployments that a name stands for: its group, its exact rule, else every provider that lists it. */
export function proposeName(question: Question, name: string): readonly Proposal[] {
  const { rules, snapshot } = question;
  const rule = rules.groups.get(name) ?? rules.exact.get(name);
  const named = rules.models.find(name, snapshot.providers);
  const asked: Question = { ...question, name, named };
  if (rule) return proposeTargets(asked, rule.targets, exactTerms);
  const listing: ProviderSnapshot[] = [];
  for (const provider of named.listedBy.keys()) {
    const found = snapshot.providers.get(provider);
    if (found) listing.push(found);
  }
  return listing.map((provider) => propose(asked, provider, null, byListOnly, null));
}
