// The HTTP client of probes and of actions on models, apart from that of requests: it holds little and closes its connections soon.

import { readFileSync } from 'node:fs';
import { getCACertificates } from 'node:tls';
import { Agent, type Dispatcher } from 'undici';
import type { Clock } from '../clock.ts';
import type { ProviderSettings } from '../config/settings.ts';
import { type ProbeAnswer, ProbeError } from '../providers/provider.ts';
import { transportCause } from './transport-cause.ts';

const maxResponseBytes = 8 * 1024 * 1024;
/** Long enough for the few requests of one probe to share a connection, and under the 5 s after which uvicorn and llama.cpp close it (measured: vllm 0.32.0, llama-server 0.5.0-dev). */
const keepAliveMs = 1_000;
const maxConnections = 4;
const abandonedConnectMs = 10_000;

export type ServerTarget = Pick<ProviderSettings, 'baseUrl' | 'headers' | 'caFile' | 'isTlsInsecure'>;

export interface ServerConnectionOptions {
  readonly target: ServerTarget;
  /** Headers that carry the key, as the kind wants them. */
  readonly authHeaders: Readonly<Record<string, string>>;
  readonly clock: Clock;
}

export interface ServerRequest {
  readonly method: 'GET' | 'POST';
  /** Below the base URL. */
  readonly path: string;
  /** JSON; null: none. */
  readonly body: string | null;
  readonly timeoutMs: number;
}

/** The connections to one provider beside those of requests; `close()` ends all of them at once. */
export class ServerConnection {
  readonly #target: ServerTarget;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #clock: Clock;
  readonly #server: string;
  readonly #closing = new AbortController();
  #agent: Agent | null = null;

  constructor(options: ServerConnectionOptions) {
    this.#target = options.target;
    this.#clock = options.clock;
    this.#server = serverName(options.target.baseUrl);
    this.#headers = {
      accept: 'application/json',
      'accept-encoding': 'identity',
      'user-agent': 'switchyard',
      ...options.authHeaders,
      ...options.target.headers,
    };
  }

  /** Ends running requests and closes the connections. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#agent?.destroy();
  }

  /** Rejects with `ProbeError` when no answer came in time, or `close()` came first. */
  async ask({ method, path, body, timeoutMs }: ServerRequest): Promise<ProbeAnswer> {
    const limit = new AbortController();
    const cancel = this.#clock.after(timeoutMs, () => limit.abort());
    try {
      const { origin, pathname, search } = new URL(`${this.#target.baseUrl}${path}`);
      const response = await this.#connect().request({
        origin,
        path: pathname + search,
        method,
        headers: body === null ? this.#headers : { ...this.#headers, 'content-type': 'application/json' },
        body,
        signal: AbortSignal.any([limit.signal, this.#closing.signal]),
        headersTimeout: 0,
        bodyTimeout: 0,
      });
      return await readAnswer(response);
    } catch (error) {
      if (error instanceof ProbeError) throw error;
      throw new ProbeError(limit.signal.aborted ? this.#tooLate(timeoutMs) : transportCause(error, this.#server));
    } finally {
      cancel();
    }
  }

  #tooLate(timeoutMs: number): ProbeError['failure'] {
    return { class: 'timeout', message: `${this.#server} did not answer within ${Math.round(timeoutMs)} ms` };
  }

  #connect(): Agent {
    this.#agent ??= new Agent({
      allowH2: false,
      connections: maxConnections,
      keepAliveTimeout: keepAliveMs,
      keepAliveMaxTimeout: keepAliveMs,
      maxResponseSize: maxResponseBytes,
      // A connection nobody waits for any more is given up too.
      connect: { ...trust(this.#target, this.#server), timeout: abandonedConnectMs },
    });
    return this.#agent;
  }
}

/** `host:port` of a base URL, for sentences: never its credentials or path. */
function serverName(baseUrl: string): string {
  return URL.parse(baseUrl)?.host ?? 'the server';
}

function trust(target: ServerTarget, server: string): { rejectUnauthorized: boolean; ca?: string[] } {
  const rejectUnauthorized = !target.isTlsInsecure;
  if (target.caFile === null) return { rejectUnauthorized };
  try {
    return { rejectUnauthorized, ca: [...getCACertificates('default'), readFileSync(target.caFile, 'utf8')] };
  } catch {
    throw new ProbeError({ class: 'tls', message: `the ca_file for ${server} cannot be read: ${target.caFile}` });
  }
}

async function readAnswer(response: Dispatcher.ResponseData): Promise<ProbeAnswer> {
  const text = await response.body.text();
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(response.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return { status: response.statusCode, headers, text, json: parseJson(text) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
