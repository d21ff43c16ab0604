// Looks for model servers on the usual ports of this machine. It only reads, and treats every server as if it were busy.

import { connect } from 'node:net';
import type { Clock } from '../clock.ts';
import type { ProviderSettings } from '../config/settings.ts';
import { fingerprint } from '../providers/fingerprint.ts';
import { adapters } from '../providers/index.ts';
import {
  type DiscoveryAddress,
  discoveryAddresses,
  type FoundServer,
  nameFinds,
  worthHaving,
} from './discovery-rules.ts';
import { ProbeConnection } from './probe-client.ts';

/** For taking a connection and telling what it is; the models are asked for within as much again. */
const askTimeoutMs = 1_000;

export interface DiscoverOptions {
  readonly clock: Clock;
  /** `OLLAMA_HOST` of the environment. */
  readonly ollamaHost: string | undefined;
  /** Ports of this machine that are ours: never asked. */
  readonly ownPorts: readonly number[];
  /** Servers we have already: never asked, and neither their copies nor their names are taken. */
  readonly known: readonly KnownServer[];
  /** The loopback ports to ask; the usual ones if absent. */
  readonly ports?: readonly number[];
  /** Ends the look at once, with what was found so far. */
  readonly signal?: AbortSignal;
}

export interface KnownServer extends FoundServer {
  readonly name: string;
}

interface Seen extends FoundServer {
  readonly product: string;
  readonly needsKey: boolean;
}

/** A find: the provider as it could be used, and what was read of it. */
export interface Find {
  readonly provider: ProviderSettings;
  /** For people (`vLLM`, `LM Studio`). */
  readonly product: string;
  readonly version: string | null;
  /** Null: not told. */
  readonly modelCount: number | null;
  /** It answers only with a key, which has to be configured. */
  readonly needsKey: boolean;
}

/** Asks all addresses in parallel; ports where nothing listens cost nothing. Never rejects; ends within about 2 s. */
export async function discover(options: DiscoverOptions): Promise<readonly Find[]> {
  const inUse = new Set(options.known.map((server) => originOf(server.baseUrl)));
  const addresses = discoveryAddresses(options.ollamaHost, options.ports).filter(
    (address) => !isOurs(address, options.ownPorts) && !originsOf(address).some((origin) => inUse.has(origin)),
  );
  const answers = await Promise.all(
    addresses.map((address) => look(address, { clock: options.clock, signal: options.signal })),
  );
  const found = answers.filter((answer) => answer !== null);
  const kept = worthHaving(found, options.known);
  const takenNames = new Set(options.known.map((server) => server.name));
  return nameFinds(kept, takenNames).map((provider, index) => asFind(provider, kept[index]));
}

function asFind(provider: ProviderSettings, seen: Seen | undefined): Find {
  return {
    provider,
    product: seen?.product ?? provider.kind,
    version: seen?.version ?? null,
    modelCount: seen?.models?.length ?? null,
    needsKey: seen?.needsKey ?? false,
  };
}

interface Looking {
  readonly clock: Clock;
  readonly signal: AbortSignal | undefined;
}

async function look(address: DiscoveryAddress, { clock, signal }: Looking): Promise<Seen | null> {
  const host = await listeningHost(address, { clock, signal });
  if (host === null || signal?.aborted === true) return null;
  const baseUrl = `${address.scheme}://${host}:${address.port}`;
  const connection = new ProbeConnection({
    target: { baseUrl, headers: {}, caFile: null, isTlsInsecure: false },
    authHeaders: {},
    clock,
  });
  const abort = (): void => void connection.close();
  signal?.addEventListener('abort', abort);
  try {
    return await recognise(connection, address, baseUrl, clock);
  } catch {
    // Whatever does not answer as one of ours is none.
    return null;
  } finally {
    signal?.removeEventListener('abort', abort);
    await connection.close();
  }
}

async function recognise(
  connection: ProbeConnection,
  address: DiscoveryAddress,
  baseUrl: string,
  clock: Clock,
): Promise<Seen | null> {
  const asking = connection.client({ timeoutMs: askTimeoutMs, wholeMs: askTimeoutMs });
  const print = await fingerprint(asking.get, address.port);
  if (print === null || 'notOurs' in print) return null;
  const { kind, product, needsKey } = print;
  const listing = connection.client({ timeoutMs: askTimeoutMs, wholeMs: askTimeoutMs });
  const findings = await adapters[kind]
    // As if a request were running: somebody else's may be, and some servers cut it when they are asked for their models.
    .probe(listing, { nowMs: clock.now(), inFlight: 1, abandonedAtMs: null, isFirst: true }, null)
    .catch(() => null);
  const version = print.version ?? findings?.version ?? null;
  return { kind, baseUrl, version, models: findings?.models ?? null, product, needsKey };
}

async function listeningHost(address: DiscoveryAddress, looking: Looking): Promise<string | null> {
  for (const host of address.hosts) {
    if (await isListening(host.replace(/^\[|\]$/g, ''), address.port, looking)) return host;
  }
  return null;
}

function isListening(host: string, port: number, { clock, signal }: Looking): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (isOpen: boolean): void => {
      cancel();
      signal?.removeEventListener('abort', giveUp);
      socket.destroy();
      resolve(isOpen);
    };
    const giveUp = (): void => end(false);
    const cancel = clock.after(askTimeoutMs, giveUp);
    signal?.addEventListener('abort', giveUp);
    socket.once('connect', () => end(true));
    socket.on('error', giveUp);
  });
}

function isOurs(address: DiscoveryAddress, ownPorts: readonly number[]): boolean {
  return address.hosts.includes('127.0.0.1') && ownPorts.includes(address.port);
}

function originsOf(address: DiscoveryAddress): readonly string[] {
  const names = address.hosts.includes('127.0.0.1') ? [...address.hosts, 'localhost'] : address.hosts;
  return names.map((host) => originOf(`${address.scheme}://${host}:${address.port}`));
}

function originOf(baseUrl: string): string {
  return URL.parse(baseUrl)?.origin ?? baseUrl;
}
