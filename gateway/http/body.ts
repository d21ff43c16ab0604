// Reads a request's body into one buffer: bounded, unpacked, and without a copy where it came in one piece.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate, zstdDecompress } from 'node:zlib';
import type { HeldBytes } from '../dispatch/held-bytes.ts';
import { GatewayError } from '../errors.ts';

export interface BodyLimits {
  /** Of one body, unpacked. */
  readonly maxBytes: number;
  /** Shared by all bodies held at this moment. */
  readonly held: HeldBytes;
}

/** Unpacks within the limit: a bomb ends with `ERR_BUFFER_TOO_LARGE` before it has grown beyond it. */
const unpackers: Readonly<Record<string, (packed: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>>> = {
  gzip: promisify(gunzip),
  'x-gzip': promisify(gunzip),
  deflate: promisify(inflate),
  br: promisify(brotliDecompress),
  zstd: promisify(zstdDecompress),
};

const MEMORY_RETRY_SECONDS = 2;

function megabytes(bytes: number): string {
  return bytes >= 1024 * 1024 ? `${Math.round(bytes / 1024 / 1024)} MB` : `${bytes} bytes`;
}

function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError(
    'body_too_large',
    `The request body is larger than ${megabytes(maxBytes)}: send less, or raise server.limits.`,
  );
}

function exhausted(): GatewayError {
  return new GatewayError(
    'memory_exhausted',
    'The gateway holds as many request bodies as its memory bound allows: try again when some have been answered.',
    { retryAfterSeconds: MEMORY_RETRY_SECONDS },
  );
}

function clientLeft(): GatewayError {
  return new GatewayError('client_closed_request', 'The client closed the connection while it sent the request body.');
}

/**
 * The whole body, unpacked. Its length is taken from `limits.held`, and the caller gives it back with `release`.
 * Sends `100 Continue` where `awaitsContinue` says the client waits for it, but only once the body can be taken.
 * Rejects with `body_too_large`, `memory_exhausted`, `unsupported_encoding`, `invalid_request` (what cannot be
 * unpacked) or `client_closed_request`; nothing stays taken then.
 */
export async function readBody(
  request: IncomingMessage,
  response: ServerResponse,
  limits: BodyLimits,
  awaitsContinue = false,
): Promise<Buffer> {
  const declaredText = request.headers['content-length'];
  const declared = declaredText === undefined ? null : Number(declaredText);
  const unpack = unpackerFor(request);
  if (declared !== null && declared > limits.maxBytes) throw tooLarge(limits.maxBytes);
  // Asking before the first byte spares an upload that would be refused at its end.
  if (declared !== null && !limits.held.take(declared)) throw exhausted();
  if (declared !== null) limits.held.release(declared);
  if (awaitsContinue) response.writeContinue();
  const packed = await readRaw(request, limits, declared);
  return unpack === null ? packed : unpackWithin(packed, unpack, limits);
}

function unpackerFor(request: IncomingMessage): (typeof unpackers)[string] | null {
  const encoding = request.headers['content-encoding']?.trim().toLowerCase();
  if (encoding === undefined || encoding === '' || encoding === 'identity') return null;
  const unpack = Object.hasOwn(unpackers, encoding) ? unpackers[encoding] : undefined;
  if (unpack) return unpack;
  throw new GatewayError(
    'unsupported_encoding',
    `The content encoding ${JSON.stringify(encoding.slice(0, 100))} is not known here: send gzip, deflate, br, zstd or no encoding.`,
  );
}

function readRaw(request: IncomingMessage, limits: BodyLimits, declared: number | null): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let only: Buffer | null = null;
    /** Pieces of a body of unknown length, or null while there is only one. */
    let pieces: Buffer[] | null = null;
    /** Where a body of known length is put together in place, so that it never exists twice. */
    let whole: Buffer | null = null;
    let received = 0;

    const stop = () => {
      request.off('data', onData);
      request.off('end', onEnd);
      request.off('close', onClose);
    };
    const fail = (error: GatewayError) => {
      stop();
      limits.held.release(received);
      reject(error);
    };
    const onData = (chunk: Buffer) => {
      if (received + chunk.length > limits.maxBytes) return fail(tooLarge(limits.maxBytes));
      if (!limits.held.take(chunk.length)) return fail(exhausted());
      if (received === 0) only = chunk;
      else if (declared !== null) {
        whole ??= placeFirst(only, declared);
        chunk.copy(whole, received);
      } else {
        pieces ??= only === null ? [] : [only];
        pieces.push(chunk);
      }
      received += chunk.length;
    };
    const onEnd = () => {
      stop();
      resolve(whole ?? (pieces === null ? (only ?? Buffer.alloc(0)) : Buffer.concat(pieces, received)));
    };
    const onClose = () => fail(clientLeft());
    request.on('data', onData);
    request.on('end', onEnd);
    request.on('close', onClose);
  });
}

function placeFirst(first: Buffer | null, length: number): Buffer {
  const whole = Buffer.allocUnsafeSlow(length);
  first?.copy(whole, 0);
  return whole;
}

async function unpackWithin(packed: Buffer, unpack: (typeof unpackers)[string], limits: BodyLimits): Promise<Buffer> {
  let unpacked: Buffer;
  try {
    unpacked = await unpack(packed, { maxOutputLength: limits.maxBytes });
  } catch (error) {
    const isBomb = error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
    if (isBomb) throw tooLarge(limits.maxBytes);
    throw new GatewayError('invalid_request', 'The request body cannot be unpacked as its content encoding says.', {
      cause: error,
    });
  } finally {
    limits.held.release(packed.length);
  }
  if (!limits.held.take(unpacked.length)) throw exhausted();
  return unpacked;
}
