// Connections to providers: one pool each, kept alive for less time than the server keeps its own end.

import { readFileSync } from 'node:fs';
import { Client, type Dispatcher, Pool } from 'undici';
import type { ProviderSettings } from '../config/settings.ts';
import { adapters } from '../providers/index.ts';

/** A handler that wants to know whether its request goes over a connection that served another one before. */
export interface ReuseAwareHandler extends Dispatcher.DispatchHandler {
  isOnUsedConnection: boolean;
}

/**
 * A client that tells each request whether its connection is fresh. Only a used connection can have been closed by
 * the server while it lay idle, and only then is sending the request once more free of risk.
 */
class ReuseAwareClient extends Client {
  #requestsOnConnection = 0;

  constructor(origin: URL, options: Client.Options) {
    super(origin, options);
    this.on('disconnect', () => {
      this.#requestsOnConnection = 0;
    });
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    (handler as ReuseAwareHandler).isOnUsedConnection = this.#requestsOnConnection > 0;
    this.#requestsOnConnection += 1;
    return super.dispatch(options, handler);
  }
}

/** Room for the attempt's own connect limit, which is exact, to act before the connector's coarse one. */
const CONNECT_MARGIN_MS = 1_000;
const LONGEST_CONNECT_MS = 60_000;

function clientOptions(provider: ProviderSettings): Client.Options {
  const keepAliveMs = adapters[provider.kind].keepAliveMs;
  return {
    pipelining: 1,
    allowH2: false,
    // First content and idle limits are the attempt's: these two would end a long prefill after 300 s.
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: keepAliveMs,
    keepAliveMaxTimeout: keepAliveMs,
    maxHeaderSize: 64 * 1024,
    connect: {
      timeout: (provider.timeouts.connectMs ?? LONGEST_CONNECT_MS) + CONNECT_MARGIN_MS,
      ...(provider.caFile === null ? {} : { ca: readFileSync(provider.caFile) }),
      ...(provider.isTlsInsecure ? { rejectUnauthorized: false } : {}),
    },
  };
}

/** What of a provider's settings a connection depends on: when it stays the same, so does the pool. */
function connectionKey(provider: ProviderSettings): string {
  return JSON.stringify([
    provider.kind,
    provider.baseUrl,
    provider.caFile,
    provider.isTlsInsecure,
    provider.timeouts.connectMs,
  ]);
}

/** Owns every connection to a provider. */
export class UpstreamPools {
  readonly #pools = new Map<string, { readonly key: string; readonly pool: Pool }>();
  /** Keys are computed once per settings object: it is frozen. */
  readonly #keys = new WeakMap<ProviderSettings, string>();

  #keyOf(provider: ProviderSettings): string {
    let key = this.#keys.get(provider);
    if (key === undefined) {
      key = connectionKey(provider);
      this.#keys.set(provider, key);
    }
    return key;
  }

  /** The pool of that provider, made when first asked for and replaced when its address or TLS settings changed. */
  poolFor(provider: ProviderSettings): Dispatcher {
    const key = this.#keyOf(provider);
    const existing = this.#pools.get(provider.name);
    if (existing?.key === key) return existing.pool;
    // Requests under way end on the old pool; close() waits for them.
    if (existing) void existing.pool.close();
    const pool = new Pool(new URL(provider.baseUrl).origin, {
      ...clientOptions(provider),
      connections: null,
      factory: (origin, options) => new ReuseAwareClient(origin, options as Client.Options),
    });
    this.#pools.set(provider.name, { key, pool });
    return pool;
  }

  /** One connection of its own for one request, closed after it. */
  freshClient(provider: ProviderSettings): Dispatcher {
    const client = new Client(new URL(provider.baseUrl).origin, clientOptions(provider));
    queueMicrotask(() => void client.close());
    return client;
  }

  /** Lets go of providers that are no longer configured. */
  retain(names: ReadonlySet<string>): void {
    for (const [name, { pool }] of this.#pools) {
      if (names.has(name)) continue;
      this.#pools.delete(name);
      void pool.close();
    }
  }

  async close(): Promise<void> {
    const pools = [...this.#pools.values()];
    this.#pools.clear();
    await Promise.all(pools.map(({ pool }) => pool.destroy()));
  }
}
