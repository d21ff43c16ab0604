// `GET /admin/events`: the stream of changes over one connection, until either side ends it.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AdminSnapshot } from '../contract.ts';
import type { ChangeSink } from '../events/subscription.ts';
import type { HttpDependencies } from './dependencies.ts';

const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  // A proxy that collects what comes would hold it back.
  'x-accel-buffering': 'no',
} as const;

/**
 * Follows the changes, with `look=hardware` those of the machine too; `since` of the query counts where the header `Last-Event-ID` is not there.
 * Throws `all_busy` beyond the number of listeners.
 */
export function streamEvents(
  deps: Pick<HttpDependencies, 'events' | 'hardware'>,
  { request, response, query }: { request: IncomingMessage; response: ServerResponse; query: URLSearchParams },
  snapshot: () => AdminSnapshot,
): void {
  if (request.method === 'HEAD') {
    response.writeHead(200, HEADERS).end();
    return;
  }
  const { events, hardware } = deps;
  const header = request.headers['last-event-id'];
  const since = (Array.isArray(header) ? header[0] : header) ?? query.get('since');
  // The head goes out with the first bytes: a listener too many gets an error in its place.
  for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
  const subscribed = events.subscribe({ sink: sinkOf(response), since, snapshot });
  response.flushHeaders();
  response.on('drain', () => subscribed.drained());
  response.on('error', () => undefined);
  response.once('close', () => subscribed.close());
  if (query.get('look') !== 'hardware') return;
  // Whoever follows gets it, but only those who look have it sampled.
  const look = hardware.subscribe((sample) => events.note('hardware', { kind: 'hardware', hardware: sample }));
  response.once('close', look);
}

function sinkOf(response: ServerResponse): ChangeSink {
  return {
    write: (bytes) => response.write(bytes),
    end: () => response.end(),
    cut: () => response.destroy(),
  };
}
