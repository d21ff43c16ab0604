// Small servers on free ports that answer as they are told to and remember what they were asked.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** A JSON body, an answer in full, or a handler of one's own (never answering is one). */
export type Route =
  | { readonly json: unknown; readonly status?: number; readonly headers?: Readonly<Record<string, string>> }
  | { readonly text: string; readonly status?: number; readonly headers?: Readonly<Record<string, string>> }
  | ((request: IncomingMessage, response: ServerResponse) => void);

export type Routes = Record<string, Route>;

export interface StandIn {
  readonly url: string;
  readonly port: number;
  readonly asked: Asked[];
  /** May be changed while it runs; what is not in it is a 404. */
  routes: Routes;
  /** Ends all connections and frees the port. */
  stop(): Promise<void>;
  /** Listens again on the same port. */
  restart(): Promise<void>;
  /** Ends with the next request for that path. */
  nextAsked(path: string): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export const hang: Route = () => undefined;

export async function standIn(routes: Routes, tls: { key: string; cert: string } | null = null): Promise<StandIn> {
  const asked: Asked[] = [];
  const waiting = new Map<string, (() => void)[]>();
  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const path = request.url ?? '';
      const body = Buffer.concat(chunks).toString();
      asked.push({ method: request.method ?? '', path, headers: request.headers, body });
      answer(self.routes[path] ?? { json: { error: 'not found' }, status: 404 }, request, response);
      for (const resolve of waiting.get(path)?.splice(0) ?? []) resolve();
    });
  };
  const server = tls === null ? createServer(serve) : createTlsServer(tls, serve);
  const listen = (port: number): Promise<void> => new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const stop = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  };
  const self: StandIn = {
    url: `${tls === null ? 'http' : 'https'}://127.0.0.1:${port}`,
    port,
    asked,
    routes,
    stop,
    restart: () => listen(port),
    nextAsked: (path) =>
      new Promise((resolve) => {
        waiting.set(path, [...(waiting.get(path) ?? []), resolve]);
      }),
    [Symbol.asyncDispose]: stop,
  };
  return self;
}

function answer(route: Route, request: IncomingMessage, response: ServerResponse): void {
  if (typeof route === 'function') {
    route(request, response);
    return;
  }
  const type = 'json' in route ? 'application/json' : 'text/plain; charset=utf-8';
  response.writeHead(route.status ?? 200, { 'content-type': type, ...route.headers });
  response.end('json' in route ? JSON.stringify(route.json) : route.text);
}

/** A digest as Ollama writes it, made from a name. */
function digestOf(name: string): string {
  return Buffer.from(name).toString('hex').padEnd(64, '0').slice(0, 64);
}

export interface OllamaModel {
  readonly name: string;
  readonly parameterSize?: string;
  readonly isLoaded?: boolean;
}

/** What Ollama answers to a probe, in the shapes of 0.17.4 (recordings api-version, api-tags, api-ps, api-show). */
export function ollamaRoutes(...models: readonly OllamaModel[]): Routes {
  const details = ({ parameterSize = '8.2B' }: OllamaModel) => ({
    format: 'gguf',
    family: 'qwen3',
    families: ['qwen3'],
    parameter_size: parameterSize,
    quantization_level: 'Q4_K_M',
  });
  const entry = (model: OllamaModel) => ({
    name: model.name,
    model: model.name,
    modified_at: '2026-01-01T00:00:00Z',
    size: 5_000_000_000,
    digest: digestOf(model.name),
    details: details(model),
  });
  const loaded = models.filter((model) => model.isLoaded === true);
  return {
    '/': { text: 'Ollama is running' },
    '/api/version': { json: { version: '0.17.4' } },
    '/api/tags': { json: { models: models.map(entry) } },
    '/api/ps': {
      json: {
        models: loaded.map((model) => ({
          ...entry(model),
          expires_at: '2318-01-01T00:00:00Z',
          size_vram: 4_000_000_000,
          context_length: 4096,
        })),
      },
    },
    '/api/show': {
      json: {
        details: details(models[0] ?? { name: '' }),
        model_info: {
          'general.architecture': 'qwen3',
          'qwen3.context_length': 40_960,
          'general.parameter_count': 8.2e9,
        },
        capabilities: ['completion', 'tools'],
      },
    },
  };
}

export function vllmRoutes(model: string): Routes {
  const card = {
    id: model,
    object: 'model',
    created: 1,
    owned_by: 'vllm',
    root: model,
    parent: null,
    max_model_len: 512,
  };
  return {
    '/health': { text: '' },
    '/version': { json: { version: '0.32.0' } },
    '/v1/models': { json: { object: 'list', data: [card] } },
    '/metrics': {
      text: `vllm:num_requests_running{engine="0",model_name="${model}"} 0.0\nvllm:num_requests_waiting{engine="0",model_name="${model}"} 0.0\n`,
    },
  };
}

export function llamaCppRoutes(file: string): Routes {
  const headers = { server: 'llama.cpp' };
  const model = {
    id: file,
    object: 'model',
    created: 1,
    owned_by: 'llamacpp',
    meta: { n_ctx: 2048, n_ctx_train: 4096, n_params: 8.2e9 },
  };
  const props = {
    default_generation_settings: { n_ctx: 2048 },
    total_slots: 2,
    model_path: file,
    model_alias: file,
    build_info: 'b1-abc',
    modalities: { vision: false, audio: false },
    is_sleeping: false,
  };
  const slot = (id: number) => ({ id, n_ctx: 2048, is_processing: false });
  return {
    '/health': { json: { status: 'ok' }, headers },
    '/v1/models': { json: { object: 'list', models: [], data: [model] }, headers },
    '/props': { json: props, headers },
    '/slots': { json: [slot(0), slot(1)], headers },
    '/metrics': {
      json: {
        error: { code: 501, message: 'This server does not support metrics endpoint.', type: 'not_supported_error' },
      },
      status: 501,
      headers,
    },
    '/openapi.json': {
      json: { error: { code: 404, message: 'File Not Found', type: 'not_found_error' } },
      status: 404,
      headers,
    },
  };
}

export function llamaCppPythonRoutes(model: string): Routes {
  return {
    '/openapi.json': { json: { openapi: '3.1.0', info: { title: '🦙 llama.cpp Python API', version: '0.3.36' } } },
    '/v1/models': { json: { object: 'list', data: [{ id: model, object: 'model', owned_by: 'me', permissions: [] }] } },
  };
}

export function openaiRoutes(...models: readonly string[]): Routes {
  return {
    '/v1/models': {
      json: { object: 'list', data: models.map((id) => ({ id, object: 'model', created: 1, owned_by: 'somebody' })) },
    },
  };
}
