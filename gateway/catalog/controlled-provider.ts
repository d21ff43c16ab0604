// One provider as those see it who load and unload its models on purpose.

import type { ModelControl, NoModelControl } from '../providers/provider.ts';
import type { ModelFacts } from '../types.ts';
import { ControlConnection } from './control-client.ts';
import type { WatchedProvider } from './watched-provider.ts';

/** Made for one question or one action: a change of the settings leaves it behind. */
export class ControlledProvider {
  readonly #provider: WatchedProvider;

  constructor(provider: WatchedProvider) {
    this.#provider = provider;
  }

  get name(): string {
    return this.#provider.settings.name;
  }

  /** The user's wish. */
  get isEnabled(): boolean {
    return this.#provider.snapshot.isEnabled;
  }

  /** Why it cannot be called; null: it can. */
  get notCallableBecause(): string | null {
    return this.#provider.settings.notCallableBecause;
  }

  /** How its models are loaded and unloaded, or why they cannot be. */
  get control(): ModelControl | NoModelControl {
    return this.#provider.adapter.modelControl(this.#provider.findings);
  }

  get models(): readonly ModelFacts[] {
    return [...this.#provider.snapshot.models.values()];
  }

  /** The model by any of its names; null: it lists none of that name. */
  findModel(name: string): ModelFacts | null {
    const { models } = this.#provider.snapshot;
    const exact = models.get(name);
    if (exact !== undefined) return exact;
    for (const facts of models.values()) if (this.#isNameOf(facts, name)) return facts;
    return null;
  }

  /** How many of our requests run there: on that model, or on any (null). */
  inFlight(model: ModelFacts | null): number {
    const { requests } = this.#provider;
    return model === null ? requests.load.inFlight : requests.countOf((name) => this.#isNameOf(model, name));
  }

  /** How many of our requests wait for a place there. */
  get queued(): number {
    return this.#provider.requests.load.queued;
  }

  /** Connections for one action, to be closed by the caller. */
  connect(): ControlConnection {
    return new ControlConnection(this.#provider.target);
  }

  /** How long an answer to a plain question may take, in ms. */
  get lookMs(): number {
    return this.#provider.settings.probe.timeoutMs;
  }

  /** Reads anew what it has loaded. */
  probe(): Promise<void> {
    return this.#provider.probeNow();
  }

  #isNameOf(facts: ModelFacts, name: string): boolean {
    return facts.id === name || this.#provider.adapter.isSameName(facts.id, name) || facts.aliases.includes(name);
  }
}
