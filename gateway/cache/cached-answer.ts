// The form an answer is kept in: in memory as it is, elsewhere as bytes.

import type { Usage } from '../types.ts';

/** A complete answer, ready to be given again. */
export interface CachedAnswer {
  readonly status: number;
  /** The provider's headers that a client may see, as a flat list of names and values. */
  readonly headers: readonly string[];
  /** As it went to the client: a stream with all its events, without what the gateway itself put into it. */
  readonly body: Buffer;
  /** Who wrote it. */
  readonly provider: string;
  readonly model: string;
  /** What it cost when it was written; giving it again costs nothing. */
  readonly usage: Usage;
  /** Characters of text, as the reader of the answer counted them. */
  readonly contentCharacters: number;
  /** Epoch ms. */
  readonly storedAtMs: number;
}

/** What an entry takes besides its bytes, about: objects, numbers, its place in the table. */
const OVERHEAD_BYTES = 512;

/** The memory an answer takes up under that key, in bytes. */
export function sizeInMemory(key: string, { headers, body, provider, model }: CachedAnswer): number {
  let characters = key.length + provider.length + model.length;
  for (const text of headers) characters += text.length;
  return body.length + 2 * characters + OVERHEAD_BYTES;
}

/** Counts up with every change of the packed form; what an older gateway packed is then nothing. */
const FORM = 1;
/** The form's number, then the lengths of head and body. */
const FRONT_BYTES = 1 + 4 + 4;

/** One block of bytes: the front, the head as JSON, the body as it is. */
export function packAnswer({ body, ...head }: CachedAnswer): Buffer {
  const headBytes = Buffer.from(JSON.stringify(head));
  const front = Buffer.allocUnsafe(FRONT_BYTES);
  front[0] = FORM;
  front.writeUInt32BE(headBytes.length, 1);
  front.writeUInt32BE(body.length, 5);
  return Buffer.concat([front, headBytes, body]);
}

/** The answer in bytes that `packAnswer` made; null for any other bytes: whoever shares a store may have written them. */
export function unpackAnswer(bytes: Buffer): CachedAnswer | null {
  if (bytes.length < FRONT_BYTES || bytes[0] !== FORM) return null;
  const bodyAt = FRONT_BYTES + bytes.readUInt32BE(1);
  if (bodyAt + bytes.readUInt32BE(5) !== bytes.length) return null;
  try {
    const head: unknown = JSON.parse(bytes.toString('utf8', FRONT_BYTES, bodyAt));
    return isHead(head) ? { ...head, body: bytes.subarray(bodyAt) } : null;
  } catch {
    return null;
  }
}

type Head = Omit<CachedAnswer, 'body'>;

function isHead(value: unknown): value is Head {
  if (typeof value !== 'object' || value === null) return false;
  const { status, headers, provider, model, usage, contentCharacters, storedAtMs } = value as Record<
    keyof Head,
    unknown
  >;
  return (
    typeof status === 'number' &&
    Array.isArray(headers) &&
    headers.length % 2 === 0 &&
    headers.every((text) => typeof text === 'string') &&
    typeof provider === 'string' &&
    typeof model === 'string' &&
    isUsage(usage) &&
    typeof contentCharacters === 'number' &&
    typeof storedAtMs === 'number'
  );
}

function isUsage(value: unknown): value is Usage {
  if (typeof value !== 'object' || value === null) return false;
  const { promptTokens, completionTokens, cachedTokens, isEstimated } = value as Record<keyof Usage, unknown>;
  const isCount = (count: unknown): boolean => count === null || typeof count === 'number';
  return (
    isCount(promptTokens) && isCount(completionTokens) && isCount(cachedTokens) && typeof isEstimated === 'boolean'
  );
}
