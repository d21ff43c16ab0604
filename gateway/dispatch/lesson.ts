// One attempt from its start to what it taught: which of its figures mean something, and of what.

import type { Clock } from '../clock.ts';
import type { Settings, StrategyOptions } from '../config/settings.ts';
import type { DeploymentKey, ProviderSnapshot, RequestFacts } from '../types.ts';
import { blamesRequest } from './after-failure.ts';
import type { AttemptResult } from './attempt-contract.ts';
import type { LearnedDeployment, Warmth } from './learned-deployment.ts';
import type { PromptRatios } from './prompt-ratio.ts';
import type { FirstContentFacts } from './time-limits.ts';
import type { UsagePlace } from './usage-windows.ts';

/** What is known when an attempt begins. */
export interface LessonInput {
  readonly key: DeploymentKey;
  readonly facts: RequestFacts;
  /** The name that was decided about, after aliases. */
  readonly name: string | null;
  /** What `facts.promptTokens` was estimated with. */
  readonly charactersPerToken: number;
  /** Before this attempt is counted in. */
  readonly snapshot: ProviderSnapshot | null;
}

/** Who keeps what is learned. */
export interface LessonKeeper {
  readonly clock: Clock;
  readonly prompts: PromptRatios;
  readonly options: StrategyOptions;
  readonly errorBased: Settings['reliability']['errorBased'];
  /** An attempt ended in a way that says something of the deployment. */
  reported(): void;
  /** The model of that name gave an answer. */
  answered(name: string | null, monotonicMs: number): void;
}

/** Content of this many characters is one token, where nobody counts. */
const CHARACTERS_PER_TOKEN = 4;
/** So soon after an answer a model is loaded still, whatever an older probe said. */
const LOADED_FOR_MS = 60_000;

export class Lesson {
  readonly #keeper: LessonKeeper;
  readonly #deployment: LearnedDeployment;
  readonly #input: LessonInput;
  readonly #place: UsagePlace;
  readonly #warmth: Warmth;
  readonly #hadToWait: boolean;

  constructor(keeper: LessonKeeper, deployment: LearnedDeployment, input: LessonInput) {
    this.#keeper = keeper;
    this.#deployment = deployment;
    this.#input = input;
    this.#place = deployment.usage.add(keeper.clock.monotonic(), input.facts.promptTokens);
    this.#warmth = warmthOf(input, keeper.clock.now() - deployment.answeredAtMs < LOADED_FOR_MS);
    this.#hadToWait = isBusy(input.snapshot);
  }

  /** What the time limits of this attempt are computed from; asked for before it is counted in. */
  rates(): NonNullable<FirstContentFacts['learned']> {
    return learnedRates(this.#deployment, this.#input.snapshot);
  }

  /** The attempt ended. Once. */
  end(result: AttemptResult): void {
    const { clock, errorBased, options } = this.#keeper;
    const monotonicMs = clock.monotonic();
    this.#correctUsage(result, monotonicMs);
    const { failure } = result;
    // A client that leaves and a request at fault say nothing of the deployment.
    if (failure?.kind === 'cancelled' || (failure !== null && blamesRequest(failure))) return;
    const atMs = clock.now();
    if (failure !== null && errorBased !== null) this.#deployment.noteFailure(atMs, errorBased);
    this.#deployment.learn(
      {
        atMs,
        isStream: this.#input.facts.isStream,
        failure: failure?.kind ?? null,
        warmth: this.#warmth,
        hadToWait: this.#hadToWait,
        contentAfterMs: result.contentAfterMs,
        endedAfterMs: result.endedAfterMs,
        readTokens: Math.max(0, this.#promptTokens(result) - this.#cachedTokens(result, monotonicMs)),
        completionTokens: completionTokens(result),
      },
      options,
    );
    if (failure === null) this.#learnOfPrompt(result, monotonicMs);
    this.#keeper.reported();
  }

  /** Of a request that was never sent nothing was taken; of one that failed nobody knows. */
  #correctUsage(result: AttemptResult, monotonicMs: number): void {
    const reserved = this.#input.facts.promptTokens;
    const kind = result.failure?.kind;
    let taken = reserved;
    if (kind === 'unreachable' || kind === 'timeout_connect') taken = 0;
    else if (result.ended !== 'failed') taken = this.#promptTokens(result) + completionTokens(result);
    this.#deployment.usage.correct(monotonicMs, this.#place, reserved, taken);
  }

  #learnOfPrompt(result: AttemptResult, monotonicMs: number): void {
    const { facts, name } = this.#input;
    const { conversations } = this.#deployment;
    this.#keeper.answered(name, monotonicMs);
    if (facts.model !== name) this.#keeper.answered(facts.model, monotonicMs);
    if (conversations.isAsked && facts.conversationKey !== null) {
      conversations.note(facts.conversationKey, monotonicMs, this.#promptTokens(result));
    }
    this.#learnRatio(result);
  }

  #learnRatio({ usage }: AttemptResult): void {
    const { facts, charactersPerToken, key, snapshot } = this.#input;
    const tokens = usage === null || usage.isEstimated ? null : usage.promptTokens;
    // Images and sound are tokens without characters.
    if (tokens === null || facts.model === null || facts.needs.some((need) => need === 'vision' || need === 'audio'))
      return;
    // A prompt that fills the context was cut: its characters are not those of these tokens.
    const context = snapshot?.models.get(key.model)?.contextLoaded ?? null;
    if (context !== null && tokens >= context) return;
    this.#keeper.prompts.note(facts.model, facts.promptTokens * charactersPerToken, tokens);
  }

  #promptTokens({ usage }: AttemptResult): number {
    return usage?.promptTokens ?? this.#input.facts.promptTokens;
  }

  /** What the provider says of its cache, else what we believe of it. */
  #cachedTokens({ usage }: AttemptResult, monotonicMs: number): number {
    if (usage !== null && usage.cachedTokens !== null) return usage.cachedTokens;
    const { conversations } = this.#deployment;
    const { conversationKey } = conversations.isAsked ? this.#input.facts : NO_CONVERSATION;
    return conversationKey === null ? 0 : conversations.cachedTokens(conversationKey, monotonicMs);
  }
}

/** What time limits are computed from. `snapshot`: of its provider, for the requests that are there already. */
export function learnedRates(
  { loadMs, prefillTokensPerSecond, tokensPerSecond, serviceMs }: LearnedDeployment,
  snapshot: ProviderSnapshot | null,
): NonNullable<FirstContentFacts['learned']> {
  const queueAheadMs = snapshot === null ? 0 : requestsAhead(snapshot) * (serviceMs ?? 0);
  return { loadMs, prefillTokensPerSecond, tokensPerSecond, queueAheadMs };
}

const NO_CONVERSATION = { conversationKey: null };

function completionTokens({ usage, contentCharacters }: AttemptResult): number {
  return usage?.completionTokens ?? Math.ceil(contentCharacters / CHARACTERS_PER_TOKEN);
}

function warmthOf({ snapshot, key }: LessonInput, hasJustAnswered: boolean): Warmth {
  if (snapshot === null || snapshot.observed === 'warming') return 'unknown';
  if (!snapshot.loadsOnDemand) return 'loaded';
  const isLoaded = snapshot.models.get(key.model)?.isLoaded ?? null;
  if (isLoaded === true) return 'loaded';
  return isLoaded === false && !hasJustAnswered ? 'cold' : 'unknown';
}

/** Nothing can be told of the speed of reading when part of the time was waiting for others. */
function isBusy(snapshot: ProviderSnapshot | null): boolean {
  if (snapshot === null || snapshot.maxParallelRequests === null) return false;
  return requestsThere(snapshot) >= snapshot.maxParallelRequests;
}

/** Requests that have to end before one that comes now begins, as a share of the slots; without slots the engine's own line. */
function requestsAhead(snapshot: ProviderSnapshot): number {
  const { busy, maxParallelRequests: slots } = snapshot;
  if (slots === null) return busy?.waiting ?? 0;
  return Math.max(0, requestsThere(snapshot) + 1 - slots) / Math.max(1, slots);
}

/** Ours, or all that the engine reports. */
function requestsThere({ load, busy }: ProviderSnapshot): number {
  return Math.max(load.inFlight, busy === null ? 0 : busy.running + busy.waiting);
}
