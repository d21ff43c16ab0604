// The way in: what every request passes before it is served, and the short way of those that ask a model.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ServerSettings } from '../config/settings.ts';
import { HeldBytes } from '../dispatch/held-bytes.ts';
import { GatewayError } from '../errors.ts';
import { endpointTraits, matchEndpoint } from '../protocols/endpoints.ts';
import type { Endpoint, Protocol } from '../types.ts';
import type { ServerState } from './admin.ts';
import type { App } from './app.ts';
import { readBody } from './body.ts';
import type { HttpDependencies } from './dependencies.ts';
import { answerError, asGatewayError, discardRest } from './error-boundary.ts';
import { Guard, type Verdict } from './guard.ts';
import { parseJsonObject } from './json-body.ts';
import { corsHeaders } from './origins.ts';
import { areaOf, protocolOf, readTarget } from './paths.ts';
import { requestId } from './request-id.ts';

export interface DoorState extends ServerState {
  /** No new work is taken: what arrives on open connections is told so. */
  isDraining(): boolean;
}

/** A request as it stands in the door. */
interface Arrival {
  readonly id: string;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The client waits for `100 Continue` before it sends the body. */
  readonly awaitsContinue: boolean;
  readonly receivedAtMs: number;
  readonly receivedAt: number;
  readonly endpoint: Endpoint | null;
  readonly protocol: Protocol;
  readonly path: string;
  readonly query: string;
  /** The host a whole URL in the request line named. */
  readonly authority: string | null;
}

type Allowed = Extract<Verdict, { is: 'allowed' }>;

export class Door {
  readonly #deps: HttpDependencies;
  readonly #state: DoorState;
  #guard: Guard;
  #guarded: ServerSettings;
  #held: HeldBytes;
  #app: Promise<App> | null = null;

  constructor(deps: HttpDependencies, state: DoorState) {
    this.#deps = deps;
    this.#state = state;
    this.#guarded = deps.settings().server;
    this.#guard = this.#newGuard(this.#guarded);
    this.#held = new HeldBytes(this.#guarded.limits.heldBodiesBytes);
  }

  /** Serves one request to its end, whatever happens. Never rejects. */
  async serve(request: IncomingMessage, response: ServerResponse, awaitsContinue: boolean): Promise<void> {
    const arrival = this.#read(request, response, awaitsContinue);
    try {
      const verdict = this.#currentGuard().check(
        request,
        arrival.endpoint === null ? areaOf(arrival.path) : 'api',
        arrival.authority,
      );
      if (verdict.is === 'preflight') return await this.#preflight(arrival, verdict.headers);
      if (verdict.origin !== null) setHeaders(response, corsHeaders(verdict.origin));
      if (verdict.is === 'refused') throw verdict.error;
      if (this.#state.isDraining()) response.shouldKeepAlive = false;
      if (arrival.endpoint === null) await this.#serveByApp(arrival);
      else await this.#serveModel(arrival, arrival.endpoint, verdict);
    } catch (error) {
      answerError(arrival, error, this.#deps.log, this.#deps.clock);
    }
  }

  #read(request: IncomingMessage, response: ServerResponse, awaitsContinue: boolean): Arrival {
    const { clock } = this.#deps;
    const receivedAtMs = clock.now();
    const url = request.url ?? '/';
    const method = request.method ?? 'GET';
    const known = matchEndpoint(method, url);
    // Nearly every request asks for a model by a plain path: nothing needs to be taken apart then.
    const target = known === null ? readTarget(url) : null;
    const path = known === null ? (target?.path ?? url) : url;
    const endpoint = known ?? matchEndpoint(method, path);
    return {
      id: requestId(receivedAtMs),
      request,
      response,
      awaitsContinue,
      receivedAtMs,
      receivedAt: clock.monotonic(),
      endpoint,
      protocol: endpoint === null ? protocolOf(path, request.headers) : endpointTraits[endpoint].protocol,
      path,
      query: target?.query ?? '',
      authority: target?.authority ?? null,
    };
  }

  async #serveModel(arrival: Arrival, endpoint: Endpoint, verdict: Allowed): Promise<void> {
    const { request, response, awaitsContinue } = arrival;
    const held = this.#held;
    const { limits } = this.#guarded;
    let body: Buffer | null = null;
    try {
      if (this.#state.isDraining()) throw shuttingDown();
      body = await readBody(request, response, { maxBytes: limits.bodyBytes, held }, awaitsContinue);
      const isForm = endpointTraits[endpoint].takesForm && isMultipart(request);
      const json = isForm ? null : parseJsonObject(body, limits.jsonDepth);
      await this.#deps.proxy({
        id: arrival.id,
        receivedAtMs: arrival.receivedAtMs,
        receivedAt: arrival.receivedAt,
        endpoint,
        protocol: arrival.protocol,
        request,
        response,
        search: arrival.query,
        body,
        json,
        apiKeyName: verdict.apiKeyName,
        isLoopback: verdict.isLoopback,
      });
    } catch (thrown) {
      const error = asGatewayError(thrown);
      this.#deps.onRejected({
        id: arrival.id,
        receivedAtMs: arrival.receivedAtMs,
        durationMs: this.#deps.clock.monotonic() - arrival.receivedAt,
        endpoint,
        protocol: arrival.protocol,
        error,
      });
      throw thrown;
    } finally {
      if (body !== null) held.release(body.length);
    }
  }

  async #serveByApp(arrival: Arrival): Promise<void> {
    const { id, request, response, protocol, path, query } = arrival;
    // Express takes longer to load than the rest of the start: it comes when it is first needed.
    this.#app ??= import('./app.ts').then(({ createApp }) => createApp(this.#deps, this.#state));
    const app = await this.#app;
    if (arrival.awaitsContinue) response.writeContinue();
    const { promise, resolve } = Promise.withResolvers<void>();
    response.once('finish', () => discardRest(request, this.#deps.clock));
    response.once('close', resolve);
    if (response.destroyed) return;
    app.serve(request, response, { id, protocol, path, query });
    await promise;
  }

  async #preflight({ id, response }: Arrival, headers: Readonly<Record<string, string>>): Promise<void> {
    setHeaders(response, headers);
    response.setHeader('x-request-id', id);
    response.statusCode = 204;
    response.end();
  }

  #currentGuard(): Guard {
    const { server } = this.#deps.settings();
    if (server !== this.#guarded) {
      if (server.limits.heldBodiesBytes !== this.#guarded.limits.heldBodiesBytes)
        this.#held = new HeldBytes(server.limits.heldBodiesBytes);
      this.#guarded = server;
      this.#guard = this.#newGuard(server);
    }
    return this.#guard;
  }

  #newGuard(server: ServerSettings): Guard {
    const { host, hostname, managementToken, instance } = this.#deps;
    const { isTls, sessions } = this.#state;
    return new Guard({ server, boundHost: host, isTls, hostname, managementToken, instance, sessions });
  }
}

function setHeaders(response: ServerResponse, headers: Readonly<Record<string, string>>): void {
  for (const name in headers) response.setHeader(name, headers[name] ?? '');
}

function isMultipart(request: IncomingMessage): boolean {
  return request.headers['content-type']?.toLowerCase().startsWith('multipart/') ?? false;
}

function shuttingDown(): GatewayError {
  return new GatewayError('shutting_down', 'The gateway is shutting down: try again when it has been started anew.', {
    retryAfterSeconds: 2,
  });
}
