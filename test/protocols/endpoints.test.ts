import { describe, expect, test } from 'vitest';
import { endpointTraits, matchEndpoint } from '../../gateway/protocols/endpoints.ts';
import type { Endpoint } from '../../gateway/types.ts';

const endpoints = Object.entries(endpointTraits) as [Endpoint, (typeof endpointTraits)[Endpoint]][];

describe('endpoints', () => {
  test.each(endpoints)('%s is found under each spelling of its path', (endpoint, { path }) => {
    const bare = path.replace(/^\/v1/, '');
    const spellings = path.startsWith('/v1') ? [path, bare, `/v1/v1${bare}`] : [path];
    for (const spelling of spellings.flatMap((text) => [text, `${text}/`])) {
      expect(matchEndpoint('POST', spelling)).toBe(endpoint);
    }
  });

  test('other methods and paths are none', () => {
    for (const method of ['GET', 'PUT', 'OPTIONS', 'post'])
      expect(matchEndpoint(method, '/v1/chat/completions')).toBeNull();
    for (const path of [
      '/',
      '/v1',
      '/v1/models',
      '/api/tags',
      '/v1/api/chat',
      '/V1/chat/completions',
      '/v1/chat/completions//',
      '',
    ]) {
      expect(matchEndpoint('POST', path)).toBeNull();
    }
  });

  test('framing follows the protocol', () => {
    for (const [, { framing, protocol, streamsByDefault }] of endpoints) {
      if (framing === 'ndjson') expect([protocol, streamsByDefault]).toEqual(['ollama', true]);
      else expect(streamsByDefault).toBe(false);
    }
  });
});
