// The worker's side of pack.ts: reads in exactly the order in which `Packer` writes.

import type { Attempt, Candidate, Decision, DecisionStep, Failure, Outcome, Usage } from '../types.ts';
import type { PackedOutcomes } from './pack.ts';

/** The outcomes that were packed, equal in every field; requests that shared a decision object share one again. */
export function unpackOutcomes(packed: PackedOutcomes): Outcome[] {
  const reader = new Reader(packed);
  const outcomes: Outcome[] = [];
  for (let index = 0; index < packed.count; index++) outcomes.push(reader.outcome());
  return outcomes;
}

class Reader {
  #numbers: Float64Array;
  #texts: readonly string[];
  #next = 0;
  #decisions: Decision[] = [];

  constructor(packed: PackedOutcomes) {
    this.#numbers = packed.numbers;
    this.#texts = packed.texts;
  }

  outcome(): Outcome {
    const words = {
      id: this.#string(),
      endpoint: this.#word<Outcome['endpoint']>(),
      protocol: this.#word<Outcome['protocol']>(),
      client: this.#string(),
      requestedModel: this.#stringOrNull(),
      rule: this.#stringOrNull(),
      provider: this.#stringOrNull(),
      model: this.#stringOrNull(),
      result: this.#word<Outcome['result']>(),
      errorCode: this.#stringOrNull(),
      errorMessage: this.#stringOrNull(),
    };
    const numbers = {
      receivedAtMs: this.#number(),
      durationMs: this.#number(),
      isStream: this.#flag(),
      status: this.#number(),
      decisionMs: this.#number(),
      queuedMs: this.#number(),
      firstContentMs: this.#numberOrNull(),
      usage: this.#usage(),
      bytesIn: this.#number(),
      bytesOut: this.#number(),
      isOpenedEarly: this.#flag(),
    };
    const warnings = this.#list(() => this.#string());
    const attempts = this.#list(() => this.#attempt());
    return { ...words, ...numbers, warnings, attempts, decision: this.#decision() };
  }

  #usage(): Usage {
    return {
      promptTokens: this.#numberOrNull(),
      completionTokens: this.#numberOrNull(),
      cachedTokens: this.#numberOrNull(),
      isEstimated: this.#flag(),
    };
  }

  #attempt(): Attempt {
    return {
      provider: this.#string(),
      model: this.#string(),
      changes: this.#list(() => this.#string()),
      startedAtMs: this.#number(),
      status: this.#numberOrNull(),
      headersAfterMs: this.#numberOrNull(),
      contentAfterMs: this.#numberOrNull(),
      endedAfterMs: this.#number(),
      isCold: this.#flag(),
      failure: this.#flag() ? this.#failure() : null,
    };
  }

  #failure(): Failure {
    return {
      kind: this.#word<Failure['kind']>(),
      message: this.#string(),
      status: this.#numberOrNull(),
      retryAfterMs: this.#numberOrNull(),
    };
  }

  #decision(): Decision | null {
    const number = this.#number();
    if (number < 0) return null;
    const known = this.#decisions[number];
    if (known) return known;
    const head = { rule: this.#stringOrNull(), model: this.#stringOrNull(), considered: this.#number() };
    const error = this.#flag() ? this.#decisionError() : null;
    const candidates = this.#list(() => this.#candidate());
    const steps = this.#list((): DecisionStep => {
      return { step: this.#string(), result: this.#word<DecisionStep['result']>(), why: this.#string() };
    });
    const decision = { ...head, candidates, steps, error };
    this.#decisions[number] = decision;
    return decision;
  }

  #decisionError(): NonNullable<Decision['error']> {
    return {
      code: this.#word<NonNullable<Decision['error']>['code']>(),
      message: this.#string(),
      retryAfterSeconds: this.#numberOrNull(),
    };
  }

  #candidate(): Candidate {
    const head = {
      provider: this.#string(),
      model: this.#string(),
      place: this.#word<Candidate['place']>(),
      source: this.#wordOrNull<NonNullable<Candidate['source']>>(),
      reason: this.#wordOrNull<NonNullable<Candidate['reason']>>(),
      via: this.#string(),
      notes: this.#list(() => this.#string()),
      kept: this.#flag(),
      order: this.#numberOrNull(),
    };
    const terms: Record<string, number> = {};
    for (let left = this.#number(); left > 0; left--) {
      const name = this.#string();
      terms[name] = this.#number();
    }
    return { ...head, terms };
  }

  #list<T>(readOne: () => T): T[] {
    const items: T[] = [];
    for (let left = this.#number(); left > 0; left--) items.push(readOne());
    return items;
  }

  #number(): number {
    const value = this.#numbers[this.#next++];
    if (value === undefined) throw new RangeError('packed outcomes end too early');
    return value;
  }

  #numberOrNull(): number | null {
    const value = this.#number();
    return Number.isNaN(value) ? null : value;
  }

  #flag(): boolean {
    return this.#number() === 1;
  }

  #string(): string {
    const text = this.#texts[this.#number()];
    if (text === undefined) throw new RangeError('packed outcomes name a text that is not there');
    return text;
  }

  #stringOrNull(): string | null {
    if (this.#numbers[this.#next] !== -1) return this.#string();
    this.#next++;
    return null;
  }

  /** A member of a closed list: the packer took it from a field of that type. */
  #word<T extends string>(): T {
    return this.#string() as T;
  }

  #wordOrNull<T extends string>(): T | null {
    return this.#stringOrNull() as T | null;
  }
}
