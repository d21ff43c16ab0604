// Everything that loads and unloads models on purpose, in one hand.

import type { ControlledProvider } from '../catalog/controlled-provider.ts';
import type { Clock } from '../clock.ts';
import type { Settings } from '../config/settings.ts';
import type { AdminKeepWarm, AdminModelAction, AdminModelActionResult } from '../contract.ts';
import type { Log } from '../telemetry/log.ts';
import { KeepWarm } from './keep-warm.ts';
import { actionSentence, ModelActions, type RunOptions } from './model-actions.ts';

/** An action that has ended, as a line of the history. */
export interface WarmEvent {
  readonly kind: 'keep_warm';
  readonly atMs: number;
  readonly provider: string;
  readonly model: string;
  readonly message: string;
}

export interface WarmthOptions {
  readonly clock: Clock;
  readonly catalog: { controlled(provider: string): ControlledProvider | null };
  readonly log: Log;
  readonly settings: Settings;
  readonly onEvent: (event: WarmEvent) => void;
  /** A model was not in memory, and loading it took that long. */
  readonly onLoaded: (key: { readonly provider: string; readonly model: string }, durationMs: number) => void;
}

export class Warmth {
  readonly #options: WarmthOptions;
  readonly #actions: ModelActions;
  readonly #keepWarm: KeepWarm;

  constructor(options: WarmthOptions) {
    this.#options = options;
    const { clock, catalog, log, settings } = options;
    this.#actions = new ModelActions({ clock, catalog, log, onEnded: (ended) => this.#ended(ended) });
    this.#keepWarm = new KeepWarm({ actions: this.#actions, settings, log });
  }

  /** The schedules begin. */
  start(): void {
    this.#keepWarm.start();
  }

  apply(settings: Settings): void {
    this.#keepWarm.apply(settings);
  }

  /** The machine goes to sleep: nothing is due until `resume()`. */
  pause(): void {
    this.#keepWarm.pause();
  }

  resume(): void {
    this.#keepWarm.resume();
  }

  /** By hand. Never rejects: what went wrong is in the result. */
  run(action: AdminModelAction, options: RunOptions): Promise<AdminModelActionResult> {
    return this.#actions.run(action, options);
  }

  /** What is going to be done by schedule, and what came of it last. */
  planned(): readonly AdminKeepWarm[] {
    return this.#keepWarm.status();
  }

  /** Ends the schedules and what runs. To be closed before the catalog and the history. */
  async close(): Promise<void> {
    this.#keepWarm.close();
    await this.#actions.close();
  }

  #ended(ended: AdminModelActionResult): void {
    const { provider, model, atMs, result, action, durationMs } = ended;
    const message = actionSentence(ended);
    this.#options.log[result === 'failed' ? 'warn' : 'info'](`[PROVIDER] ${message}`);
    this.#options.onEvent({ kind: 'keep_warm', atMs, provider, model, message });
    if (result === 'done' && action === 'load') this.#options.onLoaded({ provider, model }, durationMs);
  }
}
