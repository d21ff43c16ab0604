// What an attempt and the readers of its answer know of each other.

import type { Failure, FailureKind, Usage } from '../types.ts';
import type { AttemptInput, ProviderHeaders } from './attempt-contract.ts';
import type { HeldBytes } from './held-bytes.ts';
import type { DispatchLimits } from './limits.ts';

/** What a reader may ask of the attempt it belongs to. */
export interface AnswerHost {
  readonly input: AttemptInput;
  readonly held: HeldBytes;
  readonly dispatchLimits: DispatchLimits;
  /** Ends the attempt before its commit. */
  fail(kind: FailureKind, message: string, extra?: Partial<Pick<Failure, 'status' | 'retryAfterMs'>>): void;
  /** Sends the head of the answer; returns the comment that a stream opened early begins with. */
  commit(status: number, headers: ProviderHeaders): string | null;
  contentSeen(): void;
  endSeen(): void;
  holdBack(): void;
  complete(): void;
  broken(failure: Failure): void;
}

/** Reads one answer. Every call comes from the connection or a timer; none after `release`. */
export interface AnswerReader {
  onData(chunk: Buffer): void;
  /** The HTTP body ended as HTTP wants it. */
  onEnd(): void;
  /** It broke off, or ran out of time. */
  onCut(message: string, kind?: FailureKind): void;
  /** Gives back what it held. */
  release(): void;
  readonly isCommitted: boolean;
  /** The client has all of it, whatever the connection still does. */
  readonly isDelivered: boolean;
  readonly refusal: { readonly status: number; readonly text: string; readonly json: unknown } | null;
  readonly usage: Usage | null;
  readonly contentCharacters: number;
  readonly changes: readonly string[];
}

/** The value of a header that should come once. */
export function headerValue(headers: ProviderHeaders, name: string): string {
  const value = headers[name];
  return (typeof value === 'string' ? value : value?.[0]) ?? '';
}
