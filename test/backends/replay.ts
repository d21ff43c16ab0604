// A server that answers with a recorded exchange, byte for byte; all else (lists, health) is answered by the stand-in of its kind.

import { isFields, text } from './core/asked.ts';
import type { Exchange } from './core/exchange.ts';
import type { ReadyAnswer, Situation, StandInKind } from './core/kind.ts';
import { type StandIn, startStandIn } from './core/server.ts';
import { nextTurn, pause } from './core/wait.ts';
import { llamaCppPythonKind } from './llama-cpp-python.ts';
import { llamaRouterKind } from './llama-router.ts';
import { llamaServerKind } from './llama-server.ts';
import { ollamaKind } from './ollama.ts';
import { loadRecording, type Recording } from './recordings.ts';
import { vllmKind } from './vllm.ts';

export { brokenOnes } from './broken-recordings.ts';
export { bodyOf, completeStreams, listRecordings, loadRecording } from './recordings.ts';

/** What happens after `stopAfter` bytes. */
type Ending = 'clean' | 'fin' | 'rst' | 'hang';

export interface ReplayOptions {
  readonly port?: number;
  /** Where the body is cut into chunks, in bytes: instead of where it was recorded. `every_byte`: each byte alone. */
  readonly cutAt?: readonly number[] | 'every_byte';
  /** Stops after so many bytes of the body, in that way. */
  readonly stopAfter?: { readonly bytes: number; readonly ending: Ending };
  /** 0 (default): as fast as it goes; 1: in the recorded time; 10: ten times as fast. */
  readonly speed?: number;
  /** Models the other routes tell of; default: the one the recorded request names. */
  readonly models?: readonly string[];
}

export interface Replay extends StandIn {
  /** From now on answers with this one. */
  play(recording: Recording | string): void;
  readonly recording: Recording;
}

function modelOf(recording: Recording): string {
  let body: unknown;
  try {
    body = JSON.parse(recording.request.body);
  } catch {
    body = null;
  }
  return (isFields(body) ? text(body.model) : null) ?? 'tiny';
}

function kindOf(recording: Recording, models: readonly string[]): StandInKind {
  const options = { models };
  switch (recording.server) {
    case 'ollama':
      return ollamaKind({ ...options, warm: models });
    case 'vllm':
      return vllmKind(options);
    case 'llama-cpp-python':
      return llamaCppPythonKind(options);
    case 'llama-server':
      return recording.howStarted.includes('--models-dir')
        ? llamaRouterKind({ ...options, warm: models })
        : llamaServerKind(options);
  }
}

/** The body's pieces: as recorded, or cut anew, and never more than `stopAfter` allows. */
function piecesOf(recording: Recording, options: ReplayOptions): { readonly atMs: number; readonly bytes: Buffer }[] {
  const recorded = recording.response.chunks.map(({ atMs, text: piece }) => ({ atMs, bytes: Buffer.from(piece) }));
  const whole = Buffer.concat(recorded.map(({ bytes }) => bytes));
  const limit = Math.min(options.stopAfter?.bytes ?? whole.length, whole.length);
  const { cutAt } = options;
  const inside = cutAt === 'every_byte' ? Array.from({ length: limit }, (_none, index) => index) : cutAt;
  if (inside === undefined) return clip(recorded, limit);
  const edges = [...new Set([0, ...inside.filter((position) => position > 0 && position < limit), limit])].sort(
    (a, b) => a - b,
  );
  return edges.slice(1).map((edge, index) => ({ atMs: 0, bytes: whole.subarray(edges[index] ?? 0, edge) }));
}

function clip(pieces: readonly { readonly atMs: number; readonly bytes: Buffer }[], limit: number) {
  let left = limit;
  return pieces.flatMap(({ atMs, bytes }) => {
    const kept = bytes.subarray(0, left);
    left -= kept.length;
    return kept.length > 0 ? [{ atMs, bytes: kept }] : [];
  });
}

/**
 * The recorded head. The length is worked out anew (paths were replaced in the texts afterwards), and a `Connection: close`
 * that only mirrors the recorder's own is left out, so that connections are kept as a gateway would have them.
 */
function headOf(recording: Recording): string[] {
  const isMirrored = /close/i.test(recording.request.headers.Connection ?? '');
  const length = Buffer.byteLength(recording.response.chunks.map((chunk) => chunk.text).join(''));
  return recording.response.headers.flatMap(([name, value]) => {
    const lower = name.toLowerCase();
    if (lower === 'connection' && isMirrored) return [];
    return [name, lower === 'content-length' && recording.request.method !== 'HEAD' ? String(length) : value];
  });
}

class ReplayKind implements StandInKind {
  recording: Recording;
  readonly #inner: StandInKind;
  readonly #options: ReplayOptions;
  readonly #closing = new AbortController();

  constructor(recording: Recording, options: ReplayOptions) {
    this.recording = recording;
    this.#options = options;
    this.#inner = kindOf(recording, options.models ?? [modelOf(recording)]);
  }

  get kind(): string {
    return this.#inner.kind;
  }
  get keepAliveMs(): number {
    return this.#inner.keepAliveMs;
  }

  isGeneration(method: string, path: string): boolean {
    return this.#inner.isGeneration(method, path) || path === this.#path;
  }

  get #path(): string {
    return this.recording.request.path.split('?', 1)[0] ?? '/';
  }

  async handle(exchange: Exchange): Promise<void> {
    const { recording } = this;
    const isAsked = exchange.method === recording.request.method && exchange.path === this.#path;
    if (isAsked || this.#inner.isGeneration(exchange.method, exchange.path)) await this.#play(exchange, recording);
    else await this.#inner.handle(exchange);
  }

  async #play(exchange: Exchange, recording: Recording): Promise<void> {
    const { response } = recording;
    const { stopAfter, speed = 0 } = this.#options;
    if (response.status === null) return endAs(exchange, response.end === 'timeout' ? 'hang' : 'fin');
    const { wire } = exchange;
    if (response.framing === 'close') wire.response.removeHeader('transfer-encoding');
    wire.head(response.status, headOf(recording));
    wire.response.flushHeaders();
    let playedMs = 0;
    for (const { atMs, bytes } of piecesOf(recording, this.#options)) {
      if (speed > 0) await pause((atMs - playedMs) / speed, this.#closing.signal);
      playedMs = atMs;
      if (exchange.gone.aborted) return;
      wire.response.write(bytes);
      // Each piece gets a chance to travel alone.
      await nextTurn();
    }
    endAs(exchange, stopAfter?.ending ?? ENDINGS[response.end]);
  }

  describe(situation: Situation, exchange: Exchange, message: string | null): ReadyAnswer {
    return this.#inner.describe(situation, exchange, message);
  }

  streamError(exchange: Exchange): { readonly text: string; readonly endsProperly: boolean } {
    return this.#inner.streamError(exchange);
  }

  close(): void {
    this.#closing.abort();
    this.#inner.close();
  }
}

const ENDINGS = {
  complete: 'clean',
  eof_early: 'fin',
  client_closed: 'hang',
  refused: 'fin',
  timeout: 'hang',
} as const;

function endAs(exchange: Exchange, ending: Ending): void {
  switch (ending) {
    case 'clean':
      exchange.wire.response.end();
      break;
    case 'fin':
      exchange.wire.drop();
      break;
    case 'rst':
      exchange.wire.reset();
      break;
    case 'hang':
      exchange.silence();
  }
}

/**
 * Starts a server that answers everything that generates with this recording. A recording of a refused connection closes
 * the port. Rejects when the port is taken, throws when there is no such recording.
 */
export async function startReplay(recording: Recording | string, options: ReplayOptions = {}): Promise<Replay> {
  const kind = new ReplayKind(typeof recording === 'string' ? loadRecording(recording) : recording, options);
  const server = await startStandIn(kind, options.port === undefined ? {} : { port: options.port });
  if (kind.recording.response.end === 'refused') await server.setFault('refuse');
  const replay = Object.assign(server, {
    play(next: Recording | string) {
      kind.recording = typeof next === 'string' ? loadRecording(next) : next;
    },
    recording: kind.recording,
  });
  return Object.defineProperty(replay, 'recording', { get: () => kind.recording });
}
