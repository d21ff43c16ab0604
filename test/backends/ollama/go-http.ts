// How Go's net/http and gin write an answer: own headers sorted by name, then Date, then the framing.

import { httpDate } from '../core/clock-text.ts';
import type { Exchange } from '../core/exchange.ts';

/** A body up to this size gets a Content-Length; a longer one is chunked (measured: ollama 0.17.4 `show`, `long-prompt-generate`). */
const BUFFERED_BYTES = 2048;

const GIN_JSON = 'application/json; charset=utf-8';
const PLAIN_JSON = 'application/json';

/** JSON as Go's encoder writes it: `<`, `>` and `&` escaped. */
export function goJson(value: unknown): string {
  return JSON.stringify(value).replace(/[<>&]/g, (sign) => `\\u00${sign.charCodeAt(0).toString(16)}`);
}

export function goHeaders(
  exchange: Exchange,
  own: readonly (readonly [string, string])[],
  framing: number | 'chunked' | 'none',
): string[] {
  const { origin } = exchange;
  const all: (readonly [string, string])[] = [...own];
  if (origin !== undefined) all.push(['Access-Control-Allow-Origin', origin], ['Vary', 'Origin']);
  const headers = all.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).flat();
  headers.push('Date', httpDate());
  if (typeof framing === 'number') headers.push('Content-Length', String(framing));
  if (exchange.wantsClose && !own.some(([name]) => name === 'Connection')) headers.push('Connection', 'close');
  if (framing === 'chunked') headers.push('Transfer-Encoding', 'chunked');
  return headers;
}

function answerText(
  exchange: Exchange,
  status: number,
  contentType: string,
  body: string,
  own: readonly (readonly [string, string])[] = [],
): void {
  const length = Buffer.byteLength(body);
  const framing = length > BUFFERED_BYTES ? 'chunked' : length;
  exchange.answer(status, goHeaders(exchange, [...own, ['Content-Type', contentType]], framing), body);
}

/** JSON from gin itself: the native API, and what the parsers of the compatible routes refuse. */
export function answerGin(exchange: Exchange, status: number, value: unknown): void {
  answerText(exchange, status, GIN_JSON, goJson(value));
}

/** JSON that went through the middleware of the compatible routes: no charset, and a line feed at the end. */
export function answerCompatible(exchange: Exchange, status: number, value: unknown): void {
  answerText(exchange, status, PLAIN_JSON, `${goJson(value)}\n`);
}

/** The native API's JSON outside gin's renderer: no charset, no line feed. */
export function answerPlainJson(exchange: Exchange, status: number, value: unknown): void {
  const body = goJson(value);
  exchange.answer(status, goHeaders(exchange, [['Content-Type', PLAIN_JSON]], 'chunked'), body);
}

export function answerNotFound(exchange: Exchange): void {
  answerText(exchange, 404, 'text/plain', '404 page not found');
}

export function answerWrongMethod(exchange: Exchange, allowed: string): void {
  answerText(exchange, 405, 'text/plain', '405 method not allowed', [['Allow', allowed]]);
}

export function answerRunning(exchange: Exchange): void {
  answerText(exchange, 200, 'text/plain; charset=utf-8', 'Ollama is running');
}

/** 403 with no body at all: a foreign Host or Origin. */
export function answerForbidden(exchange: Exchange): void {
  exchange.answer(403, ['Date', httpDate(), 'Content-Length', '0'], '');
}

const ALLOWED_HEADERS =
  'Authorization,Content-Type,User-Agent,Accept,X-Requested-With,Openai-Beta,X-Stainless-Arch,X-Stainless-Async,X-Stainless-Custom-Poll-Interval,X-Stainless-Helper-Method,X-Stainless-Lang,X-Stainless-Os,X-Stainless-Package-Version,X-Stainless-Poll-Helper,X-Stainless-Retry-Count,X-Stainless-Runtime,X-Stainless-Runtime-Version,X-Stainless-Timeout';

/** The answer to a preflight from an allowed origin. */
export function answerPreflight(exchange: Exchange, allowed: string): void {
  const headers = [
    ['Access-Control-Allow-Headers', ALLOWED_HEADERS],
    ['Access-Control-Allow-Methods', 'GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS'],
    ['Access-Control-Allow-Origin', exchange.origin ?? ''],
    ['Access-Control-Max-Age', '43200'],
    ['Allow', allowed],
    ['Vary', 'Origin'],
    ['Vary', 'Access-Control-Request-Method'],
    ['Vary', 'Access-Control-Request-Headers'],
    ['Date', httpDate()],
  ].flat();
  exchange.answer(204, headers, '');
}

export function openNdjson(exchange: Exchange): void {
  exchange.open(200, goHeaders(exchange, [['Content-Type', 'application/x-ndjson']], 'chunked'));
}

/** `withCaching`: the Messages and Responses routes set two headers more. */
export function openEvents(exchange: Exchange, withCaching: boolean): void {
  const own: (readonly [string, string])[] = withCaching
    ? [
        ['Cache-Control', 'no-cache'],
        ['Connection', 'keep-alive'],
      ]
    : [];
  exchange.open(200, goHeaders(exchange, [...own, ['Content-Type', 'text/event-stream']], 'chunked'));
}

const PRIVATE_IP = /^(127\.|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|0\.0\.0\.0$|\[?::1?\]?$)/;

/** A server bound to loopback answers only to local names (measured: `host-header-*`). */
export function isLocalHost(host: string | undefined): boolean {
  const name = (host ?? '').replace(/:\d+$/, '').toLowerCase();
  return name === '' || name === 'localhost' || /\.(localhost|local|internal)$/.test(name) || PRIVATE_IP.test(name);
}

export function isAllowedOrigin(origin: string): boolean {
  return /^(https?:\/\/(localhost|127\.0\.0\.1|0\.0\.0\.0)(:\d+)?$|(app|file|tauri|vscode-webview|vscode-file):)/.test(
    origin,
  );
}
