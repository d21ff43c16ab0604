// The one list of endpoints: how each is spelled, framed and answered.

import type { Endpoint } from '../types.ts';
import type { EndpointTraits } from './protocol.ts';

type Shape = Omit<EndpointTraits, 'path' | 'protocol'>;

const plain: Shape = { framing: 'none', streamsByDefault: false, answersJson: true, takesForm: false };
const sse: Shape = { ...plain, framing: 'sse' };
const ndjson: Shape = { ...plain, framing: 'ndjson', streamsByDefault: true };

export const endpointTraits: Readonly<Record<Endpoint, EndpointTraits>> = {
  chat: { protocol: 'openai', path: '/v1/chat/completions', ...sse },
  completions: { protocol: 'openai', path: '/v1/completions', ...sse },
  embeddings: { protocol: 'openai', path: '/v1/embeddings', ...plain },
  rerank: { protocol: 'openai', path: '/v1/rerank', ...plain },
  responses: { protocol: 'openai', path: '/v1/responses', ...sse },
  audio_speech: { protocol: 'openai', path: '/v1/audio/speech', ...plain, answersJson: false },
  // `response_format` may ask for text, srt or vtt instead of JSON.
  audio_transcriptions: {
    protocol: 'openai',
    path: '/v1/audio/transcriptions',
    ...sse,
    answersJson: false,
    takesForm: true,
  },
  audio_translations: {
    protocol: 'openai',
    path: '/v1/audio/translations',
    ...sse,
    answersJson: false,
    takesForm: true,
  },
  images_generations: { protocol: 'openai', path: '/v1/images/generations', ...sse },
  images_edits: { protocol: 'openai', path: '/v1/images/edits', ...sse, takesForm: true },
  images_variations: { protocol: 'openai', path: '/v1/images/variations', ...plain, takesForm: true },
  messages: { protocol: 'anthropic', path: '/v1/messages', ...sse },
  messages_count_tokens: { protocol: 'anthropic', path: '/v1/messages/count_tokens', ...plain },
  ollama_chat: { protocol: 'ollama', path: '/api/chat', ...ndjson },
  ollama_generate: { protocol: 'ollama', path: '/api/generate', ...ndjson },
  ollama_embed: { protocol: 'ollama', path: '/api/embed', ...plain },
  ollama_embeddings: { protocol: 'ollama', path: '/api/embeddings', ...plain },
  ollama_show: { protocol: 'ollama', path: '/api/show', ...plain },
};

function spellings(path: string): string[] {
  const bare = path.startsWith('/v1/') ? path.slice('/v1'.length) : null;
  const prefixed = bare === null ? [path] : [`/v1${bare}`, bare, `/v1/v1${bare}`];
  return prefixed.flatMap((spelling) => [spelling, `${spelling}/`]);
}

const endpointByPath: ReadonlyMap<string, Endpoint> = new Map(
  (Object.keys(endpointTraits) as Endpoint[]).flatMap((endpoint) =>
    spellings(endpointTraits[endpoint].path).map((path) => [path, endpoint] as const),
  ),
);

/**
 * The endpoint a request line asks for, or null.
 *
 * @param method as on the wire; only POST has endpoints
 * @param pathname without the query; `/v1` may be missing or doubled, a trailing slash is of no account
 */
export function matchEndpoint(method: string, pathname: string): Endpoint | null {
  return method === 'POST' ? (endpointByPath.get(pathname) ?? null) : null;
}
