// `prefer_warm_providers`: before the first request of a model is decided about, outdated knowledge of who has it loaded is
// read anew, in parallel and within a moment.

import type { Catalog } from '../catalog/catalog.ts';
import { route } from '../routing/route.ts';
import type { Rules } from '../routing/rules.ts';
import type { Candidate, RequestFacts } from '../types.ts';
import type { Learning } from './learning.ts';

export interface WarmCheckDependencies {
  readonly catalog: Catalog;
  readonly learning: Learning;
  readonly dice: () => number;
}

/** Null: there is nothing to wait for. The promise never rejects, and ends within `warm_check_timeout_ms`. */
export function warmCheck(
  facts: RequestFacts,
  rules: Rules,
  { catalog, learning, dice }: WarmCheckDependencies,
): Promise<void> | null {
  const { firstRequest } = rules.settings.routing;
  if (firstRequest === null || !learning.isFirstRequest(facts.model)) return null;
  // A decision that nobody acts upon tells who would be asked, and the name behind an alias.
  const state = learning.state();
  const decision = route(facts, rules, catalog.snapshot(), dice, state);
  if (!state.isFirstRequest(decision.model)) return null;
  const names = new Set(decision.candidates.filter(mayTurnOutWarm).map(({ provider }) => provider));
  return catalog.refresh(names, firstRequest.warmCheckTimeoutMs);
}

function mayTurnOutWarm({ kept, reason }: Candidate): boolean {
  return kept || reason === 'not_warm';
}
