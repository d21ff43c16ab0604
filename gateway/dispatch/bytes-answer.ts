// An answer that is neither JSON nor a stream of events (speech, images, plain transcripts): relayed from its first byte.

import type { FailureKind } from '../types.ts';
import type { AnswerHost, AnswerReader } from './answer.ts';
import type { ProviderHeaders } from './attempt-contract.ts';

export class BytesReader implements AnswerReader {
  readonly refusal = null;
  readonly usage = null;
  readonly contentCharacters = 0;
  readonly changes: readonly string[] = [];
  isCommitted = false;
  isDelivered = false;
  readonly #host: AnswerHost;
  readonly #status: number;
  readonly #headers: ProviderHeaders;

  constructor(host: AnswerHost, status: number, headers: ProviderHeaders) {
    this.#host = host;
    this.#status = status;
    this.#headers = headers;
  }

  onData(chunk: Buffer): void {
    if (!this.isCommitted) {
      const type = this.#headers['content-type'];
      if (typeof type === 'string' && type.startsWith('text/html')) {
        this.#host.fail('bad_answer', `${this.#host.input.provider.name} answered an HTML page`);
        return;
      }
      if (this.#host.input.reply.isOpenedEarly) {
        this.#host.fail(
          'bad_answer',
          `${this.#host.input.provider.name} answered no events, but a stream was asked for`,
        );
        return;
      }
      this.isCommitted = true;
      this.#host.commit(this.#status, this.#headers);
    }
    this.#host.contentSeen();
    if (!this.#host.input.reply.write(chunk)) this.#host.holdBack();
  }

  onEnd(): void {
    if (!this.isCommitted) {
      this.#host.fail('bad_answer', `${this.#host.input.provider.name} answered ${this.#status} with an empty body`);
      return;
    }
    this.isDelivered = true;
    this.#host.input.reply.end();
    this.#host.complete();
  }

  onCut(message: string, kind: FailureKind = 'bad_answer'): void {
    if (!this.isCommitted) {
      this.#host.fail(kind, `${this.#host.input.provider.name}: ${message}`);
      return;
    }
    // There is no error event in bytes: only a connection that ends too early says that something is missing.
    this.#host.input.reply.cutOff();
    this.#host.broken({ kind: 'broken', message, status: this.#status, retryAfterMs: null });
  }

  release(): void {}
}
