// The worker's side of pack.ts: reads in exactly the order in which `Packer` writes.
// Decisions become the text they are stored as at once: each distinct word is quoted once per batch, which takes a
// quarter of the time of building the objects and `JSON.stringify`.

import type { Attempt, Failure, Outcome, Usage } from '../types.ts';
import type { PackedOutcomes } from './pack.ts';

/** An outcome with the place of its decision among the batch's decisions; -1: it has none. */
export interface UnpackedOutcome extends Omit<Outcome, 'decision'> {
  readonly decisionLine: number;
  readonly basis: UnpackedBasis | null;
}

/** What an outcome was decided on, by the numbers of the packing side. */
export interface UnpackedBasis {
  readonly snapshot: number;
  readonly settings: number;
  /** Its line among the batch's facts. */
  readonly factsLine: number;
}

export interface Unpacked {
  readonly outcomes: readonly UnpackedOutcome[];
  /** Each a `Decision` as JSON without line breaks; a number beyond JSON's reach is written `1e999`, which reads as infinity. */
  readonly decisions: readonly string[];
  /** Each `KeptFacts` as JSON without line breaks. */
  readonly facts: readonly string[];
}

/** Everything that was packed, equal in every field. Throws `RangeError` for anything `Packer` did not make. */
export function unpackOutcomes(packed: PackedOutcomes): Unpacked {
  const reader = new Reader(packed);
  const outcomes: UnpackedOutcome[] = [];
  for (let index = 0; index < packed.count; index++) outcomes.push(reader.outcome());
  return { outcomes, decisions: reader.decisions, facts: reader.facts };
}

class Reader {
  #numbers: Float64Array;
  #texts: readonly string[];
  #next = 0;
  /** The texts as JSON, filled as they are met. */
  #quotes: string[] = [];
  readonly decisions: string[] = [];
  readonly facts: string[] = [];

  constructor(packed: PackedOutcomes) {
    this.#numbers = packed.numbers;
    this.#texts = packed.texts;
  }

  outcome(): UnpackedOutcome {
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
      variant: this.#stringOrNull(),
      cache: this.#wordOrNull<NonNullable<Outcome['cache']>>(),
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
    return { ...words, ...numbers, warnings, attempts, decisionLine: this.#decision(), basis: this.#basis() };
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
      via: this.#string(),
      because: this.#stringOrNull(),
      variant: this.#stringOrNull(),
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

  /** Returns the line; the first time it is named, the decision itself follows. */
  #decision(): number {
    const line = this.#number();
    if (line === this.decisions.length) this.decisions.push(this.#decisionText());
    return line;
  }

  #decisionText(): string {
    const rule = this.#quoted();
    const model = this.#quoted();
    const considered = this.#figure();
    const error = this.#flag() ? this.#decisionErrorText() : 'null';
    let candidates = '';
    for (let left = this.#number(); left > 0; left--) candidates += this.#candidateText() + (left > 1 ? ',' : '');
    let steps = '';
    for (let left = this.#number(); left > 0; left--) steps += this.#stepText() + (left > 1 ? ',' : '');
    return `{"rule":${rule},"model":${model},"candidates":[${candidates}],"steps":[${steps}],"considered":${considered},"error":${error}}`;
  }

  #decisionErrorText(): string {
    return `{"code":${this.#quoted()},"message":${this.#quoted()},"retryAfterSeconds":${this.#figure()}}`;
  }

  #stepText(): string {
    return `{"step":${this.#quoted()},"result":${this.#quoted()},"why":${this.#quoted()}}`;
  }

  #candidateText(): string {
    const head = `"provider":${this.#quoted()},"model":${this.#quoted()},"place":${this.#quoted()},"source":${this.#quoted()}`;
    const why = `"reason":${this.#quoted()},"via":${this.#quoted()}`;
    let notes = '';
    for (let left = this.#number(); left > 0; left--) notes += this.#quoted() + (left > 1 ? ',' : '');
    const kept = `"kept":${this.#flag()},"order":${this.#figure()}`;
    let terms = '';
    for (let left = this.#number(); left > 0; left--) {
      terms += `${this.#quoted()}:${this.#figure()}${left > 1 ? ',' : ''}`;
    }
    return `{${head},${kept},${why},"terms":{${terms}},"notes":[${notes}]}`;
  }

  #basis(): UnpackedBasis | null {
    if (!this.#flag()) return null;
    const snapshot = this.#number();
    const settings = this.#number();
    return { snapshot, settings, factsLine: this.#facts() };
  }

  /** As with decisions. */
  #facts(): number {
    const line = this.#number();
    if (line === this.facts.length) this.facts.push(this.#factsText());
    return line;
  }

  #factsText(): string {
    const hints = `"pin":${this.#quoted()},"capabilityHint":${this.#quoted()}`;
    let needs = '';
    for (let left = this.#number(); left > 0; left--) needs += this.#quoted() + (left > 1 ? ',' : '');
    const counts = `"batchSize":${this.#figure()},"promptTokens":${this.#figure()},"maxTokens":${this.#figure()}`;
    let headers = '';
    for (let name = this.#quoted(); name !== 'null'; name = this.#quoted())
      headers += `${headers === '' ? '' : ','}${name}:${this.#quoted()}`;
    const overrides = this.#flag() ? this.#string() : 'null';
    return `{${hints},"needs":[${needs}],${counts},"headers":{${headers}},"overrides":${overrides}}`;
  }

  /** The next text, or null, as JSON. */
  #quoted(): string {
    const index = this.#number();
    if (index === -1) return 'null';
    const known = this.#quotes[index];
    if (known !== undefined) return known;
    const quoted = JSON.stringify(this.#textAt(index));
    this.#quotes[index] = quoted;
    return quoted;
  }

  /** The next number, or null, as JSON. */
  #figure(): string {
    const value = this.#number();
    if (Number.isFinite(value)) return String(value);
    if (Number.isNaN(value)) return 'null';
    return value > 0 ? '1e999' : '-1e999';
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
    return this.#textAt(this.#number());
  }

  #textAt(index: number): string {
    const text = this.#texts[index];
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
