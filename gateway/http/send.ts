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

/** A page that may load nothing from anywhere and be framed by nobody. */
export function sendHtml(response: ServerResponse, html: string): void {
  response.setHeader(
    'content-security-policy',
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  );
  response.setHeader('x-content-type-options', 'nosniff');
  response.setHeader('referrer-policy', 'no-referrer');
  send(response, 200, 'text/html; charset=utf-8', html);
}

export function sendRedirect(response: ServerResponse, to: string): void {
  response.setHeader('location', to);
  send(response, 302, 'text/plain; charset=utf-8', `See ${to}\n`);
}
