// What loading and unloading on purpose have in common: how a server's refusal is told, and waiting for a state.

import type { ControlClient, ControlResult, ProbeAnswer } from './provider.ts';
import { presentable, readRefusal } from './refusal.ts';

/** Between two looks at whether it has happened, in ms. */
const lookEveryMs = 250;

/** An answer that is no success, in the server's own words. */
export function refusedControl(answer: ProbeAnswer): ControlResult {
  const words = presentable(readRefusal(answer).message).slice(0, 200);
  return {
    is: 'failed',
    message: `was refused: the server answered ${answer.status}${words === '' ? '' : `: ${words}`}`,
  };
}

/**
 * Looks again and again until `look` tells a result; null from it: not yet.
 * @returns `tooLate` when the time for the action is over before
 */
export async function waitFor(
  client: ControlClient,
  tooLate: ControlResult,
  look: () => Promise<ControlResult | null>,
): Promise<ControlResult> {
  for (;;) {
    const result = await look();
    if (result !== null) return result;
    if (!(await client.pause(lookEveryMs))) return tooLate;
  }
}
