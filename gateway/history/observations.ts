// Reads what was observed of a provider: its beats and the changes of its state, as one list in order of time.

import type Database from 'better-sqlite3';
import type { ObservedState } from '../types.ts';
import { stateOf } from './beat-codes.ts';
import type { BeatRow } from './health-sums.ts';
import type { Interval, Observation } from './state-time.ts';

interface TransitionRow {
  readonly at_ms: number;
  readonly state_after: ObservedState;
}

export interface Observed {
  readonly beats: readonly BeatRow[];
  /** Those of the range, and before them the last one before it. */
  readonly observations: readonly Observation[];
}

export class ObservationRows {
  readonly #beats: Database.Statement<[number, number, number], BeatRow>;
  readonly #beatBefore: Database.Statement<[number, number], BeatRow>;
  readonly #transitions: Database.Statement<[string, number, number], TransitionRow>;
  readonly #transitionBefore: Database.Statement<[string, number], TransitionRow>;

  constructor(database: Database.Database) {
    const beat = 'SELECT at_ms, is_ok, latency_us, state FROM beats WHERE provider = ?';
    const transition = 'SELECT at_ms, state_after FROM transitions WHERE provider = ?';
    this.#beats = database.prepare(`${beat} AND at_ms >= ? AND at_ms < ? ORDER BY at_ms`);
    this.#beatBefore = database.prepare(`${beat} AND at_ms < ? ORDER BY at_ms DESC LIMIT 1`);
    this.#transitions = database.prepare(`${transition} AND at_ms >= ? AND at_ms < ? ORDER BY at_ms, seq`);
    this.#transitionBefore = database.prepare(`${transition} AND at_ms < ? ORDER BY at_ms DESC, seq DESC LIMIT 1`);
  }

  read({ provider, name }: { provider: number; name: string }, { fromMs, toMs }: Interval): Observed {
    const beats = this.#beats.all(provider, fromMs, toMs);
    const beatBefore = this.#beatBefore.get(provider, fromMs);
    const transitions = this.#transitions.all(name, fromMs, toMs);
    const transitionBefore = this.#transitionBefore.get(name, fromMs);
    const ofBeats = beatBefore ? [beatBefore, ...beats] : beats;
    const ofTransitions = transitionBefore ? [transitionBefore, ...transitions] : transitions;
    return { beats, observations: inOrder(ofBeats, ofTransitions) };
  }
}

/** Of two at the same instant the transition is the later one. */
function inOrder(beats: readonly BeatRow[], transitions: readonly TransitionRow[]): Observation[] {
  const observations: Observation[] = [];
  let next = 0;
  for (const beat of beats) {
    for (let row = transitions[next]; row && row.at_ms < beat.at_ms; row = transitions[++next]) {
      observations.push({ atMs: row.at_ms, state: row.state_after });
    }
    observations.push({ atMs: beat.at_ms, state: stateOf(beat.state) });
  }
  for (const row of transitions.slice(next)) observations.push({ atMs: row.at_ms, state: row.state_after });
  return observations;
}
