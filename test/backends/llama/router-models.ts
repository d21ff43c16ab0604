// The models of a router: loaded on demand, put out when room is needed, each run by an engine of its own.

import type { Behaviour } from '../core/behaviour.ts';
import { epochSeconds } from '../core/clock-text.ts';
import type { StandInModel } from '../core/models.ts';
import { pause } from '../core/wait.ts';
import { Engine, type EngineOptions } from './engine.ts';
import { metaOf } from './facts.ts';

export type RouterState = 'unloaded' | 'loading' | 'loaded';

export interface RouterModelsOptions {
  /** Models in memory at once; 0: no limit. */
  readonly maxModels: number;
  readonly loadDelayMs: number;
  /** How long a model that is told to unload may go on before it is killed. */
  readonly stopTimeoutMs: number;
  readonly engine: EngineOptions;
}

interface Entry {
  readonly model: StandInModel;
  state: RouterState;
  engine: Engine | null;
  exitCode: number | null;
  /** Counts up with each use: the smallest goes first. */
  usedAt: number;
  users: number;
  waiting: (() => void)[];
}

type Listener = (event: {
  readonly model: string;
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}) => void;

export class RouterModels {
  readonly #entries: Entry[];
  readonly #behaviour: Behaviour;
  readonly #options: RouterModelsOptions;
  readonly #closing = new AbortController();
  readonly listeners = new Set<Listener>();
  #uses = 0;
  #whenIdle: (() => void)[] = [];

  constructor(behaviour: Behaviour, options: RouterModelsOptions) {
    this.#behaviour = behaviour;
    this.#options = options;
    this.#entries = behaviour.models.map((model) => ({
      model,
      state: 'unloaded',
      engine: null,
      exitCode: null,
      usedAt: 0,
      users: 0,
      waiting: [],
    }));
  }

  find(name: string): Entry | null {
    return this.#entries.find(({ model }) => model.name === name || model.aliases.includes(name)) ?? null;
  }

  /** Begins to load; false when it runs already. */
  load(entry: Entry): boolean {
    if (entry.state !== 'unloaded') return false;
    void this.#load(entry);
    return true;
  }

  /** Asks it to stop; false when it does not run. What it generates is killed after a while (measured: 10 s). */
  unload(entry: Entry): boolean {
    if (entry.state === 'unloaded') return false;
    void this.#unload(entry);
    return true;
  }

  /** The process is gone at once. */
  crash(entry: Entry): void {
    const { engine } = entry;
    this.#set(entry, 'unloaded', 1);
    engine?.stopAll('crashed');
  }

  /** Resolves with the engine once it is loaded; null when the client left first. Call `release` when done. */
  async acquire(entry: Entry, signal: AbortSignal): Promise<Engine | null> {
    entry.users += 1;
    entry.usedAt = ++this.#uses;
    while (entry.state !== 'loaded' && !signal.aborted) {
      if (entry.state === 'unloaded' && (await this.#makeRoom(entry, signal))) await this.#load(entry);
      else await this.#changeOf(entry, signal);
    }
    if (!signal.aborted) return entry.engine;
    this.release(entry);
    return null;
  }

  release(entry: Entry): void {
    entry.users -= 1;
    const waiting = this.#whenIdle;
    this.#whenIdle = [];
    for (const wake of waiting) wake();
  }

  list(): unknown {
    return { data: this.#entries.map((entry) => this.#describe(entry)), object: 'list' };
  }

  close(): void {
    this.#closing.abort();
    for (const { engine } of this.#entries) engine?.stopAll('unloaded');
  }

  #describe({ model, state, exitCode }: Entry): unknown {
    const args = [
      '/usr/bin/llama-server',
      '--host',
      '127.0.0.1',
      '--port',
      '0',
      '--alias',
      model.name,
      '--ctx-size',
      String(model.contextLoaded),
      '--model',
      `/models/${model.name}.gguf`,
    ];
    const preset = `[${model.name}]\nctx-size = ${model.contextLoaded}\nmodel = /models/${model.name}.gguf\n\n`;
    const failure =
      exitCode !== null && exitCode !== 0 && state === 'unloaded' ? { exit_code: exitCode, failed: true } : {};
    const inputs = model.capabilities.includes('vision') ? ['text', 'image'] : ['text'];
    return {
      id: model.name,
      aliases: model.aliases,
      tags: [],
      object: 'model',
      owned_by: 'llamacpp',
      created: epochSeconds(),
      status: { value: state, args, preset, ...failure },
      architecture: { input_modalities: inputs, output_modalities: ['text'] },
      source: 'models_dir',
      can_remove: false,
      ...(state === 'loaded' ? { meta: metaOf(model) } : {}),
    };
  }

  #set(entry: Entry, state: RouterState, exitCode: number | null = null): void {
    entry.state = state;
    entry.exitCode = state === 'unloaded' ? exitCode : null;
    if (state === 'unloaded') entry.engine = null;
    const waiting = entry.waiting;
    entry.waiting = [];
    for (const wake of waiting) wake();
    const data = exitCode === null ? { status: state } : { status: state, exit_code: exitCode };
    for (const listener of this.listeners) listener({ model: entry.model.name, event: 'status_change', data });
  }

  async #load(entry: Entry): Promise<void> {
    this.#set(entry, 'loading');
    await pause(this.#options.loadDelayMs, this.#closing.signal);
    if (entry.state !== 'loading') return;
    entry.engine = new Engine(entry.model, this.#behaviour, this.#options.engine);
    this.#set(entry, 'loaded');
  }

  async #unload(entry: Entry): Promise<void> {
    const { engine } = entry;
    if (engine && !engine.isIdle) await pause(this.#options.stopTimeoutMs, this.#closing.signal);
    if (entry.state === 'unloaded') return;
    this.#set(entry, 'unloaded', 0);
    engine?.stopAll('unloaded');
  }

  /** Puts out the model that was idle longest; when all are busy, waits, without a limit. True: there is room now. */
  async #makeRoom(wanted: Entry, signal: AbortSignal): Promise<boolean> {
    for (;;) {
      if (signal.aborted || wanted.state !== 'unloaded') return false;
      const running = this.#entries.filter(({ state }) => state !== 'unloaded');
      if (this.#options.maxModels === 0 || running.length < this.#options.maxModels) return true;
      const idle = running
        .filter(({ state, users }) => state === 'loaded' && users === 0)
        .sort((a, b) => a.usedAt - b.usedAt)[0];
      if (idle) this.#set(idle, 'unloaded', 0);
      else await this.#either((wake) => this.#whenIdle.push(wake), signal);
    }
  }

  #changeOf(entry: Entry, signal: AbortSignal): Promise<void> {
    return this.#either((wake) => entry.waiting.push(wake), signal);
  }

  #either(register: (wake: () => void) => void, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    register(resolve);
    signal.addEventListener('abort', () => resolve(), { once: true });
    return promise;
  }
}
