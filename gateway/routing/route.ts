// THE order of precedence, readable from top to bottom. Pure: the same request, rules, snapshot, state and dice decide the same.

import type { Decision, DecisionError, RequestFacts, Snapshot } from '../types.ts';
import { Ballot } from './ballot.ts';
import { LONGEST_MODEL_NAME } from './match.ts';
import { canServe, type Proposal, type StepFinding, type Tier } from './proposal.ts';
import { freshState, type Question, type RouteState } from './question.ts';
import { nameTooLong, refuse, unknownProvider } from './refusal.ts';
import { bareRule, type Rule, type Rules } from './rules.ts';
import { type AliasedName, followAlias, proposeAliasGroup } from './steps/alias.ts';
import { capabilityStep } from './steps/capability.ts';
import { catalogStep } from './steps/catalog.ts';
import { defaultStep } from './steps/default.ts';
import { exactStep } from './steps/exact.ts';
import { addFallbacks } from './steps/fallback.ts';
import { type MetadataFinding, metadataStep } from './steps/metadata.ts';
import { patternStep } from './steps/pattern.ts';
import { sizeStep } from './steps/size.ts';
import { type StepName, type StepNote, Trace } from './trace.ts';

/** The steps of which the first that names a deployment able to serve decides, whatever that deployment's health. */
const DECIDING_STEPS: readonly { readonly step: StepName; readonly find: (question: Question) => StepFinding }[] = [
  { step: 'exact', find: exactStep },
  { step: 'pattern', find: patternStep },
  { step: 'capability', find: capabilityStep },
  { step: 'size', find: sizeStep },
  { step: 'catalog', find: catalogStep },
  { step: 'default', find: defaultStep },
];

/**
 * Decides who is to be asked, and in what order. Never throws.
 * @param dice uniform in [0, 1)
 * @param state what live traffic has learned and blocked; without it nothing was
 */
export function route(
  facts: RequestFacts,
  rules: Rules,
  snapshot: Snapshot,
  dice: () => number,
  state: RouteState = freshState,
): Decision {
  if (facts.model !== null && facts.model.length > LONGEST_MODEL_NAME) {
    return refused(facts, snapshot, nameTooLong(facts.model.length, LONGEST_MODEL_NAME));
  }
  const alias = followAlias(facts.model, rules, snapshot);
  const pin = facts.pin ?? pinOfMode(rules);
  if (pin !== null && !snapshot.providers.has(pin)) {
    return refused(
      facts,
      snapshot,
      unknownProvider(
        pin,
        snapshot.providers.keys(),
        facts.pin === null ? 'the routing mode' : 'the header X-Provider',
      ),
    );
  }
  const { name } = alias;
  const named = name === null ? null : rules.models.find(name, snapshot.providers);
  const question: Question = { facts, rules, snapshot, state, dice, name, named, pin };

  const trace = new Trace();
  const ballot = new Ballot(question);
  trace.note('alias', alias);
  trace.note('pin', pin === null ? NOT_PINNED : { is: 'matched', why: `only ${pin} may be asked` });
  const metadata = metadataStep(question);
  trace.note('metadata', metadata);
  const deciding = metadata.isStrict && !metadata.preference ? null : firstMatch(question, alias, trace, ballot);

  const tiers = stack(metadata, deciding);
  for (const tier of tiers) ballot.add(tier);
  addMissed(ballot, 'metadata', metadata.missed);
  const first = tiers[0]?.rule ?? null;
  trace.note('chain', fallBack(question, first, deciding?.rule ?? null, metadata.isStrict, ballot));
  if (!ballot.hasKept) trace.note('panic', panic(ballot));
  return settle(question, first, trace, ballot);
}

const NOT_PINNED: StepNote = Object.freeze({ is: 'no_match', why: 'not pinned' });

/** Pinned by the window for all requests. */
function pinOfMode({ settings }: Rules): string | null {
  const { mode } = settings.routing;
  return mode.is === 'pin' ? mode.provider : null;
}

/** Asks the steps in order and traces each. What they considered in vain is noted too. */
function firstMatch(question: Question, alias: AliasedName, trace: Trace, ballot: Ballot): Tier | null {
  if (alias.group) {
    const finding = proposeAliasGroup(question, alias.group);
    trace.note('alias', finding);
    if (finding.is === 'matched') return finding.tier;
    addMissed(ballot, 'alias', finding.missed);
  }
  for (const { step, find } of DECIDING_STEPS) {
    const finding = find(question);
    trace.note(step, finding);
    if (finding.is === 'matched') return finding.tier;
    addMissed(ballot, step, finding.missed);
  }
  return null;
}

/** The metadata rule's provider, then what the following steps chose. */
function stack(metadata: MetadataFinding, deciding: Tier | null): readonly Tier[] {
  const { tier, preference, isStrict } = metadata;
  if (tier) return isStrict || !deciding ? [tier] : [tier, deciding];
  if (!deciding) return [];
  if (!preference) return [deciding];
  const isPreferred = ({ provider }: Proposal) => provider.name === preference.targets[0]?.provider;
  const ahead = deciding.proposals.filter((proposal) => isPreferred(proposal) && canServe(proposal));
  const first: Tier = { ...deciding, rule: { ...preference, strategy: deciding.rule.strategy }, proposals: ahead };
  if (isStrict) return [first];
  return ahead.length === 0 ? [deciding] : [first, deciding];
}

/** What a step considered in vain: the filters tell why, for none of it can serve. */
function addMissed(ballot: Ballot, step: StepName, missed: readonly Proposal[]): void {
  if (missed.length === 0) return;
  ballot.add({ rule: bareRule(step, 'predicted'), proposals: missed, demands: null, isInOrder: true });
}

/** Adds whom to ask after all others, unless the request may not go on to anybody else. */
function fallBack(
  question: Question,
  first: Rule | null,
  deciding: Rule | null,
  isStrict: boolean,
  ballot: Ballot,
): StepNote {
  const { facts, pin, name } = question;
  if (isStrict) return { is: 'skipped', why: 'the metadata rule is strict' };
  if (pin !== null) return { is: 'skipped', why: 'no fallback leaves the pinned provider' };
  if (facts.overrides.isFallbackDisabled) return { is: 'skipped', why: 'the request switched fallbacks off' };
  const rule = first !== null && first.fallback.kind !== 'default' ? first : deciding;
  const names = [facts.model, name].filter((one) => one !== null);
  const capability = facts.capabilityHint ?? name;
  const failures = new Set(question.state.failed.values());
  const isContextTheProblem = failures.has('context_exceeded') || isOnlyContext(ballot);
  const isContentTheProblem = failures.has('content_filtered');
  const told = addFallbacks(question, { rule, names, capability, isContextTheProblem, isContentTheProblem }, ballot);
  if (told.length === 0) return { is: 'skipped', why: 'no fallback is configured for it' };
  return { is: 'matched', why: told.join('; ') };
}

function isOnlyContext(ballot: Ballot): boolean {
  if (ballot.hasKept) return false;
  for (const { reason } of ballot.judged) if (reason === 'context_too_small') return true;
  return false;
}

function panic(ballot: Ballot): StepNote {
  const tried = ballot.panic();
  if (!tried) return { is: 'no_match', why: 'none was skipped only for its health' };
  const { provider, model } = tried.proposal;
  return { is: 'matched', why: `${provider.name}/${model} is tried although it is ${tried.reason}` };
}

function settle(question: Question, rule: Rule | null, trace: Trace, ballot: Ballot): Decision {
  const { snapshot, name, pin } = question;
  const candidates = ballot.candidates();
  const error = ballot.hasKept ? null : refuse(question, [...ballot.judged]);
  if (error) trace.note('error', { is: 'matched', why: error.message });
  const first = candidates[0]?.kept ? candidates[0].via : null;
  const found = rule?.id ?? first;
  return {
    rule: pin !== null && found !== null ? `pin:${pin}` : found,
    model: name,
    candidates,
    steps: trace.steps(),
    considered: countAll(snapshot, candidates),
    error,
  };
}

/** All deployments there are: those in lists, and those that a rule names beside them. */
function countAll({ providers }: Snapshot, candidates: Decision['candidates']): number {
  let count = listedCounts.get(providers);
  if (count === undefined) {
    count = 0;
    for (const { models } of providers.values()) count += models.size;
    listedCounts.set(providers, count);
  }
  for (const { provider, model } of candidates) if (!providers.get(provider)?.models.has(model)) count += 1;
  return count;
}

const listedCounts = new WeakMap<Snapshot['providers'], number>();

/** Refused before any step. */
function refused({ model }: RequestFacts, snapshot: Snapshot, error: DecisionError): Decision {
  const trace = new Trace();
  trace.note('error', { is: 'matched', why: error.message });
  return { rule: null, model, candidates: [], steps: trace.steps(), considered: countAll(snapshot, []), error };
}
