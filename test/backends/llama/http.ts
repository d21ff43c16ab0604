// How cpp-httplib, as llama.cpp uses it, writes an answer.

import type { Exchange } from '../core/exchange.ts';
import type { ReadyAnswer } from '../core/kind.ts';

/** Idle connections are closed after 5 s, and any connection after 100 requests (measured: `Keep-Alive` header, idle test). */
export const KEEP_ALIVE_MS = 5_000;
const MAX_REQUESTS = 100;

const JSON_TYPE = 'application/json; charset=utf-8';
const KEEP_ALIVE = ['Keep-Alive', 'timeout=5, max=100'];

/** `Access-Control-Allow-Origin` is there always, empty when the request has no Origin. */
function common(exchange: Exchange): string[] {
  return ['Server', 'llama.cpp', 'Access-Control-Allow-Origin', exchange.origin ?? ''];
}

function ending(exchange: Exchange): string[] {
  return exchange.wantsClose || exchange.reuseCount + 1 >= MAX_REQUESTS ? ['Connection', 'close'] : KEEP_ALIVE;
}

/**
 * How the answers of one server are framed: directly, or handed on by a router, which makes everything chunked
 * and says both `Connection: close` and `Keep-Alive` (measured: `router-chat-*`).
 */
export interface Framing {
  json(exchange: Exchange, status: number, value: unknown): void;
  error(exchange: Exchange, value: unknown, status: number): void;
  text(exchange: Exchange, contentType: string, body: string, extra: readonly string[]): void;
  openEvents(exchange: Exchange): void;
}

export const direct: Framing = {
  json(exchange, status, value) {
    const body = JSON.stringify(value);
    const length = ['Content-Length', String(Buffer.byteLength(body))];
    exchange.answer(status, [...common(exchange), 'Content-Type', JSON_TYPE, ...length, ...ending(exchange)], body);
  },
  error(exchange, value, status) {
    const { headers, body } = errorAnswer(exchange, value, status);
    exchange.answer(status, headers, body);
  },
  text(exchange, contentType, body, extra) {
    const length = ['Content-Length', String(Buffer.byteLength(body))];
    exchange.answer(
      200,
      [...common(exchange), ...extra, 'Content-Type', contentType, ...length, ...ending(exchange)],
      body,
    );
  },
  openEvents(exchange) {
    const own = ['X-Accel-Buffering', 'no', 'Content-Type', 'text/event-stream', 'Transfer-Encoding', 'chunked'];
    exchange.open(200, [...common(exchange), ...own, ...ending(exchange)]);
  },
};

const proxiedHead = (exchange: Exchange, contentType: string) => [
  ...common(exchange),
  ...['Connection', 'close', 'X-Accel-Buffering', 'no', 'Content-Type', contentType, 'Transfer-Encoding', 'chunked'],
];

export const proxied: Framing = {
  json: (exchange, status, value) =>
    exchange.answer(status, [...proxiedHead(exchange, JSON_TYPE), ...KEEP_ALIVE], JSON.stringify(value)),
  error: (exchange, value, status) =>
    exchange.answer(status, [...proxiedHead(exchange, JSON_TYPE), 'Connection', 'close'], JSON.stringify(value)),
  text: (exchange, contentType, body) =>
    exchange.answer(200, [...proxiedHead(exchange, contentType), ...KEEP_ALIVE], body),
  openEvents: (exchange) => exchange.open(200, [...proxiedHead(exchange, 'text/event-stream'), ...KEEP_ALIVE]),
};

/** Every error closes the connection. */
export function errorAnswer(exchange: Exchange, value: unknown, status: number): ReadyAnswer {
  const body = JSON.stringify(value);
  const length = ['Content-Length', String(Buffer.byteLength(body))];
  return { status, headers: [...common(exchange), 'Content-Type', JSON_TYPE, ...length, 'Connection', 'close'], body };
}

/** An error of the model server. */
export function serverError(code: number, message: string, type: string, rest: Record<string, unknown> = {}): unknown {
  return { error: { code, message, type, ...rest } };
}

/** The same as the middleware words it: other order of keys. */
export function middlewareError(code: number, message: string, type: string): unknown {
  return { error: { message, type, code } };
}

export const NOT_FOUND = middlewareError(404, 'File Not Found', 'not_found_error');
export const LOADING = middlewareError(503, 'Loading model', 'unavailable_error');
export const BAD_KEY = middlewareError(401, 'Invalid API Key', 'authentication_error');

export function answerPreflight(exchange: Exchange): void {
  const own = [
    'Access-Control-Allow-Credentials',
    'true',
    'Access-Control-Allow-Methods',
    'GET, POST, DELETE, OPTIONS',
    'Access-Control-Allow-Headers',
    '*',
    'Content-Type',
    'text/html',
  ];
  exchange.answer(200, [...common(exchange), ...own, ...ending(exchange), 'Content-Length', '0'], '');
}
