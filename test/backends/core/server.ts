// The common part of all stand-ins: listening, remembering requests, faults, and an end that leaves nothing behind.

import { once } from 'node:events';
import {
  createServer as createHttpServer,
  type Server as HttpServer,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { createServer as createNetServer, type Server as NetServer, type Socket } from 'node:net';
import type { BehaviourOptions } from './behaviour.ts';
import { Exchange } from './exchange.ts';
import { controlFaults, FAULT_PATH } from './fault-control.ts';
import { FaultBoard, type FaultKind, type FaultRule, type FaultSubject } from './faults.ts';
import { happensInstead } from './immediate-faults.ts';
import type { StandInKind } from './kind.ts';
import type { Chunking } from './outlets.ts';
import { nextTurn } from './wait.ts';

/** A request as it came. `aborted` and `endedAtMs` are filled in when it is over. */
export interface RecordedRequest extends FaultSubject {
  /** Path with query. */
  readonly url: string;
  /** Names and values in turn, as they were on the wire. */
  readonly rawHeaders: readonly string[];
  /** The body parsed, or undefined when it is not JSON. */
  readonly json: unknown;
  /** `performance.now()` when the body was in. */
  readonly atMs: number;
  readonly endedAtMs: number | null;
  /** The connection went away before the answer was out. */
  readonly aborted: boolean;
  /** Requests that came over the same connection before this one. */
  readonly reuseCount: number;
}

export type FaultInput = FaultKind | FaultRule | readonly FaultRule[] | null;

/** A running stand-in. */
export interface StandIn extends AsyncDisposable {
  readonly kind: string;
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  readonly port: number;
  readonly requests: readonly RecordedRequest[];
  /** Requests being answered. */
  readonly inFlight: number;
  readonly openSockets: number;
  readonly faults: readonly FaultRule[];
  /** Replaces all faults; null mends everything. `refuse` closes the port at once and lifting it opens it again. */
  setFault(fault: FaultInput): Promise<void>;
  forgetRequests(): void;
  close(): Promise<void>;
}

class RequestRecord implements RecordedRequest {
  readonly method: string;
  readonly url: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
  readonly atMs = performance.now();
  readonly reuseCount: number;
  endedAtMs: number | null = null;
  aborted = false;

  constructor(request: IncomingMessage, body: Buffer, reuseCount: number) {
    this.method = request.method ?? 'GET';
    this.url = request.url ?? '/';
    this.path = this.url.split('?', 1)[0] ?? '/';
    this.headers = request.headers;
    this.rawHeaders = request.rawHeaders;
    this.body = body;
    this.reuseCount = reuseCount;
  }

  get json(): unknown {
    try {
      return JSON.parse(this.body.toString());
    } catch {
      return undefined;
    }
  }
}

class StandInServer implements StandIn {
  readonly #kind: StandInKind;
  readonly #http: HttpServer;
  readonly #host: string;
  readonly #keepRequests: number;
  readonly #chunking: Chunking;
  readonly #board = new FaultBoard();
  /** With the number of requests each has brought. */
  readonly #sockets = new Map<Socket, number>();
  readonly #requests: RecordedRequest[] = [];
  #listener: NetServer | null = null;
  #reopening: NodeJS.Timeout | null = null;
  #port = 0;
  #inFlight = 0;

  constructor(kind: StandInKind, options: BehaviourOptions) {
    this.#kind = kind;
    this.#host = options.host ?? '127.0.0.1';
    this.#port = options.port ?? 0;
    this.#keepRequests = options.keepRequests ?? 10_000;
    this.#chunking = options.chunking ?? 'events';
    this.#http = createHttpServer({ requestTimeout: 0, headersTimeout: 0, keepAliveTimeout: kind.keepAliveMs });
    // Node adds a second of its own to what it was told; the real servers do not.
    Object.assign(this.#http, { keepAliveTimeoutBuffer: 0 });
    this.#http.on('request', (request, response) => this.#receive(request, response));
    this.#http.on('clientError', (_error, socket) => socket.destroy());
  }

  get kind(): string {
    return this.#kind.kind;
  }
  get url(): string {
    return `http://${this.#host.includes(':') ? `[${this.#host}]` : this.#host}:${this.#port}`;
  }
  get port(): number {
    return this.#port;
  }
  get requests(): readonly RecordedRequest[] {
    return this.#requests;
  }
  get inFlight(): number {
    return this.#inFlight;
  }
  get openSockets(): number {
    return this.#sockets.size;
  }
  get faults(): readonly FaultRule[] {
    return this.#board.rules;
  }

  async listen(): Promise<void> {
    if (this.#listener) return;
    // The listener is apart from the HTTP server so that the port can be closed and opened while answers are running.
    const listener = createNetServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket));
    listener.listen(this.#port, this.#host);
    await once(listener, 'listening');
    const address = listener.address();
    if (typeof address === 'object' && address) this.#port = address.port;
    this.#listener = listener;
  }

  #accept(socket: Socket): void {
    this.#sockets.set(socket, 0);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => undefined);
    this.#http.emit('connection', socket);
  }

  #receive(request: IncomingMessage, response: ServerResponse): void {
    const reuseCount = this.#sockets.get(request.socket) ?? 0;
    this.#sockets.set(request.socket, reuseCount + 1);
    this.#inFlight += 1;
    let exchange: Exchange | null = null;
    let record: RequestRecord | null = null;
    response.on('close', () => {
      this.#inFlight -= 1;
      if (record) {
        record.aborted = !response.writableFinished;
        record.endedAtMs = performance.now();
      }
      exchange?.closed();
    });
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => void chunks.push(chunk));
    request.on('error', () => undefined);
    request.on('end', () => {
      record = new RequestRecord(
        request,
        chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks),
        reuseCount,
      );
      exchange = this.#begin(request, response, record);
    });
  }

  #begin(request: IncomingMessage, response: ServerResponse, record: RequestRecord): Exchange {
    const kind = this.#kind;
    const isControl = record.path === FAULT_PATH;
    if (!isControl && this.#requests.length < this.#keepRequests) this.#requests.push(record);
    const fault = isControl ? null : this.#board.pick(record, kind.isGeneration(record.method, record.path));
    const { body, reuseCount } = record;
    const exchange = new Exchange(request, response, { kind, fault, chunking: this.#chunking, body, reuseCount });
    if (isControl)
      void controlFaults(
        exchange,
        () => this.faults,
        (rules) => this.#apply(rules),
      );
    else if (fault === null || !happensInstead(exchange, kind, fault)) void this.#handle(exchange);
    return exchange;
  }

  async #handle(exchange: Exchange): Promise<void> {
    try {
      await kindHandles(this.#kind, exchange);
    } catch (error) {
      // A bug of the stand-in must not look like a fault on command.
      process.emitWarning(`stand-in ${this.#kind.kind} failed on ${exchange.path}: ${String(error)}`);
      exchange.drop();
      exchange.wire.response.socket?.destroy();
    }
  }

  setFault(fault: FaultInput): Promise<void> {
    if (fault === null) return this.#apply([]);
    if (typeof fault === 'string') return this.#apply([{ kind: fault }]);
    return this.#apply(isRule(fault) ? [fault] : fault);
  }

  async #apply(rules: readonly FaultRule[]): Promise<void> {
    this.#board.replace(rules);
    clearTimeout(this.#reopening ?? undefined);
    const refusal = rules.find((rule) => rule.kind === 'refuse');
    if (!refusal) return this.listen();
    await this.#stopListening();
    if (refusal.forMs !== undefined) this.#reopening = setTimeout(() => void this.setFault(null), refusal.forMs);
  }

  /** No new connections; idle ones are closed, running answers go on. */
  async #stopListening(): Promise<void> {
    const listener = this.#listener;
    this.#listener = null;
    if (!listener) return;
    // 'close' waits for all connections, the port itself is free at once.
    listener.close();
    await nextTurn();
    this.#http.closeIdleConnections();
  }

  forgetRequests(): void {
    this.#requests.length = 0;
  }

  async close(): Promise<void> {
    clearTimeout(this.#reopening ?? undefined);
    this.#kind.close();
    await this.#stopListening();
    const closing = [...this.#sockets.keys()].map((socket) => once(socket, 'close'));
    for (const socket of this.#sockets.keys()) socket.destroy();
    await Promise.all(closing);
    this.#http.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function isRule(fault: FaultRule | readonly FaultRule[]): fault is FaultRule {
  return !Array.isArray(fault);
}

async function kindHandles(kind: StandInKind, exchange: Exchange): Promise<void> {
  await kind.handle(exchange);
}

/** Starts a stand-in of that kind. Rejects when the port is taken. */
export async function startStandIn(kind: StandInKind, options: BehaviourOptions): Promise<StandIn> {
  const server = new StandInServer(kind, options);
  await server.listen();
  return server;
}

/** Adds what only this kind can do to a running stand-in. */
export function withControls<Controls extends object>(server: StandIn, controls: Controls): StandIn & Controls {
  return Object.assign(server, controls);
}
