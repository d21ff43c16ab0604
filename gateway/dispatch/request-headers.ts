// What a provider gets to see of a client's request besides its body: a short list, and nothing that is not on it.

import { randomUUID } from 'node:crypto';
import type { ProviderSettings } from '../config/settings.ts';
import type { ProviderAdapter } from '../providers/provider.ts';
import type { RequestHeaders } from '../types.ts';

/** Headers of the client's that are passed on as they are; names beginning `anthropic-` join them. */
const PASSED_ON = ['accept', 'user-agent', 'traceparent', 'openai-beta'] as const;

/** Lists the gateways a request has come through: one that comes back to any of them went in a circle. */
const HOP_HEADER = 'x-switchyard-hop';

/** The part that is the same for every request to a provider, by its frozen settings. */
const ownHeaders = new WeakMap<ProviderSettings, readonly string[]>();

function headersOf(provider: ProviderSettings, adapter: ProviderAdapter): readonly string[] {
  const known = ownHeaders.get(provider);
  if (known !== undefined) return known;
  const all = { ...(provider.apiKey === null ? {} : adapter.authHeaders(provider.apiKey)), ...provider.headers };
  const flat = Object.entries(all).flat();
  ownHeaders.set(provider, flat);
  return flat;
}

/**
 * The headers of one attempt, as a flat list of names and values. `Host` and `Content-Length` are the connection's.
 * @param contentType what the body is: always JSON but for uploads
 */
export function upstreamHeaders(
  provider: ProviderSettings,
  adapter: ProviderAdapter,
  client: RequestHeaders,
  contentType: string,
  instance: string,
): readonly string[] {
  const headers = [
    'content-type',
    contentType,
    'accept-encoding',
    'identity',
    HOP_HEADER,
    typeof client[HOP_HEADER] === 'string' ? `${client[HOP_HEADER]}, ${instance}` : instance,
    // vLLM makes it the id of its answer, so two attempts must never share one (measured: vllm 0.32.0).
    'x-request-id',
    randomUUID(),
  ];
  for (const name of PASSED_ON) {
    const value = client[name];
    if (typeof value === 'string') headers.push(name, value);
  }
  for (const name in client) {
    if (!name.startsWith('anthropic-')) continue;
    const value = client[name];
    if (value !== undefined) headers.push(name, typeof value === 'string' ? value : value.join(', '));
  }
  for (const part of headersOf(provider, adapter)) headers.push(part);
  return headers;
}
