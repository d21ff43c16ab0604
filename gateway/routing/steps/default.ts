// Step 8: the default provider; for a pinned request the pinned one.

import { canServe, matched, propose, type StepFinding, skipped } from '../proposal.ts';
import type { Question } from '../question.ts';
import { bareRule } from '../rules.ts';
import { providerTerms } from '../servable.ts';
import { whyNone } from './exact.ts';

export function defaultStep(question: Question): StepFinding {
  const { rules, pin, snapshot } = question;
  const name = pin ?? rules.settings.routing.defaultProvider;
  if (name === null) return skipped('no default provider is configured');
  const provider = snapshot.providers.get(name);
  if (!provider) return skipped(`the default provider "${name}" is not configured`);
  const proposal = propose(question, provider, null, providerTerms(question), null);
  if (!canServe(proposal)) return skipped(whyNone([proposal]), [proposal]);
  const rule = bareRule(pin === null ? 'default' : `pin:${pin}`, rules.defaultStrategy);
  return matched(`${name} takes it${sourceWords(proposal.source)}`, rule, [proposal]);
}

function sourceWords(source: string | null): string {
  switch (source) {
    case 'single_model':
      return ' with the one model it has';
    case 'default_model':
      return ' with its default model';
    default:
      return '';
  }
}
