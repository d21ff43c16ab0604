// Gives a kept answer again.

import type { CachedAnswer } from '../cache/cached-answer.ts';
import type { ClientReply } from './exchange.ts';
import { ownHeaders, type ReplyFacts } from './reply-head.ts';

/** What comes in events has no length beforehand, and clients that read events expect none. */
const STREAM_TYPE = /^(?:text\/event-stream|application\/x-ndjson)\b/i;

/**
 * Sends a kept answer, byte for byte, in one write. The head names who wrote it, no attempts, and how old it is.
 * @param nowMs epoch ms
 */
export function sendCached(reply: ClientReply, answer: CachedAnswer, facts: ReplyFacts, nowMs: number): void {
  const { status, provider, model, headers, body, storedAtMs } = answer;
  const head = ownHeaders({ ...facts, provider, model, attempts: 0, cache: 'hit' });
  for (const part of headers) head.push(part);
  // RFC 9111 section 5.1: seconds since the answer was made. Clocks of gateways that share a store may differ.
  head.push('age', String(Math.max(0, Math.floor((nowMs - storedAtMs) / 1_000))));
  if (!isStream(headers)) head.push('content-length', String(body.length));
  reply.send(status, head, body);
}

function isStream(headers: readonly string[]): boolean {
  const at = headers.indexOf('content-type');
  return at >= 0 && at % 2 === 0 && STREAM_TYPE.test(headers[at + 1] ?? '');
}
