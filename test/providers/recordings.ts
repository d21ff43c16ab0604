// Recorded exchanges with real servers as input of tests, and a probe client that answers with them.

import { readdirSync, readFileSync } from 'node:fs';
import { type ProbeAnswer, type ProbeClient, ProbeError, type Refusal } from '../../gateway/providers/provider.ts';
import type { Cause, Endpoint } from '../../gateway/types.ts';

const folder = new URL('../recordings/', import.meta.url);

export type RecordedServer = 'ollama' | 'vllm' | 'llama-server' | 'llama-cpp-python';

interface Recording {
  readonly request: { readonly method: string; readonly path: string };
  readonly response: {
    readonly status: number | null;
    readonly headers?: Readonly<Record<string, string>>;
    readonly chunks?: readonly (readonly [number, string])[];
  };
}

export interface RecordedExchange {
  readonly method: string;
  readonly path: string;
  /** Null: no answer came. */
  readonly status: number | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

/** The names of all recordings of a server, without `.json`. */
export function recordingNames(server: RecordedServer): readonly string[] {
  return readdirSync(new URL(`${server}/`, folder))
    .filter((file) => file.endsWith('.json'))
    .map((file) => file.slice(0, -'.json'.length))
    .sort();
}

/** One recording, by `SERVER/NAME`. */
export function recorded(name: string): RecordedExchange {
  const { request, response } = JSON.parse(readFileSync(new URL(`${name}.json`, folder), 'utf8')) as Recording;
  const headers: Record<string, string> = {};
  for (const [header, value] of Object.entries(response.headers ?? {})) headers[header.toLowerCase()] = value;
  const text = (response.chunks ?? []).map(([, chunk]) => chunk).join('');
  return { method: request.method, path: request.path, status: response.status, headers, text };
}

/** The body parsed, or undefined. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** An answer as the probe's HTTP client gives it. */
export function answer(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): ProbeAnswer {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return { status, headers, text, json: parsed(text) };
}

/** A recording as the answer to a probe. */
function recordedAnswer(name: string): ProbeAnswer {
  const { status, headers, text } = recorded(name);
  if (status === null) throw new TypeError(`${name} has no answer`);
  return { status, headers, text, json: parsed(text) };
}

/** A recording as a refusal of a request for `endpoint`. */
export function recordedRefusal(name: string, endpoint: Endpoint = 'chat'): Refusal {
  const { status, headers, text, json } = recordedAnswer(name);
  return { endpoint, status, headers, text, json };
}

export const timedOut: Cause = { class: 'timeout', message: 'it did not answer within 2000 ms' };

/** What a path is answered with: a recording's name, an answer, or why none comes. */
export type Reply = string | ProbeAnswer | Cause;

/** A server made of recorded answers. A path without one is answered as `otherwise` says. */
export interface FakeServer extends ProbeClient {
  /** Paths in the order they were asked; shows as `show:MODEL`. */
  readonly asked: string[];
}

export function fakeServer(
  replies: Readonly<Record<string, Reply>>,
  otherwise: Reply = answer(404, { detail: 'Not Found' }),
): FakeServer {
  const asked: string[] = [];
  const reply = async (path: string): Promise<ProbeAnswer> => {
    asked.push(path);
    const given = replies[path] ?? otherwise;
    if (typeof given === 'string') return recordedAnswer(given);
    if ('class' in given) throw new ProbeError(given);
    return given;
  };
  return { asked, get: (path) => reply(path), show: (model) => reply(`show:${model}`) };
}

/** Nothing of ours runs there, and it was found before. */
export const quiet = { nowMs: Date.parse('2026-11-21T10:20:00Z'), inFlight: 0, abandonedAtMs: null, isFirst: false };
