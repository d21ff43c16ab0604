// The table of routes on Express, and what is said of a path or a method that is not in it.

import type { IncomingMessage, ServerResponse } from 'node:http';
import express, { type NextFunction, type Request, type Response } from 'express';
import { GatewayError } from '../errors.ts';
import { endpointTraits, matchEndpoint } from '../protocols/endpoints.ts';
import type { Protocol } from '../types.ts';
import type { ServerState } from './admin.ts';
import type { HttpDependencies } from './dependencies.ts';
import { answerError } from './error-boundary.ts';
import { type Handler, type RouteMethod, routes, unknownPath } from './routes.ts';

/** What the door knows of a request already. */
export interface RequestContext {
  readonly id: string;
  readonly protocol: Protocol;
  /** As the guard saw it: no other reading of the request line may reach a route. */
  readonly path: string;
  /** With its question mark, or ''. */
  readonly query: string;
}

export interface App {
  serve(request: IncomingMessage, response: ServerResponse, context: RequestContext): void;
}

const METHODS = ['GET', 'POST', 'PATCH', 'DELETE', 'HEAD'] as const satisfies readonly RouteMethod[];

/** Paths to propose for one that is not there. */
const KNOWN_PATHS = [
  ...routes.map(({ path }) => path).filter((path) => !/[:*]/.test(path)),
  ...Object.values(endpointTraits).map(({ path }) => path),
];

function variableOf(params: Readonly<Record<string, string | string[]>>): string {
  const value = Object.values(params)[0] ?? '';
  return typeof value === 'string' ? value : value.join('/');
}

/** A path that is no valid percent-encoding is Express' to find. */
function asOurs(error: unknown): unknown {
  if (!(error instanceof URIError)) return error;
  return new GatewayError('invalid_request', 'The path is not validly percent-encoded.');
}

/** Says which methods there are; a plain OPTIONS asks for just that. */
function otherMethods(allowed: readonly string[]): (request: Request, response: Response) => void {
  const allow = [...new Set([...allowed, ...(allowed.includes('GET') ? ['HEAD'] : []), 'OPTIONS'])].join(', ');
  return (request, response) => {
    response.setHeader('allow', allow);
    if (request.method === 'OPTIONS') {
      response.statusCode = 204;
      response.end();
      return;
    }
    throw new GatewayError(
      'method_not_allowed',
      `${request.path.slice(0, 200)} takes ${allow}, not ${request.method}.`,
    );
  };
}

/** The Express application behind the guard. Loading this module loads Express. */
export function createApp(deps: HttpDependencies, server: ServerState): App {
  const app = express();
  const contexts = new WeakMap<IncomingMessage, RequestContext>();
  app.disable('x-powered-by');
  app.disable('etag');
  // As the guard reads paths, so must the routes: what is `/admin` to one is `/admin` to the other.
  app.enable('case sensitive routing');

  const run = (handler: Handler) => (request: Request, response: Response) =>
    handler({
      deps,
      server,
      request,
      response,
      query: new URLSearchParams(contexts.get(request)?.query ?? ''),
      variable: variableOf(request.params),
    });

  app.use('/admin', (_request, response, next) => {
    response.setHeader('cache-control', 'no-store');
    next();
  });
  for (const { path, methods } of routes) {
    const route = app.route(path);
    // HEAD before GET: Express answers it by the GET handler otherwise.
    if (methods.HEAD) route.head(run(methods.HEAD));
    if (methods.GET) route.get(run(methods.GET));
    if (methods.POST) route.post(run(methods.POST));
    if (methods.PATCH) route.patch(run(methods.PATCH));
    if (methods.DELETE) route.delete(run(methods.DELETE));
    route.all(otherMethods(METHODS.filter((method) => methods[method] !== undefined)));
  }
  const onlyPost = otherMethods(['POST']);
  app.use((request, response) => {
    if (matchEndpoint('POST', request.path) !== null) return onlyPost(request, response);
    throw unknownPath(request.method, request.path, KNOWN_PATHS);
  });
  // Express knows an error handler by its four parameters.
  app.use((error: unknown, request: Request, response: Response, _next: NextFunction) => {
    const context = contexts.get(request);
    const { id, protocol } = context ?? { id: '', protocol: 'openai' };
    answerError({ id, protocol, request, response }, asOurs(error), deps.log, deps.clock);
  });

  return {
    serve(request, response, context) {
      contexts.set(request, context);
      request.url = context.path + context.query;
      response.setHeader('x-request-id', context.id);
      app(request, response);
    },
  };
}
