// The client of actions on models: it may tell a server to load or unload, and waits until it has.

import type { Clock } from '../clock.ts';
import type { ControlClient } from '../providers/provider.ts';
import { ServerConnection, type ServerConnectionOptions } from './server-connection.ts';

export interface ControlLimits {
  /** For each GET. */
  readonly lookMs: number;
  /** For the whole action: a POST may take all of it, as loading a model does. */
  readonly wholeMs: number;
}

/** The connections of one action on one provider. `close()` ends it, also in the midst of waiting. */
export class ControlConnection {
  readonly #clock: Clock;
  readonly #connection: ServerConnection;
  readonly #endPauses = new Set<() => void>();
  #isClosed = false;

  constructor(options: ServerConnectionOptions) {
    this.#clock = options.clock;
    this.#connection = new ServerConnection(options);
  }

  /** What the action may ask with, and for how long from now on. */
  client({ lookMs, wholeMs }: ControlLimits): ControlClient {
    const endsAtMs = this.#clock.monotonic() + wholeMs;
    const leftMs = () => (this.#isClosed ? 0 : Math.max(endsAtMs - this.#clock.monotonic(), 0));
    return {
      get: (path) => this.#connection.ask({ method: 'GET', path, body: null, timeoutMs: Math.min(lookMs, leftMs()) }),
      post: (path, body) => {
        const text = body === null ? null : JSON.stringify(body);
        return this.#connection.ask({ method: 'POST', path, body: text, timeoutMs: leftMs() });
      },
      nowMs: () => this.#clock.now(),
      pause: async (delayMs) => {
        if (leftMs() > 0) await this.#pause(Math.min(delayMs, leftMs()));
        return leftMs() > 0;
      },
    };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const end of this.#endPauses) end();
    await this.#connection.close();
  }

  #pause(delayMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#clock.after(delayMs, resolve);
    this.#endPauses.add(resolve);
    return promise.finally(() => {
      cancel();
      this.#endPauses.delete(resolve);
    });
  }
}
