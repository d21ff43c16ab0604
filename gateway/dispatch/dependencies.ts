// What serving a request needs of the rest of the gateway.

import type { Catalog } from '../catalog/catalog.ts';
import type { Clock } from '../clock.ts';
import type { Settings } from '../config/settings.ts';
import type { Rules } from '../routing/rules.ts';
import type { Log } from '../telemetry/log.ts';
import type { Outcome, RequestFacts, Snapshot } from '../types.ts';
import type { AnswerReuse } from './answer-reuse.ts';
import type { AttemptContext } from './attempt-contract.ts';
import type { Learning } from './learning.ts';
import type { Guards } from './live-state.ts';
import type { Slots } from './slots.ts';

/** Settings and what was compiled from them; a request keeps the pair it began with. */
export interface ActiveConfiguration {
  readonly settings: Settings;
  readonly rules: Rules;
}

/** What a decision was made from. */
export interface DecisionBasis {
  readonly facts: RequestFacts;
  readonly snapshot: Snapshot;
  readonly settings: Settings;
}

export interface DispatchDependencies extends AttemptContext {
  readonly clock: Clock;
  readonly configuration: () => ActiveConfiguration;
  readonly catalog: Catalog;
  readonly learning: Learning;
  readonly guards: Guards;
  readonly slots: Slots;
  readonly reuse: AnswerReuse;
  readonly log: Log;
  readonly dice: () => number;
  /** A random id of this process, sent as the hop header. */
  readonly instance: string;
  /** Keys the hash of conversations, per installation. */
  readonly conversationSecret: string;
  /** A request began. Called for each: it has to be cheap. */
  readonly onBegin?: (id: string) => void;
  /** `basis` is null for a request that was never decided about. */
  readonly onOutcome: (outcome: Outcome, basis: DecisionBasis | null) => void;
}
