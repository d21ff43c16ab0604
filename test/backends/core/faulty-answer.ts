// Whole (not streamed) answers with something wrong about them.

import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import type { Exchange } from './exchange.ts';
import { type Fault, rewriteFinish } from './faults.ts';
import type { ReadyAnswer, StandInKind } from './kind.ts';
import { drippingOutlet, type Encoding } from './outlets.ts';
import { withHeader } from './wire.ts';

/** Every change of the body's length has to show in the head. */
function sized(answer: ReadyAnswer, body: string | Buffer): string[] {
  const headers = withHeader(withHeader(answer.headers, 'transfer-encoding', null), 'content-length', null);
  return [...headers, 'Content-Length', String(Buffer.byteLength(body))];
}

function resend(exchange: Exchange, answer: ReadyAnswer, body: string | Buffer): void {
  exchange.wire.answer(answer.status, sized(answer, body), body);
}

function compress(body: string, encoding: Encoding): Buffer {
  if (encoding === 'gzip') return gzipSync(body);
  return encoding === 'deflate' ? deflateSync(body) : brotliCompressSync(body);
}

/** Spaces before the last brace: the JSON stays valid and means the same. */
function inflate(body: string, bytes: number): string {
  return `${body.slice(0, -1)}${' '.repeat(Math.max(0, bytes - body.length))}${body.slice(-1)}`;
}

/** The head, half of the body, and then what the fault says. */
function sendHalf(exchange: Exchange, answer: ReadyAnswer, then: 'hang' | 'drop' | 'reset'): void {
  const { wire } = exchange;
  wire.head(answer.status, sized(answer, answer.body));
  wire.response.write(answer.body.slice(0, Math.ceil(answer.body.length / 2)));
  if (then === 'hang') exchange.silence();
  else if (then === 'drop') wire.drop();
  else wire.reset();
}

function sendWithLength(exchange: Exchange, answer: ReadyAnswer, difference: number): void {
  const { socket } = exchange.wire.response;
  const length = Buffer.byteLength(answer.body) + difference;
  const headers = withHeader(sized(answer, answer.body), 'content-length', String(length));
  const lines = headers.flatMap((entry, index) => (index % 2 === 0 ? [`${entry}: ${headers[index + 1]}`] : []));
  // Written past the HTTP library, which would not let it through.
  socket?.write(`HTTP/1.1 ${answer.status} OK\r\n${lines.join('\r\n')}\r\n\r\n${answer.body}`);
  socket?.destroySoon();
}

function drip(exchange: Exchange, answer: ReadyAnswer, delayMs: number): void {
  exchange.wire.head(answer.status, sized(answer, answer.body));
  const outlet = drippingOutlet(exchange.wire.response, delayMs);
  outlet.write(answer.body);
  outlet.end();
}

function fail(exchange: Exchange, kind: StandInKind, fault: Fault): void {
  const { status, headers, body } = kind.describe('server_error', exchange, fault.message ?? null);
  exchange.wire.answer(status, headers, body);
}

/** Sends a good answer spoiled by the fault; faults that have no meaning here leave it as it is. */
export function answerWithFault(exchange: Exchange, kind: StandInKind, answer: ReadyAnswer, fault: Fault): void {
  const { wire } = exchange;
  switch (fault.kind) {
    case 'hang_after_headers':
      wire.head(answer.status, sized(answer, answer.body));
      wire.response.flushHeaders();
      exchange.silence();
      break;
    case 'hang_mid_stream':
      sendHalf(exchange, answer, 'hang');
      break;
    case 'drop':
      sendHalf(exchange, answer, 'drop');
      break;
    case 'drop_reset':
      sendHalf(exchange, answer, 'reset');
      break;
    case 'cut_json':
    case 'truncated_sse':
      resend(exchange, answer, answer.body.slice(0, Math.ceil(answer.body.length / 2)));
      break;
    case 'error_event_first':
    case 'error_event':
      fail(exchange, kind, fault);
      break;
    case 'no_finish':
      resend(exchange, answer, rewriteFinish(answer.body, null));
      break;
    case 'finish_abort':
      resend(exchange, answer, rewriteFinish(answer.body, 'abort'));
      break;
    case 'empty':
      resend(exchange, answer, '');
      break;
    case 'wrong_content_type':
      wire.answer(answer.status, withHeader(answer.headers, 'content-type', 'text/plain'), answer.body);
      break;
    case 'slow_drip':
      drip(exchange, answer, fault.delayMs ?? 1);
      break;
    case 'huge_body':
      resend(exchange, answer, inflate(answer.body, fault.bytes ?? 16 * 1024 * 1024));
      break;
    case 'length_too_long':
      sendWithLength(exchange, answer, 10);
      break;
    case 'length_too_short':
      sendWithLength(exchange, answer, -10);
      break;
    case 'compressed': {
      const encoding = fault.encoding ?? 'gzip';
      const bytes = compress(answer.body, encoding);
      wire.answer(answer.status, ['Content-Encoding', encoding, ...sized(answer, bytes)], bytes);
      break;
    }
    default:
      wire.answer(answer.status, answer.headers, answer.body);
      break;
  }
}
