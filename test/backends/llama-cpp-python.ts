// A stand-in for the packaged server of llama-cpp-python 0.3.36: one model, one lock, and streams that others interrupt.
// Even `GET /v1/models` takes the lock: a health check that asks for it kills the running stream.

import { chooseToolCall, inputsOf, type Planned, planAnswer, vectorOf } from './core/answer.ts';
import { type Asked, countTokens, type Fields, list, readAsked, text } from './core/asked.ts';
import { type Behaviour, type BehaviourOptions, readBehaviour } from './core/behaviour.ts';
import type { Exchange } from './core/exchange.ts';
import type { Handled, ReadyAnswer, Situation, StandInKind } from './core/kind.ts';
import { describeModel, type StandInModel } from './core/models.ts';
import { Run } from './core/run.ts';
import { type StandIn, startStandIn } from './core/server.ts';
import { pause } from './core/wait.ts';
import {
  errorBody,
  jsonAnswer,
  KEEP_ALIVE_MS,
  openEvents,
  sendJson,
  sendPlainError,
  sendPreflight,
} from './llama-cpp-python/http.ts';
import { ModelLock } from './llama-cpp-python/lock.ts';
import { schemaErrors, schemaMessage } from './llama-cpp-python/schema.ts';
import { chatWords, completionsWords, type PythonWords } from './llama-cpp-python/words.ts';

export interface LlamaCppPythonOptions extends BehaviourOptions {
  /** `--interrupt_requests`: true by default. */
  readonly isInterrupting?: boolean;
  /** `--embedding true` */
  readonly hasEmbeddings?: boolean;
  /** Without an alias the model's id is its path. */
  readonly hasAlias?: boolean;
  /** Comment lines; 0: none. */
  readonly pingIntervalMs?: number;
}

const DEFAULT_MODELS = ['mistral-7b-instruct-q4_k_m'];

const ROUTES: Readonly<Record<string, string>> = {
  '/v1/models': 'GET',
  '/openapi.json': 'GET',
  '/v1/chat/completions': 'POST',
  '/v1/completions': 'POST',
  '/v1/embeddings': 'POST',
  '/extras/tokenize': 'POST',
  '/extras/tokenize/count': 'POST',
  '/extras/detokenize': 'POST',
};

const GENERATING = ['/v1/chat/completions', '/v1/completions', '/v1/embeddings'];

class LlamaCppPythonKind implements StandInKind {
  readonly kind = 'llama_cpp_python';
  readonly keepAliveMs = KEEP_ALIVE_MS;
  readonly #options: LlamaCppPythonOptions;
  readonly #behaviour: Behaviour;
  readonly #model: StandInModel;
  readonly #lock: ModelLock;
  readonly #runs = new Set<Run>();
  readonly #closing = new AbortController();

  constructor(options: LlamaCppPythonOptions) {
    this.#options = options;
    this.#behaviour = readBehaviour(options, DEFAULT_MODELS);
    this.#model = this.#behaviour.models[0] ?? describeModel('model');
    this.#lock = new ModelLock(options.isInterrupting ?? true);
  }

  get #path(): string {
    return `/models/${this.#model.name}.gguf`;
  }

  isGeneration(method: string, path: string): boolean {
    return method === 'POST' && GENERATING.includes(path);
  }

  handle(exchange: Exchange): Handled {
    const { method, path } = exchange;
    const allowed = ROUTES[path];
    if (method === 'OPTIONS') return sendPreflight(exchange);
    if (allowed === undefined) return sendJson(exchange, 404, { detail: 'Not Found' });
    if (method !== allowed) return sendJson(exchange, 405, { detail: 'Method Not Allowed' }, { allow: allowed });
    if (path === '/openapi.json') return sendJson(exchange, 200, OPENAPI);
    const { apiKey } = this.#options;
    if (apiKey !== undefined && exchange.header('authorization') !== `Bearer ${apiKey}`) {
      return sendJson(exchange, 401, { detail: 'Invalid API key' });
    }
    return path === '/v1/models' ? this.#locked(exchange, () => this.#list(exchange)) : this.#post(exchange);
  }

  #list(exchange: Exchange): void {
    const id = (this.#options.hasAlias ?? true) ? this.#model.name : this.#path;
    sendJson(
      exchange,
      200,
      { object: 'list', data: [{ id, object: 'model', owned_by: 'me', permissions: [] }] },
      { processingMs: 0 },
    );
  }

  /** Everything that touches the model waits for its turn, and so does whoever only wants to know its name. */
  async #locked(exchange: Exchange, work: () => Handled): Promise<void> {
    if (!(await this.#lock.enter(exchange.gone))) return;
    try {
      await work();
    } finally {
      this.#lock.leave();
    }
  }

  #post(exchange: Exchange): Handled {
    const { fields, path } = exchange;
    if (!fields) return sendPlainError(exchange);
    if (exchange.header('content-type')?.split(';', 1)[0] !== 'application/json') {
      const input = exchange.body.toString();
      const said = "'Input should be a valid dictionary or object to extract fields from'";
      return this.#invalid(exchange, [
        `{'type': 'model_attributes_type', 'loc': ('body',), 'msg': ${said}, 'input': b'${input}'}`,
      ]);
    }
    const wrong = schemaErrors(fields, path);
    if (wrong.length > 0) return this.#invalid(exchange, wrong);
    if (path === '/v1/chat/completions' || path === '/v1/completions') return this.#generate(exchange, fields);
    return this.#locked(exchange, () => this.#help(exchange, fields));
  }

  /** A schema error is a 500 with the text of the validator and the place in the source. */
  #invalid(exchange: Exchange, details: readonly string[]): void {
    sendJson(exchange, 500, errorBody(schemaMessage(exchange.path, details), 'internal_server_error', null, null));
  }

  /** `max_completion_tokens`, `n` and `stream_options` mean nothing here; 0 and less mean no limit. */
  #read(fields: Fields, isChat: boolean): Asked {
    const asked = readAsked(fields);
    const given = asked.maxTokens ?? (isChat || fields.max_tokens === null ? null : 16);
    return { ...asked, maxTokens: given !== null && given > 0 ? given : null, choices: 1 };
  }

  async #generate(exchange: Exchange, fields: Fields): Promise<void> {
    const isChat = exchange.path === '/v1/chat/completions';
    const asked = this.#read(fields, isChat);
    const model = asked.model ?? this.#path;
    const words = isChat ? chatWords(model) : completionsWords(model);
    const run = new Run(exchange, asked.isStream);
    this.#runs.add(run);
    if (asked.isStream) {
      run.stopWhenLeft();
      openEvents(exchange);
      exchange.startPings(this.#options.pingIntervalMs ?? 15_000, pingText);
    }
    try {
      await this.#locked(exchange, () => this.#inLock(run, asked, words));
    } finally {
      this.#runs.delete(run);
      run.stop('left');
    }
  }

  async #inLock(run: Run, asked: Asked, words: PythonWords): Promise<void> {
    const { exchange } = run;
    if (asked.isStream) this.#lock.heldByStream(run);
    if (asked.promptTokens > this.#model.contextLoaded) {
      // A stream ends empty, and properly (measured: `err-prompt-too-long-stream`).
      return asked.isStream ? exchange.end() : this.#tooLong(exchange, asked);
    }
    const planned = this.#plan(asked);
    // The prompt is never interrupted, whoever leaves or comes.
    await pause(this.#behaviour.prefillDelayMs, this.#closing.signal);
    if (!asked.isStream) {
      await run.tokens(planned.tokens, this.#behaviour.tokenDelayMs, () => undefined);
      return sendJson(exchange, 200, words.whole(planned), { processingMs: this.#behaviour.prefillDelayMs });
    }
    await this.#stream(run, planned, words);
  }

  async #stream(run: Run, planned: Planned, words: PythonWords): Promise<void> {
    const { exchange } = run;
    const { tokenDelayMs } = this.#behaviour;
    exchange.emit(words.opening(planned));
    const [first = '', ...rest] = planned.toolCall
      ? words.call(planned)
      : planned.tokens.map((token) => words.token(token));
    // The interrupt is looked for after each token, so one more always comes out.
    if (first !== '') exchange.write('content', first);
    if (run.stopped === null && rest.length > 0) await run.pause(tokenDelayMs);
    await run.tokens(rest, tokenDelayMs, (chunk) => exchange.write('content', chunk));
    if (run.stopped === 'left' || exchange.isSilenced) return;
    if (run.stopped === null) exchange.write('finish', words.finish(planned));
    exchange.write('end', 'data: [DONE]\n\n');
    // An interrupted stream ends with [DONE] but without the end of its body.
    if (run.stopped === null) exchange.end();
    else exchange.drop();
  }

  #plan(asked: Asked): Planned {
    const call = chooseToolCall(asked, this.#behaviour, { named: true, required: false, auto: false });
    const contextLeft = this.#model.contextLoaded - asked.promptTokens;
    return planAnswer(asked, this.#behaviour, { maxTokens: asked.maxTokens, contextLeft }, call);
  }

  #tooLong(exchange: Exchange, asked: Asked): void {
    const limit = this.#model.contextLoaded;
    const completion = asked.maxTokens ?? 16;
    const sum = asked.promptTokens + completion;
    const message =
      exchange.path === '/v1/completions'
        ? `This model's maximum context length is ${limit} tokens, however you requested ${sum} tokens (${asked.promptTokens} in your prompt; ${completion} for the completion). Please reduce your prompt; or completion length.`
        : `This model's maximum context length is ${limit} tokens. However, you requested ${sum} tokens (${asked.promptTokens} in the messages, ${completion} in the completion). Please reduce the length of the messages or completion.`;
    sendJson(exchange, 400, errorBody(message, 'invalid_request_error', 'messages', 'context_length_exceeded'));
  }

  #help(exchange: Exchange, fields: Fields): Handled {
    const processingMs = 0;
    const length = countTokens(text(fields.input) ?? '') + 3;
    const tokens = Array.from({ length }, (_none, index) => 1 + index);
    switch (exchange.path) {
      case '/extras/tokenize':
        return sendJson(exchange, 200, { tokens }, { processingMs });
      case '/extras/tokenize/count':
        return sendJson(exchange, 200, { count: length }, { processingMs });
      case '/extras/detokenize':
        return sendJson(exchange, 200, { text: list(fields.tokens).join(' ') }, { processingMs });
      default:
        return this.#embed(exchange, fields);
    }
  }

  /** Without pooling: a list of vectors for each input, one per token, whatever encoding was asked for. */
  #embed(exchange: Exchange, fields: Fields): void {
    if (!(this.#options.hasEmbeddings ?? this.#model.capabilities.includes('embedding'))) {
      const message = 'Llama model must be created with embedding=True to call this method';
      sendJson(exchange, 500, errorBody(message, 'internal_server_error', null, null));
      return;
    }
    const inputs = inputsOf(fields.input ?? '');
    const counts = inputs.map((input) => Math.min(512, countTokens(input) + 3));
    const data = inputs.map((input, index) => ({
      object: 'embedding',
      embedding: Array.from({ length: counts[index] ?? 1 }, (_none, token) =>
        vectorOf(`${input}${token}`, this.#model.embeddingLength),
      ),
      index,
    }));
    const sum = counts.reduce((all, count) => all + count, 0);
    const usage = { prompt_tokens: sum, total_tokens: sum };
    sendJson(
      exchange,
      200,
      { object: 'list', data, model: text(fields.model) ?? this.#path, usage },
      { processingMs: 1 },
    );
  }

  describe(situation: Situation, exchange: Exchange, message: string | null): ReadyAnswer {
    const [status, value] = SITUATIONS[situation](message);
    return jsonAnswer(exchange, status, value);
  }

  /** It has no error event: the stream just breaks off (see the lock). */
  streamError(): { readonly text: string; readonly endsProperly: boolean } {
    return { text: 'data: [DONE]\n\n', endsProperly: false };
  }

  close(): void {
    this.#closing.abort();
    for (const run of this.#runs) run.stop('left');
  }
}

const pingText = () => `: ping - ${new Date().toISOString().replace('T', ' ').replace('Z', '000+00:00')}\n\n`;

const OPENAPI = {
  openapi: '3.1.0',
  info: { title: '🦙 llama.cpp Python API', version: '0.3.36' },
  paths: Object.fromEntries(
    Object.entries(ROUTES)
      .filter(([path]) => path !== '/openapi.json')
      .map(([path, method]) => [path, { [method.toLowerCase()]: { tags: ['OpenAI V1'] } }]),
  ),
};

const SITUATIONS: Readonly<Record<Situation, (message: string | null) => readonly [number, unknown]>> = {
  unauthorized: () => [401, { detail: 'Invalid API key' }],
  not_found: () => [404, { detail: 'Not Found' }],
  rate_limited: (message) => [429, { detail: message ?? 'Too Many Requests' }],
  server_error: (message) => [
    500,
    errorBody(message ?? 'llama_decode returned -3', 'internal_server_error', null, null),
  ],
  loading: (message) => [503, { detail: message ?? 'Service Unavailable' }],
  overloaded: (message) => [503, { detail: message ?? 'Service Unavailable' }],
};

/** The kind alone, for servers that answer some requests otherwise. */
export function llamaCppPythonKind(options: LlamaCppPythonOptions = {}): StandInKind {
  return new LlamaCppPythonKind(options);
}

/** Starts a stand-in llama-cpp-python; it answers any model name with its one model. Rejects when the port is taken. */
export function startLlamaCppPython(options: LlamaCppPythonOptions = {}): Promise<StandIn> {
  return startStandIn(new LlamaCppPythonKind(options), options);
}
