// Embeddings as base64 for clients that asked for it from a provider that ignores the wish.

import { endianness } from 'node:os';
import { elementsOf, locate } from './json-text.ts';
import { isObject, listOf } from './json-values.ts';

function isNumberList(value: unknown): value is number[] {
  return Array.isArray(value) && value.length > 0 && value.every((number) => typeof number === 'number');
}

/** Little-endian float32, the form the official clients decode. */
function base64Of(numbers: readonly number[]): string {
  const bytes = Buffer.from(Float32Array.from(numbers).buffer);
  if (endianness() === 'BE') bytes.swap32();
  return bytes.toString('base64');
}

/**
 * The answer with each list of numbers under `data[].embedding` written as base64; all other bytes stay.
 * A list of vectors (llama-cpp-python without pooling) stays what it is, as does what is base64 already.
 *
 * @param bytes the whole answer; @param json the same parsed
 * @returns null when there is nothing to change
 */
export function encodeEmbeddingsBase64(bytes: Buffer, json: unknown): Buffer | null {
  const data = isObject(json) ? listOf(json.data) : [];
  const vectors = data.map((item) => (isObject(item) && isNumberList(item.embedding) ? item.embedding : null));
  if (!vectors.some((vector) => vector !== null)) return null;
  const list = locate(bytes, ['data']);
  const items = list === null ? [] : elementsOf(bytes, list.start);
  const pieces: Buffer[] = [];
  let at = 0;
  for (const [i, vector] of vectors.entries()) {
    const item = items[i];
    const range = vector === null || item === undefined ? null : locate(bytes, ['embedding'], item.start);
    if (vector === null || range === null) continue;
    pieces.push(bytes.subarray(at, range.start), Buffer.from(`"${base64Of(vector)}"`));
    at = range.end;
  }
  pieces.push(bytes.subarray(at));
  return Buffer.concat(pieces);
}
