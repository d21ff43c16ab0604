// One request from its facts to its end: decide, take a place, make an attempt, look at how it failed, decide again.
// All rules are elsewhere; this is the order they are asked in.

import { GatewayError } from '../errors.ts';
import { streamFiller } from '../protocols/errors.ts';
import { logLine } from '../routing/explain.ts';
import { deploymentId } from '../routing/question.ts';
import { route } from '../routing/route.ts';
import { maskSecrets } from '../telemetry/log.ts';
import type { Attempt, Candidate, Decision, Failure, Outcome, RequestFacts, Snapshot } from '../types.ts';
import { prospectAfter } from './after-failure.ts';
import type { RequestReuse } from './answer-reuse.ts';
import type { AttemptResult } from './attempt-contract.ts';
import { AttemptMaker } from './attempt-maker.ts';
import { chainOf, mayBeAsked } from './candidates.ts';
import { PROMPT_TRUNCATED } from './context-guard.ts';
import type { ActiveConfiguration, DecisionBasis, DispatchDependencies } from './dependencies.ts';
import { EarlyOpening } from './early-opening.ts';
import { ClientReply, type IncomingExchange } from './exchange.ts';
import { exchangeFacts, modelIn } from './exchange-facts.ts';
import { FailureLog, without } from './failure-log.ts';
import { finalError } from './final-error.ts';
import { type LiveRequest, liveRequest } from './live-request.ts';
import { LiveState, NONE_AGAIN } from './live-state.ts';
import { MOCK_TESTING_IGNORED, mockedAttempt, mockFailure } from './mock-testing.ts';
import { type Pause, pause } from './pause.ts';
import type { Place } from './place.ts';
import { type Choice, PlaceTaker } from './place-taker.ts';
import { earlyHead, sendError, sendProviderWords } from './reply-error.ts';
import { planRetry, type RetryPlan } from './retry-plan.ts';
import { secretsOf } from './secrets.ts';
import { summarize } from './summary.ts';
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
  /** Why those were asked again. */
  #round = '';
  /** Why the coming attempt is made. */
  #because: string | null = null;
  #warnings: string[] = [];
  #decisionMs = 0;
  #opening: EarlyOpening | null = null;
  #last: AttemptResult | null = null;
  #error: GatewayError | null = null;
  #abortedBy: GatewayError | null = null;
  readonly #places: PlaceTaker;
  readonly #maker: AttemptMaker;
  #reuse: RequestReuse | null = null;
  #pause: Pause | null = null;

  constructor(deps: DispatchDependencies, exchange: IncomingExchange) {
    this.#deps = deps;
    this.#exchange = exchange;
    this.#configuration = deps.configuration();
    this.#charactersPerToken = deps.learning.charactersPerToken(modelIn(exchange.json));
    this.#reply = new ClientReply(exchange.response);
    this.#places = new PlaceTaker(deps, this.#configuration, this.#reply);
    this.#maker = new AttemptMaker(deps, this.#configuration, exchange, this.#reply, this.#charactersPerToken);
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
    // A first group that failed on purpose is told like one that failed.
    if (this.#failures === null) this.#requireCandidates();
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
    this.#places.cancel();
    this.#pause?.end();
    this.#maker.cut(error.message);
  }

  /** How it stands now. */
  live(): LiveRequest {
    return liveRequest({
      exchange: this.#exchange,
      facts: this.#facts,
      rule: this.#decision?.rule ?? null,
      attempts: this.#attempts.length,
      asked: this.#maker.asked,
      isQueued: this.#places.isWaiting,
      reply: this.#reply,
    });
  }

  /** While it waits for a place: decides anew, because providers came or went. It keeps its place in line. */
  reroute(): void {
    if (!this.#places.isWaiting || this.#facts === null) return;
    this.#decide(this.#facts);
    if (this.#candidates.length > 0) this.#places.replace(this.#choice(this.#facts));
    else {
      this.#abortedBy = this.#decisionError();
      this.#places.cancel();
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
      queuedMs: this.#places.queuedMs,
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
    const variant = this.#configuration.rules.entryFor(first)?.variant ?? null;
    this.#attempts.push(mockedAttempt(first, mocked.failure, variant, this.#deps.clock.now()));
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
      const failure = await this.#try(facts, place);
      if (failure === null) return;
      if (prospectAfter(failure.kind) === 'stop') break;
      if (!this.#goOnAfter(place.candidate, failure, facts)) await this.#waitToAskAgain(facts);
    }
    this.#endUnanswered();
  }

  #decisionErrorOr(code: 'all_busy', message: string): GatewayError {
    return this.#current?.error ? this.#decisionError() : new GatewayError(code, message, { retryAfterSeconds: 1 });
  }

  /** Whether somebody is left who has not failed. */
  #goOnAfter(failed: Candidate, failure: Failure, facts: RequestFacts): boolean {
    // The others that the last wait was for are still to be asked.
    this.#again = without(this.#again, deploymentId(failed.provider, failed.model));
    this.#decide(facts);
    const [next] = this.#candidates;
    if (next === undefined) return false;
    const why = `${failure.kind} at ${failed.provider}/${failed.model}`;
    // Of a round that was waited for, the record tells so whoever of it is asked.
    this.#because = this.#again.size > 0 ? `${this.#round}; ${why}` : why;
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
    this.#round = plan.because;
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

  // ---- one attempt

  #choice(facts: RequestFacts): Choice {
    return { facts, name: this.#current?.model ?? null, candidates: this.#candidates, again: this.#again };
  }

  async #takePlace(facts: RequestFacts): Promise<Place | null> {
    try {
      return await this.#places.take(this.#choice(facts), this.#opening);
    } catch (error) {
      throw this.#abortedBy ?? error;
    }
  }

  /** Null: the request has its answer, or nobody waits for one any more. Else why the client has seen nothing. */
  async #try(facts: RequestFacts, place: Place): Promise<Failure | null> {
    this.#opening?.whileSilent();
    const made = await this.#maker.make({
      facts,
      place,
      name: this.#current?.model ?? null,
      because: this.#because,
      hasUntriedCandidate: this.#candidates.length > 1,
      replyFacts: (candidate) => this.#replyFacts(candidate),
    });
    const { record, result, numRetries, firstContentMs } = made;
    const { failure, refusal } = result;
    this.#last = result;
    this.#attempts.push(record);
    if (made.wasPromptCut) this.#warnings.push(PROMPT_TRUNCATED);
    if (result.ended === 'broken' && this.#abortedBy !== null) this.#error = this.#abortedBy;
    if (result.ended !== 'failed' || failure === null) return null;
    const { provider, model, via } = record;
    const atMs = this.#deps.clock.monotonic();
    this.#failures ??= new FailureLog();
    this.#failures.note({ provider, model, via, failure, refusal, atMs, numRetries, firstContentMs });
    return failure;
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
      queuedMs: this.#places.queuedMs,
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
}
