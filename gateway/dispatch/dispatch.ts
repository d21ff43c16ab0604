// Serves exchanges side by side and knows which it serves now. What happens to one of them: request-run.ts.

import type { GatewayError } from '../errors.ts';
import type { DispatchDependencies } from './dependencies.ts';
import type { IncomingExchange } from './exchange.ts';
import type { LiveRequest } from './live-request.ts';
import { RequestRun } from './request-run.ts';

/** Serves exchanges, and knows which it serves now. */
export class RequestDispatcher {
  readonly #deps: DispatchDependencies;
  readonly #running = new Map<string, RequestRun>();
  #isRerouting = false;

  constructor(deps: DispatchDependencies) {
    this.#deps = deps;
  }

  get inFlight(): number {
    return this.#running.size;
  }

  /** Serves one exchange to its end. Never rejects. */
  async dispatch(exchange: IncomingExchange): Promise<void> {
    const run = new RequestRun(this.#deps, exchange);
    this.#running.set(exchange.id, run);
    this.#deps.onBegin?.(exchange.id);
    try {
      await run.serve();
    } catch (error) {
      run.endWithError(error);
    }
    this.#running.delete(exchange.id);
    this.#deps.onOutcome(run.outcome(), run.basis());
  }

  /** Those that run, the oldest first. */
  live(): LiveRequest[] {
    return Array.from(this.#running.values(), (run) => run.live());
  }

  /** One that runs; null: there is none with that id (any more). */
  liveOne(id: string): LiveRequest | null {
    return this.#running.get(id)?.live() ?? null;
  }

  /** Ends one request with that error, as `abortAll` does; false: it has ended already, or never was. */
  abort(id: string, error: GatewayError): boolean {
    const run = this.#running.get(id);
    run?.abort(error);
    return run !== undefined;
  }

  /** Ends every request with that error: an answer, or the last event of a stream that has begun. */
  abortAll(error: GatewayError): void {
    for (const run of this.#running.values()) run.abort(error);
  }

  /** Providers came or went: whoever waits for a place is decided about anew, once for all changes of this moment. */
  reroute(): void {
    if (this.#isRerouting || this.#running.size === 0) return;
    this.#isRerouting = true;
    queueMicrotask(() => {
      this.#isRerouting = false;
      for (const run of this.#running.values()) run.reroute();
    });
  }
}
