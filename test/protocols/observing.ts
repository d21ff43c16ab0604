// Feeds observers and sums up what they say.

import { createStreamObserver } from '../../gateway/protocols/observer.ts';
import type { StreamObserver } from '../../gateway/protocols/protocol.ts';
import type { Endpoint } from '../../gateway/types.ts';

/** Everything an observer says that may not depend on how the bytes were cut. */
export function verdict(observer: StreamObserver) {
  return {
    isComplete: observer.isComplete,
    hasContent: observer.hasContent,
    error: observer.error?.message ?? null,
    isGarbage: observer.garbage !== null,
    falseEndAt: observer.falseEndAt,
    boundary: observer.boundary,
    usage: observer.usage,
    model: observer.model,
    contentCharacters: observer.contentCharacters,
    finishReasons: observer.finishReasons,
  };
}

/** Feeds the bytes cut at these offsets (ascending) and, if the body is whole, ends it. */
export function observe(
  endpoint: Endpoint,
  bytes: Buffer,
  cuts: Iterable<number> = [],
  isWhole = true,
): StreamObserver {
  const observer = createStreamObserver(endpoint);
  let at = 0;
  for (const cut of cuts) {
    observer.push(bytes.subarray(at, cut));
    at = cut;
  }
  observer.push(bytes.subarray(at));
  if (isWhole) observer.end();
  return observer;
}

/** Feeds a text in one piece. */
export function observeText(endpoint: Endpoint, text: string): StreamObserver {
  return observe(endpoint, Buffer.from(text));
}
