// Owns models, facts, health and in-flight counts of all providers. Others get a snapshot, which is already stale when they
// read it, and a lease for each request they start.

import type { Clock } from '../clock.ts';
import type { ProviderSettings, Settings } from '../config/settings.ts';
import type { AdminProvider } from '../contract.ts';
import { adapters as allAdapters } from '../providers/index.ts';
import type { ProviderAdapter } from '../providers/provider.ts';
import type { Log } from '../telemetry/log.ts';
import type { Attempt, Cause, DeploymentKey, ProviderKind, Snapshot } from '../types.ts';
import { ControlledProvider } from './controlled-provider.ts';
import type { Find, KnownServer } from './discovery.ts';
import { type DiscoveryOptions, DiscoveryWatch } from './discovery-watch.ts';
import type { HealthTransition } from './health.ts';
import { type InFlight, uncounted } from './in-flight.ts';
import type { SavedList } from './saved-state.ts';
import { type SnoozedUntil, Snoozes } from './snoozes.ts';
import type { StateFile } from './state-file.ts';
import { type Beat, WatchedProvider } from './watched-provider.ts';

export type { InFlight } from './in-flight.ts';
export type { Beat } from './watched-provider.ts';

/** How long a request may be kept waiting for the first lists. */
const listedWithinMs = 2_000;

export interface CatalogOptions {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly state: StateFile;
  readonly log: Log;
  /** A number from 0 up to 1. */
  readonly random: () => number;
  /** How to look for servers while none is configured; null: never. */
  readonly discovery: DiscoveryOptions | null;
  readonly adapters?: Readonly<Record<ProviderKind, ProviderAdapter>>;
  /** How long loading a model is likely to take, in ms; without it nobody knows. */
  readonly loadMsOf?: (provider: string, model: string) => number | null;
}

/** What happened to the catalog; the snapshot taken in a listener shows it already. */
export type CatalogChange =
  | ({ readonly kind: 'transition'; readonly provider: string } & HealthTransition)
  /** Facts, load of the engine or wishes of one provider changed. */
  | { readonly kind: 'provider'; readonly provider: string }
  | ({ readonly kind: 'beat'; readonly provider: string } & Beat)
  /** Providers came, went or have other settings. */
  | { readonly kind: 'configured' }
  | { readonly kind: 'offered' };

/** Where the user's wish for a provider has to be kept: in the file that names it (by the caller), or in the state (done). */
export type SwitchKeeper = 'file' | 'state';

export class Catalog {
  readonly #options: CatalogOptions;
  readonly #adapters: Readonly<Record<ProviderKind, ProviderAdapter>>;
  readonly #providers = new Map<string, WatchedProvider>();
  readonly #discovery: DiscoveryWatch | null;
  readonly #snoozes: Snoozes;
  readonly #listeners = new Set<(change: CatalogChange) => void>();
  readonly #listed = Promise.withResolvers<void>();
  readonly #ending = new Set<Promise<void>>();
  #settings: Settings;
  #version = 1;
  #snapshot: Snapshot | null = null;
  #isListed = false;
  #life: 'new' | 'running' | 'paused' | 'closed' = 'new';
  #cancelListedLimit: (() => void) | null = null;

  constructor(options: CatalogOptions) {
    this.#options = options;
    this.#settings = options.settings;
    this.#adapters = options.adapters ?? allAdapters;
    this.#discovery = this.#createDiscovery();
    this.#snoozes = new Snoozes({ ...options, onEnd: (name) => this.#switchAsWanted(name) });
    this.#reconcile();
  }

  /** Begins to probe, and to look for servers while none is configured. Returns at once: `whenListed()` tells when it is done. */
  start(): void {
    if (this.#life !== 'new') return;
    this.#life = 'running';
    this.#cancelListedLimit = this.#options.clock.after(listedWithinMs, () => this.#endFirstSweep());
    void this.#firstSweep();
  }

  /** Ends probes, timers and connections, and writes the state file. */
  async close(): Promise<void> {
    this.#life = 'closed';
    this.#endFirstSweep();
    this.#listeners.clear();
    this.#discovery?.close();
    this.#snoozes.close();
    for (const provider of this.#providers.values()) this.#end(provider);
    await Promise.all(this.#ending);
    await this.#options.state.close();
  }

  /** Everything the decision looks at: immutable but for `load`, and the same object until something changed. */
  snapshot(): Snapshot {
    this.#snapshot ??= {
      atMs: this.#options.clock.now(),
      version: this.#version,
      providers: new Map(Array.from(this.#providers, ([name, provider]) => [name, provider.snapshot])),
    };
    return this.#snapshot;
  }

  /** Counts a request in. A provider that is gone by now has nothing to count: its lease does nothing. */
  begin(key: DeploymentKey): InFlight {
    return this.#providers.get(key.provider)?.requests.begin(key.model) ?? uncounted;
  }

  /** How many requests wait for a slot of that provider now. */
  setQueued(provider: string, queued: number): void {
    this.#providers.get(provider)?.requests.setQueued(queued);
  }

  /** Live traffic's verdict. `cause` where the caller knows better than the failure's class why no connection came about. */
  reportAttempt(attempt: Attempt, cause: Cause | null = null): void {
    this.#providers.get(attempt.provider)?.report(attempt, cause);
  }

  /**
   * Switches a provider; requests that run there end by themselves. Tells where the wish has to be kept: in the `file` that
   * names it, which is the caller's business, or in the `state`, which is done then. Null: no such provider.
   */
  setEnabled(name: string, isEnabled: boolean): SwitchKeeper | null {
    const provider = this.#providers.get(name);
    if (!provider) return null;
    const isInFile = provider.settings.isNamedInFile;
    if (!isInFile) {
      const { state } = this.#options;
      state.update({ switches: { ...state.current.switches, [name]: isEnabled } });
    }
    this.#snoozes.set(name, null);
    provider.setEnabled(isEnabled);
    return isInFile ? 'file' : 'state';
  }

  /** Off until then, whatever the files say; null: no longer. False: no such provider. */
  snooze(name: string, until: SnoozedUntil | null): boolean {
    if (this.#providers.has(name)) this.#snoozes.set(name, until);
    return this.#switchAsWanted(name);
  }

  /** One probe now, where it is probed at all; null: no such provider. */
  probe(name: string): Promise<void> | null {
    return this.#providers.get(name)?.probeNow() ?? null;
  }

  /** The settings of a provider in use: also of a discovered one, which no configuration names. */
  providerSettings(name: string): ProviderSettings | undefined {
    return this.#providers.get(name)?.settings;
  }

  /** The provider as something whose models are loaded and unloaded on purpose; null: there is no such provider. */
  controlled(name: string): ControlledProvider | null {
    const provider = this.#providers.get(name);
    return provider === undefined ? null : new ControlledProvider(provider);
  }

  /** False until the first sweep has ended, at most 2 s after the start. */
  get isListed(): boolean {
    return this.#isListed;
  }

  /** Until the first sweep has ended, at most 2 s after the start. */
  whenListed(): Promise<void> {
    return this.#listed.promise;
  }

  /** Servers that were found and are not used, because something is configured. */
  get offered(): readonly Find[] {
    return this.#discovery?.offered ?? [];
  }

  /** Looks for servers now, for those we do not have yet; they are offered, or used while nothing is configured. */
  async discover(): Promise<readonly Find[]> {
    return (await this.#discovery?.lookNow()) ?? [];
  }

  /** Probes every provider now (the network changed); ends with the slowest of them. */
  async sweep(): Promise<void> {
    await Promise.all(Array.from(this.#providers.values(), (provider) => provider.probeNow()));
  }

  /**
   * Reads anew what those providers have loaded, all at once, where what is known is older than the time between two probes.
   * Ends with the slowest, and never later than after that time; null when there is nothing to read.
   */
  refresh(names: Iterable<string>, timeoutMs: number): Promise<void> | null {
    const probes: Promise<void>[] = [];
    for (const name of names) {
      const provider = this.#providers.get(name);
      if (provider?.isOutdated) probes.push(provider.probeNow());
    }
    if (probes.length === 0) return null;
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#options.clock.after(timeoutMs, resolve);
    void Promise.all(probes).then(() => {
      cancel();
      resolve();
    });
    return promise;
  }

  /** The machine goes to sleep: nothing is probed until `resume()`, which begins with a sweep. */
  pause(): void {
    if (this.#life !== 'running') return;
    this.#life = 'paused';
    this.#discovery?.stop();
    for (const provider of this.#providers.values()) provider.pause();
  }

  async resume(): Promise<void> {
    if (this.#life !== 'paused') return;
    this.#life = 'running';
    if (this.#isDiscovering) void this.#discovery?.start();
    await Promise.all(Array.from(this.#providers.values(), (provider) => provider.resume()));
  }

  /** Takes on other settings. Requests that run on a removed provider end safely; the same server keeps what is known of it. */
  apply(settings: Settings): void {
    if (this.#life === 'closed') return;
    this.#settings = settings;
    this.#reconcile();
    if (this.#life !== 'running') return;
    if (this.#isDiscovering) void this.#discovery?.start();
    else this.#discovery?.stop();
  }

  onChange(listener: (change: CatalogChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** All providers as the admin API shows them. */
  status(): readonly AdminProvider[] {
    return Array.from(this.#providers, ([name, provider]) => ({
      ...provider.status((model) => this.#options.loadMsOf?.(name, model) ?? null),
      snoozedUntil: this.#snoozes.until(name),
    }));
  }

  get #isDiscovering(): boolean {
    return this.#discovery !== null && this.#settings.providers.size === 0;
  }

  #createDiscovery(): DiscoveryWatch | null {
    const { discovery, clock, state, log } = this.#options;
    if (discovery === null) return null;
    return new DiscoveryWatch({
      ...{ ...discovery, clock, state, log },
      known: () => this.#knownServers(),
      onFound: () => {
        if (this.#isDiscovering) this.#reconcile();
        else this.#emit({ kind: 'offered' });
      },
    });
  }

  #knownServers(): readonly KnownServer[] {
    const known: KnownServer[] = [];
    for (const { settings, snapshot, version } of this.#providers.values()) {
      if (settings.isDiscovered && snapshot.observed === 'down') continue;
      const { name, kind, baseUrl } = settings;
      known.push({ name, kind, baseUrl, version, models: [...snapshot.models.values()] });
    }
    return known;
  }

  async #firstSweep(): Promise<void> {
    const sweeps = Array.from(this.#providers.values(), (provider) => provider.start());
    if (this.#isDiscovering && this.#discovery !== null) {
      await this.#discovery.start();
      sweeps.push(this.sweep());
    }
    await Promise.all(sweeps);
    this.#endFirstSweep();
  }

  #endFirstSweep(): void {
    this.#cancelListedLimit?.();
    this.#cancelListedLimit = null;
    this.#isListed = true;
    this.#listed.resolve();
  }

  /** Makes the watched providers those of the settings, or the discovered ones where nothing is configured. */
  #reconcile(): void {
    const discovered = this.#isDiscovering ? (this.#discovery?.adopted ?? []) : [];
    const wanted = new Map(this.#settings.providers);
    for (const provider of discovered) wanted.set(provider.name, provider);
    for (const [name, provider] of this.#providers) {
      const settings = wanted.get(name);
      if (settings && isSameServer(settings, provider.settings)) continue;
      this.#providers.delete(name);
      this.#end(provider);
    }
    const former = new Map(this.#providers);
    // In the order of the settings.
    this.#providers.clear();
    for (const [name, settings] of wanted) this.#providers.set(name, this.#take(settings, former.get(name)));
    this.#invalidate();
    this.#emit({ kind: 'configured' });
  }

  #take(settings: ProviderSettings, former: WatchedProvider | undefined): WatchedProvider {
    const isEnabled = this.#isWanted(settings);
    if (former) {
      if (former.settings !== settings) former.reconfigure(settings, isEnabled);
      return former;
    }
    const provider = this.#watch(settings, isEnabled);
    if (this.#life === 'running') void provider.start();
    return provider;
  }

  /** A file's word counts for the provider it names, else the switch that was kept in the state. */
  #isWanted(settings: ProviderSettings): boolean {
    if (this.#snoozes.until(settings.name) !== null) return false;
    const kept = !settings.isNamedInFile ? this.#options.state.current.switches[settings.name] : undefined;
    return kept ?? settings.isEnabled;
  }

  #switchAsWanted(name: string): boolean {
    const provider = this.#providers.get(name);
    provider?.setEnabled(this.#isWanted(provider.settings));
    if (provider) this.#changed(name, null);
    return provider !== undefined;
  }

  #watch(settings: ProviderSettings, isEnabled: boolean): WatchedProvider {
    const { clock, random, log } = this.#options;
    const { name } = settings;
    const provider: WatchedProvider = new WatchedProvider({
      settings,
      adapter: this.#adapters[settings.kind],
      isEnabled,
      restored: this.#restored(settings),
      clock,
      random,
      log,
      onChange: (transition) => this.#changed(name, transition),
      onListed: () => this.#keepList(name, provider.savedList),
      onBeat: (beat) => this.#emit({ kind: 'beat', provider: name, ...beat }),
    });
    return provider;
  }

  #restored(settings: ProviderSettings): SavedList | null {
    const kept = this.#options.state.current.lists[settings.name];
    return kept !== undefined && isSameServer(kept, settings) ? kept : null;
  }

  #keepList(name: string, list: SavedList | null): void {
    if (list === null) return;
    const { state } = this.#options;
    const others = Object.entries(state.current.lists).filter(
      ([other]) => other !== name && this.#providers.has(other),
    );
    state.update({ lists: { ...Object.fromEntries(others), [name]: list } });
  }

  #changed(name: string, transition: HealthTransition | null): void {
    this.#invalidate();
    if (transition === null) {
      this.#emit({ kind: 'provider', provider: name });
      return;
    }
    if (transition.to === 'ready') this.#discovery?.seen(name);
    this.#emit({ kind: 'transition', provider: name, ...transition });
  }

  #invalidate(): void {
    this.#version += 1;
    this.#snapshot = null;
  }

  #emit(change: CatalogChange): void {
    for (const listener of this.#listeners) {
      try {
        listener(change);
      } catch (error) {
        this.#options.log.error('a listener of the catalog failed', { error });
      }
    }
  }

  #end(provider: WatchedProvider): void {
    const ending = provider.stop().finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }
}

function isSameServer(a: { kind: ProviderKind; baseUrl: string }, b: { kind: ProviderKind; baseUrl: string }): boolean {
  return a.kind === b.kind && a.baseUrl === b.baseUrl;
}
