// The recorded exchanges of real servers, as this area's tests need them.

import { readdirSync, readFileSync } from 'node:fs';
import { matchEndpoint } from '../../gateway/protocols/endpoints.ts';
import type { Endpoint } from '../../gateway/types.ts';

const folder = new URL('../recordings/', import.meta.url);

export interface RecordedAnswer {
  /** `server/name`. */
  readonly name: string;
  readonly endpoint: Endpoint;
  readonly status: number;
  readonly contentType: string;
  /** The HTTP body ended as HTTP wants it. */
  readonly isWhole: boolean;
  readonly bytes: Buffer;
}

interface RecordingFile {
  readonly request?: { readonly method?: string; readonly path?: string };
  readonly response?: {
    readonly status?: number;
    readonly headers?: Readonly<Record<string, string>>;
    readonly chunks?: readonly (readonly [number, string])[];
    readonly end?: string;
  };
}

function read(server: string, file: string): RecordedAnswer | null {
  const { request, response } = JSON.parse(readFileSync(new URL(`${server}/${file}`, folder), 'utf8')) as RecordingFile;
  const endpoint = matchEndpoint(request?.method ?? '', (request?.path ?? '').split('?')[0] ?? '');
  if (endpoint === null || response?.status === undefined || response.chunks === undefined) return null;
  const headers = response.headers ?? {};
  return {
    name: `${server}/${file.replace('.json', '')}`,
    endpoint,
    status: response.status,
    contentType: headers['Content-Type'] ?? headers['content-type'] ?? '',
    isWhole: response.end === 'complete',
    bytes: Buffer.from(response.chunks.map(([, text]) => text).join('')),
  };
}

/** Every recorded answer to a request that one of our endpoints stands for. */
export const recordedAnswers: readonly RecordedAnswer[] = [
  'llama-cpp-python',
  'llama-server',
  'ollama',
  'vllm',
].flatMap((server) =>
  readdirSync(new URL(server, folder))
    .filter((file) => file.endsWith('.json'))
    .flatMap((file) => read(server, file) ?? []),
);

export const recordedStreams = recordedAnswers.filter(
  ({ status, contentType }) => status === 200 && /event-stream|ndjson/.test(contentType),
);

/** The one of that name; throws when there is none. */
export function recorded(name: string): RecordedAnswer {
  const found = recordedAnswers.find((answer) => answer.name === name);
  if (found === undefined) throw new Error(`no recording ${name}`);
  return found;
}
