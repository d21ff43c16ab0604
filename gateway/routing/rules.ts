// The configuration as the decision reads it: one shape for all kinds of rule, indexes built once, frozen.

import type {
  CapabilityRule,
  ConditionText,
  ConfigProblem,
  ExactRule,
  FallbackTargets,
  GroupDeployment,
  MetadataRule,
  ModelGroup,
  RedundantModel,
  Settings,
  SizeRule,
  StrategyName,
  TimeLimits,
} from '../config/settings.ts';
import type { Candidate, DeploymentKey } from '../types.ts';
import { type Condition, parseCondition } from './condition-syntax.ts';
import { DeclaredModels } from './declared-models.ts';
import { groupSiblings } from './group-siblings.ts';
import { PatternMatcher } from './match.ts';
import { ModelIndex } from './model-index.ts';
import { literalNaming, type Naming } from './naming.ts';
import { compareSpecificity, compileWildcard, type Wildcard } from './wildcard.ts';

/** A provider that a rule names, and the model to ask it for. */
export interface Target {
  readonly provider: string;
  /** Null: found by the name that was asked for. */
  readonly model: string | null;
  /** The `model_list` entry it comes from, with its share and limits. */
  readonly deployment: GroupDeployment | null;
  /** The share that `redundant_models` gives it. */
  readonly weight: number | null;
}

/** What all kinds of rule come to. */
export interface Rule {
  /** `STEP:KEY`. */
  readonly id: string;
  readonly targets: readonly Target[];
  readonly fallback: FallbackTargets;
  /** Already chosen among the rule's own, the one for its name, and the general ones. */
  readonly strategy: StrategyName;
  readonly requiresWarm: boolean;
  readonly timeouts: TimeLimits | null;
  /** Other groups of the same model: they stand behind a group before any configured fallback. */
  readonly siblings: readonly string[];
}

interface CompiledCondition {
  readonly condition: Condition;
  readonly text: string;
}

export interface CompiledMetadata {
  readonly rule: Rule;
  readonly source: MetadataRule;
  readonly condition: CompiledCondition;
}

export interface CompiledLink {
  readonly rule: Rule;
  /** Null: always. */
  readonly condition: CompiledCondition | null;
}

/** The configuration in the form `route` reads. Everything is frozen but the memories, which nobody can see. */
export interface Rules {
  readonly settings: Settings;
  readonly naming: Naming;
  readonly models: ModelIndex;
  readonly declared: DeclaredModels;
  readonly metadata: readonly CompiledMetadata[];
  readonly exact: ReadonlyMap<string, Rule>;
  /** `redundant_models` as rules whose targets have shares. */
  readonly redundant: ReadonlyMap<string, Rule>;
  /** `model_list` without wildcards. */
  readonly groups: ReadonlyMap<string, Rule>;
  readonly patterns: readonly Rule[];
  readonly patternMatcher: PatternMatcher;
  readonly wildcards: readonly { readonly wildcard: Wildcard; readonly rule: Rule }[];
  readonly capabilities: ReadonlyMap<string, { readonly rule: Rule; readonly source: CapabilityRule }>;
  readonly sizes: readonly { readonly rule: Rule; readonly source: SizeRule }[];
  readonly chains: ReadonlyMap<string, readonly CompiledLink[]>;
  /** For deployments that no rule with a strategy of its own has named. */
  readonly defaultStrategy: StrategyName;
  /** What could not be compiled: conditions with a mistake, at the place of the mistake. Such a rule never holds. */
  readonly problems: readonly ConfigProblem[];
  /** The time limits that rules give this candidate, the most specific first; the provider's own come after them. */
  timeoutsFor(candidate: Candidate): readonly TimeLimits[];
  /** The `model_list` entry behind a candidate: that of its own rule, else the first that names the deployment. */
  entryFor(candidate: Pick<Candidate, 'provider' | 'model' | 'via'>): GroupDeployment | null;
  /** The first `model_list` entry that names the deployment; null: none does. */
  entryAt(provider: string, model: string): GroupDeployment | null;
  /** The strategy for a name or capability whose rule names none. */
  strategyFor(name: string, isGroup: boolean): StrategyName;
}

const NO_FALLBACK: FallbackTargets = Object.freeze({ kind: 'default' });

/**
 * Compiles settings once per change of the configuration.
 * @param naming how names are compared; without it they mean nothing but themselves
 */
export function compileRules(settings: Settings, naming: Naming = literalNaming): Rules {
  const { routing } = settings;
  const problems: ConfigProblem[] = [];
  const byId = new Map<string, Rule[]>();
  const keep = (rule: Rule): Rule => {
    byId.set(rule.id, [...(byId.get(rule.id) ?? []), rule]);
    return rule;
  };
  const condition = (source: ConditionText, path: string) => compileCondition(source, path, problems);
  const strategyFor = (name: string, isGroup: boolean) => chooseStrategy(settings, name, isGroup);
  const redundant = mapValues(routing.redundantModels, (source) =>
    redundantRule(source, strategyFor(source.name, false)),
  );
  const groups = [...routing.groups.values()];
  const siblings = groupSiblings(groups, naming);
  const entries = entriesByDeployment(groups);
  const entryAt = ({ provider, model }: DeploymentKey) => entries.get(provider)?.get(model) ?? null;
  const rules: Rules = {
    settings,
    naming,
    models: new ModelIndex(naming),
    declared: new DeclaredModels(naming.isSameName),
    metadata: routing.metadataRules.map((source) => ({
      rule: keep(simpleRule(`metadata:${source.name}`, source, strategyFor(source.name, false))),
      source,
      condition: condition(source.condition, `request_metadata_routing.${source.name}.condition`),
    })),
    exact: mapValues(routing.exactMatches, (source, name) =>
      keep(withShares(simpleRule(`exact:${name}`, source, strategyFor(name, false)), source, redundant.get(name))),
    ),
    redundant,
    groups: new Map(
      groups
        .filter((group) => !group.isWildcard)
        .map(({ name, deployments }) => {
          const rule = groupRule(`exact:${name}`, deployments, strategyFor(name, true));
          return [name, keep({ ...rule, siblings: siblings.get(name) ?? [] })];
        }),
    ),
    patterns: routing.patterns.map((source, index) =>
      keep(simpleRule(`pattern:${index + 1}`, source, strategyFor(source.pattern, false))),
    ),
    patternMatcher: new PatternMatcher(routing.patterns.map(({ pattern }) => pattern)),
    wildcards: groups
      .filter((group) => group.isWildcard)
      .map((group) => ({
        wildcard: compileWildcard(group.name),
        rule: keep(groupRule(`pattern:${group.name}`, group.deployments, strategyFor(group.name, true))),
      }))
      .sort((a, b) => compareSpecificity(a.wildcard, b.wildcard)),
    capabilities: mapValues(routing.capabilities, (source, name) => ({
      rule: keep(capabilityRule(source, source.routingStrategy ?? strategyFor(name, false))),
      source,
    })),
    sizes: routing.sizeRules.map((source, index) => ({
      rule: keep(simpleRule(`size:${index + 1}`, source, strategyFor(source.text, false))),
      source,
    })),
    chains: mapValues(routing.fallbackChains, (chain, name) =>
      chain.links.map((link, index) => ({
        rule: keep({
          ...bareRule(`chain:${name}:${index + 1}`, strategyFor(name, false)),
          targets: [target(link.provider, link.preferredModel)],
        }),
        condition: link.condition && condition(link.condition, `fallback_chains.${name}.chain[${index}].condition`),
      })),
    ),
    defaultStrategy: strategyFor('', false),
    problems,
    timeoutsFor: (candidate) => timeoutsOf(byId.get(candidate.via) ?? [], candidate),
    entryFor: (candidate) =>
      entries.size === 0 ? null : (entryOf(byId.get(candidate.via) ?? [], candidate) ?? entryAt(candidate)),
    entryAt: (provider, model) => (entries.size === 0 ? null : entryAt({ provider, model })),
    strategyFor,
  };
  return Object.freeze(rules);
}

/** A rule without targets, for steps that find them themselves. */
export function bareRule(id: string, strategy: StrategyName): Rule {
  return { id, targets: [], fallback: NO_FALLBACK, strategy, requiresWarm: false, timeouts: null, siblings: [] };
}

function target(provider: string, model: string | null, weight: number | null = null): Target {
  return { provider, model, deployment: null, weight };
}

type SimpleSource = Pick<
  MetadataRule,
  'provider' | 'upstreamModel' | 'fallback' | 'routingStrategy' | 'requiresWarm' | 'timeouts'
>;

function simpleRule(id: string, source: SimpleSource, strategy: StrategyName): Rule {
  return {
    ...bareRule(id, strategy),
    targets: [target(source.provider, source.upstreamModel)],
    fallback: source.fallback,
    strategy: source.routingStrategy ?? strategy,
    requiresWarm: source.requiresWarm,
    timeouts: source.timeouts,
  };
}

function groupRule(id: string, deployments: readonly GroupDeployment[], strategy: StrategyName): Rule {
  const targets = deployments.map((deployment) => ({
    provider: deployment.provider,
    model: deployment.model,
    deployment,
    weight: deployment.weight,
  }));
  return { ...bareRule(id, strategy), targets };
}

function redundantRule(source: RedundantModel, strategy: StrategyName): Rule {
  const hasShares = source.providers.some(({ weight }) => weight !== null);
  const targets = source.providers.map((one) => target(one.provider, one.upstreamModel, one.weight));
  return {
    ...bareRule(`redundant:${source.name}`, source.routingStrategy ?? (hasShares ? 'weighted_round_robin' : strategy)),
    targets,
  };
}

/** An exact rule whose provider is among those of the name's `redundant_models`: all of them are its targets, by their shares. */
function withShares(rule: Rule, source: ExactRule, redundant: Rule | undefined): Rule {
  if (!redundant?.targets.some(({ provider }) => provider === source.provider)) return rule;
  const targets = redundant.targets.map((one) =>
    one.provider === source.provider && one.model === null ? { ...one, model: source.upstreamModel } : one,
  );
  return { ...rule, targets, strategy: source.routingStrategy ?? redundant.strategy };
}

function capabilityRule(source: CapabilityRule, strategy: StrategyName): Rule {
  return {
    ...bareRule(`capability:${source.name}`, strategy),
    targets: source.providers.map((provider) => target(provider, null)),
    fallback: source.fallback,
    requiresWarm: source.requiresWarm,
    timeouts: source.timeouts,
  };
}

/** The entry for that name; else the general one; else the entry for all; else LiteLLM's default for its groups, and ours. */
function chooseStrategy({ routing }: Settings, name: string, isGroup: boolean): StrategyName {
  for (const entry of routing.strategies.values()) if (entry.applicableTo?.includes(name)) return entry.strategy;
  if (routing.strategy !== null) return routing.strategy;
  for (const entry of routing.strategies.values()) if (entry.applicableTo === null) return entry.strategy;
  return isGroup ? 'shuffle' : 'predicted';
}

function compileCondition(source: ConditionText, path: string, problems: ConfigProblem[]): CompiledCondition {
  const parsed = parseCondition(source.text);
  if (parsed.ok) return { condition: parsed.condition, text: source.text };
  const { file, line, column } = source.position;
  problems.push({
    file,
    line,
    column: column + parsed.offset,
    severity: 'error',
    code: 'invalid_condition',
    message: parsed.message,
    path,
  });
  return { condition: { is: 'never' }, text: source.text };
}

function timeoutsOf(rules: readonly Rule[], candidate: Candidate): readonly TimeLimits[] {
  for (const rule of rules) {
    const named = rule.targets.filter(({ provider }) => provider === candidate.provider);
    if (named.length === 0 && rule.targets.length > 0) continue;
    const entry = named.find(({ model }) => model === candidate.model) ?? named[0];
    return [entry?.deployment?.timeouts ?? null, rule.timeouts].filter((one) => one !== null);
  }
  return [];
}

function entriesByDeployment(groups: readonly ModelGroup[]): ReadonlyMap<string, ReadonlyMap<string, GroupDeployment>> {
  const entries = new Map<string, Map<string, GroupDeployment>>();
  for (const { deployments } of groups) {
    for (const entry of deployments) {
      const models = entries.get(entry.provider) ?? new Map<string, GroupDeployment>();
      if (!models.has(entry.model)) models.set(entry.model, entry);
      entries.set(entry.provider, models);
    }
  }
  return entries;
}

function entryOf(rules: readonly Rule[], { provider, model }: DeploymentKey): GroupDeployment | null {
  for (const { targets } of rules) {
    const named = targets.filter((target) => target.deployment !== null && target.provider === provider);
    const entry = named.find((target) => target.model === model) ?? named[0];
    if (entry) return entry.deployment;
  }
  return null;
}

function mapValues<In, Out>(
  map: ReadonlyMap<string, In>,
  change: (value: In, key: string) => Out,
): ReadonlyMap<string, Out> {
  return new Map([...map].map(([key, value]) => [key, change(value, key)]));
}
