// The steps of a decision in their order, each with its result: what was not reached says so.

import type { DecisionStep } from '../types.ts';

/** All steps, in the order of precedence. */
export const STEPS = [
  'alias',
  'pin',
  'metadata',
  'exact',
  'pattern',
  'capability',
  'size',
  'catalog',
  'default',
  'chain',
  'panic',
  'error',
] as const;

export type StepName = (typeof STEPS)[number];

/** What came of one step. */
export interface StepNote {
  readonly is: DecisionStep['result'];
  readonly why: string;
}

const NOT_REACHED: readonly DecisionStep[] = STEPS.map((step) =>
  Object.freeze({ step, result: 'not_reached', why: '' }),
);
const PLACES: ReadonlyMap<StepName, number> = new Map(STEPS.map((step, index) => [step, index]));

export class Trace {
  readonly #steps: DecisionStep[] = NOT_REACHED.slice();

  /** A step that is noted again takes back what it said before. */
  note(step: StepName, { is, why }: StepNote): void {
    const place = PLACES.get(step);
    if (place !== undefined) this.#steps[place] = { step, result: is, why };
  }

  /** Every step once. */
  steps(): readonly DecisionStep[] {
    return this.#steps;
  }
}
