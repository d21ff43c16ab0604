// The table of everything that is answered without routing a request to a model.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { didYouMean, nearest } from '../config/nearest.ts';
import type { AdminSnapshot, AdminWindowLink } from '../contract.ts';
import { HeldBytes } from '../dispatch/held-bytes.ts';
import { GatewayError } from '../errors.ts';
import { decisionToJson, decisionToText } from '../routing/explain.ts';
import { adminStatus, answerChallenge, type ServerState, storedRequest } from './admin.ts';
import { readBody } from './body.ts';
import type { HttpDependencies } from './dependencies.ts';
import { explained, replayed } from './dry-run.ts';
import { streamEvents } from './event-stream.ts';
import { healthReport, readiness } from './health.ts';
import { parseJsonObject } from './json-body.ts';
import { findNamedModel, knownModels } from './known-models.ts';
import { modelInfo } from './model-info.ts';
import { modelEntry, modelList, unknownModel, wantsAnthropicShape } from './models.ts';
import { ollamaRunning, ollamaTags, ollamaVersion } from './ollama-lists.ts';
import { manageModels } from './ollama-management.ts';
import { described } from './operations/described.ts';
import { operations } from './operations/index.ts';
import { openApiDocument, type ServedOperation } from './operations/openapi.ts';
import type { Operation } from './operations/operation.ts';
import { requestText } from './request-text.ts';
import { sendJson, sendRedirect, sendText } from './send.ts';
import { enterWindow, sendWindow, sendWindowFile } from './window.ts';

/** What a handler gets to work with. */
interface Call {
  readonly deps: HttpDependencies;
  readonly server: ServerState;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
  /** The decoded variable part of the path, or '' where it has none. */
  readonly variable: string;
}

/** Answers; an error it throws is answered by the boundary. */
export type Handler = (call: Call) => void | Promise<void>;

export type RouteMethod = 'GET' | 'POST' | 'PATCH' | 'DELETE' | 'HEAD';

export interface Route {
  /** A pattern of Express 5: `:name` is one segment, `*name` the whole rest. */
  readonly path: string;
  /** HEAD comes with GET. */
  readonly methods: Readonly<Partial<Record<RouteMethod, Handler>>>;
}

const listModels: Handler = async ({ deps, request, response }) => {
  await deps.catalog.whenListed();
  const models = knownModels(deps.settings(), deps.catalog.snapshot());
  sendJson(response, 200, modelList(models, wantsAnthropicShape(request.headers)));
};

const oneModel: Handler = async ({ deps, request, response, variable }) => {
  await deps.catalog.whenListed();
  const models = knownModels(deps.settings(), deps.catalog.snapshot());
  const model = findNamedModel(models, variable);
  if (model === null) {
    const near = nearest(
      variable,
      models.map(({ name }) => name),
    );
    throw unknownModel(variable, near === null ? [] : [near]);
  }
  sendJson(response, 200, modelEntry(model, wantsAnthropicShape(request.headers)));
};

const listModelInfo: Handler = async ({ deps, response }) => {
  await deps.catalog.whenListed();
  const models = knownModels(deps.settings(), deps.catalog.snapshot());
  const info = modelInfo(models, {
    providerSettings: (name) => deps.catalog.providerSettings(name),
    requestCount: (key) => deps.requestCount(key),
  });
  sendJson(response, 200, info);
};

const root: Handler = ({ request, response }) => {
  if (request.headers.accept?.includes('text/html')) sendRedirect(response, '/ui/');
  else sendText(response, 200, 'Ollama is running');
};

/** Its own links are relative, so the page is at the path with the slash only. */
const window: Handler = (call) => {
  if (call.request.url?.startsWith('/ui/')) sendWindow(call);
  else sendRedirect(call.response, '/ui/');
};

const newWindowLink: Handler = async (call) => {
  await readAdminBody(call);
  const { code, expiresAtMs } = call.server.sessions.newLink();
  sendJson(call.response, 200, { path: `/ui/enter/${code}`, expiresAtMs } satisfies AdminWindowLink);
};

const alive: Handler = ({ response }) => sendJson(response, 200, "I'm alive!");

const ready: Handler = ({ deps, server, response }) => {
  const { version, instance, catalog } = deps;
  const answer = readiness({ isDraining: server.isDraining(), version, instance, providers: catalog.status() });
  sendJson(response, answer.status, answer.body);
};

const metrics: Handler = async ({ deps, response }) =>
  sendText(response, 200, await deps.renderMetrics(), 'text/plain; version=0.0.4; charset=utf-8');

const manage: Handler = ({ deps, request, response }) => manageModels(deps, request, response);

const ADMIN_BODY_BYTES = 1024 * 1024;
const adminBodies = new HeldBytes(16 * ADMIN_BODY_BYTES);

/** The JSON body of a change; a form, which any web page can send without being asked first, is none. */
async function readAdminBody(
  { deps, request, response }: Call,
  maxBytes = ADMIN_BODY_BYTES,
): Promise<Record<string, unknown>> {
  const type = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase();
  if (type !== 'application/json')
    throw new GatewayError(
      'json_content_type_required',
      'Changes under /admin are sent as Content-Type: application/json.',
    );
  const body = await readBody(request, response, { maxBytes, held: adminBodies });
  try {
    return parseJsonObject(body, deps.settings().server.limits.jsonDepth);
  } finally {
    adminBodies.release(body.length);
  }
}

/** A prompt that is only to be explained may be as long as one that is sent, within reason. */
const EXPLAINED_BODY_BYTES = 8 * ADMIN_BODY_BYTES;

const explain: Handler = async (call) => {
  const { deps, request, response, query } = call;
  const json = await readAdminBody(call, EXPLAINED_BODY_BYTES);
  const answer = await explained(deps, json, { headers: request.headers, query });
  if ('draft' in answer) sendJson(response, 400, answer.draft);
  else if (request.headers.accept?.startsWith('text/plain')) sendText(response, 200, decisionToText(answer.decision));
  else sendJson(response, 200, decisionToJson(answer.decision));
};

const replay: Handler = async (call) => {
  const answer = await replayed(call.deps, await readAdminBody(call));
  if ('draft' in answer) sendJson(call.response, 400, answer.draft);
  else sendJson(call.response, 200, answer.replay);
};

const challenge: Handler = ({ deps, request, response, query }) => {
  const { localAddress = '', localPort = 0 } = request.socket;
  sendJson(response, 200, answerChallenge(deps, query.get('nonce'), localAddress, localPort));
};

/** The listener itself is one of the subscribers by now. */
function liveSnapshot({ deps, server }: Call): AdminSnapshot {
  return deps.liveSnapshot(adminStatus(deps, server, deps.events.subscribers));
}

function handlerOf(operation: Operation): Handler {
  return async (call) => {
    const body = operation.body === undefined ? undefined : await readAdminBody(call);
    const answer = await operation.run({ ...call, body });
    if (answer !== undefined) sendJson(call.response, 200, answer);
  };
}

/** Those of one path together: each path is one route. */
function operationRoutes(): Route[] {
  const byPath = new Map<string, Partial<Record<RouteMethod, Handler>>>();
  for (const operation of operations) {
    byPath.set(operation.path, { ...byPath.get(operation.path), [operation.method]: handlerOf(operation) });
  }
  return Array.from(byPath, ([path, methods]) => ({ path, methods }));
}

/** What `/admin` serves, as its document tells. */
function servedOperations(): ServedOperation[] {
  const abouts = new Map(operations.map((operation) => [`${operation.method} ${operation.path}`, operation]));
  return routes
    .filter(({ path }) => path.startsWith('/admin/'))
    .flatMap(({ path, methods }) =>
      Object.keys(methods).map((method) => {
        const key = `${method} ${path}`;
        return { method, path, about: abouts.get(key) ?? described[key] ?? null };
      }),
    );
}

export const routes: readonly Route[] = [
  { path: '/', methods: { GET: root } },
  { path: '/ui', methods: { GET: window } },
  { path: '/ui/enter/:code', methods: { GET: (call) => enterWindow(call, call.variable) } },
  { path: '/ui/*name', methods: { GET: (call) => sendWindowFile(call, call.variable) } },
  { path: '/v1/models', methods: { GET: listModels } },
  { path: '/models', methods: { GET: listModels } },
  { path: '/v1/models/*id', methods: { GET: oneModel } },
  { path: '/models/*id', methods: { GET: oneModel } },
  { path: '/v1/model/info', methods: { GET: listModelInfo } },
  { path: '/model/info', methods: { GET: listModelInfo } },
  {
    path: '/api/tags',
    methods: { GET: async ({ deps, response }) => sendJson(response, 200, await ollamaTags(deps)) },
  },
  {
    path: '/api/ps',
    methods: { GET: async ({ deps, response }) => sendJson(response, 200, await ollamaRunning(deps)) },
  },
  { path: '/api/version', methods: { GET: ({ deps, response }) => sendJson(response, 200, ollamaVersion(deps)) } },
  { path: '/api/pull', methods: { POST: manage } },
  { path: '/api/push', methods: { POST: manage } },
  { path: '/api/create', methods: { POST: manage } },
  { path: '/api/copy', methods: { POST: manage } },
  { path: '/api/delete', methods: { DELETE: manage } },
  { path: '/api/blobs/:digest', methods: { HEAD: manage, POST: manage } },
  {
    path: '/health',
    methods: { GET: ({ deps, response }) => sendJson(response, 200, healthReport(deps.catalog.status())) },
  },
  { path: '/health/liveliness', methods: { GET: alive } },
  { path: '/health/liveness', methods: { GET: alive } },
  { path: '/health/readiness', methods: { GET: ready } },
  { path: '/metrics', methods: { GET: metrics } },
  { path: '/admin/challenge', methods: { GET: challenge } },
  ...operationRoutes(),
  {
    path: '/admin/openapi.json',
    methods: {
      GET: ({ deps, response }) => sendJson(response, 200, openApiDocument(servedOperations(), deps.version)),
    },
  },
  {
    path: '/admin/status',
    methods: { GET: ({ deps, server, response }) => sendJson(response, 200, adminStatus(deps, server)) },
  },
  {
    path: '/admin/events',
    methods: {
      GET: (call) => streamEvents(call.deps, call, () => liveSnapshot(call)),
    },
  },
  { path: '/admin/ui-links', methods: { POST: newWindowLink } },
  { path: '/admin/explain', methods: { POST: explain } },
  { path: '/admin/replay', methods: { POST: replay } },
  {
    path: '/admin/requests/:id',
    methods: {
      GET: async ({ deps, request, response, variable }) => {
        const stored = await storedRequest(deps, variable);
        if (request.headers.accept?.startsWith('text/plain')) sendText(response, 200, requestText(stored));
        else sendJson(response, 200, stored);
      },
    },
  },
];

/** What a path without a route is told; `paths` are those there are. */
export function unknownPath(method: string, path: string, paths: readonly string[]): GatewayError {
  const shown = path.length > 200 ? `${path.slice(0, 200)}...` : path;
  return new GatewayError('not_found', `There is nothing at ${method} ${shown}${didYouMean(path, paths)}`);
}
