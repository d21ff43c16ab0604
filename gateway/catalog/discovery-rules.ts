// Which addresses discovery asks, and which of the servers it finds are worth having. Pure.

import { placeOf } from '../config/address.ts';
import { defaultProbe, defaultProvider, noTimeLimits } from '../config/defaults.ts';
import type { ProviderSettings } from '../config/settings.ts';
import type { ModelFacts, Place, ProviderKind } from '../types.ts';
import type { SavedDiscovery } from './saved-state.ts';

/** Where model servers usually listen, the most usual first. */
export const usualPorts = [
  11434, 8000, 8001, 8080, 8081, 8082, 1234, 1337, 5000, 5001, 9292, 9931, 12434, 13305, 30000,
] as const;

/** An address to ask; `hosts` are tried in order until one takes a connection. */
export interface DiscoveryAddress {
  readonly scheme: 'http' | 'https';
  readonly hosts: readonly string[];
  readonly port: number;
}

/** A server that was recognised. */
export interface FoundServer {
  readonly kind: ProviderKind;
  readonly baseUrl: string;
  readonly version: string | null;
  /** Null: it did not tell in time, or could not be asked without doing harm. */
  readonly models: readonly ModelFacts[] | null;
}

/** The addresses to ask: `OLLAMA_HOST` first where it names a machine of one's own, then the usual loopback ports. */
export function discoveryAddresses(
  ollamaHost: string | undefined,
  ports: readonly number[] = usualPorts,
): readonly DiscoveryAddress[] {
  const usual: DiscoveryAddress[] = ports.map((port) => ({ scheme: 'http', hosts: ['127.0.0.1', '[::1]'], port }));
  const named = ollamaHost === undefined ? null : parseOllamaHost(ollamaHost);
  if (named === null) return usual;
  const isUsual = named.scheme === 'http' && named.hosts.includes('127.0.0.1');
  return [named, ...usual.filter((address) => !isUsual || address.port !== named.port)];
}

/**
 * Reads `OLLAMA_HOST` as Ollama does: `host`, `host:port`, `:port`, with or without a scheme, whose default port it then has.
 * Null for an empty one and for a host that is not one's own machine or network: nothing is sent there unless it is named to us.
 */
export function parseOllamaHost(value: string): DiscoveryAddress | null {
  const match = /^\s*(?:(https?):\/\/)?(\[[^\]]*\]|[^:/\s]*)(?::([^/\s]*))?(?:\/\S*)?\s*$/i.exec(value);
  if (match === null || value.trim() === '') return null;
  const [, writtenScheme, writtenHost = '', writtenPort] = match;
  const scheme = writtenScheme?.toLowerCase() === 'https' ? 'https' : 'http';
  const schemePort = scheme === 'https' ? 443 : 80;
  const usualPort = writtenScheme === undefined ? 11_434 : schemePort;
  const port = writtenPort === undefined ? usualPort : portOf(writtenPort);
  const host = writtenHost.toLowerCase();
  const isEverywhere = host === '' || host === '0.0.0.0' || host === '[::]' || host === 'localhost';
  if (isEverywhere) return { scheme, hosts: ['127.0.0.1', '[::1]'], port };
  return placeOfHost(host) === 'cloud' ? null : { scheme, hosts: [host], port };
}

/** Ollama takes 11434 where the port makes no sense. */
function portOf(text: string): number {
  const port = Number(text);
  return Number.isInteger(port) && port > 0 && port <= 65_535 ? port : 11_434;
}

/** Where a host of a URL is, by its address or name alone. */
function placeOfHost(host: string): Place {
  return placeOf(host.replace(/^\[|\]$/g, ''), { hostname: '', addresses: [] });
}

/** A model that Ollama runs in a `llama-server` of its own lies among its blobs (since 0.30, where the server's name is the path). */
const ollamaBlob = /(^|[\\/])(blobs[\\/])?sha256-[0-9a-f]{64}$/i;

export function isOllamaChild(server: FoundServer): boolean {
  return server.models?.some((model) => ollamaBlob.test(model.id)) ?? false;
}

/**
 * Leaves out what is somebody's copy: Ollama's own children, and gateways that only pass on servers which are there themselves.
 * `known` are servers we have already; the first of two equals stays.
 */
export function worthHaving<T extends FoundServer>(
  found: readonly T[],
  known: readonly FoundServer[] = [],
): readonly T[] {
  const kept: T[] = [];
  for (const server of found) {
    const others = [...known, ...found.filter((other) => other !== server && isMoreSpecific(other, server))];
    const isCopy = isPassedOn(server, others) || [...known, ...kept].some((other) => isSameList(server, other));
    if (!isOllamaChild(server) && !isCopy) kept.push(server);
  }
  return kept;
}

/** A server of no kind in particular, all of whose models are served by others, adds nothing. */
function isPassedOn(server: FoundServer, others: readonly FoundServer[]): boolean {
  if (server.kind !== 'openai' || server.models === null || server.models.length === 0) return false;
  const names = new Set(others.flatMap((other) => (other.models ?? []).map((model) => model.id)));
  return server.models.every((model) => names.has(model.id) || names.has(afterPrefix(model.id)));
}

function isMoreSpecific(a: FoundServer, b: FoundServer): boolean {
  return a.kind !== 'openai' && b.kind === 'openai';
}

/** Gateways put the provider's name before the model's: `ollama/qwen3:8b`. */
function afterPrefix(id: string): string {
  return id.slice(id.indexOf('/') + 1);
}

/** The same models by digest: two names of one server. Without digests two equal lists are two servers of the same model. */
function isSameList(a: FoundServer, b: FoundServer): boolean {
  const [first, second] = [contentOf(a), contentOf(b)];
  return a.kind === b.kind && first !== null && first === second;
}

function contentOf(server: FoundServer): string | null {
  if (server.models === null || server.models.length === 0) return null;
  if (server.models.some((model) => model.digest === null)) return null;
  return JSON.stringify(server.models.map((model) => [model.id, model.digest]).sort());
}

/** Names by kind (`ollama`); further ones, and where the name is taken, `KIND@HOST:PORT`. */
export function nameFinds(
  found: readonly Pick<FoundServer, 'kind' | 'baseUrl'>[],
  taken: ReadonlySet<string>,
): readonly ProviderSettings[] {
  const names = new Set(taken);
  return found.map((server) => {
    const name = names.has(server.kind) ? `${server.kind}@${new URL(server.baseUrl).host}` : server.kind;
    names.add(name);
    return discoveredProvider({ name, kind: server.kind, baseUrl: server.baseUrl });
  });
}

/** A discovered server as a provider, everything else by default. */
export function discoveredProvider(find: Pick<SavedDiscovery, 'name' | 'kind' | 'baseUrl'>): ProviderSettings {
  return {
    ...defaultProvider,
    name: find.name,
    kind: find.kind,
    baseUrl: find.baseUrl,
    vendor: null,
    place: placeOfHost(new URL(find.baseUrl).hostname),
    apiKey: null,
    headers: {},
    notCallableBecause: null,
    isEnabled: true,
    maxParallelRequests: null,
    caFile: null,
    isTlsInsecure: false,
    rpm: null,
    tpm: null,
    timeouts: noTimeLimits,
    defaultModel: null,
    models: new Map(),
    probe: defaultProbe,
    keepWarm: [],
    isDiscovered: true,
    isNamedInFile: false,
    position: null,
  };
}
