// What is done with a provider's answer, by what it turns out to be: a refusal, a stream, a JSON body, other bytes.

import { endpointTraits } from '../protocols/endpoints.ts';
import type { Failure, FailureKind, Usage } from '../types.ts';
import type { AttemptInput, ProviderHeaders } from './attempt.ts';
import { BytesReader } from './bytes-answer.ts';
import type { HeldBytes } from './held-bytes.ts';
import { JsonReader } from './json-answer.ts';
import type { DispatchLimits } from './limits.ts';
import { RefusalReader } from './refusal.ts';
import { StreamReader } from './stream-answer.ts';

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
  readonly hasEnded: boolean;
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

/** Chooses by status and content type, before the first byte of the body. */
export function createAnswerReader(host: AnswerHost, status: number, headers: ProviderHeaders): AnswerReader {
  const traits = endpointTraits[host.input.endpoint];
  const encoding = headerValue(headers, 'content-encoding');
  if (status >= 300 || (encoding !== '' && encoding !== 'identity')) return new RefusalReader(host, status, headers);
  const type = headerValue(headers, 'content-type').toLowerCase();
  if (traits.framing === 'sse' && type.startsWith('text/event-stream')) {
    // A whole answer was asked for: its client cannot read events.
    return host.input.isStream ? new StreamReader(host, status, headers) : new RefusalReader(host, status, headers);
  }
  if (traits.framing === 'ndjson' && type.startsWith('application/x-ndjson'))
    return new StreamReader(host, status, headers);
  if (traits.answersJson || type.startsWith('application/json')) return new JsonReader(host, status, headers);
  return new BytesReader(host, status, headers);
}
