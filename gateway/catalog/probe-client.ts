// The client of the probes: it can read and nothing else.

import type { Clock } from '../clock.ts';
import type { ProbeAnswer, ProbeClient } from '../providers/provider.ts';
import { ServerConnection, type ServerConnectionOptions, type ServerTarget } from './server-connection.ts';

export type ProbeTarget = ServerTarget;

export interface ProbeLimits {
  /** For each request. */
  readonly timeoutMs: number;
  /** For all of them together. */
  readonly wholeMs: number;
}

export type ProbeConnectionOptions = ServerConnectionOptions;

/** The connections of one provider's probes. `client()` is for one probe; `close()` ends all of them at once. */
export class ProbeConnection {
  readonly #clock: Clock;
  readonly #connection: ServerConnection;

  constructor(options: ProbeConnectionOptions) {
    this.#clock = options.clock;
    this.#connection = new ServerConnection(options);
  }

  /** What one probe may ask with, and for how long from now on. */
  client({ timeoutMs, wholeMs }: ProbeLimits): ProbeClient {
    const endsAtMs = this.#clock.monotonic() + wholeMs;
    const ask = (method: 'GET' | 'POST', path: string, body: string | null): Promise<ProbeAnswer> => {
      const leftMs = endsAtMs - this.#clock.monotonic();
      return this.#connection.ask({ method, path, body, timeoutMs: Math.min(timeoutMs, Math.max(leftMs, 0)) });
    };
    return {
      get: (path) => ask('GET', path, null),
      show: (model) => ask('POST', '/api/show', JSON.stringify({ model })),
    };
  }

  /** Ends running requests and closes the connections. */
  close(): Promise<void> {
    return this.#connection.close();
  }
}
