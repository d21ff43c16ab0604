// A plain HTTP client for tests: bytes as they came, nothing retried, nothing pooled unless asked for.

import { Agent, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { createServer } from 'node:net';

/** A whole answer; `isComplete` is false when the connection ended before the answer did. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Names and values in turn, as they were on the wire. */
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
  readonly text: string;
  /** The body parsed, or undefined when it is not JSON. */
  readonly json: unknown;
  readonly isComplete: boolean;
}

export interface SendOptions {
  readonly method?: string;
  /** Objects go as JSON, strings and bytes as they are. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** A keep-alive agent of the caller's; without one each request has a connection of its own. */
  readonly agent?: Agent;
  readonly signal?: AbortSignal;
}

/** One arrival of body bytes, in order. */
interface Arrival {
  /** Ms since the request was sent. */
  readonly atMs: number;
  readonly bytes: Buffer;
}

/** An answer read as it came. */
export interface StreamAnswer extends HttpAnswer {
  readonly arrivals: readonly Arrival[];
  /** Ms from the request to the answer's head. */
  readonly headersAfterMs: number;
}

export interface ReadStreamOptions extends SendOptions {
  /** Leaves when nothing has come for so long, the head counted as coming. */
  readonly quietMs?: number;
  /** Called with every arrival; returning false leaves (the connection is destroyed). */
  readonly onArrival?: (arrival: Arrival, soFar: readonly Arrival[]) => boolean | undefined;
}

function bodyBytes(body: unknown): Buffer | null {
  if (body === undefined || body === null) return null;
  if (Buffer.isBuffer(body)) return body;
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
}

function begin(url: string | URL, options: SendOptions): Promise<{ response: IncomingMessage; leave: () => void }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ response: IncomingMessage; leave: () => void }>();
  const bytes = bodyBytes(options.body);
  const request = httpRequest(new URL(url), {
    method: options.method ?? 'GET',
    agent: options.agent ?? new Agent({ keepAlive: false }),
    ...(options.signal ? { signal: options.signal } : {}),
  });
  if (bytes) {
    request.setHeader('content-type', 'application/json');
    request.setHeader('content-length', bytes.byteLength);
  }
  for (const [name, value] of Object.entries(options.headers ?? {})) request.setHeader(name, value);
  request.on('error', reject);
  request.on('response', (response) => resolve({ response, leave: () => request.destroy() }));
  request.end(bytes ?? undefined);
  return promise;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Sends a request and reads the answer arrival by arrival.
 * Rejects when no head came; a body that breaks off is told by `isComplete: false`.
 */
export async function readStream(url: string | URL, options: ReadStreamOptions = {}): Promise<StreamAnswer> {
  const sentMs = performance.now();
  const { response, leave } = await begin(url, { method: 'POST', ...options });
  const headersAfterMs = performance.now() - sentMs;
  const arrivals: Arrival[] = [];
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  const { quietMs } = options;
  const quiet = quietMs === undefined ? null : setTimeout(leave, quietMs);
  response.on('data', (bytes: Buffer) => {
    quiet?.refresh();
    const arrival = { atMs: performance.now() - sentMs, bytes };
    arrivals.push(arrival);
    if (options.onArrival?.(arrival, arrivals) === false) leave();
  });
  response.on('error', () => undefined);
  response.on('close', resolve);
  await closed;
  clearTimeout(quiet ?? undefined);
  const body = Buffer.concat(arrivals.map((arrival) => arrival.bytes));
  const text = body.toString();
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    rawHeaders: response.rawHeaders,
    body,
    text,
    json: parsed(text),
    isComplete: response.complete,
    arrivals,
    headersAfterMs,
  };
}

/** Any request, the answer read to its end. Rejects when no head came. */
export function send(url: string | URL, options: SendOptions = {}): Promise<HttpAnswer> {
  return readStream(url, { method: 'GET', ...options });
}

/** POSTs an object as JSON (strings and bytes as they are). */
export function post(url: string | URL, body: unknown, headers: SendOptions['headers'] = {}): Promise<HttpAnswer> {
  return send(url, { method: 'POST', body, headers });
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const server = createServer();
  server.on('error', reject);
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    server.close(() => resolve(port));
  });
  return promise;
}

/** A base URL that refuses connections: its port was bound, then closed. */
export async function deadAddress(): Promise<string> {
  return `http://127.0.0.1:${await freePort()}`;
}
