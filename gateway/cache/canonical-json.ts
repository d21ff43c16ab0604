// One spelling for every JSON text that says the same, so that equal requests get equal keys.
// The spelling is itself a JSON text of the same meaning, which is why two different meanings can never share one.

import { skipSpace, skipString } from '../protocols/json-text.ts';

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const SPACE = 0x20;
const SLASH = 0x2f;
const LETTER_U = 0x75;

/**
 * The text without white space, with members sorted by key and strings spelled in one way. Numbers stay as written:
 * past 2^53 two of them can be one to `JSON.parse` and two to a provider. Members of one key stay in their order, as
 * readers differ in which they take. Bytes that are no UTF-8 stay what they are.
 *
 * @param bytes what `JSON.parse` has accepted
 * @param isDropped members of the outermost object to leave out, by key
 */
export function canonicalJson(bytes: Buffer, isDropped: (key: string) => boolean): Buffer {
  const speller = new Speller(bytes);
  speller.value(skipSpace(bytes, 0), isDropped);
  return speller.written();
}

/** Bytes `[start, end)` of a member as written, its comma included. */
interface WrittenMember {
  readonly key: string;
  readonly start: number;
  readonly end: number;
}

class Speller {
  readonly #in: Buffer;
  /** No value gets longer by being respelled. */
  readonly #out: Buffer;
  #length = 0;

  constructor(bytes: Buffer) {
    this.#in = bytes;
    this.#out = Buffer.allocUnsafe(bytes.length);
  }

  written(): Buffer {
    return this.#out.subarray(0, this.#length);
  }

  /** Writes the value that begins at `start` and returns the offset behind it. */
  value(start: number, isDropped: ((key: string) => boolean) | null): number {
    switch (this.#in[start]) {
      case QUOTE:
        return this.#string(start);
      case OPEN_BRACE:
        return this.#object(start, isDropped);
      case OPEN_BRACKET:
        return this.#list(start);
      default:
        return this.#literal(start);
    }
  }

  #object(start: number, isDropped: ((key: string) => boolean) | null): number {
    const bytes = this.#in;
    const members: WrittenMember[] = [];
    let isSorted = true;
    this.#put(OPEN_BRACE);
    let at = skipSpace(bytes, start + 1);
    while (at < bytes.length && bytes[at] !== CLOSE_BRACE) {
      const from = this.#length;
      at = this.#string(at);
      // One character for each byte: told apart and sorted alike, whatever they encode.
      const key = this.#out.toString('latin1', from + 1, this.#length - 1);
      this.#put(COLON);
      at = skipSpace(bytes, this.value(skipSpace(bytes, skipSpace(bytes, at) + 1), null));
      this.#put(COMMA);
      if (isDropped?.(key) === true) this.#length = from;
      else {
        const before = members.at(-1);
        if (before !== undefined && before.key > key) isSorted = false;
        members.push({ key, start: from, end: this.#length });
      }
      if (bytes[at] === COMMA) at = skipSpace(bytes, at + 1);
    }
    if (!isSorted) this.#sort(members);
    this.#close(members.length === 0, CLOSE_BRACE);
    return at + 1;
  }

  #list(start: number): number {
    const bytes = this.#in;
    this.#put(OPEN_BRACKET);
    let at = skipSpace(bytes, start + 1);
    const isEmpty = bytes[at] === CLOSE_BRACKET;
    while (at < bytes.length && bytes[at] !== CLOSE_BRACKET) {
      at = skipSpace(bytes, this.value(at, null));
      this.#put(COMMA);
      if (bytes[at] === COMMA) at = skipSpace(bytes, at + 1);
    }
    this.#close(isEmpty, CLOSE_BRACKET);
    return at + 1;
  }

  #string(start: number): number {
    const end = skipString(this.#in, start);
    const raw = this.#in.subarray(start, end);
    const respelled = hasOtherSpelling(raw) ? respell(raw) : null;
    if (respelled !== null) this.#length += this.#out.write(respelled, this.#length);
    else {
      this.#out.set(raw, this.#length);
      this.#length += raw.length;
    }
    return end;
  }

  /** A number, true, false or null. */
  #literal(start: number): number {
    const bytes = this.#in;
    let at = start;
    for (;;) {
      const byte = bytes[at];
      if (byte === undefined || byte <= SPACE || byte === COMMA || byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
        return at;
      }
      this.#put(byte);
      at += 1;
    }
  }

  /** Stable, so members of one key keep their order. */
  #sort(members: WrittenMember[]): void {
    const first = members[0]?.start ?? 0;
    const unsorted = Buffer.from(this.#out.subarray(first, this.#length));
    members.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
    let at = first;
    for (const { start, end } of members) at += unsorted.copy(this.#out, at, start - first, end - first);
  }

  #put(byte: number): void {
    this.#out[this.#length] = byte;
    this.#length += 1;
  }

  /** The bracket takes the place of the last comma. */
  #close(isEmpty: boolean, bracket: number): void {
    if (!isEmpty) this.#length -= 1;
    this.#put(bracket);
  }
}

/** Whether some escape may not be as `JSON.stringify` writes it: all but these two kinds have one spelling only. */
function hasOtherSpelling(raw: Buffer): boolean {
  if (!raw.includes(BACKSLASH)) return false;
  for (let at = 0; at < raw.length; at += 1) {
    if (raw[at] !== BACKSLASH) continue;
    at += 1;
    if (raw[at] === LETTER_U || raw[at] === SLASH) return true;
  }
  return false;
}

/** A string with escapes as `JSON.stringify` spells it; null: it cannot be read without loss. */
function respell(raw: Buffer): string | null {
  const text = raw.toString('utf8');
  return text.includes('\ufffd') ? null : JSON.stringify(JSON.parse(text));
}
