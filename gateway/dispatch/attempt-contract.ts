// What goes into one attempt, and what comes out of it.

import type { Clock } from '../clock.ts';
import type { ProviderSettings } from '../config/settings.ts';
import type { ProviderAdapter } from '../providers/provider.ts';
import type { Endpoint, Failure, Usage } from '../types.ts';
import type { ClientReply } from './exchange.ts';
import type { HeldBytes } from './held-bytes.ts';
import type { DispatchLimits } from './limits.ts';
import type { AttemptLimits } from './time-limits.ts';
import type { UpstreamPools } from './upstream-pools.ts';

/** Everything one attempt needs; the body is already edited for this provider. */
export interface AttemptInput {
  readonly endpoint: Endpoint;
  readonly isStream: boolean;
  readonly provider: ProviderSettings;
  readonly adapter: ProviderAdapter;
  readonly path: string;
  readonly requestHeaders: readonly string[];
  readonly body: Buffer;
  readonly limits: AttemptLimits;
  /** The client asked for base64 vectors and this kind may send numbers all the same. */
  readonly mustEncodeEmbeddings: boolean;
  readonly reply: ClientReply;
  /** The headers of the reply for this answer, and (for a stream opened early) the comment that stands in for them. */
  readonly replyHead: (
    providerHeaders: ProviderHeaders,
    /** Null while it is not known yet. */
    usage: Usage | null,
  ) => { readonly headers: readonly string[]; readonly comment: string | null };
  /** Told once, when the answer begins to go to the client; not for an attempt that fails before. */
  readonly onCommit: () => void;
  /** Blots out known secrets in what a provider said. */
  readonly mask: (text: string) => string;
  /** The protocol's own error event, for an answer that breaks after its commit. */
  readonly streamError: (failure: Failure) => string;
}

/** What attempts share. */
export interface AttemptContext {
  readonly clock: Clock;
  readonly pools: UpstreamPools;
  readonly held: HeldBytes;
  readonly dispatchLimits: DispatchLimits;
}

/** Header names in lower case, as undici parses them. */
export type ProviderHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** How an attempt ended. `failed`: the client has seen nothing; the others: this was its answer. */
export interface AttemptResult {
  readonly ended: 'failed' | 'complete' | 'broken' | 'cancelled';
  readonly failure: Failure | null;
  /** The provider's refusal as it came, where its own words may be passed on. */
  readonly refusal: { readonly status: number; readonly text: string; readonly json: unknown } | null;
  readonly status: number | null;
  readonly headersAfterMs: number | null;
  readonly contentAfterMs: number | null;
  readonly endedAfterMs: number;
  readonly usage: Usage | null;
  readonly contentCharacters: number;
  readonly changes: readonly string[];
}
