// Makes the attempts of one request: everything that has to begin with an attempt and end with it, whatever happens.

import type { GroupDeployment } from '../config/settings.ts';
import { adapters } from '../providers/index.ts';
import { isTriedAnyway, TRIED_ANYWAY } from '../routing/ballot.ts';
import { maskSecrets } from '../telemetry/log.ts';
import type { Attempt, Candidate, DeploymentKey, Failure, ProviderSnapshot, RequestFacts, Usage } from '../types.ts';
import { type RunningAttempt, startAttempt } from './attempt.ts';
import type { AttemptResult } from './attempt-contract.ts';
import { type AttemptInputSource, attemptInput, type PreparedAttempt } from './attempt-input.ts';
import { wasPromptCut } from './context-guard.ts';
import type { ActiveConfiguration, DispatchDependencies } from './dependencies.ts';
import type { ClientReply, IncomingExchange } from './exchange.ts';
import type { Lesson } from './lesson.ts';
import type { Place } from './place.ts';
import { providerSettings } from './provider-settings.ts';
import type { ReplyFacts } from './reply-head.ts';
import { secretsOf } from './secrets.ts';
import { takenTokens, wasSent } from './taken-tokens.ts';

/** What one attempt is made with. */
export interface AttemptOrder {
  readonly facts: RequestFacts;
  readonly place: Place;
  /** The name that was decided about, after aliases. */
  readonly name: string | null;
  /** Why it is made; null: it is the first. */
  readonly because: string | null;
  readonly hasUntriedCandidate: boolean;
  /** Asked for at the moment the answer is committed. */
  readonly replyFacts: (candidate: Candidate) => ReplyFacts;
}

export interface MadeAttempt {
  readonly record: Attempt;
  readonly result: AttemptResult;
  /** `num_retries` of the entry behind it; null: it says nothing. */
  readonly numRetries: number | null;
  /** How long its first content would have been waited for, in ms. */
  readonly firstContentMs: number;
  /** The provider answered, but had cut the prompt without a word. */
  readonly wasPromptCut: boolean;
}

export class AttemptMaker {
  readonly #deps: DispatchDependencies;
  readonly #configuration: ActiveConfiguration;
  readonly #exchange: IncomingExchange;
  readonly #reply: ClientReply;
  /** What the prompt's tokens were estimated with. */
  readonly #charactersPerToken: number;
  #running: RunningAttempt | null = null;
  #asked: DeploymentKey | null = null;

  constructor(
    deps: DispatchDependencies,
    configuration: ActiveConfiguration,
    exchange: IncomingExchange,
    reply: ClientReply,
    charactersPerToken: number,
  ) {
    this.#deps = deps;
    this.#configuration = configuration;
    this.#exchange = exchange;
    this.#reply = reply;
    this.#charactersPerToken = charactersPerToken;
  }

  /** Who is asked now; null: nobody. */
  get asked(): DeploymentKey | null {
    return this.#asked;
  }

  /** Ends the attempt under way for a reason of ours. */
  cut(message: string): void {
    this.#running?.cut(message);
  }

  /** Gives the place back when the attempt has ended. */
  async make(order: AttemptOrder): Promise<MadeAttempt> {
    const { facts, place } = order;
    const { candidate, slot, reservation, trial } = place;
    const { catalog, clock } = this.#deps;
    const snapshot = catalog.snapshot().providers.get(candidate.provider) ?? null;
    const entry = this.#configuration.rules.entryFor(candidate);
    const lesson = this.#beginLesson(order, snapshot);
    const learned = lesson.rates();
    const inFlight = catalog.begin(candidate);
    const startedAtMs = clock.now();
    let result: AttemptResult | null = null;
    let isBlameless = false;
    this.#asked = candidate;
    try {
      const prepared = this.#prepare(order, { entry, snapshot, learned, onCommit: () => trial.answered() });
      this.#running = startAttempt(this.#deps, prepared.input);
      result = await this.#running.result;
      isBlameless = prepared.isImpatient && isTimeout(result.failure);
      lesson.end(isBlameless ? { ...result, failure: CLIENTS_LIMIT } : result);
      const record = recordOf(order, prepared, result, startedAtMs, entry);
      if (!isBlameless) catalog.reportAttempt(record);
      return {
        record,
        result,
        numRetries: entry?.numRetries ?? null,
        firstContentMs: prepared.input.limits.firstContentMs,
        wasPromptCut: result.ended !== 'failed' && this.#wasPromptCut(facts, candidate, result.usage),
      };
    } finally {
      this.#running = null;
      this.#asked = null;
      inFlight.end({ abandoned: result?.ended === 'cancelled' && !facts.isStream });
      // Without a result the gateway itself failed: nobody is to blame, and nothing is known to have been taken.
      if (result === null || isBlameless) trial.abandon();
      else trial.end(result.failure);
      reservation?.end({
        tokens: result === null ? null : takenTokens(result, facts.promptTokens),
        wasSent: result === null || wasSent(result),
      });
      slot.release();
    }
  }

  #wasPromptCut({ endpoint, isStream }: RequestFacts, { provider, model }: Candidate, usage: Usage | null): boolean {
    if (usage === null) return false;
    const { catalog } = this.#deps;
    const adapter = adapters[providerSettings(this.#configuration.settings, catalog, provider).kind];
    // Only now: a model that was loaded for this request has a context of which nobody knew before.
    const known = catalog.snapshot().providers.get(provider)?.models.get(model) ?? null;
    return wasPromptCut({ adapter, endpoint, isStream, model: known, json: this.#exchange.json, usage });
  }

  #beginLesson({ facts, place, name }: AttemptOrder, snapshot: ProviderSnapshot | null): Lesson {
    const charactersPerToken = this.#charactersPerToken;
    return this.#deps.learning.begin({ key: place.candidate, facts, name, charactersPerToken, snapshot });
  }

  #prepare(
    { facts, place, hasUntriedCandidate, replyFacts }: AttemptOrder,
    known: Pick<AttemptInputSource, 'entry' | 'snapshot' | 'learned' | 'onCommit'>,
  ): PreparedAttempt {
    const { candidate } = place;
    const { settings, rules } = this.#configuration;
    const provider = providerSettings(settings, this.#deps.catalog, candidate.provider);
    return attemptInput({
      ...known,
      exchange: this.#exchange,
      facts,
      candidate,
      rules,
      provider,
      adapter: adapters[provider.kind],
      hasUntriedCandidate,
      instance: this.#deps.instance,
      reply: this.#reply,
      mask: (text) => maskSecrets(text, secretsOf(settings)),
      replyFacts: () => replyFacts(candidate),
    });
  }
}

function recordOf(
  { place, because }: AttemptOrder,
  { changes, isCold }: PreparedAttempt,
  result: AttemptResult,
  startedAtMs: number,
  entry: GroupDeployment | null,
): Attempt {
  const { candidate } = place;
  return {
    provider: candidate.provider,
    model: candidate.model,
    via: candidate.via,
    because: isTriedAnyway(candidate) ? triedAnyway(candidate, because) : because,
    variant: entry?.variant ?? null,
    startedAtMs,
    failure: result.failure,
    status: result.status,
    headersAfterMs: result.headersAfterMs,
    contentAfterMs: result.contentAfterMs,
    endedAfterMs: result.endedAfterMs,
    isCold,
    changes: result.changes.length === 0 ? changes : [...changes, ...result.changes],
  };
}

function triedAnyway({ notes }: Candidate, because: string | null): string {
  const why = notes.find((note) => note.startsWith(TRIED_ANYWAY)) ?? TRIED_ANYWAY;
  return because === null ? why : `${because}; ${why}`;
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
