// Which models are in memory: cold, loading, warm, and gone again when nobody used them for a while.

import { Gate } from '../core/gate.ts';
import type { StandInModel } from '../core/models.ts';
import { pause } from '../core/wait.ts';

export interface SchedulerOptions {
  readonly loadDelayMs: number;
  readonly keepAliveMs: number;
  /** Models in memory at once. */
  readonly maxLoadedModels: number;
  /** Requests that may wait to be scheduled; those for a loaded model do not count (measured: `queue-warm-*`). */
  readonly maxQueue: number;
  /** Requests one model works on at once. */
  readonly numParallel: number;
}

interface Runner {
  readonly model: StandInModel;
  readonly context: number;
  readonly gate: Gate;
  state: 'loading' | 'warm';
  users: number;
  keepAliveMs: number;
  expiresAtMs: number;
  timer: NodeJS.Timeout | null;
}

/** A model in memory, reserved for one request. */
export interface Lease {
  readonly context: number;
  /** How long the load took, 0 when it was warm. */
  readonly loadMs: number;
  /** Waits for one of the model's places; false when the client left first. */
  begin(signal: AbortSignal): Promise<boolean>;
  /** Gives the reservation back, with the place if there was one. */
  release(): void;
}

export interface LoadedModel {
  readonly model: StandInModel;
  readonly context: number;
  /** Epoch ms; Infinity: never unloaded. */
  readonly expiresAtMs: number;
}

interface Wanted {
  readonly model: StandInModel;
  readonly context: number;
  /** Null: as it is, or the default. */
  readonly keepAliveMs: number | null;
}

export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #runners = new Map<string, Runner>();
  readonly #pending: (() => Promise<void>)[] = [];
  #isScheduling = false;
  #whenIdle: (() => void)[] = [];
  #isClosed = false;

  constructor(options: SchedulerOptions) {
    this.#options = options;
  }

  stateOf(model: StandInModel): 'cold' | 'loading' | 'warm' {
    return this.#runners.get(model.name)?.state ?? 'cold';
  }

  /** Latest expiry first. A model that is still loading is not listed (measured: `ps-while-loading-*`). */
  loaded(): LoadedModel[] {
    return [...this.#runners.values()]
      .filter((runner) => runner.state === 'warm')
      .map((runner) => ({
        model: runner.model,
        context: runner.context,
        expiresAtMs: runner.users > 0 ? Date.now() + runner.keepAliveMs : runner.expiresAtMs,
      }))
      .sort((a, b) => b.expiresAtMs - a.expiresAtMs);
  }

  /** Reserves the model, loading it first if need be. `busy`: the queue is full; `left`: the client went away. */
  acquire(wanted: Wanted, signal: AbortSignal): Promise<Lease | 'busy' | 'left'> {
    const warm = this.#usable(wanted);
    if (warm) return Promise.resolve(this.#lease(warm, wanted.keepAliveMs, 0));
    if (this.#pending.length >= this.#options.maxQueue) return Promise.resolve('busy');
    const { promise, resolve } = Promise.withResolvers<Lease | 'busy' | 'left'>();
    this.#pending.push(async () => resolve(await this.#schedule(wanted, signal)));
    void this.#work();
    return promise;
  }

  /** Unloads as soon as nobody uses it. */
  unload(model: StandInModel): void {
    const runner = this.#runners.get(model.name);
    if (!runner) return;
    runner.keepAliveMs = 0;
    if (runner.users === 0) this.#drop(runner);
  }

  /** Puts the model in memory at once, without the delay of a load. */
  preload(model: StandInModel): void {
    const runner = this.#newRunner({ model, context: model.contextLoaded, keepAliveMs: null });
    runner.state = 'warm';
    runner.users = 1;
    this.#release(runner);
  }

  /** The model is gone from memory now, whoever uses it. */
  forget(model: StandInModel): void {
    const runner = this.#runners.get(model.name);
    if (runner) this.#drop(runner);
    this.#wakeIdle();
  }

  close(): void {
    this.#isClosed = true;
    for (const runner of this.#runners.values()) clearTimeout(runner.timer ?? undefined);
    this.#runners.clear();
    this.#wakeIdle();
  }

  #usable(wanted: Wanted): Runner | null {
    const runner = this.#runners.get(wanted.model.name);
    return runner?.state === 'warm' && runner.context === wanted.context ? runner : null;
  }

  /** One at a time: nobody else is scheduled while a model loads or waits for room. */
  async #work(): Promise<void> {
    if (this.#isScheduling) return;
    this.#isScheduling = true;
    for (let next = this.#pending.shift(); next; next = this.#pending.shift()) await next();
    this.#isScheduling = false;
  }

  async #schedule(wanted: Wanted, signal: AbortSignal): Promise<Lease | 'left'> {
    const warm = this.#usable(wanted);
    if (warm) return this.#lease(warm, wanted.keepAliveMs, 0);
    if (!(await this.#makeRoom(wanted, signal))) return 'left';
    const runner = this.#newRunner(wanted);
    const { loadDelayMs } = this.#options;
    const isLoaded = loadDelayMs === 0 ? !signal.aborted : await pause(loadDelayMs, signal);
    // The load belongs to the request that caused it: when its client leaves, the load is given up.
    if (!isLoaded || this.#isClosed) {
      this.#runners.delete(wanted.model.name);
      return 'left';
    }
    runner.state = 'warm';
    return this.#lease(runner, wanted.keepAliveMs, loadDelayMs);
  }

  #newRunner(wanted: Wanted): Runner {
    const runner: Runner = {
      model: wanted.model,
      context: wanted.context,
      gate: new Gate(this.#options.numParallel),
      state: 'loading',
      users: 0,
      keepAliveMs: this.#options.keepAliveMs,
      expiresAtMs: 0,
      timer: null,
    };
    this.#runners.set(wanted.model.name, runner);
    return runner;
  }

  /** Puts idle models out until there is room, waiting for busy ones without a limit. */
  async #makeRoom(wanted: Wanted, signal: AbortSignal): Promise<boolean> {
    for (;;) {
      if (signal.aborted || this.#isClosed) return false;
      const other = this.#runners.get(wanted.model.name);
      if (!other && this.#runners.size < this.#options.maxLoadedModels) return true;
      const idle = other ? [other] : [...this.#runners.values()];
      const victim = idle.find((runner) => runner.users === 0);
      if (victim) this.#drop(victim);
      else await this.#idleOrAborted(signal);
    }
  }

  #idleOrAborted(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#whenIdle.push(resolve);
    signal.addEventListener('abort', () => resolve(), { once: true });
    return promise;
  }

  #wakeIdle(): void {
    const waiting = this.#whenIdle;
    this.#whenIdle = [];
    for (const wake of waiting) wake();
  }

  #drop(runner: Runner): void {
    clearTimeout(runner.timer ?? undefined);
    if (this.#runners.get(runner.model.name) === runner) this.#runners.delete(runner.model.name);
  }

  #lease(runner: Runner, keepAliveMs: number | null, loadMs: number): Lease {
    runner.users += 1;
    clearTimeout(runner.timer ?? undefined);
    if (keepAliveMs !== null) runner.keepAliveMs = keepAliveMs;
    let isInside = false;
    return {
      context: runner.context,
      loadMs,
      begin: async (signal) => {
        isInside = await runner.gate.enter(signal);
        return isInside;
      },
      release: () => {
        if (isInside) runner.gate.leave();
        this.#release(runner);
      },
    };
  }

  #release(runner: Runner): void {
    runner.users -= 1;
    if (runner.users > 0 || this.#isClosed || this.#runners.get(runner.model.name) !== runner) return;
    const { keepAliveMs } = runner;
    runner.expiresAtMs = Date.now() + keepAliveMs;
    if (keepAliveMs === 0) this.#drop(runner);
    else if (Number.isFinite(keepAliveMs)) runner.timer = setTimeout(() => this.#drop(runner), keepAliveMs);
    this.#wakeIdle();
  }
}

const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/**
 * `keep_alive` in ms: seconds as a number, a Go duration as text, negative for ever.
 * Null when absent, undefined when it makes no sense.
 */
export function readKeepAlive(value: unknown): number | null | undefined {
  if (value === undefined || value === null) return null;
  if (typeof value === 'number') return value < 0 ? Number.POSITIVE_INFINITY : value * 1000;
  if (typeof value !== 'string' || !/^-?(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(value)) return undefined;
  if (value.startsWith('-')) return Number.POSITIVE_INFINITY;
  let sum = 0;
  for (const [, count, unit] of value.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g))
    sum += Number(count) * (UNITS[unit ?? ''] ?? 0);
  return sum;
}
