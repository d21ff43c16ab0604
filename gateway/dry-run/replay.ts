// Decides stored requests twice, by the rules of their time and by others, each on the snapshot it was decided on.

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { AdminReplay } from '../contract.ts';
import type { BlockedThen, ReplayableRequest, StoredSettings } from '../history/history.ts';
import { decisionToJson } from '../routing/explain.ts';
import { type Blocked, deploymentId, freshState, type RouteState } from '../routing/question.ts';
import { route } from '../routing/route.ts';
import type { Rules } from '../routing/rules.ts';
import type { Decision, Snapshot } from '../types.ts';

/** Decisions between two turns of the event loop: about a millisecond, which no client notices. */
const DECISIONS_PER_TURN = 40;

export interface ReplayTerms {
  readonly compile: (settings: StoredSettings) => Rules;
  /** The rules to compare with. */
  readonly rules: Rules;
  /** A snapshot as it would have been under the settings of these rules. */
  readonly under: (snapshot: Snapshot) => Snapshot;
}

/** Requests and their snapshots and settings are compared by identity: each is prepared once. */
export async function replay(stored: readonly ReplayableRequest[], terms: ReplayTerms): Promise<AdminReplay> {
  const rulesThen = remembering(terms.compile);
  const snapshotNow = remembering(terms.under);
  const changed: AdminReplay['changed'][number][] = [];
  for (const [index, { facts, snapshot, settings, blocked: blockedThen }] of stored.entries()) {
    if (index % DECISIONS_PER_TURN === DECISIONS_PER_TURN - 1) await nextTurn();
    const state = stateThen(blockedThen);
    const before = route(facts, rulesThen(settings), snapshot, diceOf(facts.id), state);
    const after = route(facts, terms.rules, snapshotNow(snapshot), diceOf(facts.id), state);
    if (whatHappens(before) === whatHappens(after)) continue;
    changed.push({ id: facts.id, before: decisionToJson(before), after: decisionToJson(after) });
  }
  return { total: stored.length, changed };
}

function remembering<Key extends object, Value>(make: (key: Key) => Value): (key: Key) => Value {
  const made = new Map<Key, Value>();
  return (key) => {
    let value = made.get(key);
    if (value === undefined) {
      value = make(key);
      made.set(key, value);
    }
    return value;
  };
}

/** Who is asked, in what order, or what the client is told: a rule that only has another name or place changes nothing. */
function whatHappens({ candidates, error }: Decision): string {
  const asked = candidates.filter(({ kept }) => kept).map(({ provider, model }) => deploymentId(provider, model));
  return `${error?.code ?? ''}\n${asked.join('\n')}`;
}

/** What live traffic had taken out at the time, as far as the decision met it; what was learned then is not kept. */
function stateThen(blockedThen: readonly BlockedThen[]): RouteState {
  if (blockedThen.length === 0) return freshState;
  const blocked = new Map<string, Blocked>();
  for (const { provider, model, reason } of blockedThen)
    blocked.set(deploymentId(provider, model), { reason, remainingMs: 0, isByRequest: false });
  return { ...freshState, blocked: ({ provider, model }) => blocked.get(deploymentId(provider, model)) ?? null };
}

/** The same throws for both decisions about a request, so that chance makes no difference (FNV-1a, then mulberry32). */
function diceOf(id: string): () => number {
  let state = 0x81_1c_9d_c5;
  for (let index = 0; index < id.length; index++) state = Math.imul(state ^ id.charCodeAt(index), 0x01_00_01_93);
  return () => {
    state = (state + 0x6d_2b_79_f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
