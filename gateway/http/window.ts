// Everything at `/ui`: the window for who is signed in, its files, and the link that signs in.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { GatewayError } from '../errors.ts';
import { sendBytes } from './send.ts';
import type { WindowFile, WindowFiles } from './window-files.ts';
import { enteredPage, pageStyle, signInPage, unbuiltPage } from './window-page.ts';
import type { WindowSessions } from './window-sessions.ts';

const PAGE_STYLE: WindowFile = { type: 'text/css; charset=utf-8', bytes: Buffer.from(pageStyle), isHashed: false };

/** What the window needs of the listening side. */
export interface WindowState {
  readonly isTls: boolean;
  readonly sessions: WindowSessions;
  readonly windowFiles: WindowFiles;
  url(): string;
}

interface WindowCall {
  readonly server: WindowState;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** Nothing inline, nothing from elsewhere, no frame around it, and no text that becomes markup. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join('; ');

const HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

function send(response: ServerResponse, { type, bytes, isHashed }: WindowFile): void {
  for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
  response.setHeader('cache-control', isHashed ? 'public, max-age=31536000, immutable' : 'no-store');
  sendBytes(response, 200, type, bytes);
}

function sendPage(response: ServerResponse, html: string): void {
  send(response, { type: 'text/html; charset=utf-8', bytes: Buffer.from(html), isHashed: false });
}

/** `GET /ui/`: the window, or what stands in the way of it. */
export function sendWindow({ server, request, response }: WindowCall): void {
  const port = request.socket.localPort ?? 0;
  const session = server.sessions.find(request.headers.cookie, port);
  if (session === null) {
    sendPage(response, signInPage(server.url()));
    return;
  }
  if (session.isAgeing) response.setHeader('set-cookie', server.sessions.newCookie(port, server.isTls));
  const page = server.windowFiles.page();
  if (page === null) sendPage(response, unbuiltPage(server.url()));
  else send(response, page);
}

/** `GET /ui/enter/CODE`. A program that only looks at the head (a preview of links) must not use the link up. */
export function enterWindow({ server, request, response }: WindowCall, code: string): void {
  if (request.method === 'HEAD') sendPage(response, '');
  else if (!server.sessions.redeem(code)) sendPage(response, signInPage(server.url(), true));
  else {
    response.setHeader('set-cookie', server.sessions.newCookie(request.socket.localPort ?? 0, server.isTls));
    sendPage(response, enteredPage());
  }
}

/** `GET /ui/NAME`: a file of the build. They hold nothing of this gateway, so they ask for no session. */
export function sendWindowFile({ server, response }: WindowCall, name: string): void {
  const file = name === 'page.css' ? PAGE_STYLE : server.windowFiles.asset(name);
  if (file === null)
    throw new GatewayError('not_found', `The window has no file ${JSON.stringify(name.slice(0, 100))}.`);
  send(response, file);
}
