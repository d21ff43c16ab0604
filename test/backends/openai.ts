// A stand-in for any server that speaks OpenAI's API and tells nothing else about itself.

import { randomUUID } from 'node:crypto';
import { chooseToolCall, inputsOf, type Planned, planAnswer, vectorInBase64, vectorOf } from './core/answer.ts';
import { type Asked, countTokens, type Fields, isFields, list, number, readAsked, text } from './core/asked.ts';
import { type Behaviour, type BehaviourOptions, readBehaviour } from './core/behaviour.ts';
import { epochSeconds, httpDate } from './core/clock-text.ts';
import type { Exchange } from './core/exchange.ts';
import { Gate } from './core/gate.ts';
import type { Handled, ReadyAnswer, Situation, StandInKind } from './core/kind.ts';
import type { StandInModel } from './core/models.ts';
import { Run } from './core/run.ts';
import { type StandIn, startStandIn } from './core/server.ts';
import { type OpenAiRoute, type OpenAiWords, openAiWords } from './openai/words.ts';

export interface OpenAiOptions extends BehaviourOptions {
  /** Requests it works on at once; further ones wait. None: no limit. */
  readonly slots?: number;
  /** Waiting requests beyond this get 429 with Retry-After. None: no limit. */
  readonly maxQueued?: number;
  /** `/v1/responses` is there. */
  readonly hasResponses?: boolean;
}

const DEFAULT_MODELS = ['gpt-oss-20b', 'text-embedding-3-small', 'bge-reranker-v2-m3'];

const ROUTES: Readonly<Record<string, OpenAiRoute>> = {
  '/v1/chat/completions': 'chat',
  '/v1/completions': 'completions',
  '/v1/responses': 'responses',
};

const OTHERS = [
  '/v1/embeddings',
  '/v1/rerank',
  '/v1/audio/speech',
  '/v1/audio/transcriptions',
  '/v1/audio/translations',
  '/v1/images/generations',
  '/v1/images/edits',
  '/v1/images/variations',
];

function jsonAnswer(status: number, value: unknown, extra: readonly string[] = []): ReadyAnswer {
  const body = JSON.stringify(value);
  const length = ['content-type', 'application/json', 'content-length', String(Buffer.byteLength(body))];
  return {
    status,
    headers: ['date', httpDate(), ...length, 'x-request-id', `req_${randomUUID().replaceAll('-', '')}`, ...extra],
    body,
  };
}

function send(exchange: Exchange, status: number, value: unknown, extra: readonly string[] = []): void {
  const { headers, body } = jsonAnswer(status, value, extra);
  exchange.answer(status, headers, body);
}

function errorOf(message: string, type: string, param: string | null, code: string | null): unknown {
  return { error: { message, type, param, code } };
}

class OpenAiKind implements StandInKind {
  readonly kind = 'openai';
  readonly keepAliveMs = 60_000;
  readonly #options: OpenAiOptions;
  readonly #behaviour: Behaviour;
  readonly #gate: Gate;
  readonly #runs = new Set<Run>();

  constructor(options: OpenAiOptions) {
    this.#options = options;
    this.#behaviour = readBehaviour(options, DEFAULT_MODELS);
    this.#gate = new Gate(options.slots ?? Number.POSITIVE_INFINITY);
  }

  isGeneration(method: string, path: string): boolean {
    return method === 'POST' && (Object.hasOwn(ROUTES, path) || OTHERS.includes(path));
  }

  handle(exchange: Exchange): Handled {
    const { method, path } = exchange;
    const { apiKey } = this.#options;
    if (apiKey !== undefined && exchange.header('authorization') !== `Bearer ${apiKey}`) {
      const message = 'Incorrect API key provided.';
      return send(exchange, 401, errorOf(message, 'invalid_request_error', null, 'invalid_api_key'));
    }
    if (method === 'GET') return this.#list(exchange);
    const route = ROUTES[path];
    const isThere = (route && (route !== 'responses' || (this.#options.hasResponses ?? true))) || OTHERS.includes(path);
    if (method !== 'POST' || !isThere) return this.#unknownUrl(exchange);
    if (path.startsWith('/v1/audio/') || path.startsWith('/v1/images/')) return this.#media(exchange);
    return this.#post(exchange, route ?? null);
  }

  #unknownUrl(exchange: Exchange): void {
    const message = `Unknown request URL: ${exchange.method} ${exchange.path}. Please check the URL for typos.`;
    send(exchange, 404, errorOf(message, 'invalid_request_error', null, 'unknown_url'));
  }

  #list(exchange: Exchange): Handled {
    const { path } = exchange;
    const describe = (model: StandInModel) => ({
      id: model.name,
      object: 'model',
      created: 1_795_256_376,
      owned_by: 'stand-in',
    });
    if (path === '/v1/models')
      return send(exchange, 200, { object: 'list', data: this.#behaviour.models.map(describe) });
    if (!path.startsWith('/v1/models/')) return this.#unknownUrl(exchange);
    const model = this.#find(decodeURIComponent(path.slice('/v1/models/'.length)));
    return model
      ? send(exchange, 200, describe(model))
      : this.#unknownModel(exchange, path.slice('/v1/models/'.length));
  }

  #find(name: string | null): StandInModel | null {
    return this.#behaviour.models.find((model) => model.name === name) ?? null;
  }

  #unknownModel(exchange: Exchange, name: string): void {
    const message = `The model \`${name}\` does not exist or you do not have access to it.`;
    send(exchange, 404, errorOf(message, 'invalid_request_error', 'model', 'model_not_found'));
  }

  #post(exchange: Exchange, route: OpenAiRoute | null): Handled {
    const { fields } = exchange;
    if (!fields)
      return send(
        exchange,
        400,
        errorOf('We could not parse the JSON body of your request.', 'invalid_request_error', null, null),
      );
    const name = text(fields.model);
    if (name === null)
      return send(exchange, 400, errorOf('you must provide a model parameter', 'invalid_request_error', 'model', null));
    const model = this.#find(name);
    if (!model) return this.#unknownModel(exchange, name);
    if (route) return this.#generate(exchange, readAsked(fields), model, route);
    return exchange.path === '/v1/embeddings'
      ? this.#embed(exchange, fields, model)
      : this.#rerank(exchange, fields, model);
  }

  async #generate(exchange: Exchange, given: Asked, model: StandInModel, route: OpenAiRoute): Promise<void> {
    const asked = { ...given, maxTokens: number(given.fields.max_completion_tokens) ?? given.maxTokens };
    if (asked.promptTokens > model.contextLoaded) {
      const message = `This model's maximum context length is ${model.contextLoaded} tokens. However, your messages resulted in ${asked.promptTokens} tokens. Please reduce the length of the messages.`;
      return send(exchange, 400, errorOf(message, 'invalid_request_error', 'messages', 'context_length_exceeded'));
    }
    const { maxQueued } = this.#options;
    if (maxQueued !== undefined && this.#gate.isFull && this.#gate.waiting >= maxQueued) {
      const error = errorOf('Rate limit reached. Please try again in 1s.', 'requests', null, 'rate_limit_exceeded');
      return send(exchange, 429, error, ['retry-after', '1']);
    }
    const run = new Run(exchange, asked.isStream).stopWhenLeft();
    this.#runs.add(run);
    try {
      if (!(await this.#gate.enter(run.signal))) return;
      try {
        await this.#speak(run, asked, model, openAiWords(route, asked, model.name));
      } finally {
        this.#gate.leave();
      }
    } finally {
      this.#runs.delete(run);
    }
  }

  async #speak(run: Run, asked: Asked, model: StandInModel, words: OpenAiWords): Promise<void> {
    const { exchange } = run;
    const { tokenDelayMs, prefillDelayMs } = this.#behaviour;
    const call = chooseToolCall(asked, this.#behaviour, { named: true, required: true, auto: true });
    const limits = { maxTokens: asked.maxTokens, contextLeft: model.contextLoaded - asked.promptTokens };
    const planned: Planned[] = Array.from({ length: asked.choices }, () =>
      planAnswer(asked, this.#behaviour, limits, call),
    );
    await run.pause(prefillDelayMs);
    if (run.stopped !== null) return;
    if (!asked.isStream) {
      await run.tokens(planned[0]?.tokens ?? [], tokenDelayMs, () => undefined);
      if (run.stopped === null) send(exchange, 200, words.whole(planned));
      return;
    }
    const own = [
      'content-type',
      'text/event-stream; charset=utf-8',
      'cache-control',
      'no-cache',
      'transfer-encoding',
      'chunked',
    ];
    exchange.open(200, ['date', httpDate(), ...own]);
    for (const part of words.opening(planned)) exchange.emit([part]);
    for (const [choice, one] of planned.entries()) {
      await run.tokens(one.reasoning, tokenDelayMs, (token) =>
        exchange.write('content', words.reasoning(choice, token)),
      );
      await run.tokens(one.tokens, tokenDelayMs, (token) => exchange.write('content', words.token(choice, token)));
      if (one.toolCall) for (const piece of words.call(choice, one)) exchange.write('content', piece);
    }
    if (run.stopped === null) for (const part of words.end(planned)) exchange.emit([part]);
    exchange.end();
  }

  #embed(exchange: Exchange, fields: Fields, model: StandInModel): void {
    const inputs = inputsOf(fields.input ?? '');
    const tokens = inputs.reduce((sum, input) => sum + countTokens(input), 0);
    const isBase64 = fields.encoding_format === 'base64';
    const data = inputs.map((input, index) => {
      const vector = vectorOf(input, model.embeddingLength);
      return { object: 'embedding', index, embedding: isBase64 ? vectorInBase64(vector) : vector };
    });
    send(exchange, 200, {
      object: 'list',
      data,
      model: model.name,
      usage: { prompt_tokens: tokens, total_tokens: tokens },
    });
  }

  #rerank(exchange: Exchange, fields: Fields, model: StandInModel): void {
    const query = (text(fields.query) ?? '').toLowerCase();
    const results = list(fields.documents)
      .map((document, index) => {
        const own = isFields(document) ? (text(document.text) ?? '') : String(document);
        return { index, relevance_score: own.toLowerCase().includes(query) ? 0.98 : 0.02 };
      })
      .sort((a, b) => b.relevance_score - a.relevance_score);
    send(exchange, 200, { model: model.name, object: 'list', results, usage: { total_tokens: countTokens(query) } });
  }

  /** Sound and pictures: bytes or a link that only have to come through unchanged. */
  #media(exchange: Exchange): void {
    if (exchange.path === '/v1/audio/speech') {
      const bytes = 'ID3 a few bytes that stand for sound';
      exchange.answer(
        200,
        ['date', httpDate(), 'content-type', 'audio/mpeg', 'content-length', String(bytes.length)],
        bytes,
      );
    } else if (exchange.path.startsWith('/v1/audio/')) send(exchange, 200, { text: 'The words that were spoken.' });
    else send(exchange, 200, { created: epochSeconds(), data: [{ b64_json: 'iVBORw0KGgo=' }] });
  }

  describe(situation: Situation, _exchange: Exchange, message: string | null): ReadyAnswer {
    const [status, said, type, code] = SITUATIONS[situation];
    return jsonAnswer(status, errorOf(message ?? said, type, null, code));
  }

  streamError(): { readonly text: string; readonly endsProperly: boolean } {
    const error = errorOf('The server had an error while processing your request.', 'server_error', null, null);
    return { text: `data: ${JSON.stringify(error)}\n\n`, endsProperly: true };
  }

  close(): void {
    for (const run of this.#runs) run.stop('left');
  }
}

const SITUATIONS: Readonly<Record<Situation, readonly [number, string, string, string | null]>> = {
  unauthorized: [401, 'Incorrect API key provided.', 'invalid_request_error', 'invalid_api_key'],
  not_found: [
    404,
    'The model `gone` does not exist or you do not have access to it.',
    'invalid_request_error',
    'model_not_found',
  ],
  rate_limited: [429, 'Rate limit reached. Please try again in 1s.', 'requests', 'rate_limit_exceeded'],
  server_error: [500, 'The server had an error while processing your request.', 'server_error', null],
  loading: [503, 'The model is still loading.', 'server_error', null],
  overloaded: [503, 'The engine is currently overloaded, please try again later.', 'server_error', null],
};

/** Starts a stand-in for a compatible server with chat, embedding and rerank models. Rejects when the port is taken. */
export function startOpenAi(options: OpenAiOptions = {}): Promise<StandIn> {
  return startStandIn(new OpenAiKind(options), options);
}
