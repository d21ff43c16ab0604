// One request and its answer, as the kinds see it. Faults act here, so that no kind has to know of them.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Fields, isFields } from './asked.ts';
import { type Fault, type Mark, nextStep } from './faults.ts';
import { answerWithFault } from './faulty-answer.ts';
import type { StandInKind } from './kind.ts';
import { type Chunking, compressingOutlet, cuttingOutlet, drippingOutlet, type Outlet } from './outlets.ts';
import { type RawHeaders, Wire, withHeader } from './wire.ts';

/** One piece of a stream; several pieces can share one HTTP chunk. */
export type Part = readonly [mark: Mark, text: string];

/** A reason of our own: the default one is an error object with a stack, too dear for every request. */
const GONE = 'gone';

export interface ExchangeOptions {
  readonly kind: StandInKind;
  readonly fault: Fault | null;
  readonly chunking: Chunking;
  readonly body: Buffer;
  /** How many requests came over this connection before. */
  readonly reuseCount: number;
}

export class Exchange {
  readonly wire: Wire;
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: Buffer;
  readonly fault: Fault | null;
  readonly reuseCount: number;
  readonly #request: IncomingMessage;
  readonly #kind: StandInKind;
  readonly #chunking: Chunking;
  readonly #gone = new AbortController();
  #outlet: Outlet | null = null;
  #pings: NodeJS.Timeout | null = null;
  #parsed: { readonly fields: Fields | null | undefined } | null = null;
  #contents = 0;
  #isOver = false;
  #isSilenced = false;

  constructor(request: IncomingMessage, response: ServerResponse, options: ExchangeOptions) {
    this.#request = request;
    this.wire = new Wire(response);
    this.method = request.method ?? 'GET';
    const [path = '/', query = ''] = (request.url ?? '/').split('?', 2);
    this.path = path;
    this.query = new URLSearchParams(query);
    this.body = options.body;
    this.fault = options.fault;
    this.reuseCount = options.reuseCount;
    this.#kind = options.kind;
    this.#chunking = options.chunking;
  }

  /** A request header; undefined when absent. */
  header(name: string): string | undefined {
    const value = this.#request.headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  }

  get origin(): string | undefined {
    return this.header('origin');
  }

  /** The client asked for the connection to be closed after this answer. */
  get wantsClose(): boolean {
    return /\bclose\b/i.test(this.header('connection') ?? '');
  }

  /** The body as a JSON object; null when it is anything else, undefined when it is not JSON at all. */
  get fields(): Fields | null | undefined {
    this.#parsed ??= { fields: this.#parse() };
    return this.#parsed.fields;
  }

  #parse(): Fields | null | undefined {
    try {
      const parsed: unknown = JSON.parse(this.body.toString());
      return isFields(parsed) ? parsed : null;
    } catch {
      return undefined;
    }
  }

  /** Fires when the connection is gone or the answer is out. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  onGone(callback: () => void): void {
    if (this.gone.aborted) callback();
    else this.gone.addEventListener('abort', callback, { once: true });
  }

  /** A fault has stopped the answer while the connection stays open. */
  get isSilenced(): boolean {
    return this.#isSilenced;
  }

  /** A whole answer. */
  answer(status: number, headers: RawHeaders, body: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.fault === null || status >= 300) this.wire.answer(status, headers, body);
    else answerWithFault(this, this.#kind, { status, headers, body }, this.fault);
  }

  /** Begins a stream: the head goes out at once. */
  open(status: number, headers: RawHeaders): void {
    if (this.#isOver) return;
    const { fault } = this;
    const altered =
      fault?.kind === 'wrong_content_type'
        ? withHeader(headers, 'content-type', 'text/plain')
        : fault?.kind === 'compressed'
          ? ['Content-Encoding', fault.encoding ?? 'gzip', ...headers]
          : headers;
    this.wire.head(status, altered);
    this.wire.response.flushHeaders();
    this.#outlet = this.#outletFor(fault);
    if (fault?.kind === 'hang_after_headers') this.silence();
    if (fault?.kind === 'empty') this.end();
  }

  #outletFor(fault: Fault | null): Outlet {
    const { response } = this.wire;
    if (fault?.kind === 'slow_drip') return drippingOutlet(response, fault.delayMs ?? 1);
    if (fault?.kind === 'compressed') return compressingOutlet(response, fault.encoding ?? 'gzip');
    return cuttingOutlet(response, this.#chunking);
  }

  /** One piece of a stream in an HTTP chunk of its own. */
  write(mark: Mark, text: string): void {
    this.emit([[mark, text]]);
  }

  /** Several pieces in one HTTP chunk. */
  emit(parts: readonly Part[]): void {
    if (this.#isOver || this.#isSilenced || this.#outlet === null) return;
    let out = '';
    for (const [mark, text] of parts) {
      const step = this.fault === null ? null : nextStep(this.fault, mark, text, this.#contents);
      out += step === null ? text : step.text;
      if (mark === 'content') this.#contents += 1;
      if (this.fault?.kind === 'huge_body' && mark === 'content' && this.#contents === 1) out += this.#padding(text);
      if (step === null || step.next === 'go_on') continue;
      if (out !== '') this.#outlet.write(out);
      this.#breakOff(step.next);
      return;
    }
    if (out !== '') this.#outlet.write(out);
  }

  #padding(text: string): string {
    return text.repeat(Math.ceil((this.fault?.bytes ?? 16 * 1024 * 1024) / Math.max(1, text.length)));
  }

  #breakOff(how: 'hang' | 'drop' | 'reset' | 'end' | 'error_event'): void {
    switch (how) {
      case 'hang':
        this.silence();
        break;
      case 'end':
        this.end();
        break;
      case 'drop':
        this.drop();
        break;
      case 'reset':
        this.#finish();
        this.wire.reset();
        break;
      case 'error_event': {
        const { text, endsProperly } = this.#kind.streamError(this);
        this.#outlet?.write(text);
        if (endsProperly) this.end();
        else this.drop();
      }
    }
  }

  /** Says nothing more but leaves the connection open. Comment lines keep coming, as they do from a frozen engine. */
  silence(): void {
    this.#isSilenced = true;
  }

  /** Ends the body properly. */
  end(): void {
    if (this.#isOver || this.#isSilenced) return;
    this.#finish();
    this.#outlet?.end();
  }

  /** Closes the connection (FIN) with the body unfinished. */
  drop(): void {
    if (this.#isOver) return;
    this.#finish();
    this.wire.drop();
  }

  /** Sends a comment line every so often until the answer ends. */
  startPings(intervalMs: number, text: () => string): void {
    if (intervalMs <= 0 || this.#isOver) return;
    this.#pings = setInterval(() => this.#outlet?.write(text()), intervalMs);
  }

  #finish(): void {
    this.#isOver = true;
    clearInterval(this.#pings ?? undefined);
  }

  /** Called by the server when the connection or the answer is done. */
  closed(): void {
    this.#finish();
    this.#gone.abort(GONE);
  }
}
