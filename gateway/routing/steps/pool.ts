// All models of a provider, for steps that take any of them.

import type { ProviderSnapshot } from '../../types.ts';
import { barredProposal, isPinnedElsewhere, type Proposal } from '../proposal.ts';
import type { Question } from '../question.ts';
import { placeOf } from '../servable.ts';

/**
 * @param isNamed the rule names this provider: then a provider that is somebody else's machine counts as named
 */
export function proposeProviderModels(
  question: Question,
  provider: ProviderSnapshot,
  isNamed: boolean,
): readonly Proposal[] {
  const isElsewhere = isPinnedElsewhere(question, provider);
  const proposals: Proposal[] = [];
  for (const facts of provider.models.values()) {
    if (isElsewhere) {
      proposals.push(barredProposal(provider, facts.id, facts, 'pinned_elsewhere'));
      continue;
    }
    const place = placeOf(provider, facts);
    const isAllowed = place !== 'cloud' || (isNamed && provider.place === 'cloud');
    proposals.push({
      provider,
      model: facts.id,
      facts,
      source: 'listed',
      place,
      barred: isAllowed ? null : 'cloud',
      target: null,
      note: null,
    });
  }
  return proposals;
}
