// One try on one deployment: sends the request, keeps its four time limits, reads the answer up to the commit point
// and relays it from there. Until the commit nothing reaches the client, so every failure before it can go elsewhere.

import type { Dispatcher } from 'undici';
import { endpointTraits } from '../protocols/endpoints.ts';
import type { StreamFraming } from '../protocols/protocol.ts';
import type { Failure, FailureKind } from '../types.ts';
import type { AnswerHost, AnswerReader } from './answer.ts';
import { createAnswerReader } from './answer-readers.ts';
import type { AttemptContext, AttemptInput, AttemptResult, ProviderHeaders } from './attempt-contract.ts';
import type { HeldBytes } from './held-bytes.ts';
import type { DispatchLimits } from './limits.ts';
import type { AttemptLimits } from './time-limits.ts';
import { describeTransportError, isConnectionLoss } from './transport-error.ts';
import type { ReuseAwareHandler } from './upstream-pools.ts';

/** Of a provider's words at most this many characters are kept. */
const LONGEST_MESSAGE = 500;

type Phase = 'connecting' | 'waiting' | 'answering' | 'settled';
type DeadlineKind = 'timeout_connect' | 'timeout_first_byte' | 'timeout_idle' | 'linger';

/** An attempt under way. */
export interface RunningAttempt {
  /** Never rejects. */
  readonly result: Promise<AttemptResult>;
  /** Ends it for a reason of ours: an error event after the commit, a failure before it. */
  cut(message: string): void;
}

export function startAttempt(context: AttemptContext, input: AttemptInput): RunningAttempt {
  const { promise, resolve } = Promise.withResolvers<AttemptResult>();
  const run = new AttemptRun(context, input, resolve);
  run.start();
  return { result: promise, cut: (message) => run.cut(message) };
}

class AttemptRun implements ReuseAwareHandler, AnswerHost {
  readonly input: AttemptInput;
  readonly #context: AttemptContext;
  readonly #resolve: (result: AttemptResult) => void;
  readonly #startedAt: number;
  isOnUsedConnection = false;
  #phase: Phase = 'connecting';
  #isCut = false;
  #controller: Dispatcher.DispatchController | null = null;
  #reader: AnswerReader | null = null;
  #status: number | null = null;
  #headersAfterMs: number | null = null;
  #contentAfterMs: number | null = null;
  /** When the clock of the present phase runs out, by the monotonic clock; Infinity while the client is the slow one. */
  #deadline = Number.POSITIVE_INFINITY;
  #deadlineKind: DeadlineKind = 'timeout_connect';
  #cancelTimer: (() => void) | null = null;
  #armedFor = Number.POSITIVE_INFINITY;
  #wasRepeated = false;
  /** The connection has nothing more to say: there is nothing left to stop. */
  #isConnectionDone = false;

  constructor(context: AttemptContext, input: AttemptInput, resolve: (result: AttemptResult) => void) {
    this.#context = context;
    this.input = input;
    this.#resolve = resolve;
    this.#startedAt = context.clock.monotonic();
  }

  get held(): HeldBytes {
    return this.#context.held;
  }

  get dispatchLimits(): DispatchLimits {
    return this.#context.dispatchLimits;
  }

  get framing(): StreamFraming {
    return endpointTraits[this.input.endpoint].framing;
  }

  start(): void {
    const { reply, provider, limits } = this.input;
    if (reply.isGone) {
      this.#clientLeft();
      return;
    }
    reply.onGone = () => this.#clientLeft();
    this.#setDeadline('timeout_connect', this.#startedAt + limits.connectMs);
    this.#send(this.#context.pools.poolFor(provider));
  }

  #send(dispatcher: Dispatcher): void {
    const { path, requestHeaders, body } = this.input;
    dispatcher.dispatch({ method: 'POST', path, headers: requestHeaders as string[], body }, this);
  }

  // ---- what the connection reports

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#phase === 'settled') {
      controller.abort(new Error('the attempt ended while it was connecting'));
      return;
    }
    this.#controller = controller;
    this.#phase = 'waiting';
    this.#setDeadline('timeout_first_byte', this.#startedAt + this.input.limits.firstContentMs);
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: ProviderHeaders): void {
    // An informational answer (103) precedes the real one.
    if (this.#phase === 'settled' || status < 200) return;
    this.#phase = 'answering';
    this.#status = status;
    this.#headersAfterMs = this.#elapsedMs();
    this.#reader = createAnswerReader(this, status, headers);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#phase !== 'settled') this.#reader?.onData(chunk);
  }

  onResponseEnd(): void {
    this.#isConnectionDone = true;
    if (this.#phase !== 'settled') this.#reader?.onEnd();
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    if (this.#phase === 'settled') return;
    if (this.#reader !== null) {
      this.#isConnectionDone = true;
      this.#reader.onCut(describeTransportError(error).message);
      return;
    }
    // A connection that the server closed while it lay idle: nothing was read of this request, so one fresh
    // connection replaces it without a word.
    if (this.isOnUsedConnection && !this.#wasRepeated && isConnectionLoss(error)) {
      this.#wasRepeated = true;
      this.isOnUsedConnection = false;
      this.#phase = 'connecting';
      this.#setDeadline('timeout_connect', this.#context.clock.monotonic() + this.input.limits.connectMs);
      this.#send(this.#context.pools.freshClient(this.input.provider));
      return;
    }
    const { kind, message } = describeTransportError(error);
    this.fail(kind, `${this.input.provider.name}: ${message}`);
  }

  // ---- what readers ask for

  fail(kind: FailureKind, message: string, extra: Partial<Pick<Failure, 'status' | 'retryAfterMs'>> = {}): void {
    this.#settle('failed', {
      kind,
      message: this.input.mask(message).slice(0, LONGEST_MESSAGE),
      status: extra.status ?? this.#status,
      retryAfterMs: extra.retryAfterMs ?? null,
    });
  }

  commit(status: number, headers: ProviderHeaders): string | null {
    const head = this.input.replyHead(headers, null);
    this.input.reply.commit(status, head.headers);
    this.input.onCommit();
    return head.comment;
  }

  /** From the first content on the idle limit counts, from content to content. */
  contentSeen(): void {
    this.#contentAfterMs ??= this.#elapsedMs();
    this.#setDeadline('timeout_idle', this.#context.clock.monotonic() + this.input.limits.idleMs);
  }

  /** The protocol's own end came; only the connection is still open. */
  endSeen(): void {
    this.#setDeadline('linger', this.#context.clock.monotonic() + this.dispatchLimits.lingerMs);
  }

  /** Stops reading until the client has taken what it was sent; its slowness is not the provider's. */
  holdBack(): void {
    if (this.#controller === null) return;
    this.#controller.pause();
    this.#deadline = Number.POSITIVE_INFINITY;
    this.input.reply.onDrain = () => {
      const waitMs = this.#deadlineKind === 'linger' ? this.dispatchLimits.lingerMs : this.input.limits.idleMs;
      this.#setDeadline(this.#deadlineKind, this.#context.clock.monotonic() + waitMs);
      this.#arm();
      this.#controller?.resume();
    };
  }

  complete(): void {
    this.#settle('complete', null);
  }

  broken(failure: Failure): void {
    // We broke it off ourselves: nobody is to blame.
    this.#settle('broken', this.#isCut ? { ...failure, kind: 'cancelled' } : failure);
  }

  // ---- ends

  cut(message: string): void {
    this.#isCut = true;
    if (this.#reader?.isCommitted === true) this.#reader.onCut(message);
    else this.fail('cancelled', message);
  }

  #clientLeft(): void {
    // An answer that is whole but for the closing of the connection was delivered.
    const isDelivered = this.#reader?.isDelivered === true;
    this.#settle(isDelivered ? 'complete' : 'cancelled', isDelivered ? null : cancelled(this.#status));
  }

  #settle(ended: AttemptResult['ended'], failure: Failure | null): void {
    if (this.#phase === 'settled') return;
    this.#phase = 'settled';
    this.#cancelTimer?.();
    this.input.reply.onGone = null;
    this.input.reply.onDrain = null;
    const controller = this.#controller;
    const reader = this.#reader;
    reader?.release();
    // A provider that is not done stops working for nobody; one that is keeps its connection for the next request.
    if (!this.#isConnectionDone) controller?.abort(new Error(`attempt ended: ${ended}`));
    this.#resolve({
      ended,
      failure,
      refusal: reader?.refusal ?? null,
      status: this.#status,
      headersAfterMs: this.#headersAfterMs,
      contentAfterMs: this.#contentAfterMs,
      endedAfterMs: this.#elapsedMs(),
      usage: reader?.usage ?? null,
      contentCharacters: reader?.contentCharacters ?? 0,
      changes: reader?.changes ?? [],
    });
  }

  // ---- time

  #elapsedMs(): number {
    return this.#context.clock.monotonic() - this.#startedAt;
  }

  #setDeadline(kind: DeadlineKind, at: number): void {
    this.#deadlineKind = kind;
    this.#deadline = at;
    // A later deadline needs no new timer: the running one looks again when it fires.
    if (at < this.#armedFor) this.#arm();
  }

  /** One timer serves all limits: it fires at the earliest, looks at the deadline as it is then, and goes on waiting. */
  #arm(): void {
    this.#cancelTimer?.();
    const at = Math.min(this.#deadline, this.#totalDeadline());
    this.#armedFor = at;
    if (at === Number.POSITIVE_INFINITY) {
      this.#cancelTimer = null;
      return;
    }
    const waitMs = Math.max(Math.ceil(at - this.#context.clock.monotonic()), 1);
    this.#cancelTimer = this.#context.clock.after(waitMs, () => this.#onTimer());
  }

  #totalDeadline(): number {
    const totalMs = this.input.limits.totalMs;
    return totalMs === null ? Number.POSITIVE_INFINITY : this.#startedAt + totalMs;
  }

  #onTimer(): void {
    const now = this.#context.clock.monotonic();
    if (now >= this.#totalDeadline()) this.#ranOut('timeout_total');
    else if (now < this.#deadline) this.#arm();
    else if (this.#deadlineKind === 'linger') this.#reader?.onEnd();
    else this.#ranOut(this.#deadlineKind);
  }

  #ranOut(kind: 'timeout_connect' | 'timeout_first_byte' | 'timeout_idle' | 'timeout_total'): void {
    const { limits, provider } = this.input;
    const message = timeoutMessages[kind](provider.name, limits);
    if (this.#reader?.isCommitted === true) this.#reader.onCut(message, kind);
    else this.fail(kind, message);
  }
}

const timeoutMessages = {
  timeout_connect: (name, limits) => `${name} did not accept the connection within ${seconds(limits.connectMs)}`,
  timeout_first_byte: (name, limits) => `${name} sent no content within ${seconds(limits.firstContentMs)}`,
  timeout_idle: (name, limits) => `${name} fell silent for ${seconds(limits.idleMs)} in the middle of its answer`,
  timeout_total: (name, limits) => `${name} was not done within ${seconds(limits.totalMs ?? 0)}`,
} as const satisfies Record<string, (name: string, limits: AttemptLimits) => string>;

function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}

function cancelled(status: number | null): Failure {
  return { kind: 'cancelled', message: 'the client left', status, retryAfterMs: null };
}
