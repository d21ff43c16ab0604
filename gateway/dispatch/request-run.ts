// One request from its facts to its end: decide, take a place, make an attempt, look at how it failed, decide again.
// All rules are elsewhere; this is the order they are asked in.

import type { GroupDeployment, ProviderSettings } from '../config/settings.ts';
import { GatewayError } from '../errors.ts';
import { streamFiller } from '../protocols/errors.ts';
import { adapters } from '../providers/index.ts';
import { isTriedAnyway, TRIED_ANYWAY } from '../routing/ballot.ts';
import { logLine } from '../routing/explain.ts';
import type { DeploymentUse } from '../routing/question.ts';
import { route } from '../routing/route.ts';
import { maskSecrets } from '../telemetry/log.ts';
import type {
  Attempt,
  Candidate,
  Decision,
  Failure,
  Outcome,
  ProviderSnapshot,
  RequestFacts,
  Snapshot,
  Usage,
} from '../types.ts';
import { prospectAfter } from './after-failure.ts';
import type { RequestReuse } from './answer-reuse.ts';
import { type AttemptResult, type RunningAttempt, startAttempt } from './attempt.ts';
import { type AttemptInputSource, attemptInput, type PreparedAttempt } from './attempt-input.ts';
import { PROMPT_TRUNCATED, wasPromptCut } from './context-guard.ts';
import type { ActiveConfiguration, DecisionBasis, DispatchDependencies } from './dispatch.ts';
import { EarlyOpening } from './early-opening.ts';
import { ClientReply, type IncomingExchange } from './exchange.ts';
import { exchangeFacts, modelIn } from './exchange-facts.ts';
import { FailureLog } from './failure-log.ts';
import { finalError } from './final-error.ts';
import type { Lesson } from './lesson.ts';
import { LiveState, NONE_AGAIN } from './live-state.ts';
import { MOCK_TESTING_IGNORED, mockFailure } from './mock-testing.ts';
import { type Pause, pause } from './pause.ts';
import { admit, maxParallelOfModel, type Place, slotOption, waiterOf } from './place.ts';
import { earlyHead, sendError, sendProviderWords } from './reply-error.ts';
import { planRetry, type RetryPlan } from './retry-plan.ts';
import { secretsOf } from './secrets.ts';
import type { SlotOption, Waiting } from './slots.ts';
import { summarize } from './summary.ts';
import { takenTokens, wasSent } from './taken-tokens.ts';
import { warmCheck } from './warm-check.ts';

/** Places that others took between decision and action, before the request gives up on deciding again. */
const MOST_LOST_PLACES = 20;

/** The state of one request while it is served; nothing outside its call stack holds it, but who may end or reroute it. */
export class RequestRun {
  readonly #deps: DispatchDependencies;
  readonly #exchange: IncomingExchange;
  readonly #configuration: ActiveConfiguration;
  readonly #reply: ClientReply;
  readonly #charactersPerToken: number;
  readonly #attempts: Attempt[] = [];
  #failures: FailureLog | null = null;
  #facts: RequestFacts | null = null;
  /** The one that is recorded: the last before the first attempt. */
  #decision: Decision | null = null;
  /** The latest. */
  #current: Decision | null = null;
  /** Of the latest decision: who may be asked, in order. */
  #candidates: readonly Candidate[] = [];
  /** What it was decided on. */
  #snapshot: Snapshot | null = null;
  /** May be asked again: the request has waited for them. */
  #again: ReadonlySet<string> = NONE_AGAIN;
  #retries = 0;
  #chainRounds = 0;
  /** Why the coming attempt is made. */
  #because: string | null = null;
  #warnings: string[] = [];
  #decisionMs = 0;
  #queuedMs = 0;
  #opening: EarlyOpening | null = null;
  #last: AttemptResult | null = null;
  #error: GatewayError | null = null;
  #abortedBy: GatewayError | null = null;
  #attempt: RunningAttempt | null = null;
  #waiting: Waiting | null = null;
  #reuse: RequestReuse | null = null;
  #pause: Pause | null = null;

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
    this.#deps.log.info(logLine(facts, decision));
    if (facts.overrides.mockTesting.length > 0) this.#mock(facts, decision);
    else if (this.#deps.reuse.isEnabled && (await this.#answerFromCache(facts, decision))) return;
    this.#requireCandidates();
    const filler = facts.isStream ? streamFiller(facts.endpoint) : null;
    if (filler !== null) {
      const head = () => earlyHead(this.#exchange.id);
      this.#opening = new EarlyOpening(this.#deps.clock, this.#deps.dispatchLimits, this.#reply, filler, head);
    }
    try {
      await this.#askAll(facts);
    } finally {
      // Also for a client that has left: the timer would hold on to the request until it fires.
      this.#opening?.stop();
    }
  }

  /** Stops whatever it is doing; `serve` ends with that error. */
  abort(error: GatewayError): void {
    this.#abortedBy = error;
    this.#waiting?.cancel();
    this.#pause?.end();
    this.#attempt?.cut(error.message);
  }

  /** While it waits for a place: decides anew, because providers came or went. It keeps its place in line. */
  reroute(): void {
    if (this.#waiting === null || this.#facts === null) return;
    this.#decide(this.#facts);
    if (this.#candidates.length > 0) this.#waiting.replace(this.#candidates.map((one) => this.#slotOption(one)));
    else {
      this.#abortedBy = this.#decisionError();
      this.#waiting.cancel();
    }
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

  /** Called once, at the end. */
  outcome(): Outcome {
    const outcome = this.#summary();
    return this.#reuse?.close(outcome, this.#last?.contentCharacters ?? 0) ?? outcome;
  }

  #summary(): Outcome {
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
      warnings: this.#warnings,
    });
  }

  basis(): DecisionBasis | null {
    if (this.#facts === null || this.#snapshot === null) return null;
    return { facts: this.#facts, snapshot: this.#snapshot, settings: this.#configuration.settings };
  }

  /** True: it did. Else the answer to come is recorded for the next one who asks the same. */
  async #answerFromCache(facts: RequestFacts, decision: Decision): Promise<boolean> {
    const reuse = this.#deps.reuse.begin(this.#exchange, facts, decision);
    this.#reuse = reuse;
    if (reuse === null) return false;
    const answer = await reuse.find();
    if (answer === null) reuse.record(this.#reply);
    else reuse.serve(this.#reply, answer, this.#replyFacts(null), this.#deps.clock.now());
    return answer !== null;
  }

  // ---- decisions

  #decide(facts: RequestFacts): Decision {
    const { clock, catalog, learning, dice, guards } = this.#deps;
    const startedAt = clock.monotonic();
    const snapshot = catalog.snapshot();
    const state = new LiveState(learning, guards, this.#failures?.kindsWithout(this.#again), this.#again);
    const decision = route(facts, this.#configuration.rules, snapshot, dice, state);
    learning.decided(state, decision);
    this.#decisionMs += clock.monotonic() - startedAt;
    this.#current = decision;
    this.#candidates = decision.candidates.filter(mayBeAsked);
    if (this.#attempts.length === 0) {
      this.#decision = decision;
      this.#snapshot = snapshot;
    }
    return decision;
  }

  #requireCandidates(): void {
    if (this.#candidates.length === 0) throw this.#decisionError();
  }

  #decisionError(): GatewayError {
    const error = this.#current?.error;
    if (!error) return new GatewayError('internal', 'a decision named nobody and gave no reason');
    const { code, message, retryAfterSeconds } = error;
    return new GatewayError(code, message, { retryAfterSeconds, param: 'model' });
  }

  /** Obeys the test switches: the first group fails without being asked. */
  #mock(facts: RequestFacts, decision: Decision): void {
    const { isMockTestingAllowed } = this.#configuration.settings.reliability;
    if (!isMockTestingAllowed && !this.#exchange.isLoopback) {
      this.#warnings.push(MOCK_TESTING_IGNORED);
      return;
    }
    const mocked = mockFailure(facts.overrides.mockTesting, decision);
    const first = mocked?.candidates[0];
    if (!mocked || !first) return;
    this.#failures = new FailureLog();
    this.#failures.pretend(mocked.candidates, mocked.failure);
    this.#attempts.push({
      provider: first.provider,
      model: first.model,
      via: first.via,
      because: null,
      variant: this.#configuration.rules.entryFor(first)?.variant ?? null,
      startedAtMs: this.#deps.clock.now(),
      failure: mocked.failure,
      status: null,
      headersAfterMs: null,
      contentAfterMs: null,
      endedAfterMs: 0,
      isCold: false,
      changes: [],
    });
    this.#goOnAfter(first, mocked.failure, facts);
  }

  // ---- the loop

  async #askAll(facts: RequestFacts): Promise<void> {
    let lostPlaces = 0;
    while (this.#candidates.length > 0) {
      if (this.#abortedBy !== null) throw this.#abortedBy;
      if (this.#reply.isGone) return;
      const place = await this.#takePlace(facts);
      if (place === null) {
        lostPlaces += 1;
        this.#decide(facts);
        if (lostPlaces > MOST_LOST_PLACES || (this.#attempts.length === 0 && this.#candidates.length === 0)) {
          throw this.#decisionErrorOr('all_busy', 'others took every place this request was about to take');
        }
        continue;
      }
      const result = await this.#try(facts, place);
      if (result.ended !== 'failed' || result.failure === null) return;
      if (prospectAfter(result.failure.kind) === 'stop') break;
      if (!this.#goOnAfter(place.candidate, result.failure, facts)) await this.#waitToAskAgain(facts);
    }
    this.#endUnanswered();
  }

  #decisionErrorOr(code: 'all_busy', message: string): GatewayError {
    return this.#current?.error ? this.#decisionError() : new GatewayError(code, message, { retryAfterSeconds: 1 });
  }

  /** Whether somebody is left who has not failed. */
  #goOnAfter(failed: Candidate, failure: Failure, facts: RequestFacts): boolean {
    this.#again = NONE_AGAIN;
    this.#decide(facts);
    const [next] = this.#candidates;
    if (next === undefined) return false;
    this.#because = `${failure.kind} at ${failed.provider}/${failed.model}`;
    this.#deps.log.info(`[ROUTER] Fallback triggered: ${failed.provider} -> ${next.provider}`, {
      id: facts.id,
      because: failure.message,
    });
    return true;
  }

  /** Waits as the plan says and decides again; without a plan nobody is left. */
  async #waitToAskAgain(facts: RequestFacts): Promise<void> {
    const plan = this.#planRetry(facts);
    if (plan === null) return;
    this.#deps.log.info(`[ROUTER] ${plan.because}`, { id: facts.id });
    const wait = pause(this.#deps.clock, plan.waitMs);
    this.#pause = wait;
    this.#reply.onGone = () => wait.end();
    if (this.#reply.isGone || this.#abortedBy !== null) wait.end();
    this.#opening?.whileSilent();
    await wait.isOver;
    this.#pause = null;
    this.#reply.onGone = null;
    if (plan.is === 'retry') this.#retries += 1;
    else if (plan.is === 'chain') this.#chainRounds += 1;
    this.#again = plan.again;
    this.#because = plan.because;
    this.#decide(facts);
  }

  #planRetry(facts: RequestFacts): RetryPlan | null {
    const { settings } = this.#configuration;
    const names = [facts.model, this.#current?.model ?? null].filter((name) => name !== null);
    return planRetry({
      failed: this.#failures?.deployments ?? [],
      reliability: settings.reliability,
      names,
      requestRetries: facts.overrides.numRetries,
      chain: settings.routing.fallbackChains.get(chainOf(this.#current)) ?? null,
      chainRounds: this.#chainRounds,
      retries: this.#retries,
      nowMs: this.#deps.clock.monotonic(),
      dice: this.#deps.dice,
    });
  }

  // ---- places

  /** A place at the first candidate that has one free, else at the first where one frees. Null: decide again. */
  async #takePlace(facts: RequestFacts): Promise<Place | null> {
    let full: SlotOption[] | null = null;
    for (const candidate of this.#candidates) {
      if (this.#isTakenOut(candidate, facts)) continue;
      const option = this.#slotOption(candidate);
      const slot = this.#deps.slots.tryTakeOne(option);
      if (slot === null) {
        full ??= [];
        full.push(option);
        continue;
      }
      const place = admit(candidate, slot, this.#useOf(candidate, facts), this.#deps.guards.rateLimits);
      const taken = place instanceof Promise ? await this.#stillOpen(place, facts) : place;
      if (taken !== null) return taken;
    }
    return full === null ? null : this.#waitForPlace(facts, full);
  }

  /** While the shared limits were asked, others may have found the deployment failing. */
  async #stillOpen(place: Promise<Place | null>, facts: RequestFacts): Promise<Place | null> {
    const taken = await place;
    if (taken === null || !this.#isTakenOut(taken.candidate, facts)) return taken;
    taken.reservation?.end({ tokens: 0, wasSent: false });
    taken.slot.release();
    return null;
  }

  async #waitForPlace(facts: RequestFacts, options: readonly SlotOption[]): Promise<Place | null> {
    const { clock, slots, guards } = this.#deps;
    const startedAt = clock.monotonic();
    const waiting = slots.wait(options, waiterOf(facts));
    this.#waiting = waiting;
    this.#reply.onGone = () => waiting.cancel();
    if (this.#reply.isGone) waiting.cancel();
    this.#opening?.whileQueued();
    try {
      const slot = await waiting.slot;
      const candidate = this.#candidates.find(
        ({ provider, model }) => provider === slot.provider && model === slot.model,
      );
      if (candidate === undefined || this.#isTakenOut(candidate, facts)) {
        slot.release();
        return null;
      }
      return await admit(candidate, slot, this.#useOf(candidate, facts), guards.rateLimits);
    } catch (error) {
      throw this.#abortedBy ?? error;
    } finally {
      this.#waiting = null;
      this.#reply.onGone = null;
      this.#opening?.endOfQueue();
      this.#queuedMs += clock.monotonic() - startedAt;
    }
  }

  /** It began to cool down, or another took its one trial, since it was decided for. */
  #isTakenOut(candidate: Candidate, facts: RequestFacts): boolean {
    const { guards, learning } = this.#deps;
    if (guards.cooldowns.isIdle || isTriedAnyway(candidate)) return false;
    const use = { ...this.#useOf(candidate, facts), promptTokens: 0 };
    return new LiveState(learning, guards, undefined, this.#again).blocked(use) !== null;
  }

  #useOf(candidate: Candidate, { promptTokens }: RequestFacts): DeploymentUse {
    const { provider, model } = candidate;
    const entry = this.#configuration.rules.entryFor(candidate);
    return { provider, model, entry, name: this.#current?.model ?? null, promptTokens };
  }

  #slotOption(candidate: Candidate): SlotOption {
    const provider = this.#providerSettings(candidate.provider);
    const snapshot = this.#deps.catalog.snapshot().providers.get(candidate.provider) ?? null;
    const { rules } = this.#configuration;
    const isSingle = snapshot?.isSingleModel ?? false;
    const most = maxParallelOfModel(candidate, this.#current?.model ?? null, rules, provider, isSingle);
    return slotOption(candidate, provider, snapshot, most);
  }

  // ---- one attempt

  async #try(facts: RequestFacts, { candidate, slot, reservation }: Place): Promise<AttemptResult> {
    const { catalog, clock, guards } = this.#deps;
    const snapshot = catalog.snapshot().providers.get(candidate.provider) ?? null;
    const entry = this.#configuration.rules.entryFor(candidate);
    const lesson = this.#beginLesson(facts, candidate, snapshot);
    const trial = guards.cooldowns.begin(candidate, entry);
    const learned = lesson.rates();
    const inFlight = catalog.begin(candidate);
    const startedAtMs = clock.now();
    const because = isTriedAnyway(candidate) ? triedAnyway(candidate, this.#because) : this.#because;
    this.#opening?.whileSilent();
    let result: AttemptResult | null = null;
    let failure: Failure | null = null;
    let isBlameless = false;
    try {
      const { input, changes, isCold, isImpatient } = this.#prepare(facts, candidate, { entry, snapshot, learned });
      this.#attempt = startAttempt(this.#deps, input);
      result = await this.#attempt.result;
      failure = result.failure;
      this.#last = result;
      isBlameless = isImpatient && isTimeout(failure);
      lesson.end(isBlameless ? { ...result, failure: CLIENTS_LIMIT } : result);
      const record: Attempt = {
        provider: candidate.provider,
        model: candidate.model,
        via: candidate.via,
        because,
        variant: entry?.variant ?? null,
        startedAtMs,
        failure,
        status: result.status,
        headersAfterMs: result.headersAfterMs,
        contentAfterMs: result.contentAfterMs,
        endedAfterMs: result.endedAfterMs,
        isCold,
        changes: result.changes.length === 0 ? changes : [...changes, ...result.changes],
      };
      this.#attempts.push(record);
      if (!isBlameless) catalog.reportAttempt(record);
      if (result.ended === 'failed' && failure !== null) {
        this.#noteFailure(candidate, failure, result.refusal, entry, input.limits.firstContentMs);
      } else this.#guardContext(facts, candidate, result.usage);
      return result;
    } finally {
      this.#attempt = null;
      inFlight.end({ abandoned: result?.ended === 'cancelled' && !facts.isStream });
      // Without a result the gateway itself failed: nobody is to blame, and nothing is known to have been taken.
      if (result === null || isBlameless) trial.abandon();
      else trial.end(failure);
      reservation?.end({
        tokens: result === null ? null : takenTokens(result, facts.promptTokens),
        wasSent: result === null || wasSent(result),
      });
      slot.release();
    }
  }

  #noteFailure(
    { provider, model }: Candidate,
    failure: Failure,
    refusal: AttemptResult['refusal'],
    entry: GroupDeployment | null,
    firstContentMs: number,
  ): void {
    this.#failures ??= new FailureLog();
    const atMs = this.#deps.clock.monotonic();
    const numRetries = entry?.numRetries ?? null;
    this.#failures.note({ provider, model, failure, refusal, atMs, numRetries, firstContentMs });
  }

  #guardContext({ endpoint, isStream }: RequestFacts, { provider, model }: Candidate, usage: Usage | null): void {
    if (usage === null) return;
    const adapter = adapters[this.#providerSettings(provider).kind];
    const known = this.#deps.catalog.snapshot().providers.get(provider)?.models.get(model) ?? null;
    const { json } = this.#exchange;
    if (wasPromptCut({ adapter, endpoint, isStream, model: known, json, usage })) this.#warnings.push(PROMPT_TRUNCATED);
  }

  #beginLesson(facts: RequestFacts, key: Candidate, snapshot: ProviderSnapshot | null): Lesson {
    const charactersPerToken = this.#charactersPerToken;
    return this.#deps.learning.begin({ key, facts, name: this.#current?.model ?? null, charactersPerToken, snapshot });
  }

  #prepare(
    facts: RequestFacts,
    candidate: Candidate,
    known: Pick<AttemptInputSource, 'entry' | 'snapshot' | 'learned'>,
  ): PreparedAttempt {
    const provider = this.#providerSettings(candidate.provider);
    const { settings, rules } = this.#configuration;
    return attemptInput({
      ...known,
      exchange: this.#exchange,
      facts,
      candidate,
      rules,
      provider,
      adapter: adapters[provider.kind],
      hasUntriedCandidate: this.#candidates.length > 1,
      instance: this.#deps.instance,
      reply: this.#reply,
      mask: (text) => maskSecrets(text, secretsOf(settings)),
      replyFacts: () => this.#replyFacts(candidate),
    });
  }

  // ---- the end

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
      cache: this.#reuse?.header ?? null,
    };
  }

  #endUnanswered(): void {
    if (this.#abortedBy !== null) throw this.#abortedBy;
    if (this.#reply.isGone) return;
    const final = finalError(this.#failures?.attempts ?? []);
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

/** What a time limit of the client's own comes to for all who learn from attempts. */
const CLIENTS_LIMIT: Failure = Object.freeze({
  kind: 'cancelled',
  message: 'the client did not want to wait longer',
  status: null,
  retryAfterMs: null,
});

function isTimeout(failure: Failure | null): boolean {
  return failure?.kind === 'timeout_first_byte' || failure?.kind === 'timeout_total';
}

/** Kept ones, and those that only lack a free place: waiting for one is the queue's business. */
function mayBeAsked(candidate: Candidate): boolean {
  return candidate.kept || candidate.reason === 'at_capacity';
}

function triedAnyway({ notes }: Candidate, because: string | null): string {
  const why = notes.find((note) => note.startsWith(TRIED_ANYWAY)) ?? TRIED_ANYWAY;
  return because === null ? why : `${because}; ${why}`;
}

/** The name of the chain that candidates of a decision come from; '' without one. */
function chainOf(decision: Decision | null): string {
  for (const { via } of decision?.candidates ?? []) {
    if (via.startsWith(CHAIN)) return via.slice(CHAIN.length, via.lastIndexOf(':'));
  }
  return '';
}

const CHAIN = 'chain:';
