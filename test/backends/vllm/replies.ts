// The answers of vLLM's API layer: one place knows which headers each of them has.

import { isFields } from '../core/asked.ts';
import type { Exchange } from '../core/exchange.ts';
import type { ReadyAnswer, Situation } from '../core/kind.ts';
import type { Refusal } from './checks.ts';
import { DEAD, type Outlets, type VllmEngine } from './engine.ts';
import { jsonAnswer, vllmError, vllmHeaders } from './http.ts';

export const NOT_FOUND = { detail: 'Not Found' };

const BUSY_TEXT =
  'The engine is currently busy and cannot accept new requests. Please try again later or on a different instance.';

/** More requests than `--max-num-queued-reqs` allows: 503 without Retry-After (measured: `overload_503_*`). */
export const BUSY: Refusal = { status: 503, value: vllmError(BUSY_TEXT, 'Service Unavailable', null, 503) };

/** SIGTERM with a shutdown timeout: new requests get 500 (measured: `killed_api_term_shutdown_timeout_10_new_*`). */
export const DRAINING: Refusal = {
  status: 500,
  value: vllmError('cannot schedule new futures after shutdown', 'InternalServerError', null, 500),
};

const CORS = [
  'vary',
  'Origin, Access-Control-Request-Method, Access-Control-Request-Headers, Access-Control-Request-Private-Network',
  'access-control-allow-methods',
  'DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT, QUERY',
  'access-control-max-age',
  '600',
];

export class VllmReplies implements Outlets {
  readonly #engine: VllmEngine;
  readonly #echoesRequestId: boolean;
  readonly #pingIntervalMs: number;

  constructor(engine: VllmEngine, options: { readonly echoesRequestId: boolean; readonly pingIntervalMs: number }) {
    this.#engine = engine;
    this.#echoesRequestId = options.echoesRequestId;
    this.#pingIntervalMs = options.pingIntervalMs;
  }

  json(
    exchange: Exchange,
    status: number,
    value: unknown,
    more: { hasVary?: boolean; before?: readonly string[] } = {},
  ): void {
    const answer = jsonAnswer(exchange, status, value, { echoesRequestId: this.#echoesRequestId, ...more });
    exchange.answer(status, answer.headers, answer.body);
  }

  /** Anything but JSON; no type for an empty body. */
  plain(exchange: Exchange, status: number, type: string | null, body: string): void {
    const options = { type, length: Buffer.byteLength(body), echoesRequestId: this.#echoesRequestId };
    exchange.answer(status, vllmHeaders(exchange, options), body);
  }

  redirect(exchange: Exchange, path: string): void {
    const location = `http://${exchange.header('host') ?? 'localhost'}${path}`;
    const options = { type: null, length: 0, location, echoesRequestId: this.#echoesRequestId };
    exchange.answer(307, vllmHeaders(exchange, options), '');
  }

  /** CORS is off by default: every preflight is refused (measured: `err_options`). */
  preflight(exchange: Exchange): void {
    const body = 'Disallowed CORS origin';
    const type = 'text/plain; charset=utf-8';
    const options = { type, length: body.length, before: CORS, hasVary: false, echoesRequestId: false };
    exchange.answer(400, vllmHeaders(exchange, options), body);
  }

  refuse(exchange: Exchange, { status, value }: Refusal): void {
    const error = isFields(value) && isFields(value.error) ? value.error : {};
    // What the schema finds keeps OpenAI's envelope even on the Messages route.
    const isOwn = exchange.path === '/v1/messages' && error.type !== 'Bad Request';
    const own = { type: 'error', error: { type: error.type, message: error.message } };
    this.json(exchange, status, isOwn ? own : value);
  }

  open(exchange: Exchange): void {
    const type = 'text/event-stream; charset=utf-8';
    exchange.open(200, vllmHeaders(exchange, { type, length: null, echoesRequestId: this.#echoesRequestId }));
    exchange.startPings(this.#pingIntervalMs, () => ': keep-alive\n\n');
  }

  whole(exchange: Exchange, value: unknown): void {
    this.json(exchange, 200, value, { before: this.#loadReport(exchange) });
  }

  dead(exchange: Exchange): void {
    this.json(exchange, 500, { error: DEAD });
  }

  /** ORCA: the engine's load in a header, when asked for, never with a stream (measured: `chat_orca_*`). */
  #loadReport(exchange: Exchange): string[] {
    const format = exchange.header('endpoint-load-metrics-format')?.toUpperCase();
    const waiting = `${this.#engine.waiting}.0`;
    const usage = this.#engine.cacheUsage === 0 ? '0.0' : String(this.#engine.cacheUsage);
    if (format === 'JSON') {
      const metrics = `{"num_requests_waiting": ${waiting}, "kv_cache_usage_perc": ${usage}}`;
      return ['endpoint-load-metrics', `JSON {"named_metrics": ${metrics}}`];
    }
    if (format !== 'TEXT') return [];
    const metrics = `named_metrics.num_requests_waiting=${waiting}, named_metrics.kv_cache_usage_perc=${usage}`;
    return ['endpoint-load-metrics', `TEXT ${metrics}`];
  }

  describe(situation: Situation, exchange: Exchange, message: string | null): ReadyAnswer {
    const [status, value] = SITUATIONS[situation](message);
    const hasVary = situation !== 'unauthorized';
    return jsonAnswer(exchange, status, value, { echoesRequestId: this.#echoesRequestId, hasVary });
  }
}

const SITUATIONS: Readonly<Record<Situation, (message: string | null) => readonly [number, unknown]>> = {
  unauthorized: () => [401, { error: 'Unauthorized' }],
  not_found: (message) => [
    404,
    vllmError(message ?? 'The model `gone` does not exist.', 'NotFoundError', 'model', 404),
  ],
  rate_limited: (message) => [429, vllmError(message ?? 'Too many requests', 'RateLimitError', null, 429)],
  server_error: (message) => [500, vllmError(message ?? DEAD.message, 'InternalServerError', null, 500)],
  loading: () => [503, { error: 'The model is currently scaling. Please try again later.' }],
  overloaded: (message) => [503, vllmError(message ?? BUSY_TEXT, 'Service Unavailable', null, 503)],
};

export function unknownResponse(path: string): unknown {
  const id = path.slice('/v1/responses/'.length);
  return vllmError(`Response with id '${id}' not found.`, 'invalid_request_error', 'response_id', 404);
}
