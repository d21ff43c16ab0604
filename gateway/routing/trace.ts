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

const NOT_REACHED: Readonly<Record<string, DecisionStep>> = Object.freeze(
  Object.fromEntries(STEPS.map((step) => [step, Object.freeze({ step, result: 'not_reached', why: '' })])),
);

export class Trace {
  readonly #found = new Map<StepName, DecisionStep>();

  note(step: StepName, { is, why }: StepNote): void {
    this.#found.set(step, { step, result: is, why });
  }

  /** Every step once. */
  steps(): readonly DecisionStep[] {
    return STEPS.map((step) => this.#found.get(step) ?? NOT_REACHED[step] ?? { step, result: 'not_reached', why: '' });
  }
}
