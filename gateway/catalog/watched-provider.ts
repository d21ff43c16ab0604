// One provider as the catalog keeps it: what was found of it, how it is, and how many of our requests run there.
// Created, changed and ended by the catalog alone.

import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../clock.ts';
import type { ProviderSettings } from '../config/settings.ts';
import type { AdminProvider } from '../contract.ts';
import { type ProbeClient, ProbeError, type ProbeFindings, type ProviderAdapter } from '../providers/provider.ts';
import type { Log } from '../telemetry/log.ts';
import type { Attempt, Cause, Endpoint, ProviderSnapshot } from '../types.ts';
import { adminProvider } from './admin-view.ts';
import { isSilence, silenceIn } from './findings.ts';
import {
  causeOf,
  type Health,
  type HealthEvent,
  type HealthTransition,
  initialHealth,
  isWatchedClosely,
  liveVerdictMs,
  reduceHealth,
  verdictOf,
} from './health.ts';
import { RequestCount } from './in-flight.ts';
import { Knowledge } from './knowledge.ts';
import { ProbeConnection } from './probe-client.ts';
import { ProbeLoop } from './probe-loop.ts';
import type { SavedList } from './saved-state.ts';
import type { ServerConnectionOptions } from './server-connection.ts';

/** A probe asks several things, each within the time limit; all of them together within this many of it. */
const wholeProbeLimits = 5;

/** One probe that ended: a beat of the health history. */
export interface Beat {
  readonly atMs: number;
  readonly durationMs: number;
  /** What this probe alone found; what the provider counts as also depends on earlier ones and on requests. */
  readonly observed: ProbeFindings['observed'];
  readonly cause: Cause | null;
}

export interface WatchedProviderOptions {
  readonly settings: ProviderSettings;
  readonly adapter: ProviderAdapter;
  readonly isEnabled: boolean;
  /** The list it had when it was last seen. */
  readonly restored: SavedList | null;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  /** Something of its snapshot changed; `transition` if it was its state. */
  readonly onChange: (transition: HealthTransition | null) => void;
  readonly onListed: () => void;
  readonly onBeat: (beat: Beat) => void;
}

export class WatchedProvider {
  readonly #options: WatchedProviderOptions;
  readonly #endpoints: ReadonlySet<Endpoint>;
  readonly #knowledge: Knowledge;
  readonly adapter: ProviderAdapter;
  /** Our requests that run or wait there. */
  readonly requests: RequestCount;
  #settings: ProviderSettings;
  #isEnabled: boolean;
  #health: Health;
  #probedAtMs: number | null = null;
  #snapshot: ProviderSnapshot | null = null;
  #connection: ProbeConnection;
  #loop: ProbeLoop;
  #cancelExpiry: (() => void) | null = null;
  #isRunning = false;

  constructor(options: WatchedProviderOptions) {
    this.#options = options;
    this.adapter = options.adapter;
    this.#endpoints = new Set(Object.keys(options.adapter.paths) as Endpoint[]);
    this.#settings = options.settings;
    this.#isEnabled = options.isEnabled;
    this.requests = new RequestCount(options.clock, () => {
      if (!this.#isEnabled) this.#changed(null);
    });
    this.#knowledge = new Knowledge(options.restored, this.#isProbed);
    this.#health = this.#firstHealth();
    this.#connection = this.#connect();
    this.#loop = this.#createLoop();
  }

  get settings(): ProviderSettings {
    return this.#settings;
  }

  /** Immutable but for `load`; the same object until something changed. */
  get snapshot(): ProviderSnapshot {
    this.#snapshot ??= this.#buildSnapshot();
    return this.#snapshot;
  }

  /** Everything the probes found; null before the first. */
  get findings(): ProbeFindings | null {
    return this.#knowledge.findings;
  }

  get version(): string | null {
    return this.findings?.version ?? null;
  }

  /** How it is called beside requests: for probes and for actions on its models. */
  get target(): ServerConnectionOptions {
    const { apiKey } = this.#settings;
    const authHeaders = apiKey === null ? {} : this.adapter.authHeaders(apiKey);
    return { target: this.#settings, authHeaders, clock: this.#options.clock };
  }

  /** What is worth keeping over a restart; null: it never told a list. */
  get savedList(): SavedList | null {
    return this.#knowledge.asSaved(this.#settings);
  }

  /** Begins to watch it; the promise ends with the first probe. */
  async start(): Promise<void> {
    this.#isRunning = true;
    if (this.#shouldProbe) await this.#loop.start();
  }

  /** Ends probes and connections. Requests that run keep their count. */
  async stop(): Promise<void> {
    this.#isRunning = false;
    this.#loop.stop();
    this.#cancelExpiry?.();
    this.#cancelExpiry = null;
    await this.#connection.close();
  }

  /** It is probed, and what the last probe found is older than the time between two. */
  get isOutdated(): boolean {
    if (!this.#isRunning || !this.#shouldProbe) return false;
    const { intervalMs } = this.#settings.probe;
    return this.#probedAtMs === null || this.#options.clock.now() - this.#probedAtMs >= intervalMs;
  }

  /** One probe now, if it is probed at all. */
  async probeNow(): Promise<void> {
    if (this.#isRunning && this.#shouldProbe) await this.#loop.probeNow();
  }

  /** Other settings for the same server: what is known of it stays; its health is found anew if it is called in another way. */
  reconfigure(settings: ProviderSettings, isEnabled: boolean): void {
    const isCalledAlike = isSameCall(settings, this.#settings);
    this.#settings = settings;
    this.#knowledge.forgetModels();
    this.#changed(null);
    this.setEnabled(isEnabled);
    if (isCalledAlike) return;
    this.#renewProbes();
    this.#knowledge.loseSight();
    this.#begin(this.#firstHealth());
  }

  /** What the end of a live request says of it. */
  report(attempt: Attempt, cause: Cause | null): void {
    const { failure, isCold } = attempt;
    const verdict = verdictOf(failure);
    if (verdict === 'silent') return;
    const isNews = failure?.kind === 'model_missing' || (verdict === 'success' && isCold);
    if (isNews) this.#knowledge.doubt();
    const atMs = this.#options.clock.now();
    this.#step({ kind: 'request_ended', atMs, verdict, cause: cause ?? causeOf(failure) });
    if (this.#health.observed === 'down') this.#loseSight();
    if (isNews || verdict !== 'success') this.#loop.reconsider();
    if (!this.#isProbed) this.#forgetVerdictLater();
  }

  setEnabled(isEnabled: boolean): void {
    if (isEnabled === this.#isEnabled) return;
    this.#isEnabled = isEnabled;
    if (isEnabled) {
      this.#begin(this.#firstHealth());
    } else {
      this.#renewProbes();
      this.#loseSight();
      this.#step({ kind: 'switched_off', atMs: this.#options.clock.now() });
    }
  }

  /** The machine goes to sleep: no probes until `resume()`. */
  pause(): void {
    this.#isRunning = false;
    if (!this.#shouldProbe) return;
    this.#renewProbes();
    this.#loseSight();
    this.#step({ kind: 'paused', atMs: this.#options.clock.now() });
  }

  /** The promise ends with the first probe. */
  async resume(): Promise<void> {
    this.#step({ kind: 'resumed', atMs: this.#options.clock.now() });
    await this.start();
  }

  status(loadMsOf: (model: string) => number | null): Omit<AdminProvider, 'snoozedUntil'> {
    return adminProvider(this.snapshot, {
      settings: this.#settings,
      findings: this.findings,
      control: this.adapter.modelControl(this.findings),
      probedAtMs: this.#probedAtMs,
      loadedSinceMs: (model) => this.#knowledge.loadedSinceMs(model),
      loadMsOf,
    });
  }

  /** Somebody else's machine is never probed: its state is what requests find. */
  get #isProbed(): boolean {
    return this.#settings.place !== 'cloud' && this.#settings.notCallableBecause === null;
  }

  get #shouldProbe(): boolean {
    return this.#isProbed && this.#isEnabled;
  }

  #firstHealth(): Health {
    const atMs = this.#options.clock.now();
    if (!this.#isEnabled) return initialHealth('off', atMs);
    const message = this.#settings.notCallableBecause;
    if (message !== null)
      return { ...initialHealth('ready', atMs), observed: 'auth', cause: { class: 'auth', message } };
    return initialHealth(this.#isProbed ? 'pending' : 'ready', atMs);
  }

  /** Starts over from a state that nothing led to. */
  #begin(health: Health): void {
    const from = this.#health.observed;
    this.#health = health;
    const { observed: to, cause, sinceMs: atMs } = health;
    this.#changed(from === to ? null : { from, to, cause, atMs });
    if (this.#isRunning) void this.start();
  }

  #connect(): ProbeConnection {
    return new ProbeConnection(this.target);
  }

  #createLoop(): ProbeLoop {
    const { clock, random, log } = this.#options;
    const { name, probe } = this.#settings;
    return new ProbeLoop({
      clock,
      random,
      schedule: probe.schedule,
      intervalMs: probe.intervalMs,
      isWatchedClosely: () => this.#knowledge.isDoubted || isWatchedClosely(this.#health, clock.now()),
      probe: () => this.#probe(),
      onError: (error) => log.error(`probing ${name} failed`, { error }),
    });
  }

  /** Ends the probes, also one that runs: what it would find answers a question nobody asks any more. */
  #renewProbes(): void {
    this.#loop.stop();
    // Only running requests are awaited, and these are aborted.
    void this.#connection.close();
    this.#connection = this.#connect();
    this.#loop = this.#createLoop();
  }

  async #probe(): Promise<void> {
    const { clock } = this.#options;
    const loop = this.#loop;
    const startedAtMs = clock.now();
    const startedAt = clock.monotonic();
    const { timeoutMs } = this.#settings.probe;
    const client = this.#connection.client({ timeoutMs, wholeMs: timeoutMs * wholeProbeLimits });
    const result = await this.#ask(client);
    if (!this.#isRunning || loop !== this.#loop) return;
    this.#probedAtMs = clock.now();
    this.#knowledge.endDoubt();
    if (isSilence(result)) this.#missed(result, startedAtMs);
    else this.#absorb(result, startedAtMs);
    this.#options.onBeat({
      atMs: startedAtMs,
      durationMs: clock.monotonic() - startedAt,
      observed: isSilence(result) ? 'down' : result.observed,
      cause: isSilence(result) ? result : result.cause,
    });
  }

  /** The findings, or why there was no answer at all. */
  async #ask(client: ProbeClient): Promise<ProbeFindings | Cause> {
    const context = {
      nowMs: this.#options.clock.now(),
      inFlight: this.requests.load.inFlight,
      abandonedAtMs: this.requests.abandonedAtMs,
      isFirst: this.#knowledge.isUnlisted,
    };
    try {
      const found = await this.adapter.probe(client, context, this.#knowledge.findings);
      return silenceIn(found) ?? found;
    } catch (error) {
      if (error instanceof ProbeError) return error.failure;
      this.#options.log.debug(`${this.#settings.name}: the probe's answers could not be read`, { error });
      return { class: 'wrong_kind', message: 'it answers in a way that cannot be read' };
    }
  }

  #absorb(found: ProbeFindings, startedAtMs: number): void {
    const { hasChanged, isNewList } = this.#knowledge.absorb(found, startedAtMs);
    const { observed, cause } = found;
    this.#step({ kind: 'probe_found', atMs: this.#options.clock.now(), startedAtMs, observed, cause });
    if (hasChanged) this.#changed(null);
    if (isNewList) this.#options.onListed();
    if (this.#health.observed === 'down') this.#loseSight();
  }

  #missed(cause: Cause, startedAtMs: number): void {
    const hasRequestsRunning = this.requests.load.inFlight > 0;
    this.#step({ kind: 'probe_failed', atMs: this.#options.clock.now(), startedAtMs, cause, hasRequestsRunning });
    if (this.#health.observed === 'down') this.#loseSight();
    else if (this.#health.observed !== 'ready' && this.#knowledge.markStale()) this.#changed(null);
    if (cause.class === 'refused') this.#knowledge.processEnded();
  }

  /** When it is back it may be another process: what it had loaded is gone, and its list has to be read again. */
  #loseSight(): void {
    if (this.#knowledge.loseSight()) this.#changed(null);
  }

  #step(event: HealthEvent): void {
    const former = this.#health;
    const { health, transition } = reduceHealth(former, event, this.#settings.probe);
    this.#health = health;
    if (transition !== null) {
      this.#knowledge.forgetModels();
      this.#changed(transition);
    } else if (health.cause?.message !== former.cause?.message) {
      this.#changed(null);
    }
  }

  /** Nobody probes it, so only time can end a bad verdict. */
  #forgetVerdictLater(): void {
    if (this.#health.observed === 'ready' || this.#cancelExpiry !== null) return;
    const { clock } = this.#options;
    this.#cancelExpiry = clock.after(liveVerdictMs, () => {
      this.#cancelExpiry = null;
      this.#step({ kind: 'verdict_expired', atMs: clock.now() });
    });
  }

  #changed(transition: HealthTransition | null): void {
    this.#snapshot = null;
    this.#options.onChange(transition);
  }

  #buildSnapshot(): ProviderSnapshot {
    const settings = this.#settings;
    const { findings, isStale } = this.#knowledge;
    const { observed, cause } = this.#health;
    return {
      name: settings.name,
      kind: settings.kind,
      place: settings.place,
      isCallable: settings.notCallableBecause === null,
      isEnabled: this.#isEnabled,
      isDraining: !this.#isEnabled && this.requests.load.inFlight > 0,
      observed,
      cause,
      models: this.#knowledge.models(settings, this.adapter, observed === 'down' || observed === 'off'),
      isListStale: isStale,
      isSingleModel: findings?.isSingleModel ?? false,
      defaultModel: settings.defaultModel,
      priority: settings.priority,
      weight: settings.weight,
      maxParallelRequests: settings.maxParallelRequests ?? this.adapter.defaultMaxParallelRequests(findings),
      loadsOnDemand: findings?.loadsOnDemand ?? false,
      endpoints: this.#endpoints,
      load: this.requests.load,
      busy: isStale ? null : (findings?.busy ?? null),
    };
  }
}

/** Whether two settings of one server ask it in the same way, so that what was found under one holds under the other. */
function isSameCall(a: ProviderSettings, b: ProviderSettings): boolean {
  const callOf = (settings: ProviderSettings) => {
    const { apiKey, headers, caFile, isTlsInsecure, notCallableBecause, place, probe } = settings;
    return { apiKey, headers, caFile, isTlsInsecure, notCallableBecause, place, probe };
  };
  return isDeepStrictEqual(callOf(a), callOf(b));
}
