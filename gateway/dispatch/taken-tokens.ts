// What an attempt took of the rate limits, as far as can be told afterwards.

import type { AttemptResult } from './attempt-contract.ts';

const CHARACTERS_PER_TOKEN = 4;

/** Tokens of prompt and answer; null: nothing is known beyond the estimate. A refusal took none. */
export function takenTokens({ ended, usage, contentCharacters }: AttemptResult, promptTokens: number): number | null {
  if (usage !== null && usage.promptTokens !== null) return usage.promptTokens + (usage.completionTokens ?? 0);
  if (ended === 'failed') return 0;
  if (contentCharacters === 0) return null;
  return promptTokens + Math.ceil(contentCharacters / CHARACTERS_PER_TOKEN);
}

/** False: the provider never heard of it. */
export function wasSent({ failure }: AttemptResult): boolean {
  return failure?.kind !== 'unreachable' && failure?.kind !== 'timeout_connect';
}
