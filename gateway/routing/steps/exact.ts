// Step 3: rules for exactly this name, then the `model_list` group of this name.

import { canServe, matched, noMatch, type Proposal, proposeTargets, type StepFinding, skipped } from '../proposal.ts';
import type { Question } from '../question.ts';
import { exactTerms } from '../servable.ts';

export function exactStep(question: Question): StepFinding {
  const { rules, name } = question;
  if (rules.exact.size === 0 && rules.groups.size === 0) return skipped('no exact rules or groups are configured');
  if (name === null) return noMatch('no model was named');
  let missed: readonly Proposal[] = [];
  for (const rule of [rules.exact.get(name), rules.groups.get(name)]) {
    if (!rule) continue;
    const proposals = proposeTargets(question, rule.targets, exactTerms);
    if (proposals.some(canServe)) return matched(`"${name}" is named`, rule, [...proposals, ...missed]);
    missed = [...missed, ...proposals];
    if (proposals.length === 0) return skipped(`"${name}" is named for a provider that is not configured`);
  }
  if (missed.length > 0) return skipped(`"${name}" is named, but ${whyNone(missed)}`, missed);
  return noMatch(`no rule or group is named "${name}"`);
}

/** In words, for the trace: why none of the proposals can serve. */
export function whyNone(missed: readonly Proposal[]): string {
  return missed.map(({ provider, model, barred }) => `${provider.name} cannot serve "${model}" (${barred})`).join(', ');
}
