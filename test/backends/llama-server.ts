// A stand-in for llama-server with one model: slots, a queue without end, and errors that close the connection.

import { type BehaviourOptions, readBehaviour } from './core/behaviour.ts';
import type { Exchange } from './core/exchange.ts';
import type { ReadyAnswer, Situation, StandInKind } from './core/kind.ts';
import { describeModel } from './core/models.ts';
import { type StandIn, startStandIn, withControls } from './core/server.ts';
import { pause } from './core/wait.ts';
import { Engine } from './llama/engine.ts';
import { metricsText, singleList, singleProps, slotsView } from './llama/facts.ts';
import {
  answerPreflight,
  BAD_KEY,
  direct,
  errorAnswer,
  KEEP_ALIVE_MS,
  LOADING,
  middlewareError,
  NOT_FOUND,
  serverError,
} from './llama/http.ts';
import { type Features, isGeneration, isPostRoute, post } from './llama/requests.ts';

export interface LlamaServerOptions extends BehaviourOptions, Partial<Features> {
  /** `--parallel`: the context is divided between so many slots. Without it there are 4 that share one cache. */
  readonly slots?: number;
  readonly hasMetrics?: boolean;
  readonly hasSlots?: boolean;
  /** `--sse-ping-interval`; 0: none. */
  readonly pingIntervalMs?: number;
  /** `--sleep-idle-seconds`; 0: never. */
  readonly sleepIdleMs?: number;
  readonly quietBeforeLeaveMs?: number;
}

export interface LlamaServerStandIn extends StandIn {
  /** Everything answers 503 until this is called with false (or `loadDelayMs` have passed since the start). */
  setLoading(isLoading: boolean): void;
  readonly isAsleep: boolean;
}

const DEFAULT_MODELS = ['qwen3-8b-q4_k_m'];

/** These answer while the model sleeps, without waking it; `/slots` wakes it. */
const DOES_NOT_WAKE = ['/health', '/v1/health', '/props', '/v1/models', '/models', '/metrics'];

const notSupported = (what: string, flag: string) =>
  serverError(501, `This server does not support ${what} endpoint. Start it with \`--${flag}\``, 'not_supported_error');

/** The contexts as one server gives them out: divided, or all of it to everybody. */
function createEngine(options: LlamaServerOptions): Engine {
  const behaviour = readBehaviour(options, DEFAULT_MODELS);
  const [given = describeModel('model')] = behaviour.models;
  const { slots } = options;
  const model = slots === undefined ? given : { ...given, contextLoaded: Math.floor(given.contextLoaded / slots) };
  return new Engine(model, behaviour, {
    slots: slots ?? 4,
    isUnified: slots === undefined,
    pingIntervalMs: options.pingIntervalMs ?? 30_000,
    quietBeforeLeaveMs: options.quietBeforeLeaveMs ?? 1_000,
  });
}

class LlamaServerKind implements StandInKind {
  readonly kind = 'llama_cpp';
  readonly keepAliveMs = KEEP_ALIVE_MS;
  readonly #engine: Engine;
  readonly #options: LlamaServerOptions;
  readonly #features: Features;
  #readyAtMs: number;
  #usedAtMs = performance.now();

  constructor(options: LlamaServerOptions) {
    this.#options = options;
    this.#engine = createEngine(options);
    this.#features = {
      hasEmbeddings: options.hasEmbeddings ?? this.#engine.model.capabilities.includes('embedding'),
      hasReranking: options.hasReranking ?? this.#engine.model.capabilities.includes('rerank'),
      batchTokens: options.batchTokens ?? 512,
    };
    this.#readyAtMs = performance.now() + (options.loadDelayMs ?? 0);
  }

  setLoading(isLoading: boolean): void {
    this.#readyAtMs = isLoading ? Number.POSITIVE_INFINITY : 0;
  }

  get isAsleep(): boolean {
    const { sleepIdleMs = 0 } = this.#options;
    return sleepIdleMs > 0 && this.#engine.isIdle && performance.now() - this.#usedAtMs > sleepIdleMs;
  }

  isGeneration(method: string, path: string): boolean {
    return method === 'POST' && isGeneration(path);
  }

  async handle(exchange: Exchange): Promise<void> {
    const { method, path } = exchange;
    if (method === 'OPTIONS') return answerPreflight(exchange);
    if (path === '/') return direct.error(exchange, NOT_FOUND, 404);
    // The check for readiness comes before all others, unknown paths and missing keys included.
    if (performance.now() < this.#readyAtMs) return direct.error(exchange, LOADING, 503);
    if (!this.#isAllowed(exchange)) return direct.error(exchange, BAD_KEY, 401);
    if (!DOES_NOT_WAKE.includes(path)) await this.#wake(exchange);
    if (method === 'POST' && isPostRoute(path)) {
      await post(this.#engine, this.#features, direct, exchange);
      this.#usedAtMs = performance.now();
    } else this.#tell(exchange);
  }

  #isAllowed(exchange: Exchange): boolean {
    const { apiKey } = this.#options;
    if (apiKey === undefined || /^\/(v1\/)?health$/.test(exchange.path)) return true;
    return exchange.header('authorization') === `Bearer ${apiKey}` || exchange.header('x-api-key') === apiKey;
  }

  async #wake(exchange: Exchange): Promise<void> {
    const wasAsleep = this.isAsleep;
    this.#usedAtMs = performance.now();
    if (wasAsleep) await pause(this.#options.loadDelayMs ?? 0, exchange.gone);
  }

  #tell(exchange: Exchange): void {
    const { hasMetrics = true, hasSlots = true } = this.#options;
    const engine = this.#engine;
    switch (exchange.method === 'GET' ? exchange.path : '') {
      case '/health':
      case '/v1/health':
        direct.json(exchange, 200, { status: 'ok' });
        break;
      case '/v1/models':
      case '/models':
        direct.json(exchange, 200, singleList(engine.model));
        break;
      case '/props':
        direct.json(
          exchange,
          200,
          singleProps(engine.model, engine.slots.length, { hasSlots, hasMetrics, isSleeping: this.isAsleep }),
        );
        break;
      case '/slots':
        this.#tellSlots(exchange, hasSlots);
        break;
      case '/metrics':
        if (hasMetrics) {
          direct.text(exchange, 'text/plain; version=0.0.4', metricsText(engine), [
            'Process-Start-Time-Unix',
            '2795942867',
          ]);
        } else direct.error(exchange, notSupported('metrics', 'metrics'), 501);
        break;
      default:
        direct.error(exchange, NOT_FOUND, 404);
    }
  }

  #tellSlots(exchange: Exchange, hasSlots: boolean): void {
    this.#engine.touch();
    if (!hasSlots) direct.error(exchange, notSupported('slots', 'slots'), 501);
    else if (exchange.query.has('fail_on_no_slot') && !this.#engine.hasFreeSlot) {
      direct.error(exchange, serverError(503, 'no slot available', 'unavailable_error'), 503);
    } else direct.json(exchange, 200, slotsView(this.#engine));
  }

  describe(situation: Situation, exchange: Exchange, message: string | null): ReadyAnswer {
    return describeLlama(situation, exchange, message);
  }

  streamError(): { readonly text: string; readonly endsProperly: boolean } {
    const error = serverError(500, 'Context size has been exceeded.', 'server_error');
    return { text: `data: ${JSON.stringify(error)}\n\n`, endsProperly: true };
  }

  close(): void {
    this.#engine.stopAll('unloaded');
  }
}

/** Error answers in llama.cpp's words. */
export function describeLlama(situation: Situation, exchange: Exchange, message: string | null): ReadyAnswer {
  switch (situation) {
    case 'unauthorized':
      return errorAnswer(exchange, BAD_KEY, 401);
    case 'not_found':
      return errorAnswer(exchange, NOT_FOUND, 404);
    case 'rate_limited':
      return errorAnswer(exchange, middlewareError(429, message ?? 'Too Many Requests', 'rate_limit_error'), 429);
    case 'server_error':
      return errorAnswer(exchange, serverError(500, message ?? 'Compute error.', 'server_error'), 500);
    case 'loading':
      return errorAnswer(exchange, LOADING, 503);
    case 'overloaded':
      return errorAnswer(exchange, serverError(503, message ?? 'no slot available', 'unavailable_error'), 503);
  }
}

/** The kind alone, for servers that answer some requests otherwise. */
export function llamaServerKind(options: LlamaServerOptions = {}): StandInKind {
  return new LlamaServerKind(options);
}

/** Starts a stand-in llama-server with one model; it answers any model name with it. Rejects when the port is taken. */
export async function startLlamaServer(options: LlamaServerOptions = {}): Promise<LlamaServerStandIn> {
  const kind = new LlamaServerKind(options);
  const server = await startStandIn(kind, options);
  const controlled = withControls(server, {
    setLoading: (isLoading: boolean) => kind.setLoading(isLoading),
    isAsleep: false,
  });
  return Object.defineProperty(controlled, 'isAsleep', { get: () => kind.isAsleep });
}
