// Closed lists whose places are stored in `beats`: new members go at the end, and none is ever taken out.

import type { CauseClass, ObservedState } from '../types.ts';

export const stateCodes = [
  'ready',
  'warming',
  'degraded',
  'down',
  'auth',
  'pending',
  'paused',
  'off',
] as const satisfies readonly ObservedState[];

const causeCodes = [
  'refused',
  'timeout',
  'dns',
  'tls',
  'http_status',
  'wrong_kind',
  'auth',
  'network',
  'loading',
  'asleep',
  'requests_fail',
] as const satisfies readonly CauseClass[];

/** Every member of the unions has a place: a new one that has none does not compile. */
type Missing = Exclude<ObservedState, (typeof stateCodes)[number]> | Exclude<CauseClass, (typeof causeCodes)[number]>;

function placeIn<T extends string>(list: readonly T[], word: [Missing] extends [never] ? T : never): number {
  return list.indexOf(word);
}

export function stateCode(state: ObservedState): number {
  return placeIn(stateCodes, state);
}

export function causeCode(cause: CauseClass): number {
  return placeIn(causeCodes, cause);
}

/** @param code what `stateCode` gave. A number that a newer version wrote reads as `pending`, which counts neither way. */
export function stateOf(code: number): ObservedState {
  return stateCodes[code] ?? 'pending';
}

/** @param code what `causeCode` gave, or null for none. */
export function causeOf(code: number | null): CauseClass | null {
  return code === null ? null : (causeCodes[code] ?? null);
}
