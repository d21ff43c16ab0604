// The listening side: addresses, connections and their limits, and the end.

import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { Server as NetServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { GatewayError } from '../errors.ts';
import { answerClientError, rawError } from './client-errors.ts';
import type { HttpDependencies } from './dependencies.ts';
import { Door } from './door.ts';
import { demandKeysBeyondLoopback, ListenError, type Listening, listen } from './listen.ts';
import { WindowFiles } from './window-files.ts';
import { WindowSessions } from './window-sessions.ts';

const HEADERS_TIMEOUT_MS = 60_000;
const REQUEST_TIMEOUT_MS = 300_000;
/** Longer than clients keep idle connections, so that it is they who close: else a request may meet a closing socket. */
const KEEP_ALIVE_MS = 75_000;
/** What answers that were cut short by the shutdown get to send their last words. */
const LAST_WORDS_MS = 1_000;

interface CloseOptions {
  /** How long running requests may go on. */
  readonly timeoutMs: number;
  /** Called when the time is up and some still run: abort them, so that their streams end with an error event. */
  readonly onTimeout?: () => void;
}

/** The HTTP side of the gateway. It does nothing before `listen`. */
export interface HttpSide {
  /** Binds and accepts. Rejects with `ListenError`, whose message is for people. `urls`: the one to show first. */
  listen(): Promise<{ readonly urls: readonly string[]; readonly port: number }>;
  /** Stops accepting at once, lets running requests end within the time, then ends them. A second call may hurry the first. */
  close(options: CloseOptions): Promise<void>;
  /** Requests being served now. */
  readonly inFlight: number;
  readonly isDraining: boolean;
}

/** A request under way. The socket is kept because a finished response has let go of it. */
interface Exchange {
  readonly response: ServerResponse;
  readonly socket: Socket;
}

interface TlsFiles {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** Makes the HTTP side. Throws `ListenError` when the TLS files cannot be read. */
export function createHttp(deps: HttpDependencies): HttpSide {
  return new GatewayHttp(deps);
}

class GatewayHttp implements HttpSide {
  readonly #deps: HttpDependencies;
  readonly #tls: TlsFiles | null;
  readonly #door: Door;
  readonly #sockets = new Set<Socket>();
  readonly #exchanges = new Set<Exchange>();
  #listening: Listening<Server> | null = null;
  #idle: PromiseWithResolvers<void> | null = null;

  constructor(deps: HttpDependencies) {
    this.#deps = deps;
    this.#tls = readTlsFiles(deps);
    this.#door = new Door(deps, {
      isTls: this.#tls !== null,
      isDraining: () => this.isDraining,
      inFlight: () => this.inFlight,
      url: () => this.#urls[0] ?? '',
      sessions: new WindowSessions(deps),
      windowFiles: new WindowFiles(),
    });
  }

  get inFlight(): number {
    return this.#exchanges.size;
  }

  get isDraining(): boolean {
    return this.#idle !== null;
  }

  get #urls(): readonly string[] {
    const { hosts, port } = this.#listening ?? { hosts: [], port: 0 };
    return hosts.map((host) => `${this.#tls === null ? 'http' : 'https'}://${host}:${port}`);
  }

  async listen(): Promise<{ readonly urls: readonly string[]; readonly port: number }> {
    const { host, port } = this.#deps;
    demandKeysBeyondLoopback(host, this.#deps.settings().server.apiKeys.length);
    this.#listening = await listen(host, port, () => this.#createServer());
    return { urls: this.#urls, port: this.#listening.port };
  }

  async close({ timeoutMs, onTimeout }: CloseOptions): Promise<void> {
    this.#idle ??= Promise.withResolvers<void>();
    if (this.#exchanges.size === 0) this.#idle.resolve();
    const servers = this.#listening?.servers ?? [];
    // Not http's own close(): it destroys connections whose last answer is still being written.
    const stopped = servers.map((server) => new Promise((done) => NetServer.prototype.close.call(server, done)));
    const busy = new Set(Array.from(this.#exchanges, ({ socket }) => socket));
    for (const socket of this.#sockets) if (!busy.has(socket)) socket.destroySoon();
    if (!(await this.#isIdleWithin(timeoutMs))) {
      onTimeout?.();
      await this.#isIdleWithin(LAST_WORDS_MS);
    }
    // A client that does not take its answer must not hold the end up either.
    const cancel = this.#deps.clock.after(LAST_WORDS_MS, () => this.#destroySockets());
    if (this.#exchanges.size > 0) this.#destroySockets();
    // An earlier call that is still patient ends with this one.
    this.#idle.resolve();
    await Promise.all(stopped);
    cancel();
    // Ends the servers' own checking of time limits.
    for (const server of servers) server.close();
  }

  #destroySockets(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #isIdleWithin(timeoutMs: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const cancel = this.#deps.clock.after(timeoutMs, () => resolve(this.#exchanges.size === 0));
    void this.#idle?.promise.then(() => {
      cancel();
      resolve(true);
    });
    return promise;
  }

  #createServer(): Server {
    const { limits } = this.#deps.settings().server;
    const options: ServerOptions = {
      maxHeaderSize: limits.headerBytes,
      headersTimeout: this.#deps.headersTimeoutMs ?? HEADERS_TIMEOUT_MS,
      requestTimeout: this.#deps.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: this.#deps.timeoutCheckMs ?? 5_000,
      keepAliveTimeout: KEEP_ALIVE_MS,
      // The guard says it in words.
      requireHostHeader: false,
    };
    const server = this.#tls === null ? createServer(options) : createTlsServer({ ...options, ...this.#tls });
    // The headers' total size is bounded; node's own bound would silently drop the last ones, which the guard must see.
    server.maxHeadersCount = 0;
    server.on(this.#tls === null ? 'connection' : 'secureConnection', (socket: Socket) => this.#connected(socket));
    server.on('request', (request, response) => void this.#serve(request, response, false));
    server.on('checkContinue', (request, response) => void this.#serve(request, response, true));
    server.on('clientError', (error: Error, socket: Duplex) =>
      answerClientError(error, socket, limits.headerBytes, this.#isAnswering(socket)),
    );
    return server;
  }

  #connected(socket: Socket): void {
    const limit = this.#deps.settings().server.limits.connections;
    if (this.#sockets.size >= limit) {
      const error = new GatewayError(
        'all_busy',
        `The gateway has ${limit} open connections, as many as it allows: close idle ones and try again.`,
        { retryAfterSeconds: 2 },
      );
      socket.on('error', () => undefined);
      socket.end(rawError(error, 'openai'), () => socket.destroy());
      return;
    }
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  async #serve(request: IncomingMessage, response: ServerResponse, awaitsContinue: boolean): Promise<void> {
    // A connection beyond the limit has its answer already.
    if (!this.#sockets.has(request.socket)) return;
    const exchange: Exchange = { response, socket: request.socket };
    this.#exchanges.add(exchange);
    await this.#door.serve(request, response, awaitsContinue);
    this.#exchanges.delete(exchange);
    if (this.#idle === null) return;
    exchange.socket.destroySoon();
    if (this.#exchanges.size === 0) this.#idle.resolve();
  }

  #isAnswering(socket: Duplex): boolean {
    for (const exchange of this.#exchanges)
      if (exchange.socket === socket && exchange.response.headersSent) return true;
    return false;
  }
}

function readTlsFiles({ settings }: HttpDependencies): TlsFiles | null {
  const { tlsCertFile, tlsKeyFile } = settings().server;
  if (tlsCertFile === null && tlsKeyFile === null) return null;
  if (tlsCertFile === null || tlsKeyFile === null)
    throw new ListenError('cannot serve HTTPS: server.tls_cert and server.tls_key are only of use together.');
  try {
    return { cert: readFileSync(tlsCertFile), key: readFileSync(tlsKeyFile) };
  } catch (error) {
    throw new ListenError(`cannot serve HTTPS: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}
