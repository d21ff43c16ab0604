// What was learned of one deployment from the attempts that really happened there, and how each attempt adds to it.

import type { SavedDeployment } from '../catalog/saved-learning.ts';
import type { StrategyOptions } from '../config/settings.ts';
import type { SteadyFacts } from '../routing/strategies/strategy.ts';
import type { FailureKind } from '../types.ts';
import { Conversations } from './conversations.ts';
import { Ratio, SampleWindow } from './samples.ts';
import { UsageWindow } from './usage-windows.ts';

/** `loaded`: nothing had to be loaded; `cold`: known not to be loaded; `unknown`: it may have been either. */
export type Warmth = 'loaded' | 'cold' | 'unknown';

/** An attempt that ended, in the figures that teach something. Times in ms since its start. */
export interface LessonFigures {
  /** Epoch ms, at its end. */
  readonly atMs: number;
  readonly isStream: boolean;
  /** Null: it was answered in full. */
  readonly failure: FailureKind | null;
  readonly warmth: Warmth;
  /** As many requests as it has slots were there already, so part of the time was waiting. */
  readonly hadToWait: boolean;
  readonly contentAfterMs: number | null;
  readonly endedAfterMs: number;
  /** Prompt tokens that were not cached. */
  readonly readTokens: number;
  readonly completionTokens: number;
}

const HOUR_MS = 3_600_000;
const P95 = 0.95;
/** As many samples as `fastest_response` wants before it believes them. */
const ENOUGH_SAMPLES = 5;
/** Failures are counted over this time (`error_based_routing`). */
const FAILURES_WITHIN_MS = 60_000;
const MOST_FAILURES = 1_000;
/** A decision can look no further back than this many samples. */
const MOST_SAMPLES = 1_000;
/** So many of the samples are kept in the file. */
const SAVED_SAMPLES = 100;

const NOTHING_STEADY: SteadyFacts = Object.freeze({ firstContentMs: null, perTokenMs: null, successRate: null });

export class LearnedDeployment {
  readonly usage = new UsageWindow();
  #conversations = new Conversations();
  #firstContent: SampleWindow;
  #perToken: SampleWindow;
  #successes: SampleWindow;
  readonly #prefill: Ratio;
  readonly #speed: Ratio;
  readonly #load: Ratio;
  readonly #service: Ratio;
  /** Epoch ms of the latest failures, the oldest first. */
  #failures: number[] = [];
  #degradedUntilMs = 0;
  #p95: { readonly value: number; readonly atMs: number } | null = null;
  #steady: SteadyFacts = NOTHING_STEADY;
  #steadySince = -1;
  /** Epoch ms of the last attempt that ended. */
  #learnedAtMs: number;
  #answeredAtMs = 0;

  constructor(windowSize: number, saved: SavedDeployment | null = null) {
    const capacity = Math.min(windowSize, MOST_SAMPLES);
    this.#firstContent = new SampleWindow(capacity, saved?.firstContent);
    this.#perToken = new SampleWindow(capacity, saved?.perToken);
    this.#successes = new SampleWindow(capacity, saved?.successes);
    this.#prefill = new Ratio(saved?.prefill);
    this.#speed = new Ratio(saved?.speed);
    this.#load = new Ratio(saved?.load);
    this.#service = new Ratio(saved?.service);
    this.#learnedAtMs = saved?.learnedAtMs ?? 0;
  }

  get conversations(): Conversations {
    return this.#conversations;
  }

  /** Epoch ms of the last whole answer in this process; 0: none. */
  get answeredAtMs(): number {
    return this.#answeredAtMs;
  }

  get loadMs(): number | null {
    return this.#load.value;
  }

  get prefillTokensPerSecond(): number | null {
    return perSecond(this.#prefill.value);
  }

  get tokensPerSecond(): number | null {
    return perSecond(this.#speed.value);
  }

  get serviceMs(): number | null {
    return this.#service.value;
  }

  firstContentMs(nowMs: number, { sampleTtlMs }: StrategyOptions): number | null {
    return this.#firstContent.smoothed(nowMs, sampleTtlMs);
  }

  perTokenMs(nowMs: number, { sampleTtlMs }: StrategyOptions): number | null {
    return this.#perToken.smoothed(nowMs, sampleTtlMs);
  }

  successRate(nowMs: number, { sampleTtlMs }: StrategyOptions): number | null {
    return this.#successes.mean(nowMs, sampleTtlMs);
  }

  samplesInHour(nowMs: number): number {
    return this.#firstContent.countWithin(nowMs, HOUR_MS);
  }

  /** As it was when it was last computed: an hour ago at most, and after the last change of the provider's state. */
  firstContentP95Ms(nowMs: number, { sampleTtlMs }: StrategyOptions): number | null {
    if (this.#p95 !== null && nowMs - this.#p95.atMs < HOUR_MS) return this.#p95.value;
    const hasEnough = this.samplesInHour(nowMs) >= ENOUGH_SAMPLES;
    const value = hasEnough ? this.#firstContent.percentile(nowMs, sampleTtlMs, P95) : null;
    this.#p95 = value === null ? null : { value, atMs: nowMs };
    return value;
  }

  /** The same facts for all requests of one `generation`, a number that counts up. */
  steady(generation: number, nowMs: number, options: StrategyOptions): SteadyFacts {
    if (generation !== this.#steadySince) {
      this.#steadySince = generation;
      this.#steady = {
        firstContentMs: this.firstContentMs(nowMs, options),
        perTokenMs: this.perTokenMs(nowMs, options),
        successRate: this.successRate(nowMs, options),
      };
    }
    return this.#steady;
  }

  isDegraded(nowMs: number): boolean {
    return nowMs < this.#degradedUntilMs;
  }

  /** The provider's state changed: what `fastest_response` goes by is computed anew, and its caches may be gone. */
  stateChanged(isGone: boolean): void {
    this.#p95 = null;
    if (isGone) this.#conversations = new Conversations();
  }

  /** Adds what an attempt that ended has shown. Those that a client or the request itself ended show nothing. */
  learn(lesson: LessonFigures, options: StrategyOptions): void {
    const { atMs, failure } = lesson;
    this.#fitWindows(options.windowSize);
    this.#learnedAtMs = atMs;
    this.#successes.add(atMs, failure === null ? 1 : 0);
    if (lesson.warmth === 'cold') this.#conversations = new Conversations();
    if (failure !== null) return;
    this.#answeredAtMs = atMs;
    if (lesson.warmth === 'loaded') this.#learnSpeed(lesson);
    else if (lesson.warmth === 'cold' && lesson.isStream) this.#learnLoad(lesson);
  }

  /** @param threshold more failures than this within a minute make it count half, for `cooldownMs` */
  noteFailure(atMs: number, { errorThreshold, cooldownMs }: { errorThreshold: number; cooldownMs: number }): void {
    const recent = this.#failures.filter((failedAtMs) => atMs - failedAtMs < FAILURES_WITHIN_MS);
    recent.push(atMs);
    this.#failures = recent.slice(-MOST_FAILURES);
    if (this.#failures.length > Math.min(errorThreshold, MOST_FAILURES - 1)) this.#degradedUntilMs = atMs + cooldownMs;
  }

  /** What is worth keeping over a restart; null: nothing was learned. */
  saved(provider: string, model: string): SavedDeployment | null {
    if (this.#learnedAtMs === 0) return null;
    return {
      provider,
      model,
      learnedAtMs: this.#learnedAtMs,
      firstContent: this.#firstContent.saved(SAVED_SAMPLES),
      perToken: this.#perToken.saved(SAVED_SAMPLES),
      successes: this.#successes.saved(SAVED_SAMPLES),
      prefill: this.#prefill.saved(),
      speed: this.#speed.saved(),
      load: this.#load.saved(),
      service: this.#service.saved(),
    };
  }

  #learnSpeed(lesson: LessonFigures): void {
    const { atMs, isStream, contentAfterMs, endedAfterMs, readTokens, completionTokens } = lesson;
    this.#service.add(endedAfterMs, 1);
    if (!isStream) {
      this.#perToken.add(atMs, endedAfterMs / Math.max(1, completionTokens));
      this.#speed.add(completionTokens, endedAfterMs);
      return;
    }
    if (contentAfterMs === null) return;
    this.#firstContent.add(atMs, contentAfterMs);
    // The first token came with the first content; the rest took the time after it.
    if (completionTokens > 1) this.#speed.add(completionTokens - 1, endedAfterMs - contentAfterMs);
    if (readTokens > 0 && !lesson.hadToWait) this.#prefill.add(readTokens, contentAfterMs);
  }

  /** It was loaded on purpose, with nothing else to do meanwhile. */
  loadTook(durationMs: number, atMs: number): void {
    this.#learnedAtMs = atMs;
    this.#load.add(durationMs, 1);
  }

  /** The first content of a cold start came after loading and after reading the prompt. */
  #learnLoad({ contentAfterMs, readTokens }: LessonFigures): void {
    if (contentAfterMs === null) return;
    const tokensPerMs = this.#prefill.value;
    const prefillMs = tokensPerMs === null || tokensPerMs === 0 ? 0 : readTokens / tokensPerMs;
    this.#load.add(Math.max(0, contentAfterMs - prefillMs), 1);
  }

  /** The setting may have changed since the last attempt. */
  #fitWindows(windowSize: number): void {
    const capacity = Math.max(1, Math.min(windowSize, MOST_SAMPLES));
    if (this.#firstContent.capacity === capacity) return;
    this.#firstContent = new SampleWindow(capacity, this.#firstContent.saved(capacity));
    this.#perToken = new SampleWindow(capacity, this.#perToken.saved(capacity));
    this.#successes = new SampleWindow(capacity, this.#successes.saved(capacity));
  }
}

function perSecond(perMs: number | null): number | null {
  return perMs === null ? null : perMs * 1_000;
}
