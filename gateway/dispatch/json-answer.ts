// A JSON answer: held until all of it came and proves to be an answer, because half a JSON is of no use to anybody.

import { encodeEmbeddingsBase64 } from '../protocols/embeddings.ts';
import { endpointTraits } from '../protocols/endpoints.ts';
import { inspectAnswer } from '../protocols/inspect.ts';
import type { FailureKind, Usage } from '../types.ts';
import type { AnswerHost, AnswerReader } from './answer.ts';
import type { AttemptInput, ProviderHeaders } from './attempt-contract.ts';
import { parseJson } from './refusal.ts';

export class JsonReader implements AnswerReader {
  refusal: AnswerReader['refusal'] = null;
  usage: Usage | null = null;
  contentCharacters = 0;
  changes: readonly string[] = [];
  isCommitted = false;
  isDelivered = false;
  readonly #host: AnswerHost;
  readonly #status: number;
  readonly #headers: ProviderHeaders;
  #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(host: AnswerHost, status: number, headers: ProviderHeaders) {
    this.#host = host;
    this.#status = status;
    this.#headers = headers;
  }

  onData(chunk: Buffer): void {
    if (this.isCommitted) {
      this.#host.contentSeen();
      if (!this.#host.input.reply.write(chunk)) this.#host.holdBack();
      return;
    }
    const isTooLong = this.#bytes + chunk.length > this.#host.dispatchLimits.heldAnswerBytes;
    if (isTooLong || !this.#host.held.take(chunk.length)) {
      if (isReadable(this.#host.input)) this.#relayFromHere(chunk);
      else this.#failUnread();
      return;
    }
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
  }

  onEnd(): void {
    const { reply } = this.#host.input;
    if (this.isCommitted) {
      this.isDelivered = true;
      reply.end();
      this.#host.complete();
      return;
    }
    const bytes =
      this.#chunks.length === 1 && this.#chunks[0] ? this.#chunks[0] : Buffer.concat(this.#chunks, this.#bytes);
    this.#judge(bytes);
  }

  onCut(message: string, kind: FailureKind = 'bad_answer'): void {
    if (!this.isCommitted) {
      this.#host.fail(kind, `${this.#host.input.provider.name}: ${message}`);
      return;
    }
    this.#host.input.reply.cutOff();
    this.#host.broken({ kind: 'broken', message, status: this.#status, retryAfterMs: null });
  }

  release(): void {
    this.#host.held.release(this.#bytes);
    this.#bytes = 0;
    this.#chunks = [];
  }

  /** The first moment that lets the client see it; nothing can be checked any more but that it ends well. */
  #relayFromHere(chunk: Buffer): void {
    const { reply } = this.#host.input;
    this.isCommitted = true;
    this.#host.contentSeen();
    this.#host.commit(this.#status, this.#headers);
    let isFlowing = true;
    for (const held of this.#chunks) isFlowing = reply.write(held);
    isFlowing = reply.write(chunk);
    this.release();
    if (!isFlowing) this.#host.holdBack();
  }

  #failUnread(): void {
    const { provider } = this.#host.input;
    this.#host.fail('bad_answer', `${provider.name} answered JSON, but a stream was asked for`);
  }

  #judge(bytes: Buffer): void {
    const { adapter, endpoint, provider, reply } = this.#host.input;
    if (bytes.length === 0) {
      this.#host.fail('bad_answer', `${provider.name} answered ${this.#status} with an empty body`);
      return;
    }
    const text = bytes.toString('utf8');
    const json = parseJson(text);
    if (json === undefined) {
      this.#host.fail('bad_answer', `${provider.name} answered something that is not JSON: ${text.slice(0, 200)}`);
      return;
    }
    const inspection = inspectAnswer(endpoint, json);
    if (inspection.error !== null) {
      const status = inspection.error.status ?? 500;
      this.refusal = { status, text, json };
      const { kind, message } = adapter.classify({ endpoint, status, headers: {}, text, json });
      this.#host.fail(kind, `${provider.name} answered ${this.#status} with an error inside: ${message}`, { status });
      return;
    }
    if (!inspection.isProtocol || !inspection.isComplete) {
      const why = inspection.isProtocol
        ? `an answer that did not finish (${inspection.finishReasons.join(', ') || 'no finish reason'})`
        : 'JSON of another shape';
      this.#host.fail('bad_answer', `${provider.name} answered ${why}: ${text.slice(0, 200)}`);
      return;
    }
    if (!isReadable(this.#host.input)) {
      this.#failUnread();
      return;
    }
    this.usage = inspection.usage;
    this.contentCharacters = inspection.contentCharacters;
    const encoded = this.#host.input.mustEncodeEmbeddings ? encodeEmbeddingsBase64(bytes, json) : null;
    if (encoded !== null) this.changes = ['embeddings_base64'];
    this.#host.contentSeen();
    const body = encoded ?? bytes;
    const { headers } = this.#host.input.replyHead(this.#headers, this.usage);
    this.isCommitted = true;
    this.isDelivered = true;
    this.#host.input.onCommit();
    reply.send(this.#status, [...headers, 'content-length', String(body.length)], body);
    this.#host.complete();
  }
}

/**
 * A client that asked for events reads none in a JSON object, and takes that for an empty answer. Where streams are an
 * extra that a server may pass over (transcripts), it is as good as its head, which an early opening has sent already.
 */
function isReadable({ endpoint, isStream, reply }: AttemptInput): boolean {
  const { framing, answersJson } = endpointTraits[endpoint];
  return !isStream || framing !== 'sse' || !(answersJson || reply.isOpenedEarly);
}
