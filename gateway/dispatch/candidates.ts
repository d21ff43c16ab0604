// What a decision says of its candidates: who of them may be asked, and which chain they come from.

import type { Candidate, Decision } from '../types.ts';

/** Kept ones, and those that only lack a free place: waiting for one is the queue's business. */
export function mayBeAsked(candidate: Candidate): boolean {
  return candidate.kept || candidate.reason === 'at_capacity';
}

const CHAIN = 'chain:';

/** The name of the chain that candidates of a decision come from; '' without one. */
export function chainOf(decision: Decision | null): string {
  for (const { via } of decision?.candidates ?? []) {
    if (via.startsWith(CHAIN)) return via.slice(CHAIN.length, via.lastIndexOf(':'));
  }
  return '';
}
