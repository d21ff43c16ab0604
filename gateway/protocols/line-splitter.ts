// Cuts a stream of bytes into lines without copying them, however the bytes are cut into chunks.

const LF = 0x0a;
const CR = 0x0d;

/** Takes the lines of one stream. */
export interface LineSink {
  /** A whole line: `bytes[start, end)` without its end; `nextOffset` is where the next line begins in the stream. */
  line(bytes: Buffer, start: number, end: number, nextOffset: number): void;
  /** The line end last seen was a CR whose LF only came now: the next line begins one byte later. */
  lineFeedFollows(nextOffset: number): void;
  /** A line grew over the limit; nothing follows. */
  tooLong(beginning: Buffer): void;
}

export interface LineSplitterOptions {
  /** A CR ends a line too (SSE: yes; NDJSON: no). */
  readonly splitsAtCr: boolean;
  readonly maxLineBytes: number;
}

export class LineSplitter {
  readonly #sink: LineSink;
  readonly #splitsAtCr: boolean;
  readonly #maxLineBytes: number;
  /** The beginning of a line whose end has not come yet. */
  #pieces: Buffer[] = [];
  #pieceBytes = 0;
  /** Stream offset of the chunk at hand. */
  #offset = 0;
  #endedWithCr = false;
  #isStopped = false;

  constructor(sink: LineSink, options: LineSplitterOptions) {
    this.#sink = sink;
    this.#splitsAtCr = options.splitsAtCr;
    this.#maxLineBytes = options.maxLineBytes;
  }

  push(chunk: Uint8Array): void {
    if (this.#isStopped || chunk.length === 0) return;
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let start = 0;
    if (this.#endedWithCr) {
      this.#endedWithCr = false;
      if (bytes[0] === LF) {
        start = 1;
        this.#sink.lineFeedFollows(this.#offset + 1);
      }
    }
    // One look at the whole chunk spares the search for CR in each of its lines.
    const hasCr = this.#splitsAtCr && bytes.includes(CR, start);
    start = hasCr ? this.#splitMixed(bytes, start) : this.#splitAtLf(bytes, start);
    if (start < bytes.length) this.#keep(bytes.subarray(start));
    this.#offset += bytes.length;
  }

  /** The bytes behind the last line end, which nothing will end any more; null when there are none. */
  takeRest(): Buffer | null {
    if (this.#isStopped || this.#pieceBytes === 0) return null;
    const rest = Buffer.concat(this.#pieces, this.#pieceBytes);
    this.stop();
    return rest;
  }

  /** Drops everything that still comes. */
  stop(): void {
    this.#isStopped = true;
    this.#pieces = [];
    this.#pieceBytes = 0;
  }

  #splitAtLf(bytes: Buffer, from: number): number {
    let start = from;
    let end = bytes.indexOf(LF, start);
    while (end !== -1 && !this.#isStopped) {
      this.#emit(bytes, start, end, end + 1);
      start = end + 1;
      end = bytes.indexOf(LF, start);
    }
    return start;
  }

  #splitMixed(bytes: Buffer, from: number): number {
    let start = from;
    for (let i = from; i < bytes.length && !this.#isStopped; i += 1) {
      const byte = bytes[i];
      if (byte !== LF && byte !== CR) continue;
      let next = i + 1;
      if (byte === CR) {
        if (next === bytes.length) this.#endedWithCr = true;
        else if (bytes[next] === LF) next += 1;
      }
      this.#emit(bytes, start, i, next);
      start = next;
      i = next - 1;
    }
    return start;
  }

  #emit(bytes: Buffer, start: number, end: number, next: number): void {
    const nextOffset = this.#offset + next;
    if (this.#pieceBytes === 0) {
      this.#sink.line(bytes, start, end, nextOffset);
      return;
    }
    this.#pieces.push(bytes.subarray(start, end));
    const line = Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#pieceBytes = 0;
    this.#sink.line(line, 0, line.length, nextOffset);
  }

  #keep(piece: Buffer): void {
    if (this.#isStopped) return;
    this.#pieces.push(piece);
    this.#pieceBytes += piece.length;
    if (this.#pieceBytes <= this.#maxLineBytes) return;
    const beginning = Buffer.concat(this.#pieces, Math.min(this.#pieceBytes, 2_000));
    this.stop();
    this.#sink.tooLong(beginning);
  }
}
