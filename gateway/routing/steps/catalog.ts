// Step 7: every enabled provider that lists the model, or the same model under another name.

import { canServe, matched, noMatch, type Proposal, propose, proposeTargets, type StepFinding } from '../proposal.ts';
import type { Question } from '../question.ts';
import { bareRule } from '../rules.ts';
import { byListOnly, exactTerms } from '../servable.ts';

export function catalogStep(question: Question): StepFinding {
  const { rules, name, named, snapshot } = question;
  if (name === null || named === null) return noMatch('no model was named');
  const shared = rules.redundant.get(name);
  if (shared) {
    const proposals = proposeTargets(question, shared.targets, exactTerms);
    if (proposals.some(isUsable)) {
      return matched(`redundant_models shares "${name}" out`, { ...shared, id: 'catalog' }, proposals);
    }
  }
  const proposals: Proposal[] = [];
  for (const providerName of named.listedBy.keys()) {
    const provider = snapshot.providers.get(providerName);
    if (provider) proposals.push(propose(question, provider, null, byListOnly, null));
  }
  const kept = keepHome(proposals);
  if (!kept.some(isUsable)) return noMatch(whyNot(name, kept), kept);
  const count = kept.filter(isUsable).length;
  const rule = bareRule('catalog', rules.strategyFor(name, false));
  return matched(`${count} ${count === 1 ? 'provider has' : 'providers have'} "${name}"`, rule, kept);
}

/** A name that a machine of the user's own serves too does not name the one in the cloud. */
function keepHome(proposals: readonly Proposal[]): readonly Proposal[] {
  const hasHome = proposals.some((proposal) => canServe(proposal) && proposal.place !== 'cloud');
  if (!hasHome) return proposals;
  return proposals.map((proposal) =>
    proposal.place === 'cloud' && canServe(proposal) ? { ...proposal, barred: 'cloud' as const } : proposal,
  );
}

function isUsable(proposal: Proposal): boolean {
  return canServe(proposal) && proposal.provider.isEnabled;
}

function whyNot(name: string, proposals: readonly Proposal[]): string {
  if (proposals.length === 0) return `no provider lists "${name}"`;
  const reasons = proposals.map(({ provider, barred }) => `${provider.name} (${barred ?? 'disabled'})`);
  return `"${name}" is listed only by ${reasons.join(', ')}`;
}
