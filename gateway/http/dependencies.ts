// Everything the HTTP side needs of the rest of the gateway, in one list.

import type { Dispatcher } from 'undici';
import type { ControlledProvider } from '../catalog/controlled-provider.ts';
import type { Find } from '../catalog/discovery.ts';
import type { Clock } from '../clock.ts';
import type { ConfigEditor } from '../config/editor.ts';
import type { ProviderSettings, Settings } from '../config/settings.ts';
import type {
  AdminCooldown,
  AdminHardware,
  AdminLiveRequest,
  AdminProvider,
  AdminReplay,
  AdminSnapshot,
  AdminStatus,
  AdminTraffic,
  HistoryStatus,
} from '../contract.ts';
import type { IncomingExchange } from '../dispatch/exchange.ts';
import type { DryQuestion, ReplayQuestion } from '../dry-run/question.ts';
import type { GatewayError } from '../errors.ts';
import type { EventHub } from '../events/event-hub.ts';
import type { History } from '../history/history.ts';
import type { Log } from '../telemetry/log.ts';
import type { Decision, DeploymentKey, Endpoint, Outcome, Protocol, Snapshot } from '../types.ts';
import type { WarmthOperations } from './admin-models.ts';

/** What the lists and `/admin` read of the catalog. */
interface HttpCatalog {
  snapshot(): Snapshot;
  /** Ends with the first sweep of probes, after 2 s at the latest. */
  whenListed(): Promise<void>;
  status(): readonly AdminProvider[];
  /** One probe now, where it is probed at all; null: no such provider. */
  probe(name: string): Promise<void> | null;
  /** One probe of each; ends with the slowest. */
  sweep(): Promise<void>;
  /** Looks for servers on this machine that are no providers yet. */
  discover(): Promise<readonly Find[]>;
  /** Off until then, whatever the files say; null: no longer. False: no such provider. */
  snooze(name: string, until: number | 'restart' | null): boolean;
  providerSettings(name: string): ProviderSettings | undefined;
  /** Whose models are loaded and unloaded on purpose; null: there is no such provider. */
  controlled(name: string): ControlledProvider | null;
}

/** All that `/admin` asks of the history. */
export type HistoryQueries = Pick<
  History,
  'flush' | 'requestPage' | 'exportRequests' | 'beats' | 'health' | 'incidents' | 'events' | 'series' | 'usage'
>;

/** A request for a model that was turned away before anything was decided about it. */
export interface Rejection {
  readonly id: string;
  readonly receivedAtMs: number;
  readonly durationMs: number;
  readonly endpoint: Endpoint;
  readonly protocol: Protocol;
  readonly error: GatewayError;
}

export interface HttpDependencies {
  readonly clock: Clock;
  readonly log: Log;
  /** The product's version. */
  readonly version: string;
  /** A random id of this process; requests that carry it in their hop header are refused. */
  readonly instance: string;
  /** Epoch ms. */
  readonly startedAtMs: number;
  readonly dataFolder: string;
  /** Where to listen: a setting, unless the command line said otherwise. */
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** This machine's name. */
  readonly hostname: string;
  readonly managementToken: string;
  /** The settings that hold now. */
  settings(): Settings;
  /** How the files stand to the settings that hold. */
  configState(): AdminStatus['config'];
  readonly catalog: HttpCatalog;
  /** Serves a request for a model to its end. */
  proxy(exchange: IncomingExchange): Promise<void>;
  /** The connections to a provider. */
  poolFor(provider: ProviderSettings): Dispatcher;
  /** Switches a provider and keeps the wish where it outlives a restart. Rejects with `conflict` when its file changed meanwhile. */
  setProviderEnabled(name: string, isEnabled: boolean): Promise<void>;
  /** Forgets cooldowns and breakers of a provider, or of one model there; returns what was taken out. */
  resetProvider(name: string, model?: string): readonly AdminCooldown[];
  /** What live traffic has come to. */
  traffic(): AdminTraffic;
  /** A finished request from memory or history, or null. */
  findRequest(id: string): Promise<Outcome | null>;
  /** Decides a request that is not sent. Rejects with `DraftRejected` or `GatewayError`. */
  explain(question: DryQuestion): Promise<Decision>;
  /** Decides stored requests anew. Rejects with `DraftRejected` or `HistoryUnavailable`. */
  replay(question: ReplayQuestion): Promise<AdminReplay>;
  /** Loads and unloads models. */
  readonly warmth: WarmthOperations;
  readonly hardware: {
    /** This machine now; never rejects. */
    read(): Promise<AdminHardware>;
    /** Calls back with each sample, until the returned function is called: while anybody looks it is sampled often. */
    subscribe(listener: (hardware: AdminHardware) => void): () => void;
  };
  historyStatus(): HistoryStatus;
  /** Changes of the configuration. */
  readonly config: Pick<ConfigEditor, 'current' | 'check' | 'apply' | 'change' | 'restore'>;
  /** What happened, as it can be asked. */
  readonly history: HistoryQueries;
  /** What changes, for those who listen. */
  readonly events: EventHub;
  /** Everything that changes are changes of. */
  liveSnapshot(status: AdminStatus): AdminSnapshot;
  /** Ends a request that runs; returns how it stood, or null where there is none with that id. */
  cancelRequest(id: string): AdminLiveRequest | null;
  /** Ends all requests that a provider is asked for or answers now. */
  cancelRequestsAt(provider: string): void;
  /** The page of `/metrics` in Prometheus' text format. */
  renderMetrics(): Promise<string> | string;
  /** How many requests a deployment has served since the start. */
  requestCount(key: DeploymentKey): number;
  /** For a request's headers and for the whole of it to arrive, and how often that is looked after; node's grain is coarse. */
  readonly headersTimeoutMs?: number;
  readonly requestTimeoutMs?: number;
  readonly timeoutCheckMs?: number;
  /** Told of each request for a model that never reached `proxy`. */
  onRejected(rejection: Rejection): void;
}
