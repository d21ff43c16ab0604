// A server on the bare socket, for what no HTTP library would send: the test writes every byte of the answer itself.

import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';

/** One connection. `request` is what has come so far, head and body. */
export interface RawConnection {
  readonly socket: Socket;
  /** Counts from 1. */
  readonly number: number;
  /** Resolves with the head of the next request and its body, by Content-Length; null when the client ended. */
  request(): Promise<RawRequestText | null>;
  write(text: string | Buffer): void;
  /** FIN. */
  end(): void;
  /** RST. */
  reset(): void;
}

interface RawRequestText {
  readonly head: string;
  readonly body: string;
}

export interface RawServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly connections: number;
  close(): Promise<void>;
}

const HEAD_END = '\r\n\r\n';

class Connection implements RawConnection {
  readonly socket: Socket;
  readonly number: number;
  #received = Buffer.alloc(0);
  #hasEnded = false;
  #wake: (() => void) | null = null;

  constructor(socket: Socket, number: number) {
    this.socket = socket;
    this.number = number;
    socket.on('data', (bytes: Buffer) => {
      this.#received = Buffer.concat([this.#received, bytes]);
      this.#wake?.();
    });
    for (const event of ['end', 'close']) {
      socket.on(event, () => {
        this.#hasEnded = true;
        this.#wake?.();
      });
    }
    socket.on('error', () => undefined);
  }

  async request(): Promise<RawRequestText | null> {
    for (;;) {
      const taken = this.#take();
      if (taken || this.#hasEnded) return taken;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
  }

  #take(): RawRequestText | null {
    const headEnd = this.#received.indexOf(HEAD_END);
    if (headEnd < 0) return null;
    const head = this.#received.subarray(0, headEnd).toString('latin1');
    const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
    const bodyStart = headEnd + HEAD_END.length;
    if (this.#received.length < bodyStart + length) return null;
    const body = this.#received.subarray(bodyStart, bodyStart + length).toString();
    this.#received = this.#received.subarray(bodyStart + length);
    return { head, body };
  }

  write(text: string | Buffer): void {
    this.socket.write(text);
  }

  end(): void {
    this.socket.end();
  }

  reset(): void {
    this.socket.resetAndDestroy();
  }
}

/**
 * Starts a server that gives each connection to `serve` and leaves everything else to it.
 * A `serve` that throws ends its connection; `close` ends all of them.
 */
export async function startRaw(serve: (connection: RawConnection) => Promise<void> | void): Promise<RawServer> {
  const sockets = new Set<Socket>();
  let connections = 0;
  const run = async (socket: Socket, number: number) => {
    try {
      await serve(new Connection(socket, number));
    } catch {
      socket.destroy();
    }
  };
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    connections += 1;
    void run(socket, connections);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const close = async () => {
    for (const socket of sockets) socket.destroy();
    const closed = once(server, 'close');
    server.close();
    await closed;
  };
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    get connections() {
      return connections;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** The bytes of a whole answer with a Content-Length, to start from and to spoil. */
export function rawAnswer(status: number, headers: Readonly<Record<string, string>>, body: string): string {
  const lines = Object.entries({ ...headers, 'Content-Length': String(Buffer.byteLength(body)) });
  return `HTTP/1.1 ${status} OK\r\n${lines.map(([name, value]) => `${name}: ${value}`).join('\r\n')}${HEAD_END}${body}`;
}
