// Rules that cannot do what they were written for, as far as the configuration alone can tell.

import type { ConfigProblem, FilePosition, ModelAlias, Settings, SizeRule } from '../config/settings.ts';
import type { Condition } from './condition-syntax.ts';
import { coversPattern, exactName } from './pattern-cover.ts';
import type { Rules } from './rules.ts';

/** What can be said of a rule; all are lints. */
export type RuleLintCode = 'unreachable_rule' | 'alias_hides_model' | 'alias_cycle' | 'matches_no_model';

export function ruleLint(at: FilePosition, path: string, code: RuleLintCode, message: string): ConfigProblem {
  return { file: at.file, line: at.line, column: at.column, severity: 'lint', code, message, path };
}

/**
 * Shadowed and unreachable rules, aliases that hide a model, aliases in a circle. A rule counts as shadowed when
 * another one comes first for every request it holds for; that one may still pass if its provider cannot serve.
 */
export function lintRules(rules: Rules): readonly ConfigProblem[] {
  return [
    ...lintMetadata(rules),
    ...lintNamed(rules),
    ...lintPatterns(rules),
    ...lintSizes(rules.settings.routing.sizeRules),
    ...lintAliases(rules),
  ];
}

function* lintMetadata({ metadata }: Rules): Generator<ConfigProblem> {
  const seen = new Map<string, string>();
  let always: string | null = null;
  for (const { source, condition } of metadata) {
    const path = `request_metadata_routing.${source.name}`;
    const same = seen.get(condition.text.trim());
    if (always !== null)
      yield ruleLint(
        source.position,
        path,
        'unreachable_rule',
        `"${always}" before it holds for every request: this rule is only reached when its provider cannot serve`,
      );
    else if (same !== undefined)
      yield ruleLint(
        source.position,
        path,
        'unreachable_rule',
        `"${same}" before it has the same condition: this rule is only reached when its provider cannot serve`,
      );
    seen.set(condition.text.trim(), source.name);
    if (always === null && isAlways(condition.condition)) always = source.name;
  }
}

function isAlways(condition: Condition): boolean {
  if (condition.is === 'or') return isAlways(condition.left) || isAlways(condition.right);
  if (condition.is === 'and') return isAlways(condition.left) && isAlways(condition.right);
  return condition.is === 'always';
}

/** Groups and capabilities whose name an earlier step takes. */
function* lintNamed({ settings }: Rules): Generator<ConfigProblem> {
  const { exactMatches, groups, capabilities } = settings.routing;
  for (const [name, { deployments, isWildcard }] of groups) {
    const [first] = deployments;
    if (isWildcard || !first || !exactMatches.has(name)) continue;
    const message = `"${name}" stands in exact_matches, which come first: this group is only reached when that provider cannot serve`;
    yield ruleLint(first.position, 'model_list', 'unreachable_rule', message);
  }
  for (const { name, position } of capabilities.values()) {
    if (!exactMatches.has(name) && !groups.has(name)) continue;
    const message = `"${name}" is also the name of a rule or group, which comes first: only the header X-Capability or a need reaches this capability`;
    yield ruleLint(position, `capabilities.${name}`, 'unreachable_rule', message);
  }
}

function* lintPatterns({ settings }: Rules): Generator<ConfigProblem> {
  const { patterns, exactMatches, groups } = settings.routing;
  for (const [index, { pattern, position }] of patterns.entries()) {
    const path = `patterns[${index}]`;
    const name = exactName(pattern);
    if (name !== null && (exactMatches.has(name) || groups.has(name))) {
      const message = `it matches only "${name}", which an exact rule or a group comes first for`;
      yield ruleLint(position, path, 'unreachable_rule', message);
      continue;
    }
    const earlier = patterns.findIndex(
      (other, at) => at < index && other.pattern !== pattern && coversPattern(other.pattern, pattern),
    );
    const cover = earlier < 0 ? undefined : patterns[earlier];
    if (!cover) continue;
    const message = `pattern ${earlier + 1} ("${cover.pattern}", line ${cover.position.line}) matches every name this one does: it is only reached when that provider cannot serve`;
    yield ruleLint(position, path, 'unreachable_rule', message);
  }
  const all = patterns.findIndex(({ pattern }) => coversPattern(pattern, ''));
  if (all < 0) return;
  for (const { name, isWildcard, deployments } of groups.values()) {
    const [first] = deployments;
    if (!isWildcard || !first) continue;
    const message = `pattern ${all + 1} matches every name and comes first: "${name}" is only reached when that provider cannot serve`;
    yield ruleLint(first.position, 'model_list', 'unreachable_rule', message);
  }
}

function* lintSizes(rules: readonly SizeRule[]): Generator<ConfigProblem> {
  for (const [index, rule] of rules.entries()) {
    const cover = rules.find((other, at) => at < index && isInside(rule, other));
    if (!cover) continue;
    const message = `every size within "${rule.text}" is within "${cover.text}" (line ${cover.position.line}): this rule is only reached when that provider cannot serve`;
    yield ruleLint(rule.position, `model_size_routing[${index}]`, 'unreachable_rule', message);
  }
}

function isInside(inner: SizeRule, outer: SizeRule): boolean {
  const { min, max } = outer;
  const isAboveMin =
    min === null ||
    (inner.min !== null &&
      (inner.min.size > min.size || (inner.min.size === min.size && (min.isIncluded || !inner.min.isIncluded))));
  const isBelowMax =
    max === null ||
    (inner.max !== null &&
      (inner.max.size < max.size || (inner.max.size === max.size && (max.isIncluded || !inner.max.isIncluded))));
  return isAboveMin && isBelowMax;
}

function* lintAliases({ settings }: Rules): Generator<ConfigProblem> {
  const { aliases } = settings.routing;
  for (const alias of aliases.values()) {
    const { name, targets, position } = alias;
    const path = `router_settings.model_group_alias.${name}`;
    const circle = circleFrom(name, aliases);
    const hidden = circle === null ? hiddenBy(alias, settings) : null;
    if (circle !== null)
      yield ruleLint(position, path, 'alias_cycle', `the alias leads in a circle: ${circle.join(' -> ')}`);
    else if (hidden !== null) {
      const message = `"${name}" is also ${hidden}, which is reached by that name only as long as nothing answers to ${targets.join(' or ')}`;
      yield ruleLint(position, path, 'alias_hides_model', message);
    }
  }
}

/** What of the configuration nobody reaches because of the alias, in words; null: nothing. */
export function hiddenBy(alias: ModelAlias, { providers, routing }: Settings): string | null {
  const { name } = alias;
  if (alias.targets.includes(name)) return null;
  if (routing.exactMatches.has(name)) return 'a rule of exact_matches';
  if (routing.groups.has(name)) return 'a group of model_list';
  if (routing.redundantModels.has(name)) return 'an entry of redundant_models';
  if (leadsToModel(alias, routing)) return null;
  for (const { models } of providers.values()) if (models.has(name)) return 'a model of a provider';
  return null;
}

/** The alias stands for a group or rule that asks for the very model of its name: that one is not hidden. */
export function leadsToModel({ name, targets }: ModelAlias, routing: Settings['routing']): boolean {
  return targets.some(
    (target) =>
      routing.groups.get(target)?.deployments.some(({ model }) => model === name) ||
      routing.exactMatches.get(target)?.upstreamModel === name,
  );
}

/** The names from an alias back to itself, or null. One that only names itself is no circle: it stands for the model of its name. */
function circleFrom(name: string, aliases: Rules['settings']['routing']['aliases']): readonly string[] | null {
  const walk = (current: string, trail: readonly string[]): readonly string[] | null => {
    for (const target of aliases.get(current)?.targets ?? []) {
      if (target === current) continue;
      if (target === name) return [...trail, target];
      if (trail.includes(target)) continue;
      const found = walk(target, [...trail, target]);
      if (found !== null) return found;
    }
    return null;
  };
  return walk(name, [name]);
}
