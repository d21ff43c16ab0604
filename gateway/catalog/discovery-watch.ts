// Discovery as it runs: finds are used while nothing is configured, and looked for again until something is; else they are offered.

import type { Clock } from '../clock.ts';
import type { ProviderSettings } from '../config/settings.ts';
import type { Log } from '../telemetry/log.ts';
import { discover, type Find, type KnownServer } from './discovery.ts';
import { discoveredProvider } from './discovery-rules.ts';
import type { StateFile } from './state-file.ts';

/** Between two looks while nothing is configured, in ms. */
const lookAgainMs = 10_000;
/** A server not seen for this long is forgotten at the next start. */
const forgetAfterMs = 7 * 24 * 3_600_000;

export interface DiscoveryOptions {
  /** `OLLAMA_HOST` of the environment. */
  readonly ollamaHost: string | undefined;
  /** Ports of this machine that are ours, as of now: never asked. */
  readonly ownPorts: () => readonly number[];
  /** The loopback ports to ask; the usual ones if absent. */
  readonly ports?: readonly number[];
}

export interface DiscoveryWatchOptions extends DiscoveryOptions {
  readonly clock: Clock;
  readonly state: StateFile;
  readonly log: Log;
  /** The servers we have, but for discovered ones that are gone: something else may have their port by now. */
  readonly known: () => readonly KnownServer[];
  /** `adopted` or `offered` grew. */
  readonly onFound: () => void;
}

export class DiscoveryWatch {
  readonly #options: DiscoveryWatchOptions;
  #adopted: readonly ProviderSettings[];
  readonly #seenAtMs = new Map<string, number>();
  #offered: readonly Find[] = [];
  #isRunning = false;
  readonly #closing = new AbortController();
  #looking: Promise<readonly Find[]> | null = null;
  #cancelTimer: (() => void) | null = null;

  constructor(options: DiscoveryWatchOptions) {
    this.#options = options;
    const { clock, state } = options;
    const remembered = state.current.discovered.filter((find) => clock.now() - find.seenAtMs < forgetAfterMs);
    this.#adopted = remembered.map(discoveredProvider);
    for (const find of remembered) this.#seenAtMs.set(find.name, find.seenAtMs);
  }

  /** What to use while nothing is configured: finds of this run and of earlier ones. */
  get adopted(): readonly ProviderSettings[] {
    return this.#adopted;
  }

  /** Finds of the last look that are not used. */
  get offered(): readonly Find[] {
    return this.#offered;
  }

  /** Looks now and every 10 s until `stop()`, and takes what it finds; the promise ends with the first look. */
  async start(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#offered = [];
    await this.#lookAndWait();
  }

  /** Looks no more by itself; what a look under way finds is only offered. */
  stop(): void {
    this.#isRunning = false;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }

  /** For good: a look under way ends at once. */
  close(): void {
    this.stop();
    this.#closing.abort();
  }

  /** One look, or the one that is under way; takes what it finds while running, offers it otherwise. */
  lookNow(): Promise<readonly Find[]> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  async #lookAndWait(): Promise<void> {
    await this.lookNow();
    if (!this.#isRunning) return;
    this.#cancelTimer?.();
    this.#cancelTimer = this.#options.clock.after(lookAgainMs, () => void this.#lookAndWait());
  }

  async #look(): Promise<readonly Find[]> {
    const { clock, ollamaHost, ownPorts, ports, known } = this.#options;
    const { signal } = this.#closing;
    const found = await discover({
      signal,
      clock,
      ollamaHost,
      ownPorts: ownPorts(),
      known: known(),
      ...(ports === undefined ? {} : { ports }),
    });
    if (signal.aborted) return [];
    if (this.#isRunning) this.#adopt(found);
    else this.#offer(found);
    return found;
  }

  /** Remembers that a server in use was there now. */
  seen(name: string): void {
    if (!this.#adopted.some((provider) => provider.name === name)) return;
    this.#seenAtMs.set(name, this.#options.clock.now());
    this.#remember();
  }

  #adopt(found: readonly Find[]): void {
    const inUse = this.#adopted;
    const news = found
      .map((find) => find.provider)
      .filter((provider) => !inUse.some((other) => other.baseUrl === provider.baseUrl && other.kind === provider.kind));
    if (news.length === 0) return;
    const { clock, log, onFound } = this.#options;
    for (const { kind, baseUrl, name } of news) {
      log.info(`found ${kind} at ${baseUrl}, used as ${name}`);
      this.#seenAtMs.set(name, clock.now());
    }
    // Another kind at the same address is what has taken its place.
    const replaced = new Set(news.map((provider) => provider.baseUrl));
    this.#adopted = [...inUse.filter((provider) => !replaced.has(provider.baseUrl)), ...news];
    this.#remember();
    onFound();
  }

  #remember(): void {
    const discovered = this.#adopted.map(({ name, kind, baseUrl }) => {
      return { name, kind, baseUrl, seenAtMs: this.#seenAtMs.get(name) ?? 0 };
    });
    this.#options.state.update({ discovered });
  }

  #offer(found: readonly Find[]): void {
    this.#offered = found;
    this.#options.onFound();
  }
}
