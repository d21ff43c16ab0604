// What a request target means before any route is looked up. Pure.

import type { IncomingHttpHeaders } from 'node:http';
import type { Protocol } from '../types.ts';

/** Which rules of the guard hold for a path; everything unknown is `api`, so that no new path is open by oversight. */
export type Area = 'api' | 'admin' | 'challenge' | 'ui' | 'open';

const OPEN_PATHS: ReadonlySet<string> = new Set(['/', '/health/liveliness', '/health/liveness', '/health/readiness']);

/** Takes a path as `readTarget` gives it. Case matters here as it does to the routes. */
export function areaOf(path: string): Area {
  if (path.startsWith('/v1/') || path.startsWith('/api/')) return 'api';
  if (path === '/admin/challenge') return 'challenge';
  if (path === '/admin' || path.startsWith('/admin/')) return 'admin';
  if (path === '/ui' || path.startsWith('/ui/')) return 'ui';
  return OPEN_PATHS.has(path) ? 'open' : 'api';
}

/** A request target taken apart. */
export interface Target {
  /** Starts with one slash; a doubled `/v1/v1` and doubled leading slashes are mended, as clients with a base URL of their own make them. */
  readonly path: string;
  /** With its question mark, or empty. */
  readonly query: string;
  /** Who is meant, where the client wrote a whole URL (RFC 9112 section 3.2.2); it counts in place of the Host header. */
  readonly authority: string | null;
}

/** Null for what no path can be read from (`*`, `host:port`, another scheme than http or https). */
export function readTarget(url: string): Target | null {
  let rest = url;
  let authority: string | null = null;
  if (!rest.startsWith('/')) {
    const absolute = /^https?:\/\/([^/?#]+)(.*)$/i.exec(rest);
    if (!absolute?.[1]) return null;
    authority = absolute[1];
    rest = absolute[2]?.startsWith('/') ? absolute[2] : `/${absolute[2] ?? ''}`;
  }
  const queryAt = rest.search(/[?#]/);
  let path = queryAt < 0 ? rest : rest.slice(0, queryAt);
  const query = queryAt < 0 || rest[queryAt] === '#' ? '' : (rest.slice(queryAt).split('#', 1)[0] ?? '');
  if (path.startsWith('//')) path = path.replace(/^\/{2,}/, '/');
  while (path.startsWith('/v1/v1/')) path = path.slice(3);
  return { path, query, authority };
}

/** In which protocol's shape somebody asking for this path wants to be told of an error. */
export function protocolOf(path: string, headers: IncomingHttpHeaders): Protocol {
  if (path === '/api' || path.startsWith('/api/')) return 'ollama';
  if (path.startsWith('/v1/messages') || path.startsWith('/messages')) return 'anthropic';
  return headers['anthropic-version'] === undefined ? 'openai' : 'anthropic';
}
