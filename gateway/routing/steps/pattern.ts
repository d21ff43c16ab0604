// Step 4: patterns in the order of the file, then wildcards of `model_list`, most specific first.

import { canServe, matched, noMatch, type Proposal, proposeTargets, type StepFinding, skipped } from '../proposal.ts';
import type { Question } from '../question.ts';
import type { Rule, Rules } from '../rules.ts';
import { providerTerms } from '../servable.ts';
import { fillWildcard, matchWildcard } from '../wildcard.ts';
import { whyNone } from './exact.ts';

export function patternStep(question: Question): StepFinding {
  const { rules, name } = question;
  if (rules.patterns.length === 0 && rules.wildcards.length === 0) return skipped('no patterns are configured');
  if (name === null) return noMatch('no model was named');
  const missed: Proposal[] = [];
  const terms = providerTerms(question);
  for (const index of rules.patternMatcher.matches(name)) {
    const rule = rules.patterns[index];
    if (!rule) continue;
    const proposals = proposeTargets(question, rule.targets, terms);
    if (proposals.some(canServe)) return matched(patternWords(rules, index), rule, [...proposals, ...missed]);
    missed.push(...proposals);
  }
  for (const { rule, captures } of matchingWildcards(rules, name)) {
    const proposals = proposeTargets(question, rule.targets, terms, (model) => fillWildcard(model, captures, name));
    if (proposals.some(canServe)) return matched(`"${name}" fits ${rule.id}`, rule, [...proposals, ...missed]);
    missed.push(...proposals);
  }
  return missed.length > 0
    ? skipped(`a pattern matches, but ${whyNone(missed)}`, missed)
    : noMatch(`none of ${rules.patterns.length + rules.wildcards.length} patterns matches`);
}

/** The most specific wildcard that fits, or null. */
export function wildcardFor(rules: Rules, name: string): Rule | null {
  return rules.wildcards.find(({ wildcard }) => matchWildcard(wildcard, name) !== null)?.rule ?? null;
}

function patternWords(rules: Rules, index: number): string {
  return `pattern ${index + 1} (${rules.settings.routing.patterns[index]?.pattern ?? ''}) matches`;
}

function* matchingWildcards(rules: Rules, name: string): Generator<{ rule: Rule; captures: readonly string[] }> {
  for (const { wildcard, rule } of rules.wildcards) {
    const captures = matchWildcard(wildcard, name);
    if (captures) yield { rule, captures };
  }
}
