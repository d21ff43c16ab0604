// Step 6: rules by the size of the model that was asked for.

import type { SizeRule } from '../../config/settings.ts';
import { canServe, matched, noMatch, type Proposal, proposeTargets, type StepFinding, skipped } from '../proposal.ts';
import type { Question } from '../question.ts';
import { byListOnly } from '../servable.ts';
import { whyNone } from './exact.ts';

export function sizeStep(question: Question): StepFinding {
  const { rules, name, named } = question;
  if (rules.sizes.length === 0) return skipped('no size rules are configured');
  if (name === null || named === null) return noMatch('no model was named');
  const size = named.size();
  if (size === null) return skipped(`the size of "${name}" is not known`);
  const missed: Proposal[] = [];
  for (const { rule, source } of rules.sizes) {
    if (!isWithin(size, source)) continue;
    const proposals = proposeTargets(question, rule.targets, byListOnly);
    if (proposals.some(canServe))
      return matched(`${sizeWords(size)} is within "${source.text}"`, rule, [...proposals, ...missed]);
    missed.push(...proposals);
  }
  return missed.length > 0
    ? skipped(`a rule holds for ${sizeWords(size)}, but ${whyNone(missed)}`, missed)
    : noMatch(`no rule holds for ${sizeWords(size)}`);
}

/** Whether a size, in parameters, is one that the rule is for. */
export function isWithin(size: number, { min, max }: SizeRule): boolean {
  const isAboveMin = min === null || size > min.size || (min.isIncluded && size === min.size);
  const isBelowMax = max === null || size < max.size || (max.isIncluded && size === max.size);
  return isAboveMin && isBelowMax;
}

/** `13B`, `350M`: at most one decimal. */
function sizeWords(size: number): string {
  const [value, unit] = size >= 1e9 ? [size / 1e9, 'B'] : [size / 1e6, 'M'];
  return `${Math.round(value * 10) / 10}${unit}`;
}
