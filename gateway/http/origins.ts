// Which web pages may call the gateway, and what a browser is told about it. Pure.

import type { IncomingHttpHeaders } from 'node:http';
import { hostNameOf, isLoopbackName } from './local-names.ts';

/** Schemes of desktop apps that call a local model server today (Ollama's own list, without files and extensions). */
const APP_SCHEMES: ReadonlySet<string> = new Set(['app', 'tauri', 'vscode-webview', 'vscode-file']);

/** One entry of `allowed_origins`: exact, or with one `*` for the host (`chrome-extension://*`) or its first labels (`https://*.example.org`). */
function matchesEntry(origin: string, entry: string): boolean {
  const star = entry.indexOf('*');
  if (star < 0) return origin === entry;
  const scheme = entry.slice(0, star);
  // A bare star would let every page in: it matches nothing.
  if (!scheme.endsWith('://')) return false;
  const suffix = entry.slice(star + 1);
  return origin.startsWith(scheme) && origin.endsWith(suffix) && origin.length > scheme.length + suffix.length;
}

/** Whether a page of this origin may call anything but `/admin` and `/ui`. `null` (sandboxed pages, files) only when configured. */
export function isAllowedOrigin(origin: string, configured: readonly string[]): boolean {
  const lower = origin.toLowerCase();
  const parts = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)$/.exec(lower);
  if (parts?.[1] && APP_SCHEMES.has(parts[1])) return true;
  if (parts?.[2] && (parts[1] === 'http' || parts[1] === 'https')) {
    const name = hostNameOf(parts[2]);
    if (name !== null && isLoopbackName(name)) return true;
  }
  return configured.some((entry) => matchesEntry(lower, entry.toLowerCase()));
}

/** The headers that let a page of an allowed origin read the answer. */
export function corsHeaders(origin: string): Readonly<Record<string, string>> {
  return {
    'access-control-allow-origin': origin,
    'access-control-expose-headers':
      'x-request-id, request-id, retry-after, server-timing, x-should-retry, x-switchyard-provider, x-switchyard-model, x-switchyard-rule, x-switchyard-attempts, x-switchyard-decision-ms, x-switchyard-warning, x-switchyard-cache',
    vary: 'Origin',
  };
}

/** The answer to a preflight of an allowed origin; the headers it asks for are granted, it is the origin that decides. */
export function preflightHeaders(origin: string, headers: IncomingHttpHeaders): Readonly<Record<string, string>> {
  const wanted = headers['access-control-request-headers'];
  return {
    'access-control-allow-origin': origin,
    'access-control-allow-methods': 'GET, HEAD, POST, PATCH, DELETE, OPTIONS',
    ...(wanted === undefined ? {} : { 'access-control-allow-headers': wanted }),
    ...(headers['access-control-request-private-network'] === 'true'
      ? { 'access-control-allow-private-network': 'true' }
      : {}),
    'access-control-max-age': '43200',
    vary: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
  };
}
