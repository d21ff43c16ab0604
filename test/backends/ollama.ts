// A stand-in for Ollama 0.17.4: models that load when asked for and leave when idle, native and compatible routes.
// Nothing is sent, not even a head, before the first token: loading, queueing and prefill look like a dead socket.

import { type Fields, isFields, list, text } from './core/asked.ts';
import { type BehaviourOptions, readBehaviour } from './core/behaviour.ts';
import { httpDate } from './core/clock-text.ts';
import type { Exchange } from './core/exchange.ts';
import type { Handled, ReadyAnswer, Situation, StandInKind } from './core/kind.ts';
import type { StandInModel } from './core/models.ts';
import { type StandIn, startStandIn, withControls } from './core/server.ts';
import { v1ChatWords, v1CompletionsWords } from './ollama/compatible-words.ts';
import { embed } from './ollama/embedding.ts';
import { findModel, generate, type OllamaState, readOllamaAsked } from './ollama/generation.ts';
import * as go from './ollama/go-http.ts';
import { compatibleList, compatibleModel, processes, show, tags } from './ollama/lists.ts';
import { messagesWords } from './ollama/messages-words.ts';
import { decodeError, manage, nativeGeneration, readNativeFields } from './ollama/native-requests.ts';
import { responsesWords } from './ollama/responses-words.ts';
import { Scheduler, type SchedulerOptions } from './ollama/scheduler.ts';
import { crashText, type WordsFor } from './ollama/words.ts';

export interface OllamaOptions extends BehaviourOptions, Partial<Omit<SchedulerOptions, 'loadDelayMs'>> {
  readonly version?: string;
  /** How much of a loaded model sits on the GPU: 0 (default) to 1. */
  readonly vramShare?: number;
  /** Names of models that are warm from the start. */
  readonly warm?: readonly string[];
}

export interface OllamaStandIn extends StandIn {
  stateOf(model: string): 'cold' | 'loading' | 'warm';
  /** Kills the process that holds the model: its running answers break as the recordings show, the next request loads it again. */
  crashRunner(model: string): void;
}

const DEFAULT_MODELS = ['llama3.1:8b', 'qwen3:0.6b', 'nomic-embed-text:latest'];

const COMPATIBLE: Readonly<Record<string, WordsFor>> = {
  '/v1/chat/completions': v1ChatWords,
  '/v1/completions': v1CompletionsWords,
  '/v1/messages': messagesWords,
  '/v1/responses': responsesWords,
};

/** Methods each path knows; any other one is a 405 that names them. */
const ROUTES: Readonly<Record<string, string>> = {
  '/': 'GET, HEAD',
  '/api/version': 'GET, HEAD',
  '/api/tags': 'GET, HEAD',
  '/api/ps': 'GET',
  '/api/show': 'POST',
  '/api/chat': 'POST',
  '/api/generate': 'POST',
  '/api/embed': 'POST',
  '/api/embeddings': 'POST',
  '/api/pull': 'POST',
  '/api/push': 'POST',
  '/api/create': 'POST',
  '/api/copy': 'POST',
  '/api/delete': 'DELETE',
  '/v1/models': 'GET',
  '/v1/embeddings': 'POST',
  ...Object.fromEntries(Object.keys(COMPATIBLE).map((path) => [path, 'POST'])),
};

/** What the compatible routes check themselves before the model server hears of it. */
function parserRefusal(exchange: Exchange, fields: Fields | null | undefined): string | null {
  if (exchange.body.length === 0) return 'EOF';
  if (!fields) return decodeError(exchange.body.toString());
  const isChat = exchange.path === '/v1/chat/completions';
  const isMessages = exchange.path === '/v1/messages';
  if (isMessages && !(typeof fields.max_tokens === 'number' && fields.max_tokens > 0)) {
    return 'max_tokens is required and must be positive';
  }
  if (fields.max_tokens !== undefined && typeof fields.max_tokens === 'string') {
    return 'json: cannot unmarshal string into Go struct field ChatCompletionRequest.max_tokens of type int';
  }
  if (isChat && list(fields.messages).length === 0) return "[] is too short - 'messages'";
  const hasUrl = list(fields.messages).some(
    (message) =>
      isFields(message) &&
      list(message.content).some(
        (part) => isFields(part) && isFields(part.image_url) && /^http/.test(text(part.image_url.url) ?? ''),
      ),
  );
  return hasUrl ? 'image URLs are not currently supported, please use base64 encoded data instead' : null;
}

function compatible(state: OllamaState, exchange: Exchange, wordsFor: WordsFor): Handled {
  const { fields } = exchange;
  const asked = readOllamaAsked(fields ?? {}, false);
  const words = wordsFor(exchange, asked);
  const refusal = parserRefusal(exchange, fields);
  if (refusal) return words.fail(400, refusal, 'parser');
  return generate(state, exchange, asked, words);
}

function compatibleOne(state: OllamaState, exchange: Exchange): void {
  const name = decodeURIComponent(exchange.path.slice('/v1/models/'.length));
  if (findModel(state, name)) go.answerCompatible(exchange, 200, compatibleModel(name));
  else {
    const error = { message: `model '${name}' not found`, type: 'api_error', param: null, code: null };
    go.answerCompatible(exchange, 404, { error });
  }
}

function showModel(state: OllamaState, exchange: Exchange): void {
  const fields = readNativeFields(exchange);
  if (!fields) return;
  const name = text(fields.model) ?? text(fields.name);
  const model = findModel(state, name);
  if (name === null) go.answerGin(exchange, 400, { error: 'model is required' });
  else if (!model) go.answerGin(exchange, 404, { error: `model '${name}' not found` });
  else go.answerGin(exchange, 200, show(model));
}

class OllamaKind implements StandInKind {
  readonly kind = 'ollama';
  /** Idle connections are never closed (measured: open for over 12 s). */
  readonly keepAliveMs = 0;
  readonly #state: OllamaState;
  readonly #options: OllamaOptions;

  constructor(state: OllamaState, options: OllamaOptions) {
    this.#state = state;
    this.#options = options;
  }

  isGeneration(method: string, path: string): boolean {
    return (
      method === 'POST' &&
      (Object.hasOwn(COMPATIBLE, path) || /^\/(api\/(chat|generate|embed|embeddings)|v1\/embeddings)$/.test(path))
    );
  }

  handle(exchange: Exchange): Handled {
    const { method, path, origin } = exchange;
    const isForeign = origin !== undefined && !go.isAllowedOrigin(origin);
    if (isForeign || !go.isLocalHost(exchange.header('host'))) return go.answerForbidden(exchange);
    const allowed = ROUTES[path] ?? (path.startsWith('/v1/models/') ? 'GET' : null);
    if (allowed === null) return go.answerNotFound(exchange);
    if (method === 'OPTIONS') return go.answerPreflight(exchange, allowed);
    if (!allowed.split(', ').includes(method)) return go.answerWrongMethod(exchange, allowed);
    return this.#route(exchange);
  }

  #route(exchange: Exchange): Handled {
    const state = this.#state;
    const { models } = state.behaviour;
    const { path } = exchange;
    const wordsFor = COMPATIBLE[path];
    if (wordsFor) return compatible(state, exchange, wordsFor);
    if (path.startsWith('/v1/models/')) return compatibleOne(state, exchange);
    switch (path) {
      case '/':
        return go.answerRunning(exchange);
      case '/api/version':
        return go.answerGin(exchange, 200, { version: this.#options.version ?? '0.17.4' });
      case '/api/tags':
        return go.answerGin(exchange, 200, tags(models));
      case '/api/ps':
        return go.answerGin(exchange, 200, processes(state.scheduler.loaded(), this.#options.vramShare ?? 0));
      case '/v1/models':
        return go.answerCompatible(exchange, 200, compatibleList(models));
      case '/api/show':
        return showModel(state, exchange);
      case '/api/chat':
      case '/api/generate':
        return nativeGeneration(state, exchange);
      case '/api/embed':
      case '/api/embeddings':
      case '/v1/embeddings': {
        const fields = readNativeFields(exchange);
        return fields ? embed(state, exchange, fields) : undefined;
      }
      default:
        return manage(state, exchange);
    }
  }

  describe(situation: Situation, exchange: Exchange, message: string | null): ReadyAnswer {
    const { status, said } = SITUATIONS[situation];
    const body = errorBody(exchange.path, status, message ?? said);
    const type = exchange.path.startsWith('/api/') ? 'application/json; charset=utf-8' : 'application/json';
    return {
      status,
      headers: ['Content-Type', type, 'Date', httpDate(), 'Content-Length', String(Buffer.byteLength(body))],
      body,
    };
  }

  streamError(exchange: Exchange): { readonly text: string; readonly endsProperly: boolean } {
    return { text: crashText(exchange.path, ''), endsProperly: true };
  }

  close(): void {
    this.#state.scheduler.close();
  }
}

const SITUATIONS: Readonly<Record<Situation, { readonly status: number; readonly said: string }>> = {
  unauthorized: { status: 401, said: 'unauthorized' },
  not_found: { status: 404, said: "model 'gone' not found" },
  rate_limited: { status: 429, said: 'too many requests' },
  server_error: { status: 500, said: 'llama runner process has terminated: exit status 2' },
  loading: { status: 503, said: 'model is loading' },
  overloaded: { status: 503, said: 'server busy, please try again.  maximum pending requests exceeded' },
};

function errorBody(path: string, status: number, message: string): string {
  if (path.startsWith('/api/')) return go.goJson({ error: message });
  if (path === '/v1/messages') {
    const type =
      status === 503
        ? 'overloaded_error'
        : status === 404
          ? 'not_found_error'
          : status === 429
            ? 'rate_limit_error'
            : 'api_error';
    return `${go.goJson({ type: 'error', error: { type, message }, request_id: 'req_50d1759241581b665845f0dd' })}\n`;
  }
  return `${go.goJson({ error: { message, type: 'api_error', param: null, code: null } })}\n`;
}

function createState(options: OllamaOptions): OllamaState {
  const behaviour = readBehaviour(options, DEFAULT_MODELS);
  const scheduler = new Scheduler({
    loadDelayMs: behaviour.loadDelayMs,
    keepAliveMs: options.keepAliveMs ?? 300_000,
    maxLoadedModels: options.maxLoadedModels ?? 3,
    maxQueue: options.maxQueue ?? 512,
    numParallel: options.numParallel ?? 1,
  });
  const state: OllamaState = { behaviour, scheduler, runs: new Set() };
  for (const name of options.warm ?? []) scheduler.preload(knownModel(state, name));
  return state;
}

function knownModel(state: OllamaState, name: string): StandInModel {
  const model = findModel(state, name);
  if (!model) throw new Error(`this stand-in has no model ${name}`);
  return model;
}

/** The kind alone, for servers that answer some requests otherwise. */
export function ollamaKind(options: OllamaOptions = {}): StandInKind {
  return new OllamaKind(createState(options), options);
}

/**
 * Starts a stand-in Ollama. Defaults as Ollama's own: one request at a time and model, three models in memory,
 * a queue of 512, five minutes of keep-alive. Rejects when the port is taken.
 */
export async function startOllama(options: OllamaOptions = {}): Promise<OllamaStandIn> {
  const state = createState(options);
  const server = await startStandIn(new OllamaKind(state, options), options);
  return withControls(server, {
    stateOf: (name: string) => state.scheduler.stateOf(knownModel(state, name)),
    crashRunner(name: string) {
      const model = knownModel(state, name);
      for (const entry of state.runs) if (entry.model === model) entry.run.stop('crashed');
      state.scheduler.forget(model);
    },
  });
}
