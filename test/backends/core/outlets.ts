// The ways the bytes of an answer reach the wire: as they are, cut at odd places, drop by drop, compressed.

import type { ServerResponse } from 'node:http';
import { createBrotliCompress, createDeflate, createGzip, type Gzip } from 'node:zlib';
import { nextTurn, pause } from './wait.ts';

/**
 * Where a stream is cut into HTTP chunks: `events` as the real server does it, `bytes` each byte alone,
 * `random` pieces of 1 to `maxBytes` that know nothing of events or characters, `merge` several writes in one chunk.
 */
export type Chunking =
  | 'events'
  | 'bytes'
  | { readonly random: number; readonly maxBytes: number }
  | { readonly merge: number };

export type Encoding = 'gzip' | 'deflate' | 'br';

/** Takes the body of one answer. After `end` nothing more may come. */
export interface Outlet {
  write(text: string): void;
  end(): void;
}

function plainOutlet(response: ServerResponse): Outlet {
  return { write: (text) => void response.write(text), end: () => void response.end() };
}

/** A small generator of numbers from 0 to 1, the same for the same seed. */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function mergingOutlet(response: ServerResponse, count: number): Outlet {
  let held: string[] = [];
  const flush = () => {
    if (held.length > 0) response.write(held.join(''));
    held = [];
  };
  return {
    write(text) {
      if (held.push(text) >= count) flush();
    },
    end() {
      flush();
      response.end();
    },
  };
}

/** Cuts as `chunking` says; every piece is an HTTP chunk of its own. */
export function cuttingOutlet(response: ServerResponse, chunking: Chunking): Outlet {
  if (chunking === 'events') return plainOutlet(response);
  if (chunking !== 'bytes' && 'merge' in chunking) return mergingOutlet(response, chunking.merge);
  const random = chunking === 'bytes' ? () => 0 : seeded(chunking.random);
  const maxBytes = chunking === 'bytes' ? 1 : chunking.maxBytes;
  return {
    write(text) {
      const bytes = Buffer.from(text);
      for (let at = 0; at < bytes.length; ) {
        const next = at + 1 + Math.floor(random() * maxBytes);
        response.write(bytes.subarray(at, next));
        at = next;
      }
    },
    end: () => void response.end(),
  };
}

/** One byte at a time, that many ms apart (0: one each turn of the event loop). */
export function drippingOutlet(response: ServerResponse, delayMs: number): Outlet {
  const closing = new AbortController();
  let waiting = Buffer.alloc(0);
  let isEnding = false;
  let isDripping = false;
  const drip = async () => {
    if (isDripping) return;
    isDripping = true;
    while (waiting.length > 0 && !closing.signal.aborted) {
      response.write(waiting.subarray(0, 1));
      waiting = waiting.subarray(1);
      if (delayMs > 0) await pause(delayMs, closing.signal);
      else await nextTurn();
    }
    isDripping = false;
    if (isEnding) response.end();
  };
  response.on('close', () => closing.abort());
  return {
    write(text) {
      waiting = Buffer.concat([waiting, Buffer.from(text)]);
      void drip();
    },
    end() {
      isEnding = true;
      void drip();
    },
  };
}

/** Compressed, flushed after each write so that a stream stays one. */
export function compressingOutlet(response: ServerResponse, encoding: Encoding): Outlet {
  const compressor: Pick<Gzip, 'on' | 'write' | 'flush' | 'end' | 'destroy'> =
    encoding === 'gzip' ? createGzip() : encoding === 'deflate' ? createDeflate() : createBrotliCompress();
  compressor.on('data', (bytes: Buffer) => void response.write(bytes));
  compressor.on('end', () => void response.end());
  response.on('close', () => void compressor.destroy());
  return {
    write(text) {
      compressor.write(text);
      compressor.flush();
    },
    end: () => void compressor.end(),
  };
}
