// A provider whose every answer is written by the test, and that remembers exactly what it was asked.

import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { ProviderKind } from '../../gateway/types.ts';

/** A request for a model, as it came. */
export interface Received {
  readonly path: string;
  /** Names and values in turn, as they were on the wire. */
  readonly rawHeaders: readonly string[];
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
  /** Requests that came over the same connection before this one. */
  readonly reuseCount: number;
}

/** One answer to write; `response` and its socket may be treated in any way. */
export interface Turn {
  readonly received: Received;
  /** Counts from 1. */
  readonly number: number;
  readonly response: ServerResponse;
  readonly socket: Socket;
}

export type Script = (turn: Turn) => void | Promise<void>;

export interface Provider extends AsyncDisposable {
  readonly url: string;
  readonly kind: ProviderKind;
  /** Requests for models; what the gateway asks for itself is not among them. */
  readonly received: readonly Received[];
  /** The last of them. */
  readonly last: Received;
  /** An answer is still being written, or its connection is still held for it. */
  readonly hasRunning: boolean;
  readonly openSockets: number;
  /** Answers are written by this from now on. */
  script: Script;
  close(): Promise<void>;
}

export interface ProviderOptions {
  readonly kind?: ProviderKind;
  readonly models?: readonly string[];
}

export const MODEL = 'tiny';

/** What each kind's probes need to see to call it ready. */
function factsOf(models: readonly string[]): Readonly<Record<string, unknown>> {
  const named = models.map((name) => ({ name, model: name, digest: name, details: {} }));
  return {
    '/api/version': { version: '0.17.4' },
    '/api/tags': { models: named },
    '/api/ps': { models: named },
    '/api/show': { capabilities: ['completion', 'embedding', 'tools', 'vision'], details: {}, model_info: {} },
    '/v1/models': { object: 'list', data: models.map((id) => ({ id, object: 'model' })) },
    '/health': { status: 'ok' },
    '/props': { total_slots: 64, build_info: 'b1' },
    '/openapi.json': { info: { title: '🦙 llama.cpp Python API', version: '0.3.36' } },
  };
}

function writeFacts(response: ServerResponse, facts: unknown): void {
  response.statusCode = facts === undefined ? 404 : 200;
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(facts ?? { error: { message: 'File Not Found' } }));
}

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Starts one on a free port; without a script it answers 500. */
export async function startProvider(script: Script | null = null, options: ProviderOptions = {}): Promise<Provider> {
  const { kind = 'openai', models = [MODEL] } = options;
  const facts = factsOf(models);
  const received: Received[] = [];
  const uses = new Map<Socket, number>();
  const running = new Set<ServerResponse>();
  const server: Server = createServer({ requestTimeout: 0, keepAliveTimeout: 0 });
  const provider: Provider = {
    url: '',
    kind,
    received,
    script: script ?? (({ response }) => void response.writeHead(500).end('no script')),
    get last() {
      const last = received.at(-1);
      if (last === undefined) throw new Error('nothing was received');
      return last;
    },
    get hasRunning() {
      return running.size > 0;
    },
    get openSockets() {
      return uses.size;
    },
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      for (const socket of uses.keys()) socket.destroy();
      await closed;
    },
    [Symbol.asyncDispose]: () => provider.close(),
  };
  server.on('connection', (socket) => {
    uses.set(socket, 0);
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.on('close', () => uses.delete(socket));
  });
  server.on('request', async (request, response) => {
    const { socket, rawHeaders, headers } = request;
    request.on('error', () => undefined);
    const path = request.url ?? '/';
    const reuseCount = uses.get(socket) ?? 0;
    uses.set(socket, reuseCount + 1);
    const isOurs = request.method === 'GET' || (path === '/api/show' && headers['x-switchyard-hop'] === undefined);
    if (isOurs) return writeFacts(response, facts[path.split('?', 1)[0] ?? '']);
    running.add(response);
    response.on('close', () => running.delete(response));
    const body = await readAll(request).catch(() => null);
    if (body === null) return;
    const one = { path, rawHeaders, headers, body, reuseCount };
    received.push(one);
    await provider.script({ received: one, number: received.length, response, socket });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return Object.assign(provider, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
}
