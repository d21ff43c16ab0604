// One request of one client: what it sent, and the only way to answer it.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Endpoint, Protocol } from '../types.ts';
import type { AnswerRecorder } from './answer-recorder.ts';
import { FRAME_END, framed, frameHead, LAST_FRAME } from './chunk-frames.ts';

/** A request as it reaches the dispatcher: read completely, allowed in, not yet looked at. */
export interface IncomingExchange {
  readonly id: string;
  readonly receivedAtMs: number;
  /** `clock.monotonic()` at receipt: durations are measured from here. */
  readonly receivedAt: number;
  readonly endpoint: Endpoint;
  readonly protocol: Protocol;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Query string with its question mark, or ''. */
  readonly search: string;
  /** The body as the client sent it, unpacked. */
  readonly body: Buffer;
  /** The body parsed; null for a form. */
  readonly json: unknown;
  /** API key name, else null: then the User-Agent names the client. */
  readonly apiKeyName: string | null;
  /** The client sits on this machine and nothing says that it only passes a request on. */
  readonly isLoopback: boolean;
}

/** Up to here a copy costs less than a second write. */
const ONE_WRITE_BYTES = 16 * 1024;

/** What has been said to the client so far. */
type ReplyState = 'silent' | 'opened_early' | 'committed' | 'ended';

/**
 * The client's side of an exchange. Nothing else writes to the response.
 * `onGone` and `onDrain` are single slots on purpose: one attempt at a time owns the reply.
 */
export class ClientReply {
  readonly #response: ServerResponse;
  #state: ReplyState = 'silent';
  /** Pieces go out as chunks that are framed here. */
  #isFraming = false;
  #wasOpenedEarly = false;
  #isGone = false;
  #isClogged = false;
  #bytesOut = 0;
  #status: number | null = null;
  /** Called once when the client leaves before the end. */
  onGone: (() => void) | null = null;
  /** Called when a reply that was clogged takes bytes again. */
  onDrain: (() => void) | null = null;
  /** Told of all that the provider's answer is made of, and of none of the gateway's own bytes. */
  recorder: AnswerRecorder | null = null;

  constructor(response: ServerResponse) {
    this.#response = response;
    response.on('close', () => {
      if (response.writableFinished || this.#state === 'ended') return;
      this.#isGone = true;
      this.onGone?.();
    });
    // A client that resets its connection: 'close' follows and says all there is to say.
    response.on('error', () => undefined);
    if (response.destroyed) this.#isGone = true;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  get isOpenedEarly(): boolean {
    return this.#state === 'opened_early';
  }

  /** Stays true whatever came after. */
  get wasOpenedEarly(): boolean {
    return this.#wasOpenedEarly;
  }

  get isSilent(): boolean {
    return this.#state === 'silent';
  }

  get isCommitted(): boolean {
    return this.#state === 'committed';
  }

  get isEnded(): boolean {
    return this.#state === 'ended';
  }

  /** Null until headers went out. */
  get status(): number | null {
    return this.#status;
  }

  get bytesOut(): number {
    return this.#bytesOut;
  }

  /** Sends status and headers before anything is decided for good; only `filler` and `commit` may follow. */
  openEarly(headers: readonly string[], filler: string): void {
    this.#state = 'opened_early';
    this.#wasOpenedEarly = true;
    this.#status = 200;
    this.recorder?.begin(200, headers);
    this.#writeHead(200, headers);
    this.filler(filler);
  }

  /** Bytes that are no part of the answer: they keep a waiting client's connection from looking dead, or tell it more. */
  filler(text: string): void {
    const bytes = Buffer.from(text);
    this.#bytesOut += bytes.length;
    this.#put(bytes);
  }

  /** The answer is decided. After an early opening the headers are gone already, so only the state changes. */
  commit(status: number, headers: readonly string[]): void {
    const isOpen = this.#state === 'opened_early';
    this.#state = 'committed';
    if (isOpen) return;
    this.#status = status;
    this.recorder?.begin(status, headers);
    // They leave together with the first bytes of the answer, which every caller has at hand.
    this.#writeHead(status, headers);
  }

  /** Commits and sends a whole answer at once. */
  send(status: number, headers: readonly string[], body: Buffer | string): void {
    this.#status = status;
    this.recorder?.begin(status, headers);
    this.#response.writeHead(status, headers as string[]);
    if (typeof body === 'string') {
      this.end(body);
      return;
    }
    this.recorder?.add(body);
    if (body.length > ONE_WRITE_BYTES) {
      this.#endWith(body);
      return;
    }
    // Node joins a string with the head to a single write; latin1 maps every byte to itself.
    this.#close();
    this.#bytesOut += body.length;
    this.#response.end(body.toString('latin1'), 'latin1');
  }

  /** False when the client is slower than the provider: stop reading until `onDrain`. */
  write(bytes: Uint8Array): boolean {
    this.#bytesOut += bytes.byteLength;
    this.recorder?.add(bytes);
    if (this.#put(bytes)) return true;
    if (!this.#isClogged) {
      this.#isClogged = true;
      this.#response.once('drain', () => {
        this.#isClogged = false;
        this.onDrain?.();
      });
    }
    return false;
  }

  /** With the provider's last bytes sent before; `bytes` are an error of the gateway's. */
  end(bytes?: Uint8Array | string): void {
    if (bytes !== undefined) {
      this.recorder?.stop();
      this.#endWith(bytes);
      return;
    }
    this.#close();
    if (this.#isFraming) this.#response.end(LAST_FRAME, 'latin1');
    else this.#response.end();
  }

  #endWith(body: Uint8Array | string): void {
    this.#close();
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    this.#bytesOut += bytes.byteLength;
    if (!this.#isFraming) {
      this.#response.end(bytes);
      return;
    }
    this.#put(bytes);
    this.#response.end(LAST_FRAME, 'latin1');
  }

  /** Writes bytes of a body of unknown length. Returns as the response does. */
  #put(bytes: Uint8Array): boolean {
    if (!this.#isFraming || bytes.byteLength === 0) return this.#response.write(bytes);
    if (bytes.byteLength <= ONE_WRITE_BYTES) return this.#response.write(framed(bytes));
    this.#response.write(frameHead(bytes.byteLength), 'latin1');
    this.#response.write(bytes);
    return this.#response.write(FRAME_END, 'latin1');
  }

  /** The head of an answer of unknown length. */
  #writeHead(status: number, headers: readonly string[]): void {
    // Neither a client of HTTP/1.0 nor an answer without a body knows chunks.
    this.#isFraming = this.#response.useChunkedEncodingByDefault && status !== 204;
    if (!this.#isFraming) {
      this.#response.writeHead(status, headers as string[]);
      return;
    }
    this.#response.writeHead(status, [...headers, 'transfer-encoding', 'chunked']);
    // Node's own framing makes four writes of a piece: one costs less (5 % of relaying a paced event, median of 7 pairs).
    this.#response.chunkedEncoding = false;
  }

  /** Ends the connection without the end of the answer: for a JSON body that broke off after its beginning was relayed. */
  cutOff(): void {
    this.recorder?.stop();
    this.#close();
    this.#response.destroy();
  }

  #close(): void {
    this.#state = 'ended';
    this.onGone = null;
    this.onDrain = null;
  }
}
