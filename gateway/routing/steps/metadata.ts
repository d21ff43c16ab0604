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
  const told: CompiledMetadata[] = [];
  const reasons: string[] = [];
  const missed: Proposal[] = [];
  let untold = 0;
  let hasHeld = false;
  for (const entry of rules.metadata) {
    const { source, condition, rule } = entry;
    if (!conditionHolds(condition.condition, scope)) {
      if (told.length >= TOLD_RULES) untold += 1;
      else {
        told.push(entry);
        reasons.push(firstFailure(condition.condition, scope));
      }
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
    told.push(entry);
    reasons.push(`it holds, but ${whyNotServed(source.provider, proposal)}`);
    if (isStrict) return { ...finding('skipped', `${inWords(told, reasons, 0)}, and it is strict`), isStrict, missed };
  }
  return { ...finding(hasHeld ? 'skipped' : 'no_match', inWordsAgain(rules.metadata, told, reasons, untold)), missed };
}

interface Told {
  readonly told: readonly CompiledMetadata[];
  readonly reasons: readonly string[];
  readonly untold: number;
  readonly why: string;
}

/** For each list of rules what was said last: most requests get the same words, and putting them together costs more than all rules. */
const lastTold = new WeakMap<readonly CompiledMetadata[], Told>();

function inWordsAgain(
  rules: readonly CompiledMetadata[],
  told: readonly CompiledMetadata[],
  reasons: readonly string[],
  untold: number,
): string {
  const last = lastTold.get(rules);
  if (last?.untold === untold && isSame(last.told, told) && isSame(last.reasons, reasons)) return last.why;
  const why = inWords(told, reasons, untold);
  lastTold.set(rules, { told, reasons, untold, why });
  return why;
}

function inWords(told: readonly CompiledMetadata[], reasons: readonly string[], untold: number): string {
  const words = told.map(({ source }, index) => `${source.name}: ${reasons[index]}`);
  if (untold > 0) words.push(`${untold} more do not hold`);
  return words.join('; ');
}

function isSame(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index += 1) if (a[index] !== b[index]) return false;
  return true;
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
