// What to do after an attempt that the client has seen nothing of. Pure.

import { assertNever } from '../errors.ts';
import type { Failure } from '../types.ts';

export type NextStep =
  | { readonly do: 'next_candidate'; readonly because: string }
  | { readonly do: 'stop'; readonly because: string };

/** Decides by what failed, not by the status alone: the adapter has said whom it blames. */
export function afterFailure(failure: Failure, hasCandidateLeft: boolean): NextStep {
  switch (failure.kind) {
    case 'cancelled':
      return { do: 'stop', because: 'the client has left' };
    case 'broken':
      return { do: 'stop', because: 'the client has seen part of the answer' };
    case 'bad_request':
      return { do: 'stop', because: 'every provider would refuse this request' };
    case 'unreachable':
    case 'timeout_connect':
    case 'timeout_first_byte':
    case 'timeout_idle':
    case 'timeout_total':
    case 'rate_limited':
    case 'overloaded':
    case 'loading':
    case 'bad_answer':
    case 'server_error':
    case 'model_missing':
    case 'context_exceeded':
    case 'content_filtered':
    case 'auth':
    case 'unsupported':
      return hasCandidateLeft
        ? { do: 'next_candidate', because: failure.kind }
        : { do: 'stop', because: 'no candidate is left' };
    default:
      return assertNever(failure.kind);
  }
}

/** The request itself is at fault, so the provider's own words are what helps the client. */
export function blamesRequest(failure: Failure): boolean {
  switch (failure.kind) {
    case 'bad_request':
    case 'context_exceeded':
    case 'content_filtered':
    case 'unsupported':
      return true;
    default:
      return false;
  }
}
