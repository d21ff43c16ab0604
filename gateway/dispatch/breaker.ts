// Whether one deployment, or one provider as a whole, is taken out by live traffic: a state machine that is told the time
// and the rules, and knows no clock, no settings and no names. Closed, open, then half-open: one request at a time tries it.

import type { Blocked } from '../routing/question.ts';
import type { Failure, FailureKind } from '../types.ts';

/** Failures older than this no longer count towards an opening, in ms. */
export const FAILURE_WINDOW_MS = 60_000;
/** A trial that fails doubles the time, up to so many times the base. */
export const MOST_DOUBLED = 10;
/** Half-open and not tried for so long, in ms: what was known of it is out of date. */
export const QUIET_MS = 600_000;
/** A trial that is out for so long, in ms, holds up nobody else any more. */
export const TRIAL_MS = 60_000;
/** Failures remembered of one class; a threshold above this is taken as this. */
const MOST_FAILURES = 1_000;

/** Failures that are cured alike; only a failure of the same family doubles the time of the last one. */
export type FailureFamily = 'failing' | 'unreachable' | 'auth' | 'pause';

/** What a failure leads to, by the settings of its moment. */
export interface FailurePlan {
  readonly family: FailureFamily;
  readonly is: 'cooling_down' | 'breaker_open';
  /** What it is counted with. */
  readonly bucket: string;
  /** The how-manieth of its bucket opens; null: none, it only makes a trial fail. */
  readonly threshold: number | null;
  /** Of the first opening; 0: it never opens. */
  readonly baseMs: number;
  /** False: the time was asked for, and stays. */
  readonly doubles: boolean;
  /** Successes that close a half-open one. */
  readonly successThreshold: number;
}

/** One attempt, as far as breakers tell attempts apart. */
export interface AttemptMark {
  /** How many openings there had been anywhere when it began. */
  readonly begunAt: number;
  /** Its answer has begun, and was told: it is no success twice. */
  readonly hasAnswered: boolean;
}

/** Taken out. Times are ms of a clock that only grows. */
export interface Opening {
  readonly family: FailureFamily;
  readonly is: FailurePlan['is'];
  readonly because: FailureKind;
  readonly message: string;
  /** Openings are counted: an attempt with a smaller mark began before this one. */
  readonly number: number;
  readonly successThreshold: number;
  /** How long this opening was made for, and what a failed trial doubles. */
  readonly durationMs: number;
  readonly untilMs: number;
  /** What attempts of this gateway gave cause for; null: another gateway told. */
  readonly ownUntilMs: number | null;
  readonly successes: number;
}

/** What an event did: nothing that shows (null), or a change to tell. */
export type BreakerChange = 'opened' | 'prolonged' | 'tried' | 'closed' | null;

export class Breaker {
  #opening: Opening | null = null;
  /** Of a closed one: when its failures were, by bucket. */
  readonly #failures = new Map<string, number[]>();
  #trial: AttemptMark | null = null;
  /** Then another request may try, whatever became of the first. */
  #trialUntilMs = 0;

  /** Null: closed. */
  get opening(): Opening | null {
    return this.#opening;
  }

  /** One request tries it now. */
  get isTried(): boolean {
    return this.#trial !== null;
  }

  /** Closed with no failure that still counts, or half-open for so long that nobody cares any more. */
  isForgettable(nowMs: number): boolean {
    if (this.#opening === null) {
      for (const times of this.#failures.values()) {
        if (nowMs - (times.at(-1) ?? 0) < FAILURE_WINDOW_MS) return false;
      }
      return true;
    }
    return this.#isQuiet(this.#opening, nowMs);
  }

  /** What stands against a request now; null: it may go, perhaps as the trial. Changes nothing. */
  blocked(nowMs: number): Blocked | null {
    const opening = this.#opening;
    if (opening === null || this.#isQuiet(opening, nowMs)) return null;
    const isByRequest = opening.family === 'pause';
    const remainingMs = opening.untilMs - nowMs;
    if (remainingMs > 0) return { reason: opening.is, remainingMs, isByRequest };
    if (!this.#hasTrial(nowMs)) return null;
    // A pause keeps its name: nobody may press on where the server asked for patience.
    const reason = isByRequest ? 'cooling_down' : 'breaker_open';
    return { reason, remainingMs: this.#trialUntilMs - nowMs, isByRequest };
  }

  /** An attempt begins; when the time is up and nobody is trying, it is the trial. */
  begin(attempt: AttemptMark, nowMs: number): BreakerChange {
    const opening = this.#opening;
    if (opening === null || nowMs < opening.untilMs || this.#hasTrial(nowMs)) return null;
    this.#trial = attempt;
    this.#trialUntilMs = nowMs + TRIAL_MS;
    return 'tried';
  }

  /**
   * An attempt began to answer, which is its success for letting others in. Failures in a row stay counted: the answer
   * may still break off.
   */
  answered(attempt: AttemptMark, nowMs: number): BreakerChange {
    const opening = this.#opening;
    if (opening === null) return null;
    if (opening.family === 'unreachable') return this.close();
    const isOldNews = attempt.begunAt < opening.number;
    if (isOldNews || attempt.hasAnswered) return null;
    this.giveBack(attempt);
    const successes = opening.successes + 1;
    if (successes >= opening.successThreshold) return this.close();
    // It works again: the next trial need not wait for what is left of the time.
    this.#opening = { ...opening, successes, untilMs: Math.min(opening.untilMs, nowMs) };
    return null;
  }

  /** An attempt ended well. */
  succeeded(attempt: AttemptMark, nowMs: number): BreakerChange {
    if (this.#opening !== null) return this.answered(attempt, nowMs);
    this.#failures.clear();
    return null;
  }

  /**
   * An attempt failed in a way that counts.
   * @param nextNumber of the opening this would be
   */
  failed(attempt: AttemptMark, failure: Failure, plan: FailurePlan, nowMs: number, nextNumber: number): BreakerChange {
    const opening = this.#opening;
    if (opening === null) return this.#count(failure, plan, nowMs, nextNumber);
    if (attempt.begunAt < opening.number) {
      // It began before the opening, which knows of such failures already; only a plea for more patience is news.
      return plan.family === 'pause' ? this.#prolong(opening, failure, plan, nowMs + plan.baseMs) : null;
    }
    if (this.#trial !== attempt) return this.#failedBeside(opening, failure, plan, nowMs);
    this.#trial = null;
    return this.#open(failure, plan, nowMs, nextNumber, nextDuration(opening, plan));
  }

  /** An attempt ended without saying anything: had it been the trial, the next request may be. */
  giveBack(attempt: AttemptMark): void {
    if (this.#trial === attempt) this.#trial = null;
  }

  /** Another gateway took it out: never for less than this one has. `nextNumber`: of the opening this would be. */
  adopt(told: Opening, nowMs: number): BreakerChange {
    const own = this.#opening;
    if (own === null || this.#isQuiet(own, nowMs)) {
      this.#trial = null;
      this.#failures.clear();
      this.#opening = { ...told, ownUntilMs: null };
      return 'opened';
    }
    const isPlea = told.family === 'pause' && own.family !== 'pause';
    if (told.untilMs <= own.untilMs && !isPlea) return null;
    const { family, is, because, message } = isPlea ? told : own;
    this.#opening = { ...own, family, is, because, message, untilMs: Math.max(own.untilMs, told.untilMs) };
    return 'prolonged';
  }

  /** The other gateway takes its word back: what attempts of this one gave cause for stays. */
  withdraw(): BreakerChange {
    const opening = this.#opening;
    if (opening === null) return null;
    if (opening.ownUntilMs === null) return this.close();
    this.#opening = { ...opening, untilMs: Math.min(opening.untilMs, opening.ownUntilMs) };
    return null;
  }

  close(): BreakerChange {
    this.#failures.clear();
    this.#trial = null;
    if (this.#opening === null) return null;
    this.#opening = null;
    return 'closed';
  }

  #count(failure: Failure, plan: FailurePlan, nowMs: number, nextNumber: number): BreakerChange {
    if (plan.threshold === null) return null;
    const since = (this.#failures.get(plan.bucket) ?? []).filter((atMs) => nowMs - atMs < FAILURE_WINDOW_MS);
    since.push(nowMs);
    if (since.length < Math.min(plan.threshold, MOST_FAILURES) || plan.baseMs <= 0) {
      this.#failures.set(plan.bucket, since.slice(-MOST_FAILURES));
      return null;
    }
    return this.#open(failure, plan, nowMs, nextNumber, plan.baseMs);
  }

  #open(
    { kind, message }: Failure,
    plan: FailurePlan,
    nowMs: number,
    number: number,
    durationMs: number,
  ): BreakerChange {
    if (durationMs <= 0) return this.close();
    this.#failures.clear();
    const { family, is, successThreshold } = plan;
    const untilMs = nowMs + durationMs;
    const because = kind;
    this.#opening = {
      ...{ family, is, because, message, number, successThreshold },
      ...{ durationMs, untilMs, ownUntilMs: untilMs, successes: 0 },
    };
    return 'opened';
  }

  /** A retry, or an attempt made for want of anything better, failed too: the time begins anew, undoubled. */
  #failedBeside(opening: Opening, failure: Failure, plan: FailurePlan, nowMs: number): BreakerChange {
    if (plan.family === 'failing' && opening.family === 'pause') return null;
    const isSame = plan.family === opening.family && plan.doubles;
    return this.#prolong(opening, failure, plan, nowMs + (isSame ? opening.durationMs : plan.baseMs));
  }

  #prolong(opening: Opening, { kind, message }: Failure, plan: FailurePlan, askedUntilMs: number): BreakerChange {
    const untilMs = Math.max(opening.untilMs, askedUntilMs);
    const ownUntilMs = Math.max(opening.ownUntilMs ?? 0, askedUntilMs);
    const { family, is } = plan;
    this.#opening = { ...opening, family, is, because: kind, message, untilMs, ownUntilMs, successes: 0 };
    return untilMs > opening.untilMs ? 'prolonged' : null;
  }

  #hasTrial(nowMs: number): boolean {
    return this.#trial !== null && nowMs < this.#trialUntilMs;
  }

  #isQuiet(opening: Opening, nowMs: number): boolean {
    const lastMs = this.#trial === null ? opening.untilMs : Math.max(opening.untilMs, this.#trialUntilMs);
    return nowMs - lastMs >= QUIET_MS;
  }
}

function nextDuration(last: Opening, { family, doubles, baseMs }: FailurePlan): number {
  if (family !== last.family || !doubles) return baseMs;
  return Math.max(baseMs, Math.min(last.durationMs * 2, baseMs * MOST_DOUBLED));
}
