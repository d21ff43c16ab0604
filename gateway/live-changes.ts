// Tells whoever listens to the events what changes in the gateway: from its parts, to the hub. Does nothing while nobody does.

import type { CatalogChange } from './catalog/catalog.ts';
import type { Clock } from './clock.ts';
import type {
  AdminBeat,
  AdminChange,
  AdminCooldown,
  AdminLiveRequest,
  AdminProvider,
  AdminSnapshot,
  AdminStatus,
  HistoryStatus,
} from './contract.ts';
import type { EventHub } from './events/event-hub.ts';
import type { Outcome } from './types.ts';

/** How often running requests are looked at while somebody listens. */
const LOOK_MS = 250;
/** A request of which only the bytes grew is told this seldom. */
const BYTES_MS = 1_000;

/** The owners of what changes. */
export interface LiveSource {
  readonly hub: EventHub;
  readonly clock: Clock;
  readonly providers: () => readonly AdminProvider[];
  readonly requests: () => readonly AdminLiveRequest[];
  readonly request: (id: string) => AdminLiveRequest | null;
  readonly cooldowns: () => readonly AdminCooldown[];
  readonly config: () => AdminStatus['config'];
}

interface ToldRequest {
  readonly request: AdminLiveRequest;
  readonly atMs: number;
}

/** A provider as it was told last, as JSON. */
interface ToldProvider {
  readonly state: string;
  readonly models: string;
}

export class LiveChanges {
  readonly #source: LiveSource;
  readonly #hub: EventHub;
  /** In the order of their latest change. */
  readonly #dirty = new Set<string>();
  #toldProviders = new Map<string, ToldProvider>();
  #toldRequests = new Map<string, ToldRequest>();
  #cancelLook: (() => void) | null = null;

  constructor(source: LiveSource) {
    this.#source = source;
    this.#hub = source.hub;
    this.#hub.onWatched((isWatched) => {
      if (isWatched) this.#lookSoon();
      else this.#forget();
    });
  }

  /** The first event of a stream. */
  snapshot(status: AdminStatus): AdminSnapshot {
    // What was told before is no measure any more of what this listener knows.
    this.#toldProviders = new Map();
    this.#toldRequests = new Map();
    return { status, requests: this.#source.requests() };
  }

  requestBegan(id: string): void {
    if (!this.#hub.isWatched) return;
    this.#hub.note(`request:${id}`, () => {
      const request = this.#source.request(id);
      return request === null ? null : this.#tellRequest(request);
    });
    this.#lookSoon();
  }

  requestEnded(outcome: Outcome): void {
    if (!this.#hub.isWatched) return;
    const { decision: _decision, ...request } = outcome;
    this.#hub.note(`request:${outcome.id}`, () => {
      this.#toldRequests.delete(outcome.id);
      return { kind: 'request_ended', request };
    });
  }

  catalogChanged(change: CatalogChange): void {
    if (!this.#hub.isWatched) return;
    switch (change.kind) {
      case 'beat':
        this.#touch(change.provider);
        return;
      case 'transition': {
        const { provider, atMs, from, to, cause } = change;
        const told = { provider, atMs, before: from, after: to, message: cause?.message ?? null };
        this.#hub.announce({ kind: 'transition', ...told });
        this.#touch(provider);
        return;
      }
      case 'provider':
        this.#touch(change.provider);
        return;
      case 'configured':
        this.#hub.note('providers', () => ({
          kind: 'providers',
          names: this.#source.providers().map(({ name }) => name),
        }));
        for (const { name } of this.#source.providers()) this.#touch(name);
        return;
      default:
    }
  }

  probed(beat: AdminBeat): void {
    this.#hub.note(`beat:${beat.provider}`, { kind: 'beat', ...beat });
  }

  cooldownsChanged(): void {
    this.#hub.note('cooldowns', () => ({ kind: 'cooldowns', cooldowns: this.#source.cooldowns() }));
  }

  /** Also when a change of the files was set aside. */
  configChanged(): void {
    this.#hub.note('config', () => ({ kind: 'config', config: this.#source.config() }));
  }

  historyChanged(history: HistoryStatus): void {
    this.#hub.note('history', { kind: 'history', history });
  }

  /** Something of a provider is other than it was; what is told is found out when it is told. */
  #touch(provider: string): void {
    this.#dirty.delete(provider);
    this.#dirty.add(provider);
    this.#hub.note('catalog', () => this.#tellProviders());
  }

  #tellProviders(): AdminChange[] {
    const known = new Map(this.#source.providers().map((provider) => [provider.name, provider]));
    const changes: AdminChange[] = [];
    for (const name of this.#dirty) {
      const provider = known.get(name);
      if (provider === undefined) this.#toldProviders.delete(name);
      else changes.push(...this.#tellProvider(provider));
    }
    this.#dirty.clear();
    return changes;
  }

  #tellProvider({ models, ...provider }: AdminProvider): AdminChange[] {
    const told = this.#toldProviders.get(provider.name);
    const now: ToldProvider = { state: JSON.stringify(provider), models: JSON.stringify(models) };
    this.#toldProviders.set(provider.name, now);
    const changes: AdminChange[] = [];
    if (told?.state !== now.state) changes.push({ kind: 'provider', provider });
    if (told?.models !== now.models) changes.push({ kind: 'models', provider: provider.name, models });
    return changes;
  }

  #tellRequest(request: AdminLiveRequest): AdminChange {
    this.#toldRequests.set(request.id, { request, atMs: this.#source.clock.monotonic() });
    return { kind: 'request', request };
  }

  #lookSoon(): void {
    this.#cancelLook ??= this.#source.clock.after(LOOK_MS, () => {
      this.#cancelLook = null;
      this.#look();
    });
  }

  /** Running requests tell nobody how far they are, and providers not how many they serve: both are looked at. */
  #look(): void {
    const requests = this.#source.requests();
    const nowMs = this.#source.clock.monotonic();
    for (const request of requests) {
      if (isNews(request, this.#toldRequests.get(request.id), nowMs)) {
        this.#hub.note(`request:${request.id}`, () => this.#tellRequest(request));
      }
    }
    for (const { name } of this.#source.providers()) if (!this.#dirty.has(name)) this.#touch(name);
    if (requests.length > 0) this.#lookSoon();
  }

  #forget(): void {
    this.#cancelLook?.();
    this.#cancelLook = null;
    this.#dirty.clear();
    this.#toldProviders.clear();
    this.#toldRequests.clear();
  }
}

function isNews(request: AdminLiveRequest, told: ToldRequest | undefined, nowMs: number): boolean {
  if (told === undefined) return true;
  const { request: former, atMs } = told;
  if (request.is !== former.is || request.provider !== former.provider || request.model !== former.model) return true;
  if (request.attempts !== former.attempts || request.rule !== former.rule) return true;
  return request.bytesOut !== former.bytesOut && nowMs - atMs >= BYTES_MS;
}
