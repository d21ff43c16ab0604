// How uvicorn (h11) and FastAPI write the answers of llama-cpp-python's server: names in lower case but for the framing.

import { hex, httpDate } from '../core/clock-text.ts';
import type { Exchange } from '../core/exchange.ts';
import type { ReadyAnswer } from '../core/kind.ts';

/** Idle connections are closed after 5 s. */
export const KEEP_ALIVE_MS = 5_000;

interface JsonOptions {
  /** Ms the work took: only answers of the API's own routes that succeeded carry it. */
  readonly processingMs?: number;
  readonly allow?: string;
}

function trailer(exchange: Exchange, processingMs: number | undefined): string[] {
  const headers = processingMs === undefined ? [] : ['openai-processing-ms', String(Math.round(processingMs))];
  headers.push('x-request-id', exchange.header('x-request-id') ?? hex(16), 'vary', 'Origin');
  if (exchange.wantsClose) headers.push('connection', 'close');
  return headers;
}

export function jsonAnswer(exchange: Exchange, status: number, value: unknown, options: JsonOptions = {}): ReadyAnswer {
  const body = JSON.stringify(value);
  const allow = options.allow === undefined ? [] : ['allow', options.allow];
  const length = ['content-length', String(Buffer.byteLength(body)), 'content-type', 'application/json'];
  const headers = [
    'date',
    httpDate(),
    'server',
    'uvicorn',
    ...allow,
    ...length,
    ...trailer(exchange, options.processingMs),
  ];
  return { status, headers, body };
}

export function sendJson(exchange: Exchange, status: number, value: unknown, options: JsonOptions = {}): void {
  const { headers, body } = jsonAnswer(exchange, status, value, options);
  exchange.answer(status, headers, body);
}

/** What is left when the handler of errors failed as well: malformed JSON ends so (measured: `err-malformed-json`). */
export function sendPlainError(exchange: Exchange): void {
  const body = 'Internal Server Error';
  const close = exchange.wantsClose ? ['connection', 'close'] : [];
  const length = ['content-length', String(body.length), 'content-type', 'text/plain; charset=utf-8'];
  exchange.answer(500, ['date', httpDate(), 'server', 'uvicorn', ...length, ...close], body);
}

/** 200 at once: before queueing, prefill or any check of the prompt. */
export function openEvents(exchange: Exchange): void {
  const own = [
    'cache-control',
    'no-store',
    'connection',
    'keep-alive',
    'x-accel-buffering',
    'no',
    'content-type',
    'text/event-stream; charset=utf-8',
  ];
  const framing = ['Transfer-Encoding', 'chunked'];
  exchange.open(200, ['date', httpDate(), 'server', 'uvicorn', ...own, ...trailer(exchange, 0), ...framing]);
}

export function sendPreflight(exchange: Exchange): void {
  const body = 'OK';
  const cors = [
    'vary',
    'Origin, Access-Control-Request-Method, Access-Control-Request-Headers, Access-Control-Request-Private-Network',
    'access-control-allow-methods',
    'DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT, QUERY',
    'access-control-max-age',
    '600',
    'access-control-allow-credentials',
    'true',
    'access-control-allow-origin',
    exchange.origin ?? '*',
  ];
  const length = ['content-length', String(body.length), 'content-type', 'text/plain; charset=utf-8'];
  exchange.answer(200, ['date', httpDate(), 'server', 'uvicorn', ...cors, ...length], body);
}

export function errorBody(message: string, type: string, param: string | null, code: string | null): unknown {
  return { error: { message, type, param, code } };
}
