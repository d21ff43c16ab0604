// A stream: held until its first content, then relayed byte for byte, event by event. What ends without the protocol's
// own end is never passed off as complete, however clean the connection closed.

import { createStreamObserver } from '../protocols/observer.ts';
import type { StreamObserver } from '../protocols/protocol.ts';
import type { Failure, FailureKind, Usage } from '../types.ts';
import type { AnswerHost, AnswerReader } from './answer.ts';
import type { ProviderHeaders } from './attempt-contract.ts';

export class StreamReader implements AnswerReader {
  refusal: AnswerReader['refusal'] = null;
  readonly changes: readonly string[] = [];
  isCommitted = false;
  readonly #host: AnswerHost;
  readonly #status: number;
  readonly #headers: ProviderHeaders;
  readonly #observer: StreamObserver;
  /** Before the commit everything that came; after it the event that is not whole yet. */
  #pending: Buffer[] = [];
  #heldBytes = 0;
  /** Bytes of the stream that came, and that went to the client. */
  #received = 0;
  #forwarded = 0;
  #contentCount = 0;
  #isEndSeen = false;
  #hasEnded = false;
  #isFinished = false;

  constructor(host: AnswerHost, status: number, headers: ProviderHeaders) {
    this.#host = host;
    this.#status = status;
    this.#headers = headers;
    this.#observer = createStreamObserver(host.input.endpoint);
  }

  /** From the protocol's own end on: the official OpenAI client closes its connection at `[DONE]`. */
  get isDelivered(): boolean {
    return this.#isFinished || (this.#isEndSeen && this.#forwarded === this.#received);
  }

  get usage(): Usage | null {
    return this.#observer.usage;
  }

  get contentCharacters(): number {
    return this.#observer.contentCharacters;
  }

  onData(chunk: Buffer): void {
    this.#observer.push(chunk);
    this.#received += chunk.length;
    if (!this.isCommitted) {
      this.#beforeCommit(chunk);
      return;
    }
    this.#noteContent();
    this.#pending.push(chunk);
    this.#forward(this.#observer.boundary);
    this.#noteEnd();
  }

  onEnd(): void {
    this.#hasEnded = true;
    if (this.#isFinished) return;
    const observer = this.#observer;
    observer.end();
    if (!this.isCommitted) {
      if (!observer.isComplete) {
        this.#failEmpty();
        return;
      }
      this.#commit();
    }
    if (!observer.isComplete) {
      this.#break(observer.error?.message ?? 'the provider ended its answer without finishing it');
      return;
    }
    this.#forward(this.#received);
    this.#finish();
  }

  onCut(message: string, kind: FailureKind = 'bad_answer'): void {
    // The protocol's own end was there: how the connection ends after it is of no interest.
    if (this.#observer.isComplete) this.onEnd();
    else if (this.isCommitted) this.#break(message);
    else this.#host.fail(kind, `${this.#host.input.provider.name}: ${message}`);
  }

  release(): void {
    this.#host.held.release(this.#heldBytes);
    this.#heldBytes = 0;
    this.#pending = [];
  }

  #beforeCommit(chunk: Buffer): void {
    const observer = this.#observer;
    const { provider } = this.#host.input;
    if (observer.error !== null) {
      this.#failWithEvent(observer.error);
      return;
    }
    if (observer.garbage !== null) {
      this.#host.fail(
        'bad_answer',
        `${provider.name} sent something that is no event: ${observer.garbage.slice(0, 200)}`,
      );
      return;
    }
    if (observer.falseEndAt !== null) {
      this.#failEmpty();
      return;
    }
    const isTooLong = this.#heldBytes + chunk.length > this.#host.dispatchLimits.heldAnswerBytes;
    if (isTooLong || !this.#host.held.take(chunk.length)) {
      this.#host.fail('bad_answer', `${provider.name} sent ${this.#received} bytes without any content`);
      return;
    }
    this.#heldBytes += chunk.length;
    this.#pending.push(chunk);
    if (!observer.hasContent && !observer.isComplete) return;
    this.#commit();
    this.#noteContent();
    this.#forward(observer.boundary);
    this.#noteEnd();
  }

  #commit(): void {
    const { reply } = this.#host.input;
    const comment = this.#host.commit(this.#status, this.#headers);
    this.isCommitted = true;
    this.#host.held.release(this.#heldBytes);
    this.#heldBytes = 0;
    if (comment !== null) reply.filler(comment);
  }

  #noteContent(): void {
    if (this.#observer.contentCount === this.#contentCount) return;
    this.#contentCount = this.#observer.contentCount;
    this.#host.contentSeen();
  }

  #noteEnd(): void {
    if (this.#isFinished || this.#hasEnded) return;
    if (this.#observer.falseEndAt !== null) {
      this.#break('the provider ended its answer without finishing it');
    } else if (this.#observer.isComplete && !this.#isEndSeen) {
      this.#isEndSeen = true;
      this.#host.endSeen();
    }
  }

  /** Passes on whole events up to that offset of the stream; an event still coming in waits for its end. */
  #forward(upTo: number): void {
    const limit = Math.min(upTo, this.#observer.falseEndAt ?? upTo);
    const { reply } = this.#host.input;
    let isFlowing = true;
    while (this.#forwarded < limit) {
      const chunk = this.#pending[0];
      if (chunk === undefined) break;
      const room = limit - this.#forwarded;
      if (chunk.length <= room) {
        this.#pending.shift();
        this.#forwarded += chunk.length;
        isFlowing = reply.write(chunk);
      } else {
        this.#pending[0] = chunk.subarray(room);
        this.#forwarded += room;
        isFlowing = reply.write(chunk.subarray(0, room));
      }
    }
    if (!isFlowing) this.#host.holdBack();
  }

  #finish(): void {
    this.#isFinished = true;
    this.#host.input.reply.end();
    this.#host.complete();
  }

  /** The client has seen content and will not see the end: it is told so in its protocol, unless the provider did that. */
  #break(message: string): void {
    const failure: Failure = { kind: 'broken', message, status: this.#status, retryAfterMs: null };
    const isTold = this.#observer.error !== null;
    this.#host.input.reply.end(isTold ? undefined : this.#host.input.streamError(failure));
    this.#host.broken(failure);
  }

  #failWithEvent(error: NonNullable<StreamObserver['error']>): void {
    const { adapter, endpoint, provider } = this.#host.input;
    const status = error.status ?? 500;
    const text = typeof error.raw === 'string' ? error.raw : JSON.stringify(error.raw);
    this.refusal = { status, text, json: error.raw };
    const { kind, message } = adapter.classify({ endpoint, status, headers: {}, text, json: error.raw });
    this.#host.fail(kind, `${provider.name} began its stream with an error: ${message}`, { status });
  }

  /** A stream without content and without a proper end; some kinds answer a prompt that is too long this way. */
  #failEmpty(): void {
    const { adapter, endpoint, provider } = this.#host.input;
    if (this.#received === 0) {
      const { kind, message } = adapter.classify({
        endpoint,
        status: this.#status,
        headers: {},
        text: '',
        json: undefined,
      });
      this.#host.fail(kind, `${provider.name} sent an empty stream: ${message}`);
      return;
    }
    this.#host.fail('bad_answer', `${provider.name} ended its stream before any content`);
  }
}
