// A stand-in for llama-server in router mode: models loaded on demand, put out for each other, answers handed on.

import { isFields, text } from './core/asked.ts';
import { type BehaviourOptions, readBehaviour } from './core/behaviour.ts';
import type { Exchange } from './core/exchange.ts';
import type { Handled, ReadyAnswer, Situation, StandInKind } from './core/kind.ts';
import { type StandIn, startStandIn, withControls } from './core/server.ts';
import { slotsView } from './llama/facts.ts';
import { answerPreflight, BAD_KEY, direct, KEEP_ALIVE_MS, NOT_FOUND, proxied, serverError } from './llama/http.ts';
import { isGeneration, isPostRoute, parseError, post } from './llama/requests.ts';
import { RouterModels, type RouterState } from './llama/router-models.ts';
import { BUILD } from './llama/words.ts';
import { describeLlama } from './llama-server.ts';

export interface LlamaRouterOptions extends BehaviourOptions {
  /** `--models-max`: 4 by default, 0 for no limit. */
  readonly maxModels?: number;
  readonly isAutoloading?: boolean;
  readonly stopTimeoutMs?: number;
  readonly slots?: number;
  readonly hasEmbeddings?: boolean;
  readonly pingIntervalMs?: number;
  readonly quietBeforeLeaveMs?: number;
  /** Names of models that are loaded from the start. */
  readonly warm?: readonly string[];
}

export interface LlamaRouterStandIn extends StandIn {
  stateOf(model: string): RouterState;
  /** Kills the process that holds the model. */
  crashChild(model: string): void;
}

const DEFAULT_MODELS = ['qwen3-8b-q4_k_m', 'gemma3-4b-q4_k_m'];

const bad = (message: string) => serverError(400, message, 'invalid_request_error');
const NO_MODEL = bad('model name is missing from the request');

class LlamaRouterKind implements StandInKind {
  readonly kind = 'llama_cpp';
  readonly keepAliveMs = KEEP_ALIVE_MS;
  readonly models: RouterModels;
  readonly #options: LlamaRouterOptions;

  constructor(options: LlamaRouterOptions) {
    this.#options = options;
    const behaviour = readBehaviour(options, DEFAULT_MODELS);
    this.models = new RouterModels(behaviour, {
      maxModels: options.maxModels ?? 4,
      loadDelayMs: behaviour.loadDelayMs,
      stopTimeoutMs: options.stopTimeoutMs ?? 10_000,
      engine: {
        slots: options.slots ?? 4,
        isUnified: options.slots === undefined,
        pingIntervalMs: options.pingIntervalMs ?? 30_000,
        quietBeforeLeaveMs: options.quietBeforeLeaveMs ?? 1_000,
      },
    });
    for (const name of options.warm ?? []) {
      const entry = this.models.find(name);
      if (entry) this.models.load(entry);
    }
  }

  isGeneration(method: string, path: string): boolean {
    return method === 'POST' && isGeneration(path);
  }

  handle(exchange: Exchange): Handled {
    const { method, path } = exchange;
    if (method === 'OPTIONS') return answerPreflight(exchange);
    const { apiKey } = this.#options;
    const isOpen =
      apiKey === undefined || path === '/health' || exchange.header('authorization') === `Bearer ${apiKey}`;
    if (!isOpen) return direct.error(exchange, BAD_KEY, 401);
    if (method === 'POST') return isPostRoute(path) ? this.#post(exchange) : this.#manage(exchange);
    return this.#tell(exchange);
  }

  async #post(exchange: Exchange): Promise<void> {
    const { fields } = exchange;
    if (!isFields(fields)) return direct.error(exchange, parseError(exchange.body.toString()), 500);
    await this.#withEngine(exchange, text(fields.model), (engine) => {
      const hasEmbeddings = this.#options.hasEmbeddings ?? engine.model.capabilities.includes('embedding');
      const features = { hasEmbeddings, hasReranking: engine.model.capabilities.includes('rerank'), batchTokens: 512 };
      return post(engine, features, proxied, exchange);
    });
  }

  /** Finds the model by name, waits for it to be loaded, and keeps it from being put out meanwhile. */
  async #withEngine(
    exchange: Exchange,
    name: string | null,
    use: (engine: NonNullable<Awaited<ReturnType<RouterModels['acquire']>>>) => void | Promise<void>,
  ): Promise<void> {
    if (!name) return direct.error(exchange, NO_MODEL, 400);
    const entry = this.models.find(name);
    if (!entry) return direct.error(exchange, bad(`model '${name}' not found`), 400);
    const autoload = exchange.query.get('autoload') ?? String(this.#options.isAutoloading ?? true);
    if (autoload === 'false' && entry.state !== 'loaded')
      return direct.error(exchange, bad('model is not loaded'), 400);
    const engine = await this.models.acquire(entry, exchange.gone);
    if (!engine) return;
    try {
      await use(engine);
    } finally {
      this.models.release(entry);
    }
  }

  /** `/models/load` and `/models/unload` answer before it has happened. */
  #manage(exchange: Exchange): void {
    const name = isFields(exchange.fields) ? text(exchange.fields.model) : null;
    const entry = name === null ? null : this.models.find(name);
    if (exchange.path === '/models/load') {
      if (!entry) direct.error(exchange, NOT_FOUND, 404);
      else if (this.models.load(entry)) direct.json(exchange, 200, { success: true });
      else direct.error(exchange, bad('model is already running'), 400);
    } else if (exchange.path === '/models/unload') {
      if (!entry) direct.error(exchange, bad('model is not found'), 400);
      else if (this.models.unload(entry)) direct.json(exchange, 200, { success: true });
      else direct.error(exchange, bad('model is not running'), 400);
    } else direct.error(exchange, NOT_FOUND, 404);
  }

  #tell(exchange: Exchange): Handled {
    const name = exchange.query.get('model');
    switch (exchange.path) {
      case '/health':
      case '/v1/health':
        return direct.json(exchange, 200, { status: 'ok' });
      case '/v1/models':
      case '/models':
        return direct.json(exchange, 200, this.models.list());
      case '/models/sse':
        return this.#watch(exchange);
      case '/props':
        return name === null
          ? direct.json(exchange, 200, this.#props())
          : this.#withEngine(exchange, name, () => proxied.json(exchange, 200, this.#props()));
      case '/slots':
        return this.#withEngine(exchange, name, (engine) => proxied.json(exchange, 200, slotsView(engine)));
      case '/metrics':
        return this.#withEngine(exchange, name, () =>
          proxied.error(
            exchange,
            serverError(
              501,
              'This server does not support metrics endpoint. Start it with `--metrics`',
              'not_supported_error',
            ),
            501,
          ),
        );
      default:
        return direct.error(exchange, NOT_FOUND, 404);
    }
  }

  #props(): unknown {
    return {
      role: 'router',
      max_instances: this.#options.maxModels ?? 4,
      models_autoload: this.#options.isAutoloading ?? true,
      model_alias: 'llama-server',
      model_path: 'none',
      default_generation_settings: { params: null, n_ctx: 0 },
      ui_settings: {},
      build_info: BUILD,
      cors_proxy_enabled: false,
    };
  }

  #watch(exchange: Exchange): void {
    const listener = (event: unknown) => exchange.write('comment', `data: ${JSON.stringify(event)}\n\n`);
    direct.openEvents(exchange);
    this.models.listeners.add(listener);
    exchange.onGone(() => this.models.listeners.delete(listener));
  }

  describe(situation: Situation, exchange: Exchange, message: string | null): ReadyAnswer {
    return describeLlama(situation, exchange, message);
  }

  streamError(): { readonly text: string; readonly endsProperly: boolean } {
    return { text: 'proxy error: Failed to read connection', endsProperly: true };
  }

  close(): void {
    this.models.close();
  }
}

/** The kind alone, for servers that answer some requests otherwise. */
export function llamaRouterKind(options: LlamaRouterOptions = {}): StandInKind {
  return new LlamaRouterKind(options);
}

/** Starts a stand-in llama-server in router mode. Rejects when the port is taken. */
export async function startLlamaRouter(options: LlamaRouterOptions = {}): Promise<LlamaRouterStandIn> {
  const kind = new LlamaRouterKind(options);
  const entryOf = (name: string) => {
    const entry = kind.models.find(name);
    if (!entry) throw new Error(`this stand-in has no model ${name}`);
    return entry;
  };
  const server = await startStandIn(kind, options);
  return withControls(server, {
    stateOf: (name: string) => entryOf(name).state,
    crashChild: (name: string) => kind.models.crash(entryOf(name)),
  });
}
