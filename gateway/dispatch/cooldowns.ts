// What live traffic has taken out for a while: the only owner of cooldowns, pauses after a 429, open circuits and trials.
// Every attempt reports here, every decision asks here. What a failure means is in failure-plan, what follows in breaker.

import type { Clock } from '../clock.ts';
import type { GroupDeployment, Settings } from '../config/settings.ts';
import type { Blocked } from '../routing/question.ts';
import type { DeploymentKey, Failure, FailureKind } from '../types.ts';
import type { Breaker, BreakerChange, FailurePlan } from './breaker.ts';
import { type Cell, CooldownCells } from './cooldown-cells.ts';
import { adoptedFamily, type CooldownChange, type CoolingDown, openingFacts } from './cooldown-facts.ts';
import { RunningTrial, type Trial, type TrialOwner } from './cooldown-trial.ts';
import { hasReached, LONGEST_PAUSE_MS, planFailure } from './failure-plan.ts';

export type { CooldownChange, CoolingDown, Trial };

export interface CooldownOptions {
  readonly clock: Clock;
  /** In force now. */
  readonly settings: () => Settings;
  /** `isAdopted`: another gateway told, and need not be told again. */
  readonly onChange?: (change: CooldownChange, isAdopted: boolean) => void;
}

/** Deployments and providers remembered at most: those that failed lately and those taken out. */
export const MOST_CELLS = 2_000;

const NO_CELLS: readonly Cell[] = [];

const BACK = 'a request got through';

export class Cooldowns implements TrialOwner {
  readonly #clock: Clock;
  readonly #settings: () => Settings;
  readonly #onChange: (change: CooldownChange, isAdopted: boolean) => void;
  readonly #cells = new CooldownCells(MOST_CELLS);
  /** How many of them are not closed. */
  #open = 0;
  /** How many openings there have been: tells attempts of before an opening from those after it. */
  #openings = 0;

  constructor({ clock, settings, onChange }: CooldownOptions) {
    this.#clock = clock;
    this.#settings = settings;
    this.#onChange = onChange ?? (() => undefined);
  }

  /** Nothing is taken out: `blocked` need not be asked. */
  get isIdle(): boolean {
    return this.#open === 0;
  }

  /** What live traffic has against that deployment, or its whole provider; null: nothing. Changes nothing. */
  blocked(provider: string, model: string): Blocked | null {
    if (this.#open === 0) return null;
    const [whole, own] = [this.#cells.find(provider, null), this.#cells.find(provider, model)];
    if (whole === null && own === null) return null;
    const nowMs = this.#clock.monotonic();
    const [ofWhole, ofModel] = [this.#blockedBy(whole, nowMs), this.#blockedBy(own, nowMs)];
    if (ofWhole === null || ofModel === null) return ofWhole ?? ofModel;
    const remainingMs = Math.max(ofWhole.remainingMs ?? 0, ofModel.remainingMs ?? 0);
    // Both must be over; a server's plea for patience is never outvoted.
    return { ...(ofModel.isByRequest ? ofModel : ofWhole), remainingMs };
  }

  /**
   * An attempt starts. Where a time is up it is the trial that all others wait for.
   * @param entry the `model_list` entry that named the deployment, for a `cooldown_time` of its own
   */
  begin(key: DeploymentKey, entry: GroupDeployment | null): Trial {
    const attempt = new RunningTrial(this, key, entry, this.#openings);
    if (this.#open > 0) this.#beginTrials(attempt);
    return attempt;
  }

  /** A probe got an answer from that provider: it can be reached again. */
  probed(provider: string): void {
    const whole = this.#open === 0 ? null : this.#cells.find(provider, null);
    if (whole?.breaker.opening?.family === 'unreachable') this.#close(whole, 'a probe got through');
  }

  /** Forgets a deployment, or all of a provider: the user switched it on again, or asked for it. */
  reset(provider: string, model?: string): void {
    for (const cell of this.#cells.of(provider)) {
      if (model === undefined || cell.model === model) this.#close(cell, 'it was reset');
    }
  }

  /** All that are not closed, in no promised order. One whose time is up is half-open, tried or not. */
  list(): readonly CoolingDown[] {
    this.#forget();
    const [nowMs, atMs] = [this.#clock.monotonic(), this.#clock.now()];
    return [...this.#cells].flatMap((cell) => {
      const facts = openingFacts(cell, atMs, nowMs);
      return facts === null ? [] : [facts];
    });
  }

  /** How many a request cannot have now, by provider; a provider that is out as a whole counts as one more. */
  counts(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    if (this.#open === 0) return counts;
    this.#forget();
    const nowMs = this.#clock.monotonic();
    for (const cell of this.#cells) {
      if (cell.breaker.blocked(nowMs) !== null) counts.set(cell.provider, (counts.get(cell.provider) ?? 0) + 1);
    }
    return counts;
  }

  /** What another gateway found. It prolongs what this one found itself, and never shortens it. */
  adopt(change: CooldownChange): void {
    const { provider, model, is, because } = change;
    if (is === 'half_open') return;
    if (is === 'closed') {
      const known = this.#cells.find(provider, model);
      if (known?.breaker.withdraw() === 'closed') this.#dropped(known, change.message, true);
      return;
    }
    const { reliability } = this.#settings();
    const durationMs = Math.min(LONGEST_PAUSE_MS, (change.untilMs ?? 0) - this.#clock.now());
    const family = because === null ? 'failing' : adoptedFamily(because, model);
    if (because === null || durationMs <= 0 || (reliability.isCooldownDisabled && family !== 'pause')) return;
    const nowMs = this.#clock.monotonic();
    const told = {
      ...{ family, is, because, message: change.message, number: this.#openings + 1, durationMs, successes: 0 },
      ...{ untilMs: nowMs + durationMs, ownUntilMs: null, successThreshold: reliability.successThreshold },
    };
    const cell = this.#cells.find(provider, model) ?? this.#cells.create(provider, model);
    this.#settle(cell, nowMs);
    const wasOpen = cell.breaker.opening !== null;
    this.#noted(cell, wasOpen, cell.breaker.adopt(told, nowMs), true);
  }

  /** An attempt has begun to answer; only its `Trial` calls this. */
  answered(attempt: RunningTrial): void {
    if (this.#open === 0) return;
    const cells = this.#concerned(attempt);
    if (cells.length === 0) return;
    const nowMs = this.#clock.monotonic();
    for (const cell of cells) {
      if (cell.breaker.answered(attempt, nowMs) === 'closed') this.#dropped(cell, BACK, false);
    }
  }

  /** An attempt has ended; only its `Trial` calls this. */
  ended(attempt: RunningTrial, failure: Failure | null | undefined): void {
    if (this.#cells.size === 0 && (failure === null || failure === undefined)) return;
    if (failure === null) this.#succeeded(attempt);
    else if (failure === undefined) this.#giveBack(attempt);
    else this.#failed(attempt, failure);
  }

  #succeeded(attempt: RunningTrial): void {
    const cells = this.#concerned(attempt);
    if (cells.length === 0) return;
    const nowMs = this.#clock.monotonic();
    for (const cell of cells) {
      const change = cell.breaker.succeeded(attempt, nowMs);
      if (change === 'closed') this.#dropped(cell, BACK, false);
      else if (cell.breaker.opening === null) this.#cells.remove(cell);
    }
  }

  #failed(attempt: RunningTrial, failure: Failure): void {
    const { provider, model } = attempt.key;
    const plans = planFailure(failure, this.#settings().reliability, attempt.cooldownMs);
    this.#failedAt(provider, null, attempt, failure, plans.provider);
    this.#failedAt(provider, model, attempt, failure, plans.deployment);
  }

  #failedAt(
    provider: string,
    model: string | null,
    attempt: RunningTrial,
    failure: Failure,
    plan: FailurePlan | null,
  ): void {
    const known = this.#cells.find(provider, model);
    if (plan === null || (plan.threshold === null && known === null)) {
      if (known !== null) this.#endedWithoutVerdict(known, attempt, failure.kind);
      return;
    }
    const cell = known ?? this.#cells.create(provider, model);
    const nowMs = this.#clock.monotonic();
    this.#settle(cell, nowMs);
    const wasOpen = cell.breaker.opening !== null;
    const change = cell.breaker.failed(attempt, failure, plan, nowMs, this.#openings + 1);
    if (change === 'closed') this.#dropped(cell, 'cooldowns were set to last no time', false);
    else this.#noted(cell, wasOpen, change, false);
  }

  /** A failure that says nothing against it; that a provider answers at all is the end of its being unreachable. */
  #endedWithoutVerdict(cell: Cell, attempt: RunningTrial, kind: FailureKind): void {
    const { breaker } = cell;
    breaker.giveBack(attempt);
    const { opening } = breaker;
    if (opening?.family !== 'unreachable' || attempt.begunAt < opening.number || !hasReached(kind)) return;
    this.#close(cell, BACK);
  }

  #giveBack(attempt: RunningTrial): void {
    for (const cell of this.#concerned(attempt)) cell.breaker.giveBack(attempt);
  }

  #beginTrials(attempt: RunningTrial): void {
    const cells = this.#concerned(attempt);
    if (cells.length === 0) return;
    const nowMs = this.#clock.monotonic();
    for (const cell of cells) {
      this.#settle(cell, nowMs);
      if (cell.breaker.begin(attempt, nowMs) === 'tried') this.#tell(cell, false);
    }
  }

  #blockedBy(cell: Cell | null, nowMs: number): Blocked | null {
    return cell === null || this.#isSwitchedOff(cell.breaker, nowMs) ? null : cell.breaker.blocked(nowMs);
  }

  /** `disable_cooldowns` ends running ones, and leaves of a pause after a 429 its time alone, without trials. */
  #isSwitchedOff({ opening }: Breaker, nowMs: number): boolean {
    if (opening === null || !this.#settings().reliability.isCooldownDisabled) return false;
    return opening.family !== 'pause' || nowMs >= opening.untilMs;
  }

  /** Ends what ended without an event of its own. */
  #settle(cell: Cell, nowMs: number): void {
    if (this.#isSwitchedOff(cell.breaker, nowMs)) this.#close(cell, 'cooldowns were switched off');
    else if (cell.breaker.isForgettable(nowMs)) this.#close(cell, 'nobody has asked it for a long time');
  }

  #forget(): void {
    const nowMs = this.#clock.monotonic();
    for (const cell of this.#cells) this.#settle(cell, nowMs);
  }

  #noted(cell: Cell, wasOpen: boolean, change: BreakerChange, isAdopted: boolean): void {
    if (!this.#cells.has(cell)) this.#keep(cell);
    if (change !== 'opened' && change !== 'prolonged') return;
    if (change === 'opened') this.#openings += 1;
    if (!wasOpen) this.#open += 1;
    this.#tell(cell, isAdopted);
  }

  #tell(cell: Cell, isAdopted: boolean): void {
    const facts = openingFacts(cell, this.#clock.now(), this.#clock.monotonic());
    if (facts !== null) this.#onChange(facts, isAdopted);
  }

  #close(cell: Cell, message: string): void {
    if (cell.breaker.close() === 'closed') this.#dropped(cell, message, false);
    else this.#cells.remove(cell);
  }

  /** It was open and no longer is. */
  #dropped(cell: Cell, message: string, isAdopted: boolean): void {
    this.#open -= 1;
    this.#cells.remove(cell);
    const { provider, model } = cell;
    const atMs = this.#clock.now();
    this.#onChange({ atMs, provider, model, is: 'closed', untilMs: null, because: null, message }, isAdopted);
  }

  #concerned({ key }: RunningTrial): readonly Cell[] {
    const [whole, own] = [this.#cells.find(key.provider, null), this.#cells.find(key.provider, key.model)];
    return whole === null && own === null ? NO_CELLS : [whole, own].filter((cell) => cell !== null);
  }

  #keep(cell: Cell): void {
    if (this.#cells.isFull) this.#forget();
    const victim = this.#cells.isFull ? this.#cells.victim() : null;
    if (victim !== null) this.#close(victim, 'too many others failed since');
    this.#cells.keep(cell);
  }
}
