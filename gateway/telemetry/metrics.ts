// Counts every outcome. One call per request on the serving thread, so whatever can be is looked up once and kept.

import { type Clock, systemClock } from '../clock.ts';
import type { Attempt, Candidate, Decision, Endpoint, FailureKind, Outcome, Snapshot } from '../types.ts';
import { renderPage } from './exposition.ts';
import { createFamilies } from './families.ts';
import {
  type CacheCounts,
  cacheGauges,
  processGauges,
  providerGauges,
  recentDurations,
  routingGauges,
} from './gauges.ts';
import { CounterSeries, type Counters, type HistogramSeries, mostSeries, other, RecentMean } from './series.ts';

/** In the currency of the configuration, per token; null where it is free or not known. */
export interface Price {
  readonly input: number | null;
  readonly output: number | null;
}

export interface MetricsOptions {
  readonly clock?: Clock | undefined;
  /** Whether the provider lists that model: such a name may be a label before it was ever served. */
  readonly isListed?: ((provider: string, model: string) => boolean) | undefined;
  /** Null: that deployment costs nothing. */
  readonly priceOf?: ((provider: string, model: string) => Price | null) | undefined;
  /** What the cache of answers has counted so far; absent: there is none. */
  readonly cacheCounts?: (() => CacheCounts) | undefined;
}

/** Everything counted per deployment and endpoint. */
interface AnswerSeries {
  readonly provider: string;
  readonly model: string;
  readonly endpoint: Endpoint;
  readonly byResult: Partial<Record<Outcome['result'], CounterSeries>>;
  readonly duration: HistogramSeries;
  readonly shared: DeploymentSeries;
}

/** Everything counted per deployment. */
interface DeploymentSeries {
  readonly model: string;
  readonly provider: string;
  readonly warm: HistogramSeries;
  readonly cold: HistogramSeries;
  readonly promptTokens: CounterSeries;
  readonly completionTokens: CounterSeries;
  readonly cachedTokens: CounterSeries;
  readonly litellmRequests: CounterSeries;
  readonly litellmErrors: CounterSeries;
  readonly litellmCost: CounterSeries;
  readonly recent: RecentMean;
  readonly attempts: Map<string, CounterSeries>;
}

/** A deployment has up to three series in one metric; those that come later have their tokens and times counted as `other`. */
const mostDeployments = Math.floor(mostSeries / 3);

/** The label where nobody answered. */
const nobody = 'none';

/** The provider's label where an answer was given again: whoever wrote it had nothing to do this time. */
const fromCache = 'cache';

const noCache: CacheCounts = { hits: 0, misses: 0, stored: 0, bytes: 0, entries: 0 };

/** States that pass: how often they kept a provider from being asked is worth a number. */
const passingReasons: ReadonlySet<string | null> = new Set([
  'cooling_down',
  'breaker_open',
  'rate_limited',
  'at_capacity',
  'down',
  'auth',
]);

export class Metrics {
  #families = createFamilies();
  #clock: Clock;
  #isListed: (provider: string, model: string) => boolean;
  #priceOf: ((provider: string, model: string) => Price | null) | null;
  #cacheCounts: () => CacheCounts;
  #deployments = new Map<string, Map<string, DeploymentSeries>>();
  #deploymentCount = 0;
  #answers = new Map<string, Map<string, Map<Endpoint, AnswerSeries>>>();
  #steps = new Map<string, CounterSeries>();
  #byProvider = new Map<string, CounterSeries>();
  /** Answers given where more than one provider could have, by provider; one that was never chosen has 0. */
  #choices = new Map<string, CounterSeries>();
  #decisionTime = this.#families.decision.with();
  #queueTime = this.#families.queued.with();
  #fallenBack = this.#families.fallenBack.with();

  constructor(options: MetricsOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#isListed = options.isListed ?? (() => false);
    this.#priceOf = options.priceOf ?? null;
    this.#cacheCounts = options.cacheCounts ?? (() => noCache);
  }

  /** Counts one request that has ended. Costs at most about three microseconds. */
  observe(outcome: Outcome): void {
    const answer = this.#answerSeries(outcome);
    let requests = answer.byResult[outcome.result];
    if (!requests) {
      const { provider, model, endpoint } = answer;
      requests = this.#families.requests.with(provider, model, endpoint, outcome.result);
      answer.byResult[outcome.result] = requests;
    }
    requests.value++;
    answer.duration.observe(outcome.durationMs / 1_000);
    if (outcome.queuedMs > 0) this.#queueTime.observe(outcome.queuedMs / 1_000);
    if (outcome.errorCode !== null) this.#families.errors.with(outcome.errorCode).value++;
    this.#observeAttempts(outcome);
    if (outcome.variant !== null) this.#observeVariant(outcome, outcome.variant, answer.shared.model);
    if (outcome.cache === 'hit') answer.shared.litellmRequests.value++;
    else if (outcome.provider !== null) this.#observeAnswer(outcome, answer.shared);
    if (outcome.decision) this.#observeDecision(outcome, outcome.decision);
  }

  /** Counts a deployment, or a whole provider, that was taken out of use. */
  tookOut(provider: string, because: FailureKind): void {
    this.#families.cooldowns.with(provider, because).value++;
  }

  /** The page for Prometheus. `coolingDown`: deployments in cooldown by provider. */
  render(snapshot: Snapshot, coolingDown: ReadonlyMap<string, number> = new Map()): Promise<string> {
    const { duration, firstToken, queued, decision, variantDuration, ...counters } = this.#families;
    const cache = this.#cacheCounts();
    counters.cacheLookups.with('hit').value = cache.hits;
    counters.cacheLookups.with('miss').value = cache.misses;
    counters.cacheStored.with().value = cache.stored;
    const deployments = [...this.#deployments.values()].flatMap((models) => [...models.values()]);
    return renderPage(
      Object.values(counters),
      [duration, firstToken, queued, decision, variantDuration],
      [
        ...providerGauges(snapshot, coolingDown),
        ...routingGauges(this.#families, this.#choices, cache),
        ...cacheGauges(cache),
        recentDurations(deployments, this.#clock.now()),
        ...processGauges(),
      ],
    );
  }

  #observeAnswer(outcome: Outcome, series: DeploymentSeries): void {
    const { usage } = outcome;
    const seconds = outcome.durationMs / 1_000;
    series.litellmRequests.value++;
    series.recent.add(seconds, this.#clock.now());
    if (outcome.result === 'failed' || outcome.result === 'broken') series.litellmErrors.value++;
    if (usage.promptTokens !== null) series.promptTokens.value += usage.promptTokens;
    if (usage.completionTokens !== null) series.completionTokens.value += usage.completionTokens;
    if (usage.cachedTokens !== null) series.cachedTokens.value += usage.cachedTokens;
    if (outcome.firstContentMs !== null) {
      const isCold = outcome.attempts.at(-1)?.isCold ?? false;
      (isCold ? series.cold : series.warm).observe(outcome.firstContentMs / 1_000);
    }
    counter(this.#byProvider, this.#families.answers, series.provider).value++;
    if (this.#priceOf) this.#observeCost(outcome, series, this.#priceOf);
  }

  #observeCost(outcome: Outcome, series: DeploymentSeries, priceOf: NonNullable<MetricsOptions['priceOf']>): void {
    const { provider, model, usage, decision } = outcome;
    if (provider === null || model === null) return;
    const costAt = (price: Price | null): number =>
      (price?.input ?? 0) * (usage.promptTokens ?? 0) + (price?.output ?? 0) * (usage.completionTokens ?? 0);
    const cost = costAt(priceOf(provider, model));
    series.litellmCost.value += cost;
    let dearest = cost;
    for (const candidate of decision?.candidates ?? []) {
      if (candidate.kept) dearest = Math.max(dearest, costAt(priceOf(candidate.provider, candidate.model)));
    }
    if (dearest > cost) this.#families.savedCost.with(series.provider).value += dearest - cost;
  }

  /** What came from the cache took no time of the variant's. */
  #observeVariant({ result, durationMs, cache }: Outcome, variant: string, model: string): void {
    const { variantRequests, variantDuration } = this.#families;
    variantRequests.with(model, variant, result).value++;
    if (cache !== 'hit') variantDuration.with(variant).observe(durationMs / 1_000);
  }

  #observeAttempts({ attempts, provider }: Outcome): void {
    let before: Attempt | null = null;
    let hasFallenBack = false;
    for (const attempt of attempts) {
      const series = this.#deploymentSeries(attempt.provider, attempt.model, false);
      const result = attempt.failure?.kind ?? 'ok';
      let count = series.attempts.get(result);
      if (!count) {
        count = this.#families.attempts.with(series.provider, series.model, result);
        series.attempts.set(result, count);
      }
      count.value++;
      if (attempt.variant !== null) this.#families.variantAttempts.with(attempt.variant, result).value++;
      if (before) hasFallenBack = this.#observeNext(before, attempt, attempts) || hasFallenBack;
      before = attempt;
    }
    if (hasFallenBack) this.#fallenBack.value++;
    // Nobody answered: the request counts where it failed last.
    if (provider === null && before?.failure && before.failure.kind !== 'cancelled') {
      const series = this.#deploymentSeries(before.provider, before.model, false);
      series.litellmRequests.value++;
      series.litellmErrors.value++;
    }
  }

  /** True: it went on to another deployment; else one that had failed before was asked again. */
  #observeNext(before: Attempt, next: Attempt, all: readonly Attempt[]): boolean {
    for (const earlier of all) {
      if (earlier === next) break;
      if (earlier.provider !== next.provider || earlier.model !== next.model) continue;
      this.#families.retries.with(next.provider).value++;
      return false;
    }
    this.#families.fallbacks.with(before.provider, next.provider).value++;
    return true;
  }

  #observeDecision({ decisionMs, provider, cache }: Outcome, { rule, error, candidates }: Decision): void {
    this.#decisionTime.observe(decisionMs / 1_000);
    const step = rule === null ? (error ? 'error' : nobody) : stepOf(rule);
    counter(this.#steps, this.#families.decisions, step).value++;
    const first = candidates[0];
    let isChoice = false;
    for (const candidate of candidates) {
      if (candidate.kept) isChoice ||= candidate.provider !== first?.provider;
      else if (passingReasons.has(candidate.reason)) this.#countPassedOver(candidate);
    }
    if (isChoice && cache !== 'hit') this.#countChoice(candidates, provider);
  }

  #countPassedOver({ provider, reason }: Candidate): void {
    this.#families.passedOver.with(provider, reason ?? nobody).value++;
  }

  #countChoice(candidates: readonly Candidate[], provider: string | null): void {
    for (const candidate of candidates) {
      if (!candidate.kept) continue;
      const series = this.#choices.get(candidate.provider);
      if (!series) this.#choices.set(candidate.provider, new CounterSeries([candidate.provider]));
    }
    const chosen = provider === null ? undefined : this.#choices.get(provider);
    if (chosen) chosen.value++;
  }

  #answerSeries(outcome: Outcome): AnswerSeries {
    const provider = outcome.cache === 'hit' ? fromCache : (outcome.provider ?? nobody);
    const model = outcome.provider === null ? nobody : (outcome.model ?? nobody);
    const { endpoint } = outcome;
    const known = this.#answers.get(provider)?.get(model)?.get(endpoint);
    if (known) return known;
    const shared = this.#deploymentSeries(provider, model, wasServed(outcome));
    const made: AnswerSeries = {
      provider: shared.provider,
      model: shared.model,
      endpoint,
      byResult: {},
      duration: this.#families.duration.with(shared.provider, shared.model, endpoint),
      shared,
    };
    // Kept only under names that are labels: the others are without number.
    if (shared.model === model) {
      const models = entry(this.#answers, provider, () => new Map<string, Map<Endpoint, AnswerSeries>>());
      entry(models, model, () => new Map<Endpoint, AnswerSeries>()).set(endpoint, made);
    }
    return made;
  }

  /**
   * A model becomes a label when it was served or its provider lists it; any other name, which may be whatever a client
   * wrote, counts as `other`.
   */
  #deploymentSeries(provider: string, model: string, isServed: boolean): DeploymentSeries {
    const known = this.#deployments.get(provider)?.get(model);
    if (known) return known;
    const isFixed = model === nobody || model === other;
    const isName = this.#deploymentCount < mostDeployments && (isServed || this.#isListed(provider, model));
    if (!isFixed && !isName) return this.#deploymentSeries(provider, other, false);
    this.#deploymentCount++;
    const made = this.#makeDeployment(provider, model);
    entry(this.#deployments, provider, () => new Map<string, DeploymentSeries>()).set(model, made);
    return made;
  }

  #makeDeployment(provider: string, model: string): DeploymentSeries {
    const { firstToken, tokens, litellmRequests, litellmErrors, litellmCost } = this.#families;
    return {
      provider,
      model,
      warm: firstToken.with(provider, model, 'warm'),
      cold: firstToken.with(provider, model, 'cold'),
      promptTokens: tokens.with(provider, model, 'prompt'),
      completionTokens: tokens.with(provider, model, 'completion'),
      cachedTokens: tokens.with(provider, model, 'cached'),
      litellmRequests: litellmRequests.with(model, provider),
      litellmErrors: litellmErrors.with(model, provider),
      litellmCost: litellmCost.with(model, provider),
      recent: new RecentMean(),
      attempts: new Map(),
    };
  }
}

/** An answer came through: its model's name is no client's invention. */
function wasServed({ result, firstContentMs }: Outcome): boolean {
  return result === 'complete' || firstContentMs !== null;
}

/** `exact` of `exact:llama3.1:8b`. */
function stepOf(rule: string): string {
  const colon = rule.indexOf(':');
  return colon < 0 ? rule : rule.slice(0, colon);
}

function counter(known: Map<string, CounterSeries>, family: Counters, label: string): CounterSeries {
  return entry(known, label, () => family.with(label));
}

function entry<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
