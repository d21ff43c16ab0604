// What a failure means for the rest of its request, by what failed and not by the status alone: the adapter has said whom
// it blames. Pure.

import { assertNever } from '../errors.ts';
import type { FailureKind } from '../types.ts';

/**
 * `stop`: nobody else is asked; `elsewhere`: others may do better, this deployment never will;
 * `may_pass`: the same deployment may do better in a while; `loading`: it surely will.
 */
export type Prospect = 'stop' | 'elsewhere' | 'may_pass' | 'loading';

/** What to hope for after an attempt that the client has seen nothing of. */
export function prospectAfter(kind: FailureKind): Prospect {
  switch (kind) {
    // The client has left, has seen part of the answer, or sent what every provider would refuse.
    case 'cancelled':
    case 'broken':
    case 'bad_request':
      return 'stop';
    case 'auth':
    case 'model_missing':
    case 'context_exceeded':
    case 'content_filtered':
    case 'unsupported':
      return 'elsewhere';
    case 'loading':
      return 'loading';
    case 'unreachable':
    case 'timeout_connect':
    case 'timeout_first_byte':
    case 'timeout_idle':
    case 'timeout_total':
    case 'rate_limited':
    case 'overloaded':
    case 'bad_answer':
    case 'server_error':
      return 'may_pass';
    default:
      return assertNever(kind);
  }
}

/** The request itself is at fault, so the provider's own words are what helps the client. */
export function blamesRequest({ kind }: { readonly kind: FailureKind }): boolean {
  switch (kind) {
    case 'bad_request':
    case 'context_exceeded':
    case 'content_filtered':
    case 'unsupported':
      return true;
    default:
      return false;
  }
}
