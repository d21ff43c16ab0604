// Step 2: what the request says of itself puts a provider before what the following steps choose.

import { conditionHolds, firstFailure } from '../condition.ts';
import { canServe, type Proposal, propose, type Tier } from '../proposal.ts';
import type { Question } from '../question.ts';
import type { CompiledMetadata, Rule } from '../rules.ts';
import { namedWithoutSubstitutes } from '../servable.ts';
import { conditionScope } from './availability.ts';
import { AUTO } from './capability.ts';

export interface MetadataFinding {
  readonly is: 'matched' | 'no_match' | 'skipped';
  readonly why: string;
  /** Goes before everything else; null: nothing does. */
  readonly tier: Tier | null;
  /** For requests that name no certain model: this rule's provider goes first among what is found; null: none does. */
  readonly preference: Rule | null;
  /** Nothing may come behind it. */
  readonly isStrict: boolean;
  readonly missed: readonly Proposal[];
}

/** Rules beyond these are counted, not told one by one. */
const TOLD_RULES = 10;

/** The first rule, in the order of the file, whose condition holds and whose provider can serve the model itself. */
export function metadataStep(question: Question): MetadataFinding {
  const { rules } = question;
  if (rules.metadata.length === 0) return finding('skipped', 'no metadata rules are configured');
  const scope = conditionScope(question, null);
  const reasons: string[] = [];
  const missed: Proposal[] = [];
  let untold = 0;
  let hasHeld = false;
  for (const entry of rules.metadata) {
    const { source, condition, rule } = entry;
    if (!conditionHolds(condition.condition, scope)) {
      if (reasons.length < TOLD_RULES) reasons.push(`${source.name}: ${firstFailure(condition.condition, scope)}`);
      else untold += 1;
      continue;
    }
    hasHeld = true;
    const why = `${source.name}: ${condition.text}`;
    const { isStrict } = source;
    if (source.upstreamModel === null && !namesModel(question)) {
      return { is: 'matched', why, tier: null, preference: rule, isStrict, missed };
    }
    const proposal = proposeFor(question, entry);
    if (proposal && canServe(proposal)) {
      const tier = { rule, proposals: [proposal], demands: null, isInOrder: false };
      return { is: 'matched', why, tier, preference: null, isStrict, missed };
    }
    if (proposal) missed.push(proposal);
    reasons.push(`${source.name}: it holds, but ${whyNotServed(source.provider, proposal)}`);
    if (isStrict) return { ...finding('skipped', `${reasons.join('; ')}, and it is strict`), isStrict, missed };
  }
  if (untold > 0) reasons.push(`${untold} more do not hold`);
  return { ...finding(hasHeld ? 'skipped' : 'no_match', reasons.join('; ')), missed };
}

/** The request asks for one certain model, not for a capability or anything that will do. */
function namesModel({ name, facts, rules }: Question): boolean {
  return name !== null && name !== AUTO && facts.capabilityHint === null && !rules.capabilities.has(name);
}

function proposeFor(question: Question, { source, rule }: CompiledMetadata): Proposal | null {
  const provider = question.snapshot.providers.get(source.provider);
  if (!provider) return null;
  return propose(question, provider, source.upstreamModel, namedWithoutSubstitutes, rule.targets[0] ?? null);
}

function finding(is: MetadataFinding['is'], why: string): MetadataFinding {
  return { is, why, tier: null, preference: null, isStrict: false, missed: [] };
}

function whyNotServed(provider: string, proposal: Proposal | null): string {
  if (!proposal) return `${provider} is not configured`;
  return `${provider} cannot serve "${proposal.model}" (${proposal.barred})`;
}
