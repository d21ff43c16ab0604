// The HTTP side alone: real listeners on a free port, plain values behind them, and a proxy function that the test gives.

import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Pool } from 'undici';
import { systemClock } from '../../gateway/clock.ts';
import { defaultLimits, defaultServer, emptySettings } from '../../gateway/config/defaults.ts';
import type { ProviderSettings, ServerSettings, Settings } from '../../gateway/config/settings.ts';
import type { AdminProvider } from '../../gateway/contract.ts';
import type { IncomingExchange } from '../../gateway/dispatch/exchange.ts';
import { EventHub } from '../../gateway/events/event-hub.ts';
import { HistoryUnavailable } from '../../gateway/history/history.ts';
import type { HistoryQueries, HttpDependencies, Rejection } from '../../gateway/http/dependencies.ts';
import { createHttp, type HttpSide } from '../../gateway/http/server.ts';
import { factsOf } from '../../gateway/providers/openai-models.ts';
import type { Log } from '../../gateway/telemetry/log.ts';
import type { ModelFacts, ProviderSnapshot, Snapshot } from '../../gateway/types.ts';

export const TOKEN = 'management-token-of-the-tests-0123456789-abc';
export const INSTANCE = 'instance-of-the-tests';

/** A model of which nothing but the given facts is known. */
export function model(id: string, facts: Partial<ModelFacts> = {}): ModelFacts {
  return factsOf(id, facts);
}

/** A provider that is well. */
export function provider(
  name: string,
  models: readonly ModelFacts[],
  facts: Partial<ProviderSnapshot> = {},
): ProviderSnapshot {
  return {
    name,
    kind: 'ollama',
    place: 'local',
    isCallable: true,
    isEnabled: true,
    isDraining: false,
    observed: 'ready',
    cause: null,
    models: new Map(models.map((facts) => [facts.id, facts])),
    isListStale: false,
    isSingleModel: false,
    defaultModel: null,
    priority: 0,
    weight: 1,
    maxParallelRequests: null,
    loadsOnDemand: false,
    endpoints: new Set(['chat', 'ollama_chat', 'ollama_show']),
    load: { inFlight: 0, queued: 0 },
    busy: null,
    ...facts,
  };
}

export function providerSettings(name: string, baseUrl: string): ProviderSettings {
  return {
    name,
    kind: 'ollama',
    vendor: null,
    baseUrl,
    place: 'local',
    apiKey: null,
    headers: {},
    notCallableBecause: null,
    isEnabled: true,
    priority: 0,
    weight: 1,
    maxParallelRequests: null,
    maxQueue: 100,
    queueTimeoutMs: 60_000,
    caFile: null,
    isTlsInsecure: false,
    rpm: null,
    tpm: null,
    timeouts: { connectMs: null, firstByteMs: null, idleMs: null, totalMs: null },
    defaultModel: null,
    models: new Map(),
    probe: { schedule: null, intervalMs: 15_000, timeoutMs: 2_000, retries: 2 },
    keepWarm: [],
    isDiscovered: false,
    isNamedInFile: true,
    position: null,
  };
}

function adminProvider(snapshot: ProviderSnapshot, baseUrl: string): AdminProvider {
  return {
    name: snapshot.name,
    kind: snapshot.kind,
    baseUrl,
    place: snapshot.place,
    isEnabled: snapshot.isEnabled,
    snoozedUntil: null,
    isDraining: snapshot.isDraining,
    isDiscovered: false,
    observed: snapshot.observed,
    cause: snapshot.cause,
    version: '0.17.4',
    probedAtMs: null,
    inFlight: 0,
    queued: 0,
    maxParallelRequests: null,
    slots: null,
    busy: null,
    modelControl: { is: 'able' },
    isListStale: snapshot.isListStale,
    models: Array.from(snapshot.models.values(), (facts) => ({
      id: facts.id,
      size: facts.size,
      activeSize: null,
      quantization: null,
      contextTrained: null,
      contextLoaded: null,
      capabilities: null,
      isLoaded: facts.isLoaded,
      loadedSinceMs: null,
      loadedUntilMs: null,
      vramBytes: null,
      fileBytes: null,
      predictedLoadMs: null,
      isCloud: false,
    })),
  };
}

export interface HarnessOptions {
  readonly server?: Partial<ServerSettings>;
  readonly settings?: Partial<Settings>;
  readonly providers?: readonly ProviderSnapshot[];
  /** Base URLs by provider name. */
  readonly baseUrls?: Readonly<Record<string, string>>;
  readonly proxy?: (exchange: IncomingExchange) => Promise<void>;
  readonly deps?: Partial<HttpDependencies>;
}

export interface Harness {
  readonly http: HttpSide;
  readonly url: string;
  readonly urls: readonly string[];
  readonly port: number;
  /** Exchanges that reached the proxy. */
  readonly exchanges: IncomingExchange[];
  readonly rejections: Rejection[];
  readonly logged: { readonly message: string; readonly fields: unknown }[];
  settings: Settings;
  providers: ProviderSnapshot[];
  [Symbol.asyncDispose](): Promise<void>;
}

/** Answers `{"ok": true}` to every request for a model. */
async function answerOk({ response, id }: IncomingExchange): Promise<void> {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': 11, 'x-request-id': id });
  response.end('{"ok":true}');
}

const nothingKept = () => Promise.reject(new HistoryUnavailable('nothing is kept here'));

/** A configuration without a file. */
const unwritable: HttpDependencies['config'] = {
  current: { file: '/nowhere/switchyard.yaml', text: '', version: 'none', former: [] },
  check: () => [],
  apply: () => unwritable.current,
  change: () => unwritable.current,
  restore: () => unwritable.current,
};

/** A history that cannot be asked. */
const unkept: HistoryQueries = {
  flush: async () => undefined,
  requestPage: nothingKept,
  // biome-ignore lint/correctness/useYield: it fails before the first.
  async *exportRequests() {
    await nothingKept();
  },
  beats: nothingKept,
  health: nothingKept,
  incidents: nothingKept,
  events: nothingKept,
  series: nothingKept,
  usage: nothingKept,
};

/** Starts it; `await using` ends it. */
export async function startHttp(options: HarnessOptions = {}): Promise<Harness> {
  const exchanges: IncomingExchange[] = [];
  const rejections: Rejection[] = [];
  const logged: Harness['logged'] = [];
  const note = (message: string, fields?: unknown) => void logged.push({ message, fields });
  const log: Log = { debug: note, info: note, warn: note, error: note };
  const pools = new Map<string, Pool>();
  const baseUrlOf = (name: string) => options.baseUrls?.[name] ?? 'http://127.0.0.1:9';
  const state = {
    settings: {
      ...emptySettings(),
      ...options.settings,
      server: { ...defaultServer, shutdownTimeoutMs: 1_000, ...options.server },
    } satisfies Settings as Settings,
    providers: [...(options.providers ?? [])],
  };
  const snapshot = (): Snapshot => ({
    atMs: 0,
    version: 1,
    providers: new Map(state.providers.map((one) => [one.name, one])),
  });
  const proxy = options.proxy ?? answerOk;
  const http = createHttp({
    clock: systemClock,
    log,
    version: '9.9.9',
    instance: INSTANCE,
    startedAtMs: 1_000,
    dataFolder: '/nowhere',
    host: '127.0.0.1',
    port: 0,
    hostname: 'workstation.example.net',
    managementToken: TOKEN,
    settings: () => state.settings,
    configState: () => ({ files: [], isCurrent: true, problems: [] }),
    catalog: {
      snapshot,
      whenListed: async () => undefined,
      status: () => state.providers.map((one) => adminProvider(one, baseUrlOf(one.name))),
      probe: (name) => (state.providers.some((one) => one.name === name) ? Promise.resolve() : null),
      sweep: async () => undefined,
      snooze: () => true,
      discover: async () => [],
      providerSettings: (name) =>
        state.providers.some((one) => one.name === name) ? providerSettings(name, baseUrlOf(name)) : undefined,
      controlled: () => null,
    },
    proxy: async (exchange) => {
      exchanges.push(exchange);
      await proxy(exchange);
    },
    poolFor: (settings) => {
      const known = pools.get(settings.name);
      if (known) return known;
      const pool = new Pool(new URL(settings.baseUrl).origin);
      pools.set(settings.name, pool);
      return pool;
    },
    setProviderEnabled: async (name, isEnabled) => {
      state.providers = state.providers.map((one) => (one.name === name ? { ...one, isEnabled } : one));
    },
    warmth: { run: () => Promise.reject(new Error('no models here')), planned: () => [] },
    hardware: { read: () => Promise.reject(new Error('no machine here')), subscribe: () => () => undefined },
    resetProvider: () => [],
    traffic: () => ({
      cooldowns: [],
      queues: [],
      rateWindows: [],
      cache: { is: 'off', hits: 0, misses: 0, stored: 0, bytes: 0, entries: 0 },
      sharing: { is: 'off', sinceMs: 0, because: null },
      timeLimits: [],
    }),
    findRequest: async () => null,
    explain: async () => Promise.reject(new Error('nothing is explained here')),
    replay: async () => ({ total: 0, changed: [] }),
    historyStatus: () => ({ is: 'off', because: 'the test needs none' }),
    config: unwritable,
    history: unkept,
    events: new EventHub({ clock: systemClock, log, instance: INSTANCE }),
    liveSnapshot: (status) => ({ status, requests: [] }),
    cancelRequest: () => null,
    cancelRequestsAt: () => undefined,
    renderMetrics: () => '# metrics\n',
    requestCount: () => 7,
    onRejected: (rejection) => rejections.push(rejection),
    ...options.deps,
  });
  const { urls, port } = await http.listen();
  return {
    http,
    urls,
    url: urls[0] ?? '',
    port,
    exchanges,
    rejections,
    logged,
    get settings() {
      return state.settings;
    },
    set settings(value) {
      state.settings = value;
    },
    get providers() {
      return state.providers;
    },
    set providers(value) {
      state.providers = value;
    },
    async [Symbol.asyncDispose]() {
      await http.close({ timeoutMs: 0 });
      await Promise.all(Array.from(pools.values(), (pool) => pool.destroy()));
    },
  };
}

/** Server settings with other limits. */
export function withLimits(limits: Partial<ServerSettings['limits']>): Partial<ServerSettings> {
  return { limits: { ...defaultLimits, ...limits } };
}

export interface RawAnswer {
  readonly text: string;
  readonly status: number;
  /** The body of the last answer on the connection, parsed; undefined when it is no JSON. */
  readonly json: unknown;
  /** The server closed the connection within the time. */
  readonly isClosed: boolean;
}

/** Writes bytes to a socket, piece by piece, and reads what comes back until the server closes or nothing more comes. */
export async function sendRaw(
  port: number,
  pieces: readonly (string | Buffer)[],
  { waitMs = 3_000, isHalfClosed = false, betweenMs = 0 } = {},
): Promise<RawAnswer> {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  const { promise: closed, resolve } = Promise.withResolvers<boolean>();
  let text = '';
  socket.setEncoding('latin1');
  socket.on('data', (chunk: string) => {
    text += chunk;
    if (isWhole(text)) resolve(false);
  });
  socket.on('end', () => resolve(true));
  socket.on('error', () => resolve(true));
  for (const piece of pieces) {
    socket.write(piece);
    if (betweenMs > 0) await delay(betweenMs);
  }
  if (isHalfClosed) socket.end();
  const limit = setTimeout(() => resolve(false), waitMs);
  const isClosed = await closed;
  clearTimeout(limit);
  socket.destroy();
  const status = Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0);
  return { text, status, json: parsed(text.slice(text.lastIndexOf('\r\n\r\n') + 4)), isClosed };
}

/** An answer with a length is whole when that much of it has come and the server keeps the connection. */
function isWhole(text: string): boolean {
  const headEnd = text.indexOf('\r\n\r\n');
  const length = /\r\ncontent-length: (\d+)/i.exec(text.slice(0, headEnd))?.[1];
  if (headEnd < 0 || length === undefined || /\r\nconnection: close/i.test(text.slice(0, headEnd))) return false;
  return text.length >= headEnd + 4 + Number(length);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
