// How uvicorn (httptools) and vLLM's middleware write an answer: all names in lower case.

import { hex, httpDate } from '../core/clock-text.ts';
import type { Exchange } from '../core/exchange.ts';
import type { ReadyAnswer } from '../core/kind.ts';

/** Idle connections are closed after 5 s (measured: `keepalive_idle_close`). */
export const KEEP_ALIVE_MS = 5_000;

export interface HeaderOptions {
  /** Null: no Content-Type at all, as empty answers have none. */
  readonly type: string | null;
  /** Null: chunked. */
  readonly length: number | null;
  /** Before the length: `allow`, the load report. */
  readonly before?: readonly string[];
  readonly location?: string;
  /** The check of the key comes before the CORS middleware, which sets it. */
  readonly hasVary?: boolean;
  readonly echoesRequestId: boolean;
}

export function vllmHeaders(exchange: Exchange, options: HeaderOptions): string[] {
  const headers = ['date', httpDate(), 'server', 'uvicorn', ...(options.before ?? [])];
  if (options.length !== null) headers.push('content-length', String(options.length));
  if (options.type !== null) headers.push('content-type', options.type);
  if (options.location !== undefined) headers.push('location', options.location);
  if (options.hasVary ?? true) headers.push('vary', 'Origin');
  if (options.echoesRequestId) headers.push('x-request-id', exchange.header('x-request-id') ?? hex(16));
  if (exchange.wantsClose) headers.push('connection', 'close');
  if (options.length === null) headers.push('transfer-encoding', 'chunked');
  return headers;
}

/** What went wrong, in OpenAI's envelope with vLLM's types. */
export function vllmError(message: string, type: string, param: string | null, code: number): unknown {
  return { error: { message, type, param, code } };
}

export function jsonAnswer(
  exchange: Exchange,
  status: number,
  value: unknown,
  options: Partial<HeaderOptions> & { readonly echoesRequestId: boolean },
): ReadyAnswer {
  const body = JSON.stringify(value);
  const headers = vllmHeaders(exchange, { type: 'application/json', length: Buffer.byteLength(body), ...options });
  return { status, headers, body };
}

/** JSON as Python's `json.dumps` writes it by default: a blank after each comma and colon, only ASCII. */
export function pythonJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(pythonJson).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value).filter(([, entry]) => entry !== undefined);
    return `{${fields.map(([name, entry]) => `${pythonJson(name)}: ${pythonJson(entry)}`).join(', ')}}`;
  }
  if (typeof value !== 'string') return JSON.stringify(value);
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
