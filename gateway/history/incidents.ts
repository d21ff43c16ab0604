// What an incident is: pure, from changes of state and the times the gateway ran.

import type { AdminIncident } from '../contract.ts';
import type { Cause, ObservedState } from '../types.ts';
import type { Interval } from './state-time.ts';

export interface StateChange {
  readonly atMs: number;
  readonly provider: string;
  readonly after: ObservedState;
  readonly cause: Cause | null;
}

export interface Incident {
  readonly provider: string;
  readonly fromMs: number;
  /** For one that lasts, now. */
  readonly toMs: number;
  readonly isOpen: boolean;
  readonly state: ObservedState;
  readonly cause: Cause | null;
  readonly endedBy: AdminIncident['endedBy'];
}

interface Running {
  fromMs: number;
  sessionEndMs: number;
  state: ObservedState;
  cause: Cause | null;
}

/** The worst last. Only these begin an incident; the others that are not an end go on with the one there is. */
const bad: readonly ObservedState[] = ['degraded', 'auth', 'down'];
const endOf: Readonly<Partial<Record<ObservedState, AdminIncident['endedBy']>>> = {
  ready: 'recovered',
  off: 'switched_off',
  paused: 'paused',
};

/**
 * An incident lasts from degraded, down or refused to ready, through whatever comes in between; it ends as well when the
 * provider is switched off, probing is paused or the gateway stops. Changes and sessions in order of time; the result in
 * order of beginning. A session that reaches `nowMs` or is the last is taken to last.
 */
export function incidentsIn(changes: readonly StateChange[], sessions: readonly Interval[], nowMs: number): Incident[] {
  const found: Incident[] = [];
  const running = new Map<string, Running>();
  const finish = (provider: string, one: Running, toMs: number, endedBy: AdminIncident['endedBy']): void => {
    const { fromMs, state, cause } = one;
    found.push({ provider, fromMs, toMs, isOpen: endedBy === null, state, cause, endedBy });
    running.delete(provider);
  };
  for (const { atMs, provider, after, cause } of changes) {
    let current = running.get(provider);
    if (current && atMs > current.sessionEndMs) {
      finish(provider, current, current.sessionEndMs, 'gateway_stopped');
      current = undefined;
    }
    const endedBy = endOf[after];
    if (endedBy) {
      if (current) finish(provider, current, atMs, endedBy);
    } else if (current) {
      if (bad.indexOf(after) > bad.indexOf(current.state)) current.state = after;
      current.cause ??= cause;
    } else if (bad.includes(after)) {
      running.set(provider, { fromMs: atMs, sessionEndMs: sessionEndAt(sessions, atMs, nowMs), state: after, cause });
    }
  }
  for (const [provider, one] of [...running]) {
    if (one.sessionEndMs < nowMs) finish(provider, one, one.sessionEndMs, 'gateway_stopped');
    else finish(provider, one, nowMs, null);
  }
  return found.sort((a, b) => a.fromMs - b.fromMs);
}

/** When the session ended that ran at that instant; that of the last one is yet to come. */
function sessionEndAt(sessions: readonly Interval[], atMs: number, nowMs: number): number {
  const index = sessions.findLastIndex(({ fromMs }) => fromMs <= atMs);
  const next = sessions[index + 1];
  if (!next) return nowMs;
  return Math.max(atMs, Math.min(sessions[index]?.toMs ?? next.fromMs, next.fromMs));
}
