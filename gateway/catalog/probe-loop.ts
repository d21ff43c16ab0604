// When one provider is probed: by interval with jitter or by a cron schedule, closely while things change, never twice at once.

import { createRequire } from 'node:module';
import type { ScheduledTask } from 'node-cron';
import type { Clock } from '../clock.ts';

/** Between two probes while a provider is watched closely, in ms. */
const closeIntervalMs = 2_000;
/** Each wait is up to this much shorter or longer, so that providers are not all probed in the same moment. */
const jitterShare = 0.1;

/** node-cron prints to the console by itself; what matters here is told through `onError`. */
const silent = { info() {}, warn() {}, error() {}, debug() {} };

export interface ProbeLoopOptions {
  readonly clock: Clock;
  /** A number from 0 up to 1. */
  readonly random: () => number;
  /** A cron expression, seconds allowed; null: by `intervalMs`. */
  readonly schedule: string | null;
  readonly intervalMs: number;
  /** Whether the next probe is due soon whatever the interval says. */
  readonly isWatchedClosely: () => boolean;
  /** One probe. Must not reject. */
  readonly probe: () => Promise<void>;
  readonly onError: (error: unknown) => void;
}

/** Runs until `stop()`. Probes never overlap; what is asked for while one runs is that one. */
export class ProbeLoop {
  readonly #options: ProbeLoopOptions;
  #running: Promise<void> | null = null;
  #cancelTimer: (() => void) | null = null;
  /** When the timer fires, in the clock's monotonic ms. */
  #dueAtMs = Number.POSITIVE_INFINITY;
  #cron: ScheduledTask | null = null;
  #isStarted = false;

  constructor(options: ProbeLoopOptions) {
    this.#options = options;
  }

  /** Begins with a probe at once; the promise ends with it. */
  start(): Promise<void> {
    this.#isStarted = true;
    this.#cron ??= this.#startCron();
    return this.probeNow();
  }

  /** No further probe begins; one that runs ends by itself. */
  stop(): void {
    this.#isStarted = false;
    this.#forgetTimer();
    // A task of node-cron that runs in this process ends synchronously.
    void this.#cron?.destroy();
    this.#cron = null;
  }

  /** A probe at once, or the one that runs already. */
  probeNow(): Promise<void> {
    this.#running ??= this.#run();
    return this.#running;
  }

  /** Shortens the wait for the next probe after what was learned elsewhere; never lengthens it. */
  reconsider(): void {
    if (this.#isStarted && this.#running === null) this.#wait();
  }

  async #run(): Promise<void> {
    this.#forgetTimer();
    try {
      await this.#options.probe();
    } catch (error) {
      this.#options.onError(error);
    } finally {
      this.#running = null;
      if (this.#isStarted) this.#wait();
    }
  }

  #wait(): void {
    const delayMs = this.#nextDelayMs();
    if (delayMs === null) return;
    const dueAtMs = this.#options.clock.monotonic() + delayMs;
    if (dueAtMs >= this.#dueAtMs) return;
    this.#forgetTimer();
    this.#dueAtMs = dueAtMs;
    this.#cancelTimer = this.#options.clock.after(delayMs, () => void this.probeNow());
  }

  #forgetTimer(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#dueAtMs = Number.POSITIVE_INFINITY;
  }

  /** Null: the cron task will call. */
  #nextDelayMs(): number | null {
    const { schedule: expression, intervalMs, isWatchedClosely, random } = this.#options;
    const shortestMs = isWatchedClosely() ? closeIntervalMs : Number.POSITIVE_INFINITY;
    const usualMs = expression === null ? intervalMs : Number.POSITIVE_INFINITY;
    const delayMs = Math.min(shortestMs, usualMs);
    return delayMs === Number.POSITIVE_INFINITY ? null : delayMs * (1 - jitterShare + 2 * jitterShare * random());
  }

  #startCron(): ScheduledTask | null {
    if (this.#options.schedule === null) return null;
    // Loaded only where there is a schedule: most have none, and it takes time to load.
    const cron: typeof import('node-cron') = createRequire(import.meta.url)('node-cron');
    return cron.schedule(this.#options.schedule, () => this.probeNow(), {
      logger: silent,
      suppressMissedWarning: true,
      unref: true,
    });
  }
}
