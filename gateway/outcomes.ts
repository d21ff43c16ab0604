// What becomes of a request that has ended: counted, kept, and remembered for whoever asks about it right away.

import type { CooldownChange } from './dispatch/cooldowns.ts';
import { type DecisionBasis, type History, HistoryUnavailable } from './history/history.ts';
import type { Rejection } from './http/dependencies.ts';
import type { Log } from './telemetry/log.ts';
import type { Metrics } from './telemetry/metrics.ts';
import type { DeploymentKey, Outcome, Snapshot } from './types.ts';

/** How many of the latest are answered from memory while nothing is written. */
const REMEMBERED = 200;

export class Outcomes {
  readonly #metrics: Metrics;
  readonly #history: History;
  readonly #log: Log;
  readonly #onTaken: (outcome: Outcome) => void;
  readonly #latest = new Map<string, Outcome>();
  /** Not more than `Cooldowns` remembers: it tells of each that ends. */
  readonly #takenOut = new Set<string>();
  /** Requests answered since the start, by provider and model. */
  readonly #answered = new Map<string, Map<string, number>>();

  /** `onTaken` is told of each request that has ended: it has to be cheap. */
  constructor(metrics: Metrics, history: History, log: Log, onTaken: (outcome: Outcome) => void = () => undefined) {
    this.#metrics = metrics;
    this.#history = history;
    this.#log = log;
    this.#onTaken = onTaken;
  }

  /** `basis`: what it was decided on, where it was. */
  take(outcome: Outcome, basis: DecisionBasis | null = null): void {
    this.#metrics.observe(outcome);
    this.#history.record(outcome, basis);
    this.#count(outcome);
    this.#onTaken(outcome);
    if (this.#history.status().is !== 'on') this.#remember(outcome);
    if (outcome.result === 'broken' || outcome.result === 'failed') {
      this.#log.warn(`request ${outcome.result}: ${outcome.errorMessage ?? ''}`, {
        id: outcome.id,
        model: outcome.requestedModel,
        provider: outcome.provider ?? outcome.attempts.at(-1)?.provider ?? null,
      });
    }
  }

  /** A request that was turned away before anything was decided about it. */
  takeRejection({ id, receivedAtMs, durationMs, endpoint, protocol, error }: Rejection): void {
    this.take({
      id,
      receivedAtMs,
      durationMs,
      endpoint,
      protocol,
      isStream: false,
      client: '',
      requestedModel: null,
      rule: null,
      provider: null,
      model: null,
      result: 'rejected',
      status: error.status,
      errorCode: error.code,
      errorMessage: error.message,
      attempts: [],
      decisionMs: 0,
      queuedMs: 0,
      firstContentMs: null,
      usage: { promptTokens: null, completionTokens: null, cachedTokens: null, isEstimated: true },
      bytesIn: 0,
      bytesOut: 0,
      isOpenedEarly: false,
      variant: null,
      cache: null,
      warnings: [],
      decision: null,
    });
  }

  /** From memory, else from the history; null when neither knows it. */
  async find(id: string): Promise<Outcome | null> {
    const latest = this.#latest.get(id);
    if (latest !== undefined) return latest;
    try {
      // Rows are written in batches, and who asks about a request often asks right after it.
      await this.#history.flush();
      return await this.#history.request(id);
    } catch (error) {
      if (error instanceof HistoryUnavailable) return null;
      throw error;
    }
  }

  countOf({ provider, model }: DeploymentKey): number {
    return this.#answered.get(provider)?.get(model) ?? 0;
  }

  /** A cooldown or breaker changed; one that another gateway found (`isAdopted`) counts there. */
  takeCooldown({ provider, model, is, because }: CooldownChange, isAdopted: boolean): void {
    const id = JSON.stringify([provider, model]);
    const isOut = is === 'cooling_down' || is === 'breaker_open';
    // One that lasts longer than was told first is still the same one.
    const isNew = isOut && !isAdopted && !this.#takenOut.has(id);
    if (isNew && because !== null) this.#metrics.tookOut(provider, because);
    if (isOut) this.#takenOut.add(id);
    else this.#takenOut.delete(id);
  }

  /** `coolingDown`: deployments in cooldown by provider. */
  renderMetrics(snapshot: Snapshot, coolingDown: ReadonlyMap<string, number>): Promise<string> {
    return this.#metrics.render(snapshot, coolingDown);
  }

  /** Only while the history does not: objects kept alive just long enough to be old cost the garbage collector most. */
  #remember(outcome: Outcome): void {
    this.#latest.set(outcome.id, outcome);
    if (this.#latest.size <= REMEMBERED) return;
    for (const oldest of this.#latest.keys()) {
      this.#latest.delete(oldest);
      break;
    }
  }

  #count({ provider, model, cache }: Outcome): void {
    // What came from the cache was asked of nobody.
    if (cache === 'hit' || provider === null || model === null) return;
    let models = this.#answered.get(provider);
    if (models === undefined) {
      models = new Map();
      this.#answered.set(provider, models);
    }
    models.set(model, (models.get(model) ?? 0) + 1);
  }
}
