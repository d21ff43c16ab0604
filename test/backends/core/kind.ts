// The contract between the common part of all stand-ins and what is peculiar to a kind.

import type { Exchange } from './exchange.ts';
import type { RawHeaders } from './wire.ts';

/** What a handler returns: nothing, or the promise of it. */
export type Handled = void | Promise<void>;

/** Situations a fault can ask a kind to describe in its own words. */
export type Situation = 'unauthorized' | 'not_found' | 'rate_limited' | 'server_error' | 'loading' | 'overloaded';

export interface ReadyAnswer {
  readonly status: number;
  readonly headers: RawHeaders;
  readonly body: string;
}

export interface StandInKind {
  /** `ollama`, `vllm`, ... */
  readonly kind: string;
  /** Idle connections are closed after that long; 0: never. */
  readonly keepAliveMs: number;
  /** Whether a request would generate (or embed, or rank), and not merely ask for facts. */
  isGeneration(method: string, path: string): boolean;
  /** Answers one request. May be called for any method and path. */
  handle(exchange: Exchange): Handled;
  /** An error answer in the kind's own envelope for the protocol of this request. */
  describe(situation: Situation, exchange: Exchange, message: string | null): ReadyAnswer;
  /** How a failure in the middle of a stream looks here, and whether the body then ends properly. */
  streamError(exchange: Exchange): { readonly text: string; readonly endsProperly: boolean };
  /** Ends the kind's own timers. */
  close(): void;
}
