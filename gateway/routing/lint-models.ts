// Rules that no known model meets: what only lists of models can tell.

import type { ConfigProblem } from '../config/settings.ts';
import type { Snapshot } from '../types.ts';
import { hiddenBy, leadsToModel, ruleLint } from './lint.ts';
import { LONGEST_MODEL_NAME } from './match.ts';
import type { Rules } from './rules.ts';
import { isWithin } from './steps/size.ts';

/**
 * Patterns that match none of the names there are, size rules that hold for none of the models there are, and aliases
 * that hide a listed model. Say nothing of rules whose provider has never told what it has (`unlisted`).
 * @param snapshot providers with the models that are known of them
 */
export function lintAgainstModels(
  rules: Rules,
  snapshot: Snapshot,
  unlisted: ReadonlySet<string>,
): readonly ConfigProblem[] {
  const names = knownNames(rules, snapshot);
  if (names.size === 0) return [];
  const { patterns, sizeRules, aliases } = rules.settings.routing;
  const lints: ConfigProblem[] = [];
  const matched = new Set<number>();
  for (const name of names)
    if (name.length <= LONGEST_MODEL_NAME) for (const index of rules.patternMatcher.matches(name)) matched.add(index);
  for (const [index, { pattern, provider, position }] of patterns.entries()) {
    if (matched.has(index) || unlisted.has(provider)) continue;
    const message = `the pattern "${pattern}" matches none of the ${names.size} model names that are known`;
    lints.push(ruleLint(position, `patterns[${index}]`, 'matches_no_model', message));
  }
  const sizes = knownSizes(rules, names, snapshot);
  for (const [index, rule] of sizeRules.entries()) {
    if (unlisted.has(rule.provider) || sizes.some((size) => isWithin(size, rule))) continue;
    const message = `none of the ${sizes.length} models whose size is known is within "${rule.text}"`;
    lints.push(ruleLint(rule.position, `model_size_routing[${index}]`, 'matches_no_model', message));
  }
  for (const alias of aliases.values()) {
    const { name, targets, position } = alias;
    const provider = whoLists(name, snapshot);
    const isSaid = targets.includes(name) || hiddenBy(alias, rules.settings) !== null;
    if (provider === null || isSaid || leadsToModel(alias, rules.settings.routing)) continue;
    const message = `${provider} lists a model "${name}", which is reached by that name only as long as nothing answers to ${targets.join(' or ')}`;
    lints.push(ruleLint(position, `router_settings.model_group_alias.${name}`, 'alias_hides_model', message));
  }
  return lints;
}

/** Every name a client can ask for and mean a model. */
function knownNames({ settings }: Rules, { providers }: Snapshot): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { models } of providers.values())
    for (const { id, aliases } of models.values()) for (const name of [id, ...aliases]) names.add(name);
  if (names.size === 0) return names;
  for (const { models } of settings.providers.values())
    for (const { id, aliases } of models.values()) for (const name of [id, ...aliases]) names.add(name);
  for (const name of settings.routing.redundantModels.keys()) names.add(name);
  return names;
}

function knownSizes(rules: Rules, names: ReadonlySet<string>, { providers }: Snapshot): readonly number[] {
  const sizes: number[] = [];
  for (const name of names) {
    const size = rules.models.find(name, providers).size();
    if (size !== null) sizes.push(size);
  }
  return sizes;
}

function whoLists(name: string, { providers }: Snapshot): string | null {
  for (const provider of providers.values()) if (provider.models.has(name)) return provider.name;
  return null;
}
