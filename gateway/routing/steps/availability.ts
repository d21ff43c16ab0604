// What conditions can ask about providers, and the scope they are evaluated in.

import type { ProviderSnapshot } from '../../types.ts';
import type { ConditionScope } from '../condition.ts';
import { deploymentId, type Question } from '../question.ts';

/**
 * @param exhausted providers all of whose candidates stand before the rule in question: it is reached only after they failed
 */
export function conditionScope(question: Question, exhausted: ReadonlySet<string> | null): ConditionScope {
  const { facts, name, named, snapshot } = question;
  return {
    facts,
    model: name ?? '',
    modelSize: () => named?.size() ?? null,
    isUnavailable(providerName) {
      const provider = snapshot.providers.get(providerName);
      return !provider || (exhausted?.has(providerName) ?? false) || !isUsableNow(question, provider);
    },
  };
}

/** Enabled, callable, not known to be down or locked, not taken out by live traffic, not failed in this request. */
function isUsableNow(question: Question, provider: ProviderSnapshot): boolean {
  const { state, named } = question;
  if (!provider.isEnabled || provider.isDraining || !provider.isCallable) return false;
  if (provider.observed === 'down' || provider.observed === 'auth') return false;
  const model = named?.listedBy.get(provider.name)?.facts.id ?? '';
  const use = { provider: provider.name, model, entry: null, name: question.name, promptTokens: 0 };
  if (state.blocked(use) !== null) return false;
  return !hasFailed(state.failed, provider.name);
}

function hasFailed(failed: ReadonlyMap<string, unknown>, provider: string): boolean {
  if (failed.size === 0) return false;
  const prefix = deploymentId(provider, '');
  for (const id of failed.keys()) if (id.startsWith(prefix)) return true;
  return false;
}
