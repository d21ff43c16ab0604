// Watches a stream go by, byte-exact and without changing it: is there content, is it complete, is it broken?

import type { Endpoint, Usage } from '../types.ts';
import { endpointTraits } from './endpoints.ts';
import { Findings } from './findings.ts';
import { isObject } from './json-values.ts';
import { LineSplitter } from './line-splitter.ts';
import type { ProtocolError, StreamObserver } from './protocol.ts';
import { createEventReader, type EventReader } from './stream-readers.ts';

const MAX_LINE_BYTES = 16 * 1024 * 1024;
const GARBAGE_CHARACTERS = 500;
const COLON = 0x3a;
const SPACE = 0x20;

/** What all framings share: findings, boundary, and the judgement over the protocol's end. */
abstract class EventObserver implements StreamObserver {
  protected readonly findings = new Findings();
  protected readonly reader: EventReader;
  protected readonly splitter: LineSplitter;
  boundary = 0;
  contentCount = 0;
  isComplete = false;
  falseEndAt: number | null = null;
  #seenContentEvents = 0;

  constructor(reader: EventReader, splitsAtCr: boolean) {
    this.reader = reader;
    this.splitter = new LineSplitter(this, { splitsAtCr, maxLineBytes: MAX_LINE_BYTES });
  }

  abstract line(bytes: Buffer, start: number, end: number, nextOffset: number): void;
  abstract end(): void;

  push(chunk: Uint8Array): void {
    this.splitter.push(chunk);
    if (this.findings.contentEvents === this.#seenContentEvents) return;
    this.#seenContentEvents = this.findings.contentEvents;
    this.contentCount += 1;
  }

  lineFeedFollows(nextOffset: number): void {
    if (this.boundary === nextOffset - 1) this.boundary = nextOffset;
  }

  tooLong(beginning: Buffer): void {
    this.markGarbage(`a line of more than ${MAX_LINE_BYTES} bytes: ${beginning.toString('utf8')}`);
  }

  get hasContent(): boolean {
    return this.findings.contentEvents > 0;
  }

  get error(): ProtocolError | null {
    return this.findings.error;
  }

  get garbage(): string | null {
    return this.findings.garbage;
  }

  get usage(): Usage | null {
    return this.findings.usage;
  }

  get model(): string | null {
    return this.findings.model;
  }

  get contentCharacters(): number {
    return this.findings.characters;
  }

  get finishReasons(): readonly string[] {
    return this.findings.finishReasons;
  }

  /** One whole event that began at `startOffset`. Nothing counts behind the protocol's end: no client reads it. */
  protected event(text: string, name: string | null, startOffset: number): void {
    if (this.findings.hasEnded) return;
    if (this.reader.stopsAtDone && text.startsWith('[DONE]')) {
      this.findings.hasEnded = true;
    } else {
      this.#readEvent(text, name);
    }
    if (!this.findings.hasEnded) return;
    this.isComplete = this.findings.isFinished;
    if (!this.isComplete) this.falseEndAt = startOffset;
  }

  #readEvent(text: string, name: string | null): void {
    let event: unknown;
    try {
      event = JSON.parse(text);
    } catch {
      this.markGarbage(text);
      return;
    }
    if (!isObject(event)) {
      this.markGarbage(text);
      return;
    }
    this.reader.read(event, name, this.findings);
    // An error in a shape that clients of this protocol pass over in silence is as good as stray text.
    if (event.error && this.findings.error === null) this.markGarbage(text);
  }

  /** Nothing behind it can be trusted, so nothing more is read, and the boundary stays before it. */
  protected markGarbage(text: string): void {
    if (this.findings.hasEnded) return;
    this.findings.garbage = text.slice(0, GARBAGE_CHARACTERS);
    this.splitter.stop();
  }
}

/** Server-sent events (WHATWG HTML, "Interpreting an event stream"): LF, CRLF and CR, comments, data over many lines. */
class SseObserver extends EventObserver {
  #data: string | null = null;
  #name: string | null = null;
  #isInEvent = false;
  #isAtStart = true;

  constructor(reader: EventReader) {
    super(reader, true);
  }

  override line(bytes: Buffer, lineStart: number, end: number, nextOffset: number): void {
    let start = lineStart;
    if (this.#isAtStart) {
      this.#isAtStart = false;
      if (hasByteOrderMark(bytes, start)) start += 3;
    }
    if (start === end) this.#dispatch(nextOffset);
    else if (bytes[start] === COLON) {
      // A comment between events may be shown at once; one inside an event has to wait for its end.
      if (!this.#isInEvent) this.boundary = nextOffset;
    } else this.#field(bytes, start, end);
  }

  override end(): void {
    const rest = this.splitter.takeRest();
    if (rest !== null && rest[0] !== COLON && !isCutFieldName(rest)) this.#field(rest, 0, rest.length);
    if (this.#data?.startsWith('[DONE]')) this.#dispatch(this.boundary);
  }

  #dispatch(nextOffset: number): void {
    const data = this.#data;
    if (data !== null && data !== '') this.event(data, this.#name, this.boundary);
    this.#data = null;
    this.#name = null;
    this.#isInEvent = false;
    if (this.findings.garbage === null) this.boundary = nextOffset;
  }

  #field(bytes: Buffer, start: number, end: number): void {
    this.#isInEvent = true;
    if (isDataField(bytes, start, end)) {
      const from = start + 5;
      const value = from >= end ? '' : bytes.toString('utf8', bytes[from] === SPACE ? from + 1 : from, end);
      this.#data = this.#data === null ? value : `${this.#data}\n${value}`;
      if (this.#data.length > MAX_LINE_BYTES) this.markGarbage(`an event of more than ${MAX_LINE_BYTES} characters`);
      return;
    }
    const text = bytes.toString('utf8', start, end);
    const colon = text.indexOf(':');
    const name = colon === -1 ? text : text.slice(0, colon);
    if (name === 'event') this.#name = colon === -1 ? '' : text.slice(text[colon + 1] === ' ' ? colon + 2 : colon + 1);
    else if (!isIgnoredField(name, colon !== -1)) {
      this.markGarbage(bytes.toString('utf8', start, Math.min(bytes.length, start + 4 * GARBAGE_CHARACTERS)));
    }
  }
}

function isCutFieldName(rest: Buffer): boolean {
  return rest.length < 5 && ['data', 'event', 'retry', 'id'].some((name) => name.startsWith(rest.toString('latin1')));
}

function hasByteOrderMark(bytes: Buffer, start: number): boolean {
  return bytes[start] === 0xef && bytes[start + 1] === 0xbb && bytes[start + 2] === 0xbf;
}

function isDataField(bytes: Buffer, start: number, end: number): boolean {
  return (
    bytes[start] === 0x64 &&
    bytes[start + 1] === 0x61 &&
    bytes[start + 2] === 0x74 &&
    bytes[start + 3] === 0x61 &&
    (end === start + 4 || bytes[start + 4] === COLON)
  );
}

/**
 * A client ignores fields it does not know, so one that looks like a field is ignored here. A line that cannot be
 * meant as one is text that lost its way into the stream (`proxy error: Failed to read connection`, a page).
 */
function isIgnoredField(name: string, hasColon: boolean): boolean {
  if (name === 'id' || name === 'retry') return true;
  // Older llama.cpp wrote its errors as a field of this name, which no client reads.
  return hasColon && name.toLowerCase() !== 'error' && /^[A-Za-z][\w.-]*$/.test(name);
}

/** One JSON object a line. */
class NdjsonObserver extends EventObserver {
  constructor(reader: EventReader) {
    super(reader, false);
  }

  override line(bytes: Buffer, start: number, end: number, nextOffset: number): void {
    const startOffset = nextOffset - (end - start) - 1;
    this.#readLine(bytes.toString('utf8', start, end), startOffset);
    if (this.findings.garbage === null) this.boundary = nextOffset;
  }

  /** Whatever the unterminated last line says is not to be shown, so only the protocol's end counts in it. */
  override end(): void {
    const rest = this.splitter.takeRest()?.toString('utf8');
    if (rest === undefined) return;
    if (!rest.startsWith('{')) this.#readLine(rest, this.boundary);
    else if (isLastObject(rest)) this.event(rest, null, this.boundary);
  }

  #readLine(text: string, startOffset: number): void {
    if (text.trim() !== '') this.event(text, null, startOffset);
  }
}

/** False also for the beginning of a line whose rest never came: that is nothing foreign, only incomplete. */
function isLastObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) && value.done === true;
  } catch {
    return false;
  }
}

/** Bytes without any structure: each is content, and only HTTP knows where they end. */
class BytesObserver implements StreamObserver {
  boundary = 0;
  contentCount = 0;
  isComplete = false;
  readonly error = null;
  readonly garbage = null;
  readonly falseEndAt = null;
  readonly usage = null;
  readonly model = null;
  readonly contentCharacters = 0;
  readonly finishReasons: readonly string[] = [];

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.boundary += chunk.length;
    this.contentCount += 1;
  }

  end(): void {
    this.isComplete = this.hasContent;
  }

  get hasContent(): boolean {
    return this.boundary > 0;
  }
}

/** An observer for one stream of that endpoint, told of every chunk in the order they came. */
export function createStreamObserver(endpoint: Endpoint): StreamObserver {
  const reader = createEventReader(endpoint);
  if (reader === null) return new BytesObserver();
  return endpointTraits[endpoint].framing === 'ndjson' ? new NdjsonObserver(reader) : new SseObserver(reader);
}
