// What is said to a client whose bytes are no HTTP request: written straight to the socket, for there is no request to answer.

import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { GatewayError } from '../errors.ts';
import { renderError } from '../protocols/errors.ts';
import type { Protocol } from '../types.ts';
import { protocolOf } from './paths.ts';

/** The parser's complaint as an error of ours (codes: llhttp's `HPE_*`, node:http's `ERR_HTTP_*`). */
function parserError(error: Error, headerBytes: number): GatewayError {
  const code = 'code' in error ? String(error.code) : '';
  if (code === 'HPE_HEADER_OVERFLOW')
    return new GatewayError(
      'headers_too_large',
      `The request line and headers take more than ${Math.round(headerBytes / 1024)} kB: send fewer or shorter ones.`,
    );
  if (code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW')
    return new GatewayError('body_too_large', 'The chunk extensions of the request body are too large: send none.');
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return new GatewayError('request_timeout', 'The request did not arrive completely in time: send it faster.');
  const reason = 'reason' in error && typeof error.reason === 'string' ? error.reason : error.message;
  return new GatewayError('invalid_request', `This is not a valid HTTP/1.1 request: ${reason}.`);
}

/** The protocol as far as the bytes that were refused tell: their request line, if they begin with it. */
function protocolOfBytes(error: Error): Protocol {
  const packet = 'rawPacket' in error && Buffer.isBuffer(error.rawPacket) ? error.rawPacket.subarray(0, 200) : null;
  const path = packet === null ? undefined : /^[A-Z]+ (\/[^ ?]*)/.exec(packet.toString('latin1'))?.[1];
  return protocolOf(path ?? '/', {});
}

/** Answers and closes. Nothing is written where part of an answer has been sent already. */
export function answerClientError(error: Error, socket: Duplex, headerBytes: number, isAnswering: boolean): void {
  const isReset = 'code' in error && error.code === 'ECONNRESET';
  if (isReset || !socket.writable || isAnswering) {
    socket.destroy();
    return;
  }
  socket.end(rawError(parserError(error, headerBytes), protocolOfBytes(error)));
}

/** A whole HTTP answer as text, with which the connection ends. */
export function rawError(error: GatewayError, protocol: Protocol): string {
  const id = randomUUID();
  const { status, headers, body } = renderError(protocol, error, id);
  const lines = Object.entries({
    ...headers,
    'x-request-id': id,
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Error'}\r\n${lines.join('')}\r\n${body}`;
}
