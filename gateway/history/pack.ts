// Outcomes on their way to the worker: all numbers in one array, each distinct text once, in its place its index.
// Cloning the objects as they are costs the serving thread about five times as much (bench/history.ts).
// Both sides are of the same build, so the order of fields is nobody else's business and is never stored.

import type { Attempt, Candidate, Decision, Outcome, RequestHeaders, RequestOverrides } from '../types.ts';
import type { DecisionBasis } from './history.ts';
import { isHeaderKept, LONGEST_KEPT_VALUE } from './kept-headers.ts';
import { BasisPacker, type PackedBases } from './pack-basis.ts';
import { Repeats } from './repeats.ts';

/** Many outcomes as plain data. Numbers that are null are NaN; texts are indexes into `texts`, -1 when null. */
export interface PackedOutcomes {
  readonly count: number;
  readonly numbers: Float64Array<ArrayBuffer>;
  readonly texts: readonly string[];
}

interface HeaderName {
  /** Of its text; -1: it is not kept. */
  readonly index: number;
  lastValue: string;
  lastIndex: number;
}

const firstRoom = 1 << 13;

/** Takes outcomes one by one and gives them away packed. */
export class Packer {
  #count = 0;
  #numbers = new Float64Array(firstRoom);
  #length = 0;
  #texts: string[] = [];
  #indexes = new Map<string, number>();
  readonly #decisions = new Repeats();
  readonly #facts = new Repeats();
  #headers = new Map<string, HeaderName>();
  readonly #bases = new BasisPacker();

  get count(): number {
    return this.#count;
  }

  /** Numbers and texts held: what bounds the memory, for one decision may name a thousand candidates. */
  get size(): number {
    return this.#length + this.#texts.length + this.#bases.bytes / 8;
  }

  add(outcome: Outcome, basis: DecisionBasis | null = null): void {
    this.#count++;
    this.#addTexts(outcome);
    this.#addNumbers(outcome);
    this.#addList(outcome.warnings);
    this.#number(outcome.attempts.length);
    for (const attempt of outcome.attempts) this.#addAttempt(attempt);
    this.#addDecision(outcome.decision);
    this.#addBasis(basis);
  }

  /** The snapshots and settings that are new since the last call. */
  finishBases(): PackedBases {
    return this.#bases.finish();
  }

  /** See `BasisPacker.forgetSent`. */
  forgetSent(): void {
    this.#bases.forgetSent();
  }

  /** Everything added so far; the packer is empty afterwards. */
  finish(): PackedOutcomes {
    const packed = { count: this.#count, numbers: this.#numbers.slice(0, this.#length), texts: this.#texts };
    if (this.#numbers.length > firstRoom * 16) this.#numbers = new Float64Array(firstRoom);
    this.#count = 0;
    this.#length = 0;
    this.#texts = [];
    this.#indexes.clear();
    this.#decisions.clear();
    this.#facts.clear();
    this.#headers.clear();
    return packed;
  }

  #addTexts(outcome: Outcome): void {
    this.#number(this.#texts.push(outcome.id) - 1);
    this.#text(outcome.endpoint);
    this.#text(outcome.protocol);
    this.#text(outcome.client);
    this.#text(outcome.requestedModel);
    this.#text(outcome.rule);
    this.#text(outcome.provider);
    this.#text(outcome.model);
    this.#text(outcome.result);
    this.#text(outcome.errorCode);
    this.#text(outcome.errorMessage);
    this.#text(outcome.variant);
    this.#text(outcome.cache);
  }

  #addNumbers(outcome: Outcome): void {
    const { usage } = outcome;
    this.#number(outcome.receivedAtMs);
    this.#number(outcome.durationMs);
    this.#number(outcome.isStream ? 1 : 0);
    this.#number(outcome.status);
    this.#number(outcome.decisionMs);
    this.#number(outcome.queuedMs);
    this.#number(outcome.firstContentMs);
    this.#number(usage.promptTokens);
    this.#number(usage.completionTokens);
    this.#number(usage.cachedTokens);
    this.#number(usage.isEstimated ? 1 : 0);
    this.#number(outcome.bytesIn);
    this.#number(outcome.bytesOut);
    this.#number(outcome.isOpenedEarly ? 1 : 0);
  }

  #addAttempt(attempt: Attempt): void {
    const { failure } = attempt;
    this.#text(attempt.provider);
    this.#text(attempt.model);
    this.#text(attempt.via);
    this.#text(attempt.because);
    this.#text(attempt.variant);
    this.#addList(attempt.changes);
    this.#number(attempt.startedAtMs);
    this.#number(attempt.status);
    this.#number(attempt.headersAfterMs);
    this.#number(attempt.contentAfterMs);
    this.#number(attempt.endedAfterMs);
    this.#number(attempt.isCold ? 1 : 0);
    this.#number(failure ? 1 : 0);
    if (!failure) return;
    this.#text(failure.kind);
    this.#text(failure.message);
    this.#number(failure.status);
    this.#number(failure.retryAfterMs);
  }

  /** -1: none; the number of an equal one before it; or the next number, and then the decision itself. */
  #addDecision(decision: Decision | null): void {
    const start = this.#length;
    this.#number(decision ? this.#decisions.count : -1);
    if (!decision) return;
    this.#text(decision.rule);
    this.#text(decision.model);
    this.#number(decision.considered);
    this.#addDecisionError(decision.error);
    this.#number(decision.candidates.length);
    for (const candidate of decision.candidates) this.#addCandidate(candidate);
    this.#number(decision.steps.length);
    for (const step of decision.steps) {
      this.#text(step.step);
      this.#text(step.result);
      this.#text(step.why);
    }
    this.#takeBackRepeat(this.#decisions, start);
  }

  /** What was just packed, after its number at `start`, is taken back where an equal one stands before it. */
  #takeBackRepeat(packed: Repeats, start: number): void {
    const next = packed.count;
    const number = packed.numberOf(this.#numbers, start + 1, this.#length);
    if (number === next) return;
    this.#numbers[start] = number;
    this.#length = start + 1;
  }

  #addDecisionError(error: Decision['error']): void {
    this.#number(error ? 1 : 0);
    if (!error) return;
    this.#text(error.code);
    this.#text(error.message);
    this.#number(error.retryAfterSeconds);
  }

  #addCandidate(candidate: Candidate): void {
    this.#text(candidate.provider);
    this.#text(candidate.model);
    this.#text(candidate.place);
    this.#text(candidate.source);
    this.#text(candidate.reason);
    this.#text(candidate.via);
    this.#addList(candidate.notes);
    this.#number(candidate.kept ? 1 : 0);
    this.#number(candidate.order);
    const names = Object.keys(candidate.terms);
    this.#number(names.length);
    for (const name of names) {
      this.#text(name);
      this.#number(candidate.terms[name] ?? null);
    }
  }

  /** Of the facts only what the outcome does not tell already. */
  #addBasis(basis: DecisionBasis | null): void {
    this.#number(basis ? 1 : 0);
    if (!basis) return;
    const { facts } = basis;
    this.#number(this.#bases.numberOf(basis.snapshot));
    this.#number(this.#bases.numberOfSettings(basis.settings));
    const start = this.#length;
    this.#number(this.#facts.count);
    this.#text(facts.pin);
    this.#text(facts.capabilityHint);
    this.#addList(facts.needs);
    this.#number(facts.batchSize);
    this.#number(facts.promptTokens);
    this.#number(facts.maxTokens);
    this.#addHeaders(facts.headers);
    this.#addOverrides(facts.overrides);
    this.#takeBackRepeat(this.#facts, start);
  }

  /** Names and values in turn, ended by -1. Of several values of one name the first counts, as in conditions. */
  #addHeaders(headers: RequestHeaders): void {
    for (const name in headers) {
      const header = this.#headers.get(name) ?? this.#addHeader(name);
      if (header.index < 0) continue;
      const all = headers[name];
      const value = typeof all === 'string' ? all : all?.[0];
      if (value === undefined || value.length > LONGEST_KEPT_VALUE) continue;
      // Most requests say what the one before said: comparing is quicker than looking a new string up.
      if (value !== header.lastValue) {
        header.lastValue = value;
        header.lastIndex = this.#indexOf(value);
      }
      this.#number(header.index);
      this.#number(header.lastIndex);
    }
    this.#number(-1);
  }

  #addHeader(name: string): HeaderName {
    const header = { index: isHeaderKept(name) ? this.#indexOf(name) : -1, lastValue: '', lastIndex: 0 };
    if (header.index >= 0) header.lastIndex = this.#indexOf('');
    this.#headers.set(name, header);
    return header;
  }

  #addOverrides(overrides: RequestOverrides): void {
    const isPlain = isNothing(overrides);
    this.#number(isPlain ? 0 : 1);
    if (!isPlain) this.#text(JSON.stringify(overrides));
  }

  #addList(texts: readonly string[]): void {
    this.#number(texts.length);
    for (const text of texts) this.#text(text);
  }

  #text(text: string | null): void {
    this.#number(text === null ? -1 : this.#indexOf(text));
  }

  #indexOf(text: string): number {
    let index = this.#indexes.get(text);
    if (index === undefined) {
      index = this.#texts.push(text) - 1;
      this.#indexes.set(text, index);
    }
    return index;
  }

  #number(value: number | null): void {
    if (this.#length === this.#numbers.length) {
      const larger = new Float64Array(this.#numbers.length * 2);
      larger.set(this.#numbers);
      this.#numbers = larger;
    }
    this.#numbers[this.#length++] = value ?? Number.NaN;
  }
}

function isNothing(overrides: RequestOverrides): boolean {
  return (
    overrides.fallbacks === null &&
    overrides.contextWindowFallbacks === null &&
    overrides.contentPolicyFallbacks === null &&
    overrides.numRetries === null &&
    overrides.maxFallbacks === null &&
    overrides.timeoutMs === null &&
    !overrides.isFallbackDisabled &&
    overrides.cache === null &&
    overrides.mockTesting.length === 0
  );
}
