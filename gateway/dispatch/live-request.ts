// How one request stands while it is served: for whoever looks on, never for a decision.

import type { AdminLiveRequest } from '../contract.ts';
import type { DeploymentKey, RequestFacts } from '../types.ts';
import type { ClientReply, IncomingExchange } from './exchange.ts';

/** As the window is told of it. */
export type LiveRequest = AdminLiveRequest;

/** What a run knows of itself. */
export interface RunState {
  readonly exchange: IncomingExchange;
  readonly facts: RequestFacts | null;
  readonly rule: string | null;
  readonly attempts: number;
  /** The deployment of the attempt under way. */
  readonly asked: DeploymentKey | null;
  readonly isQueued: boolean;
  readonly reply: ClientReply;
}

export function liveRequest({ exchange, facts, rule, attempts, asked, isQueued, reply }: RunState): LiveRequest {
  const isAsking = asked === null ? 'deciding' : 'asking';
  return {
    id: exchange.id,
    receivedAtMs: exchange.receivedAtMs,
    endpoint: exchange.endpoint,
    isStream: facts?.isStream ?? false,
    client: facts?.client ?? exchange.apiKeyName ?? '',
    requestedModel: facts?.model ?? null,
    rule,
    is: isQueued ? 'queued' : reply.isCommitted ? 'answering' : isAsking,
    provider: asked?.provider ?? null,
    model: asked?.model ?? null,
    attempts,
    bytesOut: reply.bytesOut,
  };
}
