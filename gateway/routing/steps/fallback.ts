// Step 9: who is asked when nobody that the rules chose is left: the request's own list, the rule's, the group's, then a chain.

import type { CapabilityRule, FallbackTargets } from '../../config/settings.ts';
import type { ProviderSnapshot } from '../../types.ts';
import { conditionHolds, firstFailure } from '../condition.ts';
import { canServe, type Proposal, propose, proposeTargets, type Tier } from '../proposal.ts';
import type { Question } from '../question.ts';
import { bareRule, type CompiledLink, type Rule } from '../rules.ts';
import { providerTerms } from '../servable.ts';
import { proposeName } from './alias.ts';
import { conditionScope } from './availability.ts';
import { capabilityDemands, proposeBehindCapability } from './capability.ts';

/** What the steps before have left to fall back from. */
export interface FallbackSource {
  /** The rule that decided; null: none did. */
  readonly rule: Rule | null;
  /** Names that lists may be keyed by: as asked for, then after aliases. */
  readonly names: readonly string[];
  /** A capability that was asked for, by name. */
  readonly capability: string | null;
  /** Only the length of the prompt stood in the way so far, or somebody refused the request for it. */
  readonly isContextTheProblem: boolean;
  /** Somebody refused the request for what it says. */
  readonly isContentTheProblem: boolean;
}

/** Where the tiers go; they are judged one by one, because a link's condition asks what stands before it. */
export interface FallbackSink {
  add(tier: Tier): void;
  readonly keptProviders: ReadonlySet<string>;
}

const DEFAULT_CHAIN = 'default';
const CAPABILITY = 'capability:';

/**
 * Adds fallback tiers behind what is there, each target once, at most `max_fallbacks` of them.
 * @returns the names of what was added, and why links of chains were passed over
 */
export function addFallbacks(question: Question, source: FallbackSource, sink: FallbackSink): readonly string[] {
  const { overrides } = question.facts;
  const { reliability } = question.rules.settings;
  const walk = new FallbackWalk(question, sink, source, overrides.maxFallbacks ?? reliability.maxFallbacks);
  for (const name of source.rule?.siblings ?? []) walk.addName(name);
  for (const name of namedFallbacks(question, source)) walk.addName(name);
  if (overrides.fallbacks === null && source.rule?.fallback.kind !== 'none' && !walk.hasChain) {
    const { chains } = question.rules;
    const own = source.capability !== null && chains.has(source.capability) ? source.capability : DEFAULT_CHAIN;
    if (chains.has(own)) walk.addName(own, true);
  }
  return walk.told;
}

/** The request's list stands in for all configured ones. */
function namedFallbacks({ facts, rules }: Question, source: FallbackSource): readonly string[] {
  const { overrides } = facts;
  const { reliability } = rules.settings;
  const forContext = source.isContextTheProblem
    ? (overrides.contextWindowFallbacks ?? firstOf(reliability.contextWindowFallbacks, source.names))
    : [];
  const forContent = source.isContentTheProblem
    ? (overrides.contentPolicyFallbacks ?? firstOf(reliability.contentPolicyFallbacks, source.names))
    : [];
  const special = [...forContext, ...forContent];
  if (overrides.fallbacks !== null) return [...special, ...overrides.fallbacks];
  const own = source.rule ? ownFallbacks(source.rule.fallback) : [];
  return [...special, ...own, ...firstOf(reliability.fallbacks, source.names), ...reliability.defaultFallbacks];
}

function ownFallbacks(fallback: FallbackTargets): readonly string[] {
  return fallback.kind === 'list' ? fallback.targets : [];
}

/** The list of the first name that has one, else the list for all. */
function firstOf(lists: ReadonlyMap<string, readonly string[]>, names: readonly string[]): readonly string[] {
  if (lists.size === 0) return [];
  for (const name of names) {
    const list = lists.get(name);
    if (list) return list;
  }
  return lists.get('*') ?? [];
}

function capabilityBehind(
  { rules }: Question,
  { rule }: FallbackSource,
): { readonly source: CapabilityRule | null } | null {
  const id = rule?.id ?? '';
  if (!id.startsWith(CAPABILITY)) return null;
  return { source: rules.capabilities.get(id.slice(CAPABILITY.length))?.source ?? null };
}

/** Walks the names in order and counts what it adds. */
class FallbackWalk {
  readonly told: string[] = [];
  hasChain = false;
  readonly #question: Question;
  readonly #sink: FallbackSink;
  /** What the request asked for in place of a model; null: it named one. */
  readonly #capability: { readonly source: CapabilityRule | null } | null;
  readonly #done = new Set<string>();
  #left: number;

  constructor(question: Question, sink: FallbackSink, source: FallbackSource, limit: number) {
    this.#question = question;
    this.#sink = sink;
    this.#capability = capabilityBehind(question, source);
    this.#left = limit;
  }

  /** A provider, a chain or a model group, looked up in this order. */
  addName(name: string, isChain = false): void {
    if (this.#done.has(name)) return;
    this.#done.add(name);
    const { snapshot, rules } = this.#question;
    const provider = isChain ? undefined : snapshot.providers.get(name);
    if (provider) {
      this.#addTier(bareRule(`fallback:${name}`, rules.defaultStrategy), this.#proposalsAt(provider), name);
      return;
    }
    const chain = rules.chains.get(name);
    if (chain) {
      this.hasChain = true;
      for (const link of chain) this.#addLink(link);
      return;
    }
    const proposals = proposeName(this.#question, name);
    const isGroup = rules.groups.has(name);
    this.#addTier(bareRule(`fallback:${name}`, rules.strategyFor(name, isGroup)), proposals, name);
  }

  #addLink({ rule, condition }: CompiledLink): void {
    if (condition) {
      const scope = conditionScope(this.#question, this.#sink.keptProviders);
      if (!conditionHolds(condition.condition, scope)) {
        this.told.push(`${rule.id} does not hold: ${firstFailure(condition.condition, scope)}`);
        return;
      }
    }
    this.#addTier(rule, this.#proposalsOf(rule), `${rule.id} (${rule.targets[0]?.provider ?? ''})`);
  }

  #proposalsOf({ targets }: Rule): readonly Proposal[] {
    const [target] = targets;
    const provider = target && this.#question.snapshot.providers.get(target.provider);
    if (this.#capability && target?.model === null && provider) return this.#proposalsAt(provider);
    return proposeTargets(this.#question, targets, providerTerms(this.#question));
  }

  /** By the name that was asked for; behind a capability, whose name is no model's, by what the capability wants. */
  #proposalsAt(provider: ProviderSnapshot): readonly Proposal[] {
    const byName = propose(this.#question, provider, null, providerTerms(this.#question), null);
    const isSubstitute = byName.source === 'single_model' || byName.source === 'default_model';
    if (!this.#capability || (canServe(byName) && !isSubstitute)) return [byName];
    return proposeBehindCapability(this.#question, this.#capability.source, provider);
  }

  #addTier(rule: Rule, proposals: readonly Proposal[], name: string): void {
    if (!proposals.some(canServe)) {
      const missed = proposals.map(({ provider, barred }) => `${provider.name}: ${barred}`).join(', ');
      this.told.push(`${name} cannot serve${missed === '' ? '' : ` (${missed})`}`);
      this.#sink.add({ rule, proposals, demands: null, isInOrder: false });
      return;
    }
    if (this.#left <= 0) {
      this.told.push(`${name} is beyond the number of fallbacks allowed`);
      return;
    }
    this.#left -= 1;
    this.told.push(name);
    const demands = this.#capability ? capabilityDemands(this.#question, this.#capability.source) : null;
    this.#sink.add({ rule, proposals, demands, isInOrder: false });
  }
}
