// One answer on its socket: heads exactly as given, and the endings no well-behaved server would choose.

import type { ServerResponse } from 'node:http';

/** Names and values in turn. */
export type RawHeaders = readonly string[];

/** Time for what was written to reach the client before an RST overtakes it. */
const BEFORE_RESET_MS = 5;

/** The same list with one header's value replaced, or the header taken away (null). */
export function withHeader(headers: RawHeaders, name: string, value: string | null): string[] {
  const result: string[] = [];
  for (let index = 0; index < headers.length; index += 2) {
    const key = headers[index] ?? '';
    if (key.toLowerCase() !== name) result.push(key, headers[index + 1] ?? '');
    else if (value !== null) result.push(key, value);
  }
  return result;
}

export class Wire {
  readonly response: ServerResponse;

  constructor(response: ServerResponse) {
    this.response = response;
  }

  /** Sends exactly these headers: nothing added, order, case and repetitions kept. */
  head(status: number, headers: RawHeaders): void {
    this.response.sendDate = false;
    this.response.removeHeader('connection');
    this.response.writeHead(status, [...headers]);
  }

  /** A whole answer. */
  answer(status: number, headers: RawHeaders, body: string | Buffer): void {
    this.head(status, headers);
    this.response.end(body);
  }

  /** FIN now, the body unfinished. */
  drop(): void {
    this.response.socket?.destroySoon();
  }

  /** RST, a moment after what was written so far. */
  reset(): void {
    const { socket } = this.response;
    if (!socket) return;
    const timer = setTimeout(() => socket.resetAndDestroy(), BEFORE_RESET_MS);
    socket.on('close', () => clearTimeout(timer));
  }
}
