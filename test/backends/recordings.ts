// The recorded exchanges with real servers, read into one form.

import { readdirSync, readFileSync } from 'node:fs';
import { isFields, list, number, text } from './core/asked.ts';

export type RecordedServer = 'ollama' | 'llama-server' | 'llama-cpp-python' | 'vllm';

/**
 * How the answer ended: properly; by FIN before its end; by our leaving; the connection refused; or not at all
 * within the time we waited.
 */
type RecordedEnd = 'complete' | 'eof_early' | 'client_closed' | 'refused' | 'timeout';

export interface Recording {
  /** `ollama/chat-stream` */
  readonly name: string;
  readonly server: RecordedServer;
  readonly note: string | null;
  /** The command that started the server. */
  readonly howStarted: string;
  readonly request: {
    readonly method: string;
    /** With query. */
    readonly path: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string;
  };
  readonly response: {
    /** Null: no head came. */
    readonly status: number | null;
    readonly headers: readonly (readonly [name: string, value: string])[];
    readonly framing: 'chunked' | 'content-length' | 'close' | null;
    readonly chunks: readonly { readonly atMs: number; readonly text: string }[];
    readonly end: RecordedEnd;
    /** The text was cut when it was stored: good for its head only. */
    readonly isShortened: boolean;
  };
}

const FOLDER = new URL('../recordings/', import.meta.url);
const SERVERS: readonly RecordedServer[] = ['ollama', 'llama-server', 'llama-cpp-python', 'vllm'];
const loaded = new Map<string, Recording>();

/** JSON as the recorder wrote it: Python's default, with blanks, and only ASCII. */
function asSent(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value === null || value === undefined) return '';
  const spaced = (part: unknown): string => {
    if (Array.isArray(part)) return `[${part.map(spaced).join(', ')}]`;
    if (!isFields(part)) return JSON.stringify(part);
    return `{${Object.entries(part)
      .map(([name, entry]) => `${JSON.stringify(name)}: ${spaced(entry)}`)
      .join(', ')}}`;
  };
  return spaced(value).replace(/[\u007f-\uffff]/g, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function readHeaders(response: Readonly<Record<string, unknown>>): [string, string][] {
  const raw = response.rawHeaders ?? response.headers;
  const entries = Array.isArray(raw) ? raw : Object.entries(isFields(raw) ? raw : {});
  return entries.flatMap((entry): [string, string][] => {
    const [name, value] = list(entry);
    return typeof name === 'string' ? [[name, String(value)]] : [];
  });
}

function readEnd(end: string): RecordedEnd {
  if (end === 'complete' || end === 'eof_early' || end === 'client_closed' || end === 'refused' || end === 'timeout')
    return end;
  if (end.startsWith('connect failed')) return 'refused';
  if (end.startsWith('client closed')) return 'client_closed';
  return end.startsWith('timeout') ? 'timeout' : 'eof_early';
}

function framingOf(
  headers: readonly (readonly [string, string])[],
  status: number | null,
): Recording['response']['framing'] {
  if (status === null) return null;
  const names = headers.map(([name]) => name.toLowerCase());
  if (names.includes('transfer-encoding')) return 'chunked';
  return names.includes('content-length') ? 'content-length' : 'close';
}

function parse(server: RecordedServer, name: string, file: unknown): Recording {
  if (!isFields(file) || !isFields(file.request) || !isFields(file.response)) throw new Error(`no recording: ${name}`);
  const { request, response } = file;
  const headers = readHeaders(response);
  const status = number(response.status);
  const requestHeaders = isFields(request.headers) ? request.headers : {};
  return {
    name: `${server}/${name}`,
    server,
    note: text(file.note),
    howStarted: text(file.how_started) ?? '',
    request: {
      method: text(request.method) ?? 'GET',
      path: text(request.path) ?? '/',
      headers: Object.fromEntries(Object.entries(requestHeaders).map(([key, value]) => [key, String(value)])),
      body: asSent(request.body),
    },
    response: {
      status,
      headers,
      framing: framingOf(headers, status),
      chunks: list(response.chunks).map((chunk) => {
        const [atMs, piece] = list(chunk);
        return { atMs: Number(atMs), text: String(piece) };
      }),
      end: readEnd(text(response.end) ?? 'complete'),
      isShortened: response.truncatedFrom !== undefined,
    },
  };
}

/** Reads one recording, `ollama/chat-stream`. Throws when there is none of that name. */
export function loadRecording(name: string): Recording {
  const known = loaded.get(name);
  if (known) return known;
  const [folder = '', base = ''] = name.split('/');
  const server = SERVERS.find((one) => one === folder);
  if (!server) throw new Error(`no recordings of ${folder}`);
  const recording = parse(server, base, JSON.parse(readFileSync(new URL(`${folder}/${base}.json`, FOLDER), 'utf8')));
  loaded.set(name, recording);
  return recording;
}

/** All recordings, in the order of their names, that `filter` lets through. */
export function listRecordings(filter: (recording: Recording) => boolean = () => true): Recording[] {
  return SERVERS.flatMap((server) =>
    readdirSync(new URL(`${server}/`, FOLDER))
      .filter((file) => file.endsWith('.json'))
      .sort()
      .map((file) => loadRecording(`${server}/${file.slice(0, -'.json'.length)}`)),
  ).filter(filter);
}

const GENERATING =
  /^\/(v1\/(chat\/completions|completions|messages|responses|embeddings)|api\/(chat|generate|embed|embeddings)|completion|embedding|invocations)$/;

/** It asked for something to be generated, or embedded. */
export function isGeneration({ request }: Recording): boolean {
  return request.method === 'POST' && GENERATING.test(request.path.split('?', 1)[0] ?? '');
}

export function headerOf(recording: Recording, name: string): string | null {
  return recording.response.headers.find(([key]) => key.toLowerCase() === name)?.[1] ?? null;
}

/** The answer came as events or lines, not as one object. */
function isStream(recording: Recording): boolean {
  return /event-stream|ndjson/.test(headerOf(recording, 'content-type') ?? '');
}

/** The whole body as text. */
export function bodyOf({ response }: Recording): string {
  return response.chunks.map((chunk) => chunk.text).join('');
}

const END_MARKER = /data: \[DONE\]|event: message_stop|event: response\.completed|"done":true/;
const FINISH = /"(finish_reason|stop_reason|done_reason)": ?"(?!abort)|event: response\.completed/;

/** Streams that are all there: the end of the body, the protocol's own end, and a finish reason. */
export function completeStreams(): Recording[] {
  return listRecordings((recording) => {
    const { response } = recording;
    if (!isGeneration(recording) || response.status !== 200 || response.end !== 'complete') return false;
    if (!isStream(recording) || response.isShortened) return false;
    const body = bodyOf(recording);
    return END_MARKER.test(body) && FINISH.test(body) && !/"finish_reason": ?"abort"/.test(body);
  });
}
