// Ending requests that run, on demand of whoever runs the gateway.

import type { AdminLiveRequest } from './contract.ts';
import type { RequestDispatcher } from './dispatch/dispatch.ts';
import { GatewayError } from './errors.ts';

/** Returns what ends one request (telling how it stood, or null where there is none), and all at one provider. */
export function requestCancel(dispatcher: RequestDispatcher) {
  const cancelled = () =>
    new GatewayError('request_cancelled', 'the request was cancelled by whoever runs the gateway');
  return {
    cancelRequest(id: string): AdminLiveRequest | null {
      const request = dispatcher.liveOne(id);
      dispatcher.abort(id, cancelled());
      return request;
    },
    cancelRequestsAt(provider: string): void {
      for (const request of dispatcher.live()) {
        if (request.provider === provider) dispatcher.abort(request.id, cancelled());
      }
    },
  };
}
