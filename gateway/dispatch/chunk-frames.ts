// The chunked transfer coding (RFC 9112 section 7.1): a body of unknown length goes out in chunks that say theirs.

/** After the bytes of each chunk. */
export const FRAME_END = '\r\n';
/** What ends a body of chunks; no trailers. */
export const LAST_FRAME = '0\r\n\r\n';

/** Before the bytes of a chunk. `length`: at least 1, for an empty chunk is the last one. */
export function frameHead(length: number): string {
  return `${length.toString(16)}\r\n`;
}

/** A whole chunk in one piece of memory; of at least one byte. */
export function framed(bytes: Uint8Array): Buffer {
  const head = frameHead(bytes.byteLength);
  const frame = Buffer.allocUnsafe(head.length + bytes.byteLength + FRAME_END.length);
  frame.write(head, 'latin1');
  frame.set(bytes, head.length);
  frame.write(FRAME_END, head.length + bytes.byteLength, 'latin1');
  return frame;
}
