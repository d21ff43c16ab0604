import { describe, expect, test } from 'vitest';
import type { ProviderSettings } from '../../gateway/config/settings.ts';
import { upstreamHeaders } from '../../gateway/dispatch/request-headers.ts';
import { adapters } from '../../gateway/providers/index.ts';

const provider = { apiKey: 'key', headers: { 'x-team': 'a' } } as unknown as ProviderSettings;

function sent(client: Record<string, string>): Record<string, string> {
  const flat = upstreamHeaders(provider, adapters.vllm, client, 'application/json', 'this-one');
  const pairs = flat.flatMap((value, index) =>
    index % 2 === 0 ? [[value.toLowerCase(), flat[index + 1] ?? ''] as const] : [],
  );
  return Object.fromEntries(pairs);
}

describe('what a provider sees of a request', () => {
  test('the list is closed: nothing personal of the client is on it', () => {
    const headers = sent({
      authorization: 'Bearer mine',
      cookie: 'a=b',
      origin: 'http://evil.example',
      'x-forwarded-for': '10.0.0.1',
      'x-conversation-id': '1',
      'x-api-key': 'mine',
      accept: 'text/event-stream',
      'user-agent': 'editor/1',
      traceparent: '00-1',
      'anthropic-version': '2023-06-01',
      'openai-beta': 'x',
    });
    expect(headers).toEqual({
      'content-type': 'application/json',
      'accept-encoding': 'identity',
      'x-switchyard-hop': 'this-one',
      'x-request-id': expect.any(String),
      accept: 'text/event-stream',
      'user-agent': 'editor/1',
      traceparent: '00-1',
      'openai-beta': 'x',
      'anthropic-version': '2023-06-01',
      authorization: 'Bearer key',
      'x-team': 'a',
    });
  });

  test('a request that came through another gateway keeps that in mind, so that a larger circle shows too', () => {
    expect(sent({ 'x-switchyard-hop': 'other' })['x-switchyard-hop']).toBe('other, this-one');
  });

  test('two attempts never share a request id', () => {
    expect(sent({})['x-request-id']).not.toBe(sent({})['x-request-id']);
  });
});
