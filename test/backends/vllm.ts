// A stand-in for vLLM 0.32: one model, a batch, 200 before anything is known, and a health that lies.

import { type Fields, list, number, readAsked, text } from './core/asked.ts';
import { type Behaviour, type BehaviourOptions, readBehaviour } from './core/behaviour.ts';
import { hex } from './core/clock-text.ts';
import type { Exchange } from './core/exchange.ts';
import type { Handled, ReadyAnswer, Situation, StandInKind } from './core/kind.ts';
import { describeModel, type StandInModel } from './core/models.ts';
import { type StandIn, startStandIn, withControls } from './core/server.ts';
import { readBody, unknownModel, whyRefused } from './vllm/checks.ts';
import { STREAM_ERROR, VllmEngine } from './vllm/engine.ts';
import { metricsText, modelList, openapi } from './vllm/facts.ts';
import { help } from './vllm/help.ts';
import { KEEP_ALIVE_MS } from './vllm/http.ts';
import { messagesWords, responsesWords } from './vllm/other-words.ts';
import { POOLING_PATHS } from './vllm/pooling.ts';
import { BUSY, DRAINING, NOT_FOUND, unknownResponse, VllmReplies } from './vllm/replies.ts';
import { chatWords, completionsWords, type VllmWordsFor } from './vllm/words.ts';

export interface VllmOptions extends BehaviourOptions {
  readonly version?: string;
  /** `--max-num-seqs` */
  readonly maxRunning?: number;
  /** `--max-num-queued-reqs`: running and waiting ones beyond it get 503. */
  readonly maxQueued?: number;
  /** `--enable-auto-tool-choice --tool-call-parser ...` */
  readonly hasToolParser?: boolean;
  /** `--enable-request-id-headers` */
  readonly echoesRequestId?: boolean;
  /** `--enable-server-load-tracking` */
  readonly tracksLoad?: boolean;
  /** `--enable-prompt-tokens-details` */
  readonly hasTokenDetails?: boolean;
  /** `--enable-per-request-metrics` */
  readonly hasRequestMetrics?: boolean;
  /** `--sse-keep-alive-interval`; 0: none, as by default. */
  readonly pingIntervalMs?: number;
  /** `VLLM_SERVER_DEV_MODE=1`: sleep and pause over HTTP. */
  readonly isDevMode?: boolean;
}

export interface VllmStandIn extends StandIn {
  /** The engine stands still; health, models and metrics go on as if nothing were wrong. */
  freeze(): void;
  thaw(): void;
  /** The engine dies: running answers end with its error, and the port closes soon after. */
  killEngine(): Promise<void>;
  /** SIGTERM with a shutdown timeout: what runs is finished, new requests get 500, health stays 200. */
  drain(): void;
}

const DEFAULT_MODELS = ['Qwen/Qwen3-8B'];

const GENERATORS: Readonly<Record<string, VllmWordsFor>> = {
  '/v1/chat/completions': chatWords,
  '/invocations': chatWords,
  '/v1/completions': completionsWords,
  '/v1/messages': messagesWords,
  '/v1/responses': responsesWords,
};

const GETS = ['/health', '/ping', '/version', '/metrics', '/load', '/v1/models', '/openapi.json'];
const POSTS = ['/tokenize', '/detokenize', '/v1/messages/count_tokens', '/ping'];
const DEV_GETS = ['/is_sleeping', '/is_paused'];
const DEV_POSTS = ['/sleep', '/wake_up', '/pause', '/resume', '/reset_prefix_cache'];

class VllmKind implements StandInKind {
  readonly kind = 'vllm';
  readonly keepAliveMs = KEEP_ALIVE_MS;
  readonly engine: VllmEngine;
  readonly #options: VllmOptions;
  readonly #behaviour: Behaviour;
  readonly #base: StandInModel;
  readonly #isPooling: boolean;
  readonly #replies: VllmReplies;
  #sleep: 'awake' | 'asleep' | 'paused' = 'awake';
  #isDraining = false;

  constructor(options: VllmOptions) {
    this.#options = options;
    this.#behaviour = readBehaviour(options, DEFAULT_MODELS);
    this.#base = this.#behaviour.models[0] ?? describeModel('model');
    this.#isPooling = !this.#base.capabilities.includes('completion');
    this.engine = new VllmEngine(this.#behaviour, {
      maxRunning: options.maxRunning ?? 256,
      maxQueued: options.maxQueued ?? null,
      hasToolParser: options.hasToolParser ?? false,
    });
    const { echoesRequestId = false, pingIntervalMs = 0 } = options;
    this.#replies = new VllmReplies(this.engine, { echoesRequestId, pingIntervalMs });
  }

  drain(): void {
    this.#isDraining = true;
  }

  isGeneration(method: string, path: string): boolean {
    return method === 'POST' && (Object.hasOwn(GENERATORS, path) || POOLING_PATHS.includes(path));
  }

  handle(exchange: Exchange): Handled {
    const { method, path } = exchange;
    if (method === 'OPTIONS') return this.#replies.preflight(exchange);
    if (this.#needsKey(exchange))
      return this.#replies.json(exchange, 401, { error: 'Unauthorized' }, { hasVary: false });
    const allowed = this.#methodsOf(path);
    if (allowed === null) {
      const bare = path.replace(/\/$/, '');
      if (bare !== path && this.#methodsOf(bare) !== null) return this.#replies.redirect(exchange, bare);
      return this.#replies.json(exchange, 404, path.startsWith('/v1/responses/') ? unknownResponse(path) : NOT_FOUND);
    }
    if (!allowed.includes(method))
      return this.#replies.json(exchange, 405, { detail: 'Method Not Allowed' }, { before: ['allow', allowed] });
    if (method === 'GET' || path === '/ping') return this.#tell(exchange);
    if (DEV_POSTS.includes(path)) return this.#develop(exchange);
    return this.#post(exchange);
  }

  /** Only these prefixes are guarded, and only `Bearer` counts. */
  #needsKey(exchange: Exchange): boolean {
    const { apiKey } = this.#options;
    if (apiKey === undefined || !/^\/(v1|v2|inference|cohere)\//.test(exchange.path)) return false;
    return exchange.header('authorization') !== `Bearer ${apiKey}`;
  }

  #methodsOf(path: string): string | null {
    if (path === '/ping') return 'GET, POST';
    if (GETS.includes(path) || (this.#options.isDevMode && DEV_GETS.includes(path))) return 'GET';
    const own = this.#isPooling ? POOLING_PATHS : Object.keys(GENERATORS);
    return own.includes(path) || POSTS.includes(path) || (this.#options.isDevMode && DEV_POSTS.includes(path))
      ? 'POST'
      : null;
  }

  #tell(exchange: Exchange): void {
    const { engine } = this;
    switch (exchange.path) {
      case '/version':
        this.#replies.json(exchange, 200, { version: this.#options.version ?? '0.32.0' });
        break;
      case '/metrics':
        this.#replies.plain(
          exchange,
          200,
          'text/plain; version=1.0.0; charset=utf-8',
          metricsText(engine, this.#base, this.#sleep === 'asleep'),
        );
        break;
      case '/load':
        this.#replies.json(exchange, 200, {
          server_load: this.#options.tracksLoad ? engine.running + engine.waiting : 0,
        });
        break;
      case '/v1/models':
        this.#replies.json(exchange, 200, modelList(this.#behaviour.models));
        break;
      case '/openapi.json':
        this.#replies.json(
          exchange,
          200,
          openapi([...GETS, ...(this.#isPooling ? POOLING_PATHS : Object.keys(GENERATORS)), ...POSTS]),
        );
        break;
      case '/is_sleeping':
        this.#replies.json(exchange, 200, { is_sleeping: this.#sleep === 'asleep' });
        break;
      case '/is_paused':
        this.#replies.json(exchange, 200, { is_paused: this.#sleep === 'paused' });
        break;
      default:
        this.#replies.plain(exchange, 200, null, '');
    }
  }

  #develop(exchange: Exchange): void {
    const { engine } = this;
    const level = number(Number(exchange.query.get('level') ?? 1)) ?? 1;
    const isAbort = (exchange.query.get('mode') ?? 'abort') === 'abort';
    switch (exchange.path) {
      case '/sleep':
      case '/pause':
        this.#sleep = exchange.path === '/sleep' ? 'asleep' : 'paused';
        if (isAbort) engine.stopAll('aborted');
        engine.hold();
        this.#replies.json(
          exchange,
          200,
          exchange.path === '/sleep' ? { status: 'sleeping', level } : { status: 'paused' },
        );
        break;
      case '/wake_up':
      case '/resume':
        this.#sleep = 'awake';
        engine.release();
        this.#replies.json(
          exchange,
          200,
          exchange.path === '/resume' ? { status: 'resumed' } : { status: 'awake', tags: null },
        );
        break;
      default:
        this.#replies.json(exchange, 200, { success: true });
    }
  }

  #post(exchange: Exchange): Handled {
    const { path } = exchange;
    const { fields, refusal } = readBody(exchange);
    if (refusal) return this.#replies.refuse(exchange, refusal);
    const wordsFor = GENERATORS[path];
    if (wordsFor) return this.#generate(exchange, fields, wordsFor);
    const name = text(fields.model);
    const isKnown =
      name === null || this.#behaviour.models.some((model) => model.name === name || model.aliases.includes(name));
    if (!isKnown) return this.#replies.refuse(exchange, unknownModel(name ?? '', this.#behaviour.models));
    return this.#replies.json(exchange, 200, help(path, fields, this.#base));
  }

  #generate(exchange: Exchange, fields: Fields, wordsFor: VllmWordsFor): Handled {
    const { path } = exchange;
    const given = readAsked(fields);
    // `/v1/completions` makes 16 tokens unless told otherwise.
    const maxTokens =
      number(fields.max_completion_tokens) ?? given.maxTokens ?? (path === '/v1/completions' ? 16 : null);
    // Several prompts are several choices.
    const prompts =
      path === '/v1/completions' && list(fields.prompt).every((prompt) => typeof prompt === 'string')
        ? list(fields.prompt).length
        : 1;
    const asked = { ...given, maxTokens, choices: given.choices * Math.max(1, prompts) };
    const { models } = this.#behaviour;
    const refusal = whyRefused(asked, models, path, this.#options.hasToolParser ?? false);
    if (refusal) return this.#replies.refuse(exchange, refusal);
    if (this.#isDraining) return this.#replies.refuse(exchange, DRAINING);
    if (this.engine.isFull) return this.#replies.refuse(exchange, BUSY);
    const requestId = exchange.header('x-request-id') ?? hex(8);
    const model = asked.model ?? this.#base.name;
    const words = wordsFor({
      asked,
      model,
      requestId,
      hasTokenDetails: this.#options.hasTokenDetails ?? false,
      hasMetrics: this.#options.hasRequestMetrics ?? false,
    });
    return this.engine.generate(exchange, asked, this.#base.contextLoaded, words, this.#replies);
  }

  describe(situation: Situation, exchange: Exchange, message: string | null): ReadyAnswer {
    return this.#replies.describe(situation, exchange, message);
  }

  streamError(): { readonly text: string; readonly endsProperly: boolean } {
    return { text: `${STREAM_ERROR}data: [DONE]\n\n`, endsProperly: true };
  }

  close(): void {
    this.engine.stopAll('crashed');
    this.engine.release();
  }
}

/** The kind alone, for servers that answer some requests otherwise. */
export function vllmKind(options: VllmOptions = {}): StandInKind {
  return new VllmKind(options);
}

/** Starts a stand-in vLLM. Rejects when the port is taken. */
export async function startVllm(options: VllmOptions = {}): Promise<VllmStandIn> {
  const kind = new VllmKind(options);
  const server = await startStandIn(kind, options);
  return withControls(server, {
    freeze: () => kind.engine.hold(),
    thaw: () => kind.engine.release(),
    killEngine() {
      kind.engine.stopAll('crashed');
      return server.setFault('refuse');
    },
    drain: () => kind.drain(),
  });
}
