// An HTTP client that sends exactly the bytes it is given and shows exactly what came back: order, case, chunks, endings.

import { connect } from 'node:net';

export interface RawRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface RawAnswer {
  readonly statusLine: string;
  readonly status: number;
  /** In order, as written. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly framing: 'chunked' | 'content-length' | 'close';
  /** One per HTTP chunk; the whole body otherwise. */
  readonly chunks: readonly string[];
  /** The body came to its proper end. */
  readonly isComplete: boolean;
}

interface Head {
  readonly statusLine: string;
  readonly headers: [string, string][];
  readonly bodyStart: number;
}

function readHead(bytes: Buffer): Head | null {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return null;
  const [statusLine = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n');
  // An interim answer (100 Continue) comes before the real one.
  if (/^HTTP\/1\.1 1\d\d/.test(statusLine)) {
    const rest = readHead(bytes.subarray(end + 4));
    return rest && { ...rest, bodyStart: rest.bodyStart + end + 4 };
  }
  const headers = lines.map((line): [string, string] => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon), line.slice(colon + 1).trim()];
  });
  return { statusLine, headers, bodyStart: end + 4 };
}

function readChunks(body: Buffer): { chunks: string[]; isComplete: boolean } {
  const chunks: string[] = [];
  for (let at = 0; ; ) {
    const lineEnd = body.indexOf('\r\n', at);
    if (lineEnd < 0) return { chunks, isComplete: false };
    const size = Number.parseInt(body.subarray(at, lineEnd).toString(), 16);
    const end = lineEnd + 2 + size;
    if (size === 0) return { chunks, isComplete: body.length >= end + 2 };
    if (!(body.length >= end + 2)) return { chunks, isComplete: false };
    chunks.push(body.subarray(lineEnd + 2, end).toString());
    at = end + 2;
  }
}

function parse(bytes: Buffer, hasEnded: boolean, hasBody: boolean): RawAnswer | null {
  const head = readHead(bytes);
  if (!head) return null;
  const { statusLine, headers } = head;
  const value = (name: string) => headers.find(([key]) => key.toLowerCase() === name)?.[1];
  const status = Number(statusLine.split(' ')[1]);
  const body = bytes.subarray(head.bodyStart);
  const common = { statusLine, status, headers };
  const length = value('content-length');
  if (/chunked/i.test(value('transfer-encoding') ?? '')) return { ...common, framing: 'chunked', ...readChunks(body) };
  if (!hasBody || status === 204)
    return { ...common, framing: length === undefined ? 'close' : 'content-length', chunks: [], isComplete: true };
  if (length === undefined) return { ...common, framing: 'close', chunks: [body.toString()], isComplete: hasEnded };
  const isComplete = body.length >= Number(length);
  return { ...common, framing: 'content-length', chunks: body.length > 0 ? [body.toString()] : [], isComplete };
}

/**
 * Sends one request on a connection of its own and reads until the answer is complete or the connection ends.
 * `forMs`: gives up then, with what there is. Rejects when the connection ended without a head.
 */
export function rawExchange(port: number, request: RawRequest, forMs = 5_000): Promise<RawAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<RawAnswer>();
  const socket = connect(port, '127.0.0.1');
  let bytes = Buffer.alloc(0);
  const hasBody = request.method !== 'HEAD';
  const finish = (hasEnded: boolean) => {
    clearTimeout(timer);
    socket.destroy();
    const answer = parse(bytes, hasEnded, hasBody);
    if (answer) resolve(answer);
    else reject(new Error(`no answer to ${request.method} ${request.path}`));
  };
  const timer = setTimeout(() => finish(false), forMs);
  socket.on('data', (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
    const answer = parse(bytes, false, hasBody);
    if (answer?.isComplete) finish(true);
  });
  socket.on('error', () => finish(false));
  socket.on('end', () => finish(true));
  const lines = Object.entries(request.headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`${request.method} ${request.path} HTTP/1.1\r\n${lines.join('')}\r\n${request.body}`);
  return promise;
}
