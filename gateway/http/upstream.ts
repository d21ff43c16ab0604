// Requests to a provider that carry no prompt: its own lists, and the management of its models.

import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { Clock } from '../clock.ts';
import type { ProviderSettings } from '../config/settings.ts';
import { upstreamHeaders } from '../dispatch/request-headers.ts';
import { adapters } from '../providers/index.ts';

export interface UpstreamContext {
  readonly clock: Clock;
  readonly instance: string;
  poolFor(provider: ProviderSettings): Dispatcher;
}

export interface UpstreamRequest {
  readonly method: Dispatcher.HttpMethod;
  /** Below the base URL, with its query. */
  readonly path: string;
  /** The client's, of which the few that may be passed on are. */
  readonly headers: IncomingHttpHeaders;
  readonly body?: Readable | null;
  readonly signal: AbortSignal;
}

/** Sends it over the provider's pool. Rejects with undici's error when no answer came. */
export function askUpstream(
  context: UpstreamContext,
  provider: ProviderSettings,
  request: UpstreamRequest,
): Promise<Dispatcher.ResponseData> {
  const { instance } = context;
  const contentType = request.headers['content-type'] ?? 'application/json';
  const flat = upstreamHeaders(provider, adapters[provider.kind], request.headers, contentType, instance);
  const length = request.headers['content-length'];
  const hasBody = request.body !== undefined && request.body !== null;
  return context.poolFor(provider).request({
    method: request.method,
    path: new URL(provider.baseUrl).pathname.replace(/\/+$/, '') + request.path,
    headers: hasBody && length !== undefined ? [...flat, 'content-length', length] : [...flat],
    body: request.body ?? null,
    signal: request.signal,
  });
}

/** GETs JSON within the time, or null: no answer, no success, no JSON. */
export async function getJson(
  context: UpstreamContext,
  provider: ProviderSettings,
  path: string,
  timeoutMs: number,
): Promise<unknown> {
  const controller = new AbortController();
  const cancel = context.clock.after(timeoutMs, () => controller.abort());
  try {
    const answer = await askUpstream(context, provider, {
      method: 'GET',
      path,
      headers: {},
      signal: controller.signal,
    });
    if (answer.statusCode === 200) return await answer.body.json();
    await answer.body.dump();
    return null;
  } catch {
    return null;
  } finally {
    cancel();
  }
}
