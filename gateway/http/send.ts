// Whole answers, each with its length.

import type { ServerResponse } from 'node:http';

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.statusCode = status;
  response.setHeader('content-type', type);
  response.setHeader('content-length', Buffer.byteLength(body));
  response.end(body);
}

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  send(response, status, 'application/json; charset=utf-8', JSON.stringify(value));
}

export function sendText(
  response: ServerResponse,
  status: number,
  text: string,
  type = 'text/plain; charset=utf-8',
): void {
  send(response, status, type, text);
}

/** A file as it is; its other headers are set already. */
export function sendBytes(response: ServerResponse, status: number, type: string, bytes: Buffer): void {
  response.statusCode = status;
  response.setHeader('content-type', type);
  response.setHeader('content-length', bytes.length);
  response.end(bytes);
}

export function sendRedirect(response: ServerResponse, to: string): void {
  response.setHeader('location', to);
  send(response, 302, 'text/plain; charset=utf-8', `See ${to}\n`);
}
