// The loop that acts on a decision: takes a place, makes an attempt, looks at how it failed, goes on to the next
// candidate, and at the end says what happened. All rules are elsewhere; all I/O of a request begins here.

import type { Catalog } from '../catalog/catalog.ts';
import type { Clock } from '../clock.ts';
import type { ProviderSettings, Settings } from '../config/settings.ts';
import { GatewayError } from '../errors.ts';
import { streamFiller } from '../protocols/errors.ts';
import { adapters } from '../providers/index.ts';
import { logLine } from '../routing/explain.ts';
import { route } from '../routing/route.ts';
import type { Rules } from '../routing/rules.ts';
import { type Log, maskSecrets } from '../telemetry/log.ts';
import type { Attempt, Candidate, Decision, Outcome, ProviderSnapshot, RequestFacts, Snapshot } from '../types.ts';
import { afterFailure } from './after-failure.ts';
import {
  type AttemptContext,
  type AttemptInput,
  type AttemptResult,
  type RunningAttempt,
  startAttempt,
} from './attempt.ts';
import { type AttemptInputSource, attemptInput } from './attempt-input.ts';
import { EarlyOpening } from './early-opening.ts';
import { ClientReply, type IncomingExchange } from './exchange.ts';
import { exchangeFacts, modelIn } from './exchange-facts.ts';
import { type FailedAttempt, finalError } from './final-error.ts';
import type { Learning } from './learning.ts';
import type { Lesson } from './lesson.ts';
import { earlyHead, sendError, sendProviderWords } from './reply-error.ts';
import { secretsOf } from './secrets.ts';
import type { Slot, SlotOption, Slots, Waiting } from './slots.ts';
import { summarize } from './summary.ts';
import { warmCheck } from './warm-check.ts';

/** Settings and what was compiled from them; a request keeps the pair it began with. */
export interface ActiveConfiguration {
  readonly settings: Settings;
  readonly rules: Rules;
}

/** What a decision was made from. */
export interface DecisionBasis {
  readonly facts: RequestFacts;
  readonly snapshot: Snapshot;
  readonly settings: Settings;
}

export interface DispatchDependencies extends AttemptContext {
  readonly clock: Clock;
  readonly configuration: () => ActiveConfiguration;
  readonly catalog: Catalog;
  readonly learning: Learning;
  readonly slots: Slots;
  readonly log: Log;
  readonly dice: () => number;
  /** A random id of this process, sent as the hop header. */
  readonly instance: string;
  /** Keys the hash of conversations, per installation. */
  readonly conversationSecret: string;
  /** `basis` is null for a request that was never decided about. */
  readonly onOutcome: (outcome: Outcome, basis: DecisionBasis | null) => void;
}

/** Serves exchanges, and knows which it serves now. */
export class RequestDispatcher {
  readonly #deps: DispatchDependencies;
  readonly #running = new Map<string, RequestRun>();

  constructor(deps: DispatchDependencies) {
    this.#deps = deps;
  }

  get inFlight(): number {
    return this.#running.size;
  }

  /** Serves one exchange to its end. Never rejects. */
  async dispatch(exchange: IncomingExchange): Promise<void> {
    const run = new RequestRun(this.#deps, exchange);
    this.#running.set(exchange.id, run);
    try {
      await run.serve();
    } catch (error) {
      run.endWithError(error);
    }
    this.#running.delete(exchange.id);
    this.#deps.onOutcome(run.outcome(), run.basis());
  }

  /** Ends every request with that error: an answer, or the last event of a stream that has begun. */
  abortAll(error: GatewayError): void {
    for (const run of this.#running.values()) run.abort(error);
  }
}

/** The state of one request while it is served; nothing outside its call stack holds it. */
class RequestRun {
  readonly #deps: DispatchDependencies;
  readonly #exchange: IncomingExchange;
  readonly #configuration: ActiveConfiguration;
  readonly #reply: ClientReply;
  readonly #charactersPerToken: number;
  readonly #attempts: Attempt[] = [];
  readonly #failed: FailedAttempt[] = [];
  #facts: RequestFacts | null = null;
  #decision: Decision | null = null;
  /** What it was decided on. */
  #snapshot: Snapshot | null = null;
  #decisionMs = 0;
  #queuedMs = 0;
  #opening: EarlyOpening | null = null;
  #last: AttemptResult | null = null;
  #error: GatewayError | null = null;
  #abortedBy: GatewayError | null = null;
  #attempt: RunningAttempt | null = null;
  #waiting: Waiting | null = null;

  constructor(deps: DispatchDependencies, exchange: IncomingExchange) {
    this.#deps = deps;
    this.#exchange = exchange;
    this.#configuration = deps.configuration();
    this.#charactersPerToken = deps.learning.charactersPerToken(modelIn(exchange.json));
    this.#reply = new ClientReply(exchange.response);
  }

  async serve(): Promise<void> {
    const facts = exchangeFacts(this.#exchange, this.#deps.conversationSecret, this.#charactersPerToken);
    this.#facts = facts;
    if (!this.#deps.catalog.isListed) await this.#deps.catalog.whenListed();
    const check = warmCheck(facts, this.#configuration.rules, this.#deps);
    if (check !== null) await check;
    const decision = this.#decide(facts);
    const candidates = decision.candidates.filter(mayBeAsked);
    if (decision.error !== null && candidates.length === 0) {
      throw new GatewayError(decision.error.code, decision.error.message, {
        retryAfterSeconds: decision.error.retryAfterSeconds,
        param: 'model',
      });
    }
    const filler = facts.isStream ? streamFiller(facts.endpoint) : null;
    if (filler !== null) {
      const head = () => earlyHead(this.#exchange.id);
      this.#opening = new EarlyOpening(this.#deps.clock, this.#deps.dispatchLimits, this.#reply, filler, head);
    }
    try {
      await this.#tryAll(facts, decision, candidates);
    } finally {
      // Also for a client that has left: the timer would hold on to the request until it fires.
      this.#opening?.stop();
    }
  }

  /** Stops whatever it is doing; `serve` ends with that error. */
  abort(error: GatewayError): void {
    this.#abortedBy = error;
    this.#waiting?.cancel();
    this.#attempt?.cut(error.message);
  }

  /** Ends the exchange with an error of ours, unless its answer has ended already. */
  endWithError(error: unknown): void {
    this.#opening?.stop();
    this.#error =
      error instanceof GatewayError
        ? error
        : new GatewayError('internal', 'the gateway failed to serve this request; its log tells more', {
            cause: error,
          });
    if (!(error instanceof GatewayError)) {
      this.#deps.log.error('request failed inside the gateway', { id: this.#exchange.id, error });
    }
    if (this.#reply.isGone || this.#reply.isEnded) return;
    // Half an answer is out already and no end would fit it: the connection's early end has to say so.
    if (this.#reply.isCommitted) this.#reply.cutOff();
    else sendError(this.#reply, this.#exchange, this.#error, this.#replyFacts(null));
  }

  outcome(): Outcome {
    return summarize({
      exchange: this.#exchange,
      facts: this.#facts,
      decision: this.#decision,
      decisionMs: this.#decisionMs,
      queuedMs: this.#queuedMs,
      attempts: this.#attempts,
      last: this.#last,
      error: this.#error,
      isGone: this.#reply.isGone,
      status: this.#reply.status,
      bytesOut: this.#reply.bytesOut,
      isOpenedEarly: this.#reply.wasOpenedEarly,
      durationMs: this.#deps.clock.monotonic() - this.#exchange.receivedAt,
    });
  }

  basis(): DecisionBasis | null {
    if (this.#facts === null || this.#snapshot === null) return null;
    return { facts: this.#facts, snapshot: this.#snapshot, settings: this.#configuration.settings };
  }

  #decide(facts: RequestFacts): Decision {
    const { clock, catalog, learning, dice, log } = this.#deps;
    const startedAt = clock.monotonic();
    const snapshot = catalog.snapshot();
    const state = learning.state();
    const decision = route(facts, this.#configuration.rules, snapshot, dice, state);
    learning.decided(state, decision);
    this.#decisionMs = clock.monotonic() - startedAt;
    this.#decision = decision;
    this.#snapshot = snapshot;
    log.info(logLine(facts, decision));
    return decision;
  }

  async #tryAll(facts: RequestFacts, decision: Decision, candidates: readonly Candidate[]): Promise<void> {
    let left = candidates;
    while (left.length > 0) {
      if (this.#abortedBy !== null) throw this.#abortedBy;
      const { candidate, slot } = await this.#takePlace(left);
      left = left.filter((other) => other !== candidate);
      const result = await this.#try(facts, decision, candidate, slot, left.length > 0);
      if (result.ended !== 'failed' || result.failure === null) return;
      this.#failed.push({ ...candidate, failure: result.failure, refusal: result.refusal });
      const next = afterFailure(result.failure, left.length > 0);
      if (next.do === 'stop') break;
      const nextName = left[0]?.provider ?? '';
      this.#deps.log.info(`[ROUTER] Fallback triggered: ${candidate.provider} -> ${nextName}`, {
        id: facts.id,
        because: result.failure.message,
      });
    }
    this.#endUnanswered();
  }

  /** The first candidate with a free place, else the first place that frees. */
  async #takePlace(left: readonly Candidate[]): Promise<{ readonly candidate: Candidate; readonly slot: Slot }> {
    const options = left.map((candidate) => this.#slotOption(candidate));
    const free = this.#deps.slots.tryTake(options);
    const slot = free ?? (await this.#waitForPlace(options));
    const candidate = left.find(({ provider }) => provider === slot.provider);
    if (candidate === undefined) {
      slot.release();
      throw new GatewayError('internal', `a place at ${slot.provider} was not asked for`);
    }
    return { candidate, slot };
  }

  async #waitForPlace(options: readonly SlotOption[]): Promise<Slot> {
    const startedAt = this.#deps.clock.monotonic();
    const waiting = this.#deps.slots.wait(options);
    this.#waiting = waiting;
    this.#reply.onGone = () => waiting.cancel();
    if (this.#reply.isGone) waiting.cancel();
    this.#opening?.whileQueued();
    try {
      return await waiting.slot;
    } catch (error) {
      throw this.#abortedBy ?? error;
    } finally {
      this.#waiting = null;
      this.#reply.onGone = null;
      this.#opening?.endOfQueue();
      this.#queuedMs += this.#deps.clock.monotonic() - startedAt;
    }
  }

  #slotOption({ provider }: Candidate): SlotOption {
    const settings = this.#providerSettings(provider);
    const known = this.#deps.catalog.snapshot().providers.get(provider);
    return {
      provider,
      maxParallelRequests: known?.maxParallelRequests ?? settings.maxParallelRequests,
      maxQueue: settings.maxQueue,
      queueTimeoutMs: settings.queueTimeoutMs,
    };
  }

  async #try(
    facts: RequestFacts,
    decision: Decision,
    candidate: Candidate,
    slot: Slot,
    hasUntriedCandidate: boolean,
  ): Promise<AttemptResult> {
    const { catalog, clock } = this.#deps;
    const provider = catalog.snapshot().providers.get(candidate.provider) ?? null;
    const lesson = this.#beginLesson(facts, decision, candidate, provider);
    const learned = lesson.rates();
    const inFlight = catalog.begin(candidate);
    const startedAtMs = clock.now();
    this.#opening?.whileSilent();
    let result: AttemptResult | null = null;
    try {
      const { input, changes, isCold } = this.#prepare(facts, decision, candidate, {
        snapshot: provider,
        learned,
        hasUntriedCandidate,
      });
      this.#attempt = startAttempt(this.#deps, input);
      result = await this.#attempt.result;
      this.#last = result;
      lesson.end(result);
      const record: Attempt = {
        provider: candidate.provider,
        model: candidate.model,
        via: candidate.via,
        because: null,
        variant: null,
        startedAtMs,
        failure: result.failure,
        status: result.status,
        headersAfterMs: result.headersAfterMs,
        contentAfterMs: result.contentAfterMs,
        endedAfterMs: result.endedAfterMs,
        isCold,
        changes: result.changes.length === 0 ? changes : [...changes, ...result.changes],
      };
      this.#attempts.push(record);
      catalog.reportAttempt(record);
      return result;
    } finally {
      this.#attempt = null;
      inFlight.end({ abandoned: result?.ended === 'cancelled' && !facts.isStream });
      slot.release();
    }
  }

  #beginLesson(facts: RequestFacts, decision: Decision, key: Candidate, snapshot: ProviderSnapshot | null): Lesson {
    const charactersPerToken = this.#charactersPerToken;
    return this.#deps.learning.begin({ key, facts, name: decision.model, charactersPerToken, snapshot });
  }

  #prepare(
    facts: RequestFacts,
    decision: Decision,
    candidate: Candidate,
    known: Pick<AttemptInputSource, 'snapshot' | 'learned' | 'hasUntriedCandidate'>,
  ): { readonly input: AttemptInput; readonly changes: readonly string[]; readonly isCold: boolean } {
    const provider = this.#providerSettings(candidate.provider);
    return attemptInput({
      exchange: this.#exchange,
      facts,
      decision,
      candidate,
      rules: this.#configuration.rules,
      provider,
      adapter: adapters[provider.kind],
      ...known,
      instance: this.#deps.instance,
      reply: this.#reply,
      mask: (text) => maskSecrets(text, secretsOf(this.#configuration.settings)),
      replyFacts: () => {
        this.#opening?.stop();
        return this.#replyFacts(candidate);
      },
    });
  }

  #replyFacts(candidate: Candidate | null) {
    return {
      requestId: this.#exchange.id,
      provider: candidate?.provider ?? null,
      model: candidate?.model ?? null,
      rule: this.#decision?.rule ?? null,
      attempts: this.#attempts.length + (candidate === null ? 0 : 1),
      decisionMs: this.#decisionMs,
      queuedMs: this.#queuedMs,
      elapsedMs: this.#deps.clock.monotonic() - this.#exchange.receivedAt,
    };
  }

  #endUnanswered(): void {
    if (this.#abortedBy !== null) throw this.#abortedBy;
    if (this.#reply.isGone) return;
    const final = finalError(this.#failed);
    if (final.say === 'own') throw final.error;
    this.#opening?.stop();
    const mask = (text: string) => maskSecrets(text, secretsOf(this.#configuration.settings));
    this.#error = sendProviderWords(this.#reply, this.#exchange, final, mask, this.#replyFacts(null));
  }

  #providerSettings(name: string): ProviderSettings {
    const provider = this.#configuration.settings.providers.get(name) ?? this.#deps.catalog.providerSettings(name);
    if (provider === undefined)
      throw new GatewayError('internal', `provider ${name} was decided for but is not configured`);
    return provider;
  }
}

/** Kept ones, and those that only lack a free place: waiting for one is the queue's business. */
function mayBeAsked(candidate: Candidate): boolean {
  return candidate.kept || candidate.reason === 'at_capacity';
}
