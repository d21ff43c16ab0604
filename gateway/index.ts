// Makes the parts of the gateway, ties them together, and takes them apart again. The only place that does.

import { createHmac, randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { AnswerCache } from './cache/answer-cache.ts';
import { Catalog } from './catalog/catalog.ts';
import type { DiscoveryOptions } from './catalog/discovery-watch.ts';
import { StateFile } from './catalog/state-file.ts';
import { type Clock, systemClock } from './clock.ts';
import { ConfigEditor } from './config/editor.ts';
import type { Environment } from './config/references.ts';
import type { Settings } from './config/settings.ts';
import { SettingsStore } from './config/store.ts';
import { AnswerReuse } from './dispatch/answer-reuse.ts';
import { type CooldownChange, Cooldowns } from './dispatch/cooldowns.ts';
import { RequestDispatcher } from './dispatch/dispatch.ts';
import { HeldBytes } from './dispatch/held-bytes.ts';
import { Learning } from './dispatch/learning.ts';
import { type DispatchLimits, defaultDispatchLimits } from './dispatch/limits.ts';
import { type Guards, LiveState } from './dispatch/live-state.ts';
import { RateLimits } from './dispatch/rate-limits.ts';
import { Slots } from './dispatch/slots.ts';
import { UpstreamPools } from './dispatch/upstream-pools.ts';
import { DryRun } from './dry-run/dry-run.ts';
import { unprobed } from './dry-run/unprobed.ts';
import { GatewayError } from './errors.ts';
import { EventHub } from './events/event-hub.ts';
import { openHardware } from './hardware/open-hardware.ts';
import { openHistory } from './history/recorder.ts';
import { ensureManagementToken } from './http/management-token.ts';
import { createHttp } from './http/server.ts';
import { LiveChanges } from './live-changes.ts';
import { naming } from './naming.ts';
import { Outcomes } from './outcomes.ts';
import { providerReset, providerSwitch } from './provider-switch.ts';
import { beatOf, eventOf, transitionOf } from './recording.ts';
import { requestCancel } from './request-cancel.ts';
import { compileRules, type Rules } from './routing/rules.ts';
import { openSharing } from './sharing/sharing.ts';
import type { Log } from './telemetry/log.ts';
import { Metrics } from './telemetry/metrics.ts';
import { adminCooldown, trafficStatus } from './traffic-status.ts';
import { version } from './version.ts';
import { Warmth } from './warm/warmth.ts';

export interface GatewayOptions {
  /** Absolute or from the working folder; the first is the one that changes go to. */
  readonly configFiles: readonly string[];
  /** Where the first change made in the window would create a file; null: nowhere. */
  readonly configCreatedAt?: string | null;
  readonly dataFolder: string;
  readonly env: Environment;
  readonly log: Log;
  /** In place of the settings. */
  readonly host?: string;
  readonly port?: number;
  readonly clock?: Clock;
  /** Sizes and times that are no settings, for tests. */
  readonly dispatchLimits?: Partial<DispatchLimits>;
  /** How to look for servers while none is configured; null: never. */
  readonly discovery?: Omit<DiscoveryOptions, 'ownPorts' | 'ollamaHost'> | null;
  /** Told of the settings in force: once before anything starts, then after each change. */
  readonly onSettings?: (settings: Settings) => void;
  /** Keys by name, handed over by whoever started the gateway. */
  readonly secrets?: ReadonlyMap<string, string>;
}

export interface Gateway {
  /** The one to show first, then all others it listens on. */
  readonly urls: readonly string[];
  readonly port: number;
  /** In force now. */
  readonly settings: Settings;
  /** Takes nothing new, lets running requests end within `server.shutdown_timeout` (`isForced`: ends them), then stops. */
  close(options?: { readonly isForced?: boolean }): Promise<void>;
}

/**
 * Starts a gateway; resolves when it accepts requests.
 * Rejects with `ConfigError` (a configuration nobody can start with) or `ListenError` (the address cannot be had).
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { log, env, dataFolder, clock = systemClock } = options;
  const instance = randomUUID();
  const rulesOf = rulesBySettings();
  const store = await SettingsStore.open({
    files: options.configFiles,
    createdAt: options.configCreatedAt ?? null,
    env,
    dataFolder,
    cwd: process.cwd(),
    clock,
    listen: {
      ...(options.host === undefined ? {} : { host: options.host }),
      ...(options.port === undefined ? {} : { port: options.port }),
    },
    ...(options.secrets === undefined ? {} : { secrets: options.secrets }),
    verify: (settings) => rulesOf(settings).problems,
  });
  options.onSettings?.(store.current);
  mkdirSync(dataFolder, { recursive: true, mode: 0o700 });
  const managementToken = ensureManagementToken(dataFolder);
  const state = new StateFile({ path: join(dataFolder, 'state.json'), clock, log });
  let ownPort = 0;
  const catalog = new Catalog({
    settings: store.current,
    clock,
    state,
    log,
    random: Math.random,
    loadMsOf: (provider, model) => learning.deployment(provider, model)?.loadMs ?? null,
    discovery:
      options.discovery === null
        ? null
        : { ...options.discovery, ollamaHost: env.OLLAMA_HOST, ownPorts: () => (ownPort === 0 ? [] : [ownPort]) },
  });
  const history = openHistory({ folder: dataFolder, settings: store.current.history, log, clock, instance });
  const sharing = openSharing({ settings: () => store.current, clock, log, instance });
  const cache = new AnswerCache({ clock, settings: () => store.current, redis: () => sharing.answers() });
  const events = new EventHub({ clock, log, instance });
  const outcomes = new Outcomes(newMetrics(store, catalog, cache, clock), history, log, (outcome) =>
    live.requestEnded(outcome),
  );
  const learning = new Learning({
    path: join(dataFolder, 'learned.json'),
    clock,
    log,
    settings: () => store.current,
  });
  const warmth = new Warmth({
    clock,
    catalog,
    log,
    settings: store.current,
    onEvent: (event) => history.recordEvent(event),
    onLoaded: (key, durationMs) => learning.loaded(key, durationMs),
  });
  const hardware = openHardware({
    clock,
    log,
    providers: () => catalog.status(),
    isRecorded: store.current.hardware.isRecorded,
    onSample: (sample) => history.recordHardware(sample),
  });
  const cooldowns = new Cooldowns({
    clock,
    settings: () => store.current,
    onChange: (change, isAdopted) => {
      logCooldown(log, change);
      live.cooldownsChanged();
      const event = eventOf(change);
      if (event !== null) history.recordEvent(event);
      outcomes.takeCooldown(change, isAdopted);
      if (!isAdopted) sharing.publishCooldown(change);
      dispatcher.reroute();
    },
  });
  const rateLimits = new RateLimits({
    clock,
    settings: () => store.current,
    isSingleModel: (name) => catalog.snapshot().providers.get(name)?.isSingleModel ?? false,
    shared: () => sharing.windows(),
  });
  sharing.onCooldown((change) => cooldowns.adopt(change));
  const guards: Guards = { cooldowns, rateLimits };
  const slots = new Slots(clock, (provider, queued) => catalog.setQueued(provider, queued));
  const pools = new UpstreamPools();
  const dispatchLimits = { ...defaultDispatchLimits, ...options.dispatchLimits };
  const conversationSecret = createHmac('sha256', managementToken).update('conversation').digest('hex');
  const dryRun = new DryRun({
    clock,
    catalog,
    history,
    settings: () => store.current,
    compile: rulesOf,
    draft: (text) => store.draft(text),
    unprobed: (settings) => unprobed(settings, clock),
    state: () => new LiveState(learning, guards),
    dice: Math.random,
    charactersPerToken: (model) => learning.charactersPerToken(model),
    conversationSecret,
  });
  const configuration = () => ({ settings: store.current, rules: rulesOf(store.current) });
  const dispatcher = new RequestDispatcher({
    clock,
    pools,
    held: new HeldBytes(dispatchLimits.heldTogetherBytes),
    dispatchLimits,
    configuration,
    catalog,
    learning,
    guards,
    slots,
    reuse: new AnswerReuse(cache),
    log,
    dice: Math.random,
    instance,
    conversationSecret,
    onBegin: (id) => live.requestBegan(id),
    onOutcome: (outcome, basis) => outcomes.take(outcome, basis),
  });
  const configState = () => ({ files: store.current.files, isCurrent: store.isCurrent, problems: store.problems });
  const live = new LiveChanges({
    hub: events,
    clock,
    providers: () => catalog.status(),
    requests: () => dispatcher.live(),
    request: (id) => dispatcher.liveOne(id),
    cooldowns: () => cooldowns.list().map(adminCooldown),
    config: configState,
  });
  history.onStatusChange((status) => live.historyChanged(status));
  const { server } = store.current;
  const http = createHttp({
    clock,
    log,
    version,
    instance,
    startedAtMs: clock.now(),
    dataFolder,
    host: options.host ?? server.host,
    port: options.port ?? server.port,
    hostname: hostname(),
    managementToken,
    settings: () => store.current,
    configState,
    catalog,
    proxy: (exchange) => dispatcher.dispatch(exchange),
    poolFor: (provider) => pools.poolFor(provider),
    setProviderEnabled: providerSwitch({
      ...{ store, catalog, dataFolder },
      forgetFailures: (provider) => cooldowns.reset(provider),
    }),
    resetProvider: providerReset(cooldowns),
    traffic: trafficStatus({
      ...{ guards, slots, cache, learning, catalog, configuration },
      sharing: () => sharing.status(),
    }),
    findRequest: (id) => outcomes.find(id),
    explain: (question) => dryRun.explain(question),
    replay: (question) => dryRun.replay(question),
    warmth,
    hardware,
    historyStatus: () => history.status(),
    config: new ConfigEditor({
      store,
      file: options.configFiles[0] ?? options.configCreatedAt ?? null,
      dataFolder,
      now: () => clock.now(),
    }),
    history,
    events,
    liveSnapshot: (status) => live.snapshot(status),
    ...requestCancel(dispatcher),
    renderMetrics: () => outcomes.renderMetrics(catalog.snapshot(), cooldowns.counts()),
    requestCount: (key) => outcomes.countOf(key),
    onRejected: (rejection) => outcomes.takeRejection(rejection),
  });

  store.subscribe(({ settings, isCurrent, problems }) => {
    live.configChanged();
    if (!isCurrent) {
      log.warn('the configuration has errors: the last good one stays in force', { problems });
      return;
    }
    log.info('the configuration was read again', { files: settings.files });
    options.onSettings?.(settings);
    catalog.apply(settings);
    history.applySettings(settings.history);
    warmth.apply(settings);
    hardware.setRecorded(settings.hardware.isRecorded);
    cache.settingsChanged();
    sharing.applySettings();
    pools.retain(new Set([...settings.providers.keys(), ...catalog.snapshot().providers.keys()]));
  });
  catalog.onChange((change) => {
    live.catalogChanged(change);
    if (change.kind === 'beat') {
      if (change.observed !== 'down') cooldowns.probed(change.provider);
      const observed = catalog.snapshot().providers.get(change.provider)?.observed ?? change.observed;
      const beat = beatOf(change, observed);
      history.recordBeat(beat);
      live.probed(beat);
      return;
    }
    dispatcher.reroute();
    if (change.kind !== 'transition') return;
    const { provider, from, to, cause } = change;
    learning.stateChanged(provider, to);
    const level = to === 'down' || to === 'auth' ? 'warn' : 'info';
    log[level](`[PROVIDER] ${provider}: ${from} -> ${to}`, cause === null ? {} : { because: cause.message });
    history.recordTransition(transitionOf(change));
  });

  const closeParts = async (): Promise<void> => {
    await Promise.all([warmth.close(), hardware.close()]);
    events.close();
    sharing.close();
    await Promise.all([store.close(), catalog.close(), learning.close(), pools.close()]);
    await history.close();
  };
  let listening: { readonly urls: readonly string[]; readonly port: number };
  try {
    listening = await http.listen();
  } catch (error) {
    await closeParts();
    throw error;
  }
  ownPort = listening.port;
  catalog.start();
  warmth.start();

  const close = async (isForced: boolean): Promise<void> => {
    const timeoutMs = isForced ? 0 : store.current.server.shutdownTimeoutMs;
    const stopped = new GatewayError('shutting_down', 'the gateway was stopped while it served this request');
    events.close();
    // A load that somebody waits for would keep the server open.
    await warmth.close();
    await http.close({ timeoutMs, onTimeout: () => dispatcher.abortAll(stopped) });
    await closeParts();
  };
  return {
    ...listening,
    get settings() {
      return store.current;
    },
    close: ({ isForced = false } = {}) => close(isForced),
  };
}

/** Whole providers at warn: nothing of theirs is asked until then. */
function logCooldown(log: Log, { provider, model, is, because, message }: CooldownChange): void {
  const name = model === null ? provider : `${provider}/${model}`;
  log[model === null && is !== 'closed' ? 'warn' : 'info'](`[ROUTER] ${name}: ${is}`, { because, message });
}

function newMetrics(store: SettingsStore, catalog: Catalog, cache: AnswerCache, clock: Clock): Metrics {
  return new Metrics({
    clock,
    cacheCounts: () => cache.stats(),
    isListed: (provider, model) => catalog.snapshot().providers.get(provider)?.models.has(model) === true,
    priceOf: (provider, model) => {
      const declared = store.current.providers.get(provider)?.models.get(model);
      return declared === undefined ? null : { input: declared.inputCostPerToken, output: declared.outputCostPerToken };
    },
  });
}

/** Rules are compiled once for each settings object: when it is verified, before it is in force. */
function rulesBySettings(): (settings: Settings) => Rules {
  const compiled = new WeakMap<Settings, Rules>();
  return (settings) => {
    let rules = compiled.get(settings);
    if (rules === undefined) {
      rules = compileRules(settings, naming);
      compiled.set(settings, rules);
    }
    return rules;
  };
}
