// The owner of what decisions learn from live traffic: every attempt reports here, every decision reads here, and a small
// file (`learned.json`) keeps it over restarts. All arithmetic is in the files beside it.

import { KeptFile } from '../catalog/kept-file.ts';
import { parseLearning, type SavedLearning, serializeLearning } from '../catalog/saved-learning.ts';
import type { Clock } from '../clock.ts';
import type { Settings, StrategyOptions } from '../config/settings.ts';
import { BoundedMemory } from '../routing/bounded-memory.ts';
import type { Log } from '../telemetry/log.ts';
import type { Decision, DeploymentKey, ObservedState } from '../types.ts';
import { LearnedDeployment } from './learned-deployment.ts';
import { type LearnedSource, LearnedState } from './learned-state.ts';
import { Lesson, type LessonInput, type LessonKeeper } from './lesson.ts';
import { PromptRatios } from './prompt-ratio.ts';

export interface LearningOptions {
  /** Absolute path of `learned.json`; null: remember nothing beyond this process. */
  readonly path: string | null;
  readonly clock: Clock;
  readonly log: Log;
  /** In force now. */
  readonly settings: () => Settings;
}

/** A crash loses what was learned within this time. */
const DEBOUNCE_MS = 10_000;
/** Scores are refreshed once in so many requests. */
const REQUESTS_PER_REFRESH = 10;
/** Ollama unloads a model that was idle so long, unless it is told otherwise (its FAQ on `keep_alive`). */
const IDLE_MS = 300_000;

const MOST_PROVIDERS = 200;
const MOST_MODELS_EACH = 300;
const MOST_POOLS = 1_000;
const MOST_NAMES = 1_000;
const MOST_SAVED = 300;

export class Learning implements LearnedSource, LessonKeeper {
  readonly clock: Clock;
  readonly prompts: PromptRatios;
  readonly #settings: () => Settings;
  readonly #file: KeptFile<SavedLearning>;
  readonly #providers = new BoundedMemory<string, BoundedMemory<string, LearnedDeployment>>(MOST_PROVIDERS);
  readonly #turns = new BoundedMemory<string, number>(MOST_POOLS);
  /** When a model last answered, by its name after aliases, of the growing clock. */
  readonly #answeredAt = new BoundedMemory<string, number>(MOST_NAMES);
  #reports = 0;

  constructor({ path, clock, log, settings }: LearningOptions) {
    this.clock = clock;
    this.#settings = settings;
    this.#file = new KeptFile({
      path,
      clock,
      log,
      debounceMs: DEBOUNCE_MS,
      parse: parseLearning,
      text: () => serializeLearning(this.#saved()),
    });
    const restored = this.#file.restored;
    this.prompts = new PromptRatios(restored?.prompts);
    for (const saved of restored?.deployments ?? []) {
      const deployment = new LearnedDeployment(this.options.windowSize, saved);
      this.#modelsOf(saved.provider).set(saved.model, deployment);
    }
  }

  // ---- for decisions

  /** What a decision now may look at. Reading it changes nothing: `decided` does. */
  state(): LearnedState {
    return new LearnedState(this);
  }

  /** The decision made with that state is acted upon: its pool's turn is taken. */
  decided(state: LearnedState, decision: Decision): void {
    const pool = state.poolPicked(decision);
    if (pool !== null) this.#turns.set(pool, this.turnOf(pool) + 1);
  }

  /** For the estimate of a prompt's tokens; 4 where no model is named, or nothing was learned of that name. */
  charactersPerToken(model: string | null): number {
    return this.prompts.charactersPerToken(model ?? '');
  }

  // ---- for attempts

  /** An attempt begins: it counts in the minute from now on, and teaches something when it ends. */
  begin(input: LessonInput): Lesson {
    return new Lesson(this, this.#learner(input.key), input);
  }

  /** A model was loaded on purpose, and it took that long. */
  loaded(key: DeploymentKey, durationMs: number): void {
    this.#learner(key).loadTook(durationMs, this.clock.now());
    this.reported();
  }

  reported(): void {
    this.#reports += 1;
    this.#file.changed();
  }

  answered(name: string | null, monotonicMs: number): void {
    this.#answeredAt.set(name ?? '', monotonicMs);
  }

  get errorBased(): Settings['reliability']['errorBased'] {
    return this.#settings().reliability.errorBased;
  }

  /** A provider's state changed; with it may have gone what it had cached. */
  stateChanged(provider: string, to: ObservedState): void {
    const isGone = to === 'down' || to === 'off';
    for (const [, deployment] of this.#providers.get(provider)?.entries() ?? []) deployment.stateChanged(isGone);
  }

  /** Writes what is not written yet. Never rejects. */
  close(): Promise<void> {
    return this.#file.flush();
  }

  // ---- what states read

  deployment(provider: string, model: string): LearnedDeployment | null {
    return this.#providers.get(provider)?.get(model) ?? null;
  }

  /** All of which something may have been learned, by provider and model. */
  *deployments(): Generator<readonly [provider: string, model: string, deployment: LearnedDeployment]> {
    for (const [provider, models] of this.#providers.entries())
      for (const [model, deployment] of models.entries()) yield [provider, model, deployment];
  }

  turnOf(pool: string): number {
    return this.#turns.get(pool) ?? 0;
  }

  isFirstRequest(name: string | null): boolean {
    const answeredAt = this.#answeredAt.get(name ?? '');
    return answeredAt === undefined || this.monotonicMs - answeredAt >= IDLE_MS;
  }

  get options(): StrategyOptions {
    return this.#settings().routing.strategyOptions;
  }

  get generation(): number {
    return Math.floor(this.#reports / REQUESTS_PER_REFRESH);
  }

  get nowMs(): number {
    return this.clock.now();
  }

  get monotonicMs(): number {
    return this.clock.monotonic();
  }

  #learner({ provider, model }: DeploymentKey): LearnedDeployment {
    const models = this.#modelsOf(provider);
    let deployment = models.get(model);
    if (deployment === undefined) {
      deployment = new LearnedDeployment(this.options.windowSize);
      models.set(model, deployment);
    }
    return deployment;
  }

  #modelsOf(provider: string): BoundedMemory<string, LearnedDeployment> {
    let models = this.#providers.get(provider);
    if (models === undefined) {
      models = new BoundedMemory(MOST_MODELS_EACH);
      this.#providers.set(provider, models);
    }
    return models;
  }

  #saved(): SavedLearning {
    const deployments = [];
    for (const [provider, model, deployment] of this.deployments()) {
      const saved = deployment.saved(provider, model);
      if (saved !== null) deployments.push(saved);
    }
    deployments.sort((a, b) => b.learnedAtMs - a.learnedAtMs);
    return { deployments: deployments.slice(0, MOST_SAVED), prompts: this.prompts.saved() };
  }
}
