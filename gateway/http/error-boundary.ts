// The one place where an error becomes an answer.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../clock.ts';
import { GatewayError } from '../errors.ts';
import { renderError } from '../protocols/errors.ts';
import type { Log } from '../telemetry/log.ts';
import type { Protocol } from '../types.ts';

/** How long the rest of a body is still taken in after the answer, so that the client gets to read it. */
const LINGER_MS = 5_000;

/** What is known of a request when something goes wrong with it. */
export interface FailedRequest {
  readonly id: string;
  readonly protocol: Protocol;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** Everything thrown that is not from the catalogue is `internal`: its text may tell what nobody outside should read. */
export function asGatewayError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  return new GatewayError(
    'internal',
    "The gateway failed to serve this request: its log tells more, under this answer's x-request-id.",
    {
      cause: error,
    },
  );
}

/** Answers with the error in its protocol's shape, or cuts the connection where an answer has begun already. */
export function answerError(failed: FailedRequest, thrown: unknown, log: Log, clock: Clock): GatewayError {
  const error = asGatewayError(thrown);
  const { id, request, response } = failed;
  if (error.code === 'internal')
    log.error('request failed inside the gateway', { id, url: request.url, error: thrown });
  if (response.headersSent || response.destroyed) {
    if (!response.writableEnded) response.destroy();
    return error;
  }
  const rendered = renderError(failed.protocol, error, id);
  for (const [name, value] of Object.entries(rendered.headers)) response.setHeader(name, value);
  response.setHeader('x-request-id', id);
  if (error.status === 401) response.setHeader('www-authenticate', 'Bearer');
  response.setHeader('content-length', Buffer.byteLength(rendered.body));
  response.statusCode = rendered.status;
  // Node closes the connection of a last answer as soon as it has ended, and with it what the client still sends: the
  // length tells the client that it has all of it, so the end can wait until the request has ended too.
  response.write(rendered.body);
  afterRest(request, clock, () => response.end());
  return error;
}

/** Takes in what the client is still sending: closing at once would reset the connection before it has read the answer. */
export function discardRest(request: IncomingMessage, clock: Clock): void {
  afterRest(request, clock, () => undefined);
}

/** Calls back once the request has arrived whole, is gone, or has gone on for too long and was cut off. */
function afterRest(request: IncomingMessage, clock: Clock, callback: () => void): void {
  if (request.complete || request.destroyed) {
    callback();
    return;
  }
  const cancel = clock.after(LINGER_MS, () => request.socket.destroy());
  const done = (): void => {
    request.off('end', done).off('close', done);
    cancel();
    callback();
  };
  request.once('end', done).once('close', done);
  request.resume();
}
