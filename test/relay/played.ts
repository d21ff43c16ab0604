// Recorded answers, played by a scripted provider as the request asks for it.

import { matchEndpoint } from '../../gateway/protocols/endpoints.ts';
import type { Endpoint, ProviderKind } from '../../gateway/types.ts';
import { headerOf, type RecordedServer, type Recording } from '../backends/recordings.ts';
import type { Script, Turn } from './provider.ts';

export const kindOfServer: Readonly<Record<RecordedServer, ProviderKind>> = {
  ollama: 'ollama',
  vllm: 'vllm',
  'llama-server': 'llama_cpp',
  'llama-cpp-python': 'llama_cpp_python',
};

/** What the recorded request asked for; null when it is nothing this gateway passes on. */
export function endpointOf({ request }: Recording): Endpoint | null {
  return matchEndpoint(request.method, request.path.split('?', 1)[0] ?? '');
}

/** The answer came as events or lines. */
export function isStreamed(recording: Recording): boolean {
  return /event-stream|ndjson/.test(headerOf(recording, 'content-type') ?? '');
}

/** How an answer is to be played: `body` in these pieces, each an HTTP chunk. */
export interface Play {
  readonly recording: Recording;
  readonly pieces: readonly Buffer[];
}

/** The bytes of a body in pieces that end at these offsets. */
export function cut(body: Buffer, offsets: readonly number[]): Buffer[] {
  const edges = [...new Set([0, ...offsets.filter((at) => at > 0 && at < body.length), body.length])].sort(
    (a, b) => a - b,
  );
  return edges.slice(1).map((edge, index) => body.subarray(edges[index] ?? 0, edge));
}

/** Headers that the HTTP library of the player sets itself. */
const OWN = new Set(['transfer-encoding', 'connection', 'keep-alive', 'content-length', 'date']);

/** The recorded head but for what belongs to the connection. */
function headOf(recording: Recording): string[] {
  return recording.response.headers.flatMap(([name, value]) => (OWN.has(name.toLowerCase()) ? [] : [name, value]));
}

/** Plays the recording as it came, with its own end. */
export function playing(recording: Recording): Script {
  const { response: recorded } = recording;
  return async ({ response, socket }: Turn) => {
    if (recorded.status === null) {
      if (recorded.end === 'eof_early') socket.destroy();
      return;
    }
    response.writeHead(recorded.status, headOf(recording));
    response.flushHeaders();
    for (const { text } of recorded.chunks) response.write(text);
    if (recorded.end === 'complete') response.end();
    // All that was written first, then FIN without the end of the body.
    else if (recorded.end === 'eof_early') response.write('', () => socket.destroySoon());
  };
}

/** Plays whatever the body's field `play` chooses from the list. */
export function playingFrom(plays: readonly Play[]): Script {
  return ({ received, response }) => {
    const { play } = JSON.parse(received.body.toString()) as { play: number };
    const chosen = plays[play];
    if (chosen === undefined) throw new Error(`no play ${play}`);
    const { recording, pieces } = chosen;
    const isChunked = headerOf(recording, 'transfer-encoding') !== null;
    const length = pieces.reduce((sum, { length: one }) => sum + one, 0);
    response.writeHead(200, [...headOf(recording), ...(isChunked ? [] : ['content-length', String(length)])]);
    for (const piece of pieces) response.write(piece);
    response.end();
  };
}
