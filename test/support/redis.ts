// A real Redis of a test's own: Debian's server on a free port, keeping nothing on disk.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** Which server this machine has; null: none. */
const program = ['redis-server', 'valkey-server'].find((name) => spawnSync(name, ['--version']).status === 0) ?? null;

/** Why tests with a real Redis cannot run here; null: they can. */
export const redisMissing = program === null ? 'no redis-server and no valkey-server is installed' : null;

export interface TestRedisOptions {
  /** Further arguments, as on its command line (`--requirepass`, `secret`). */
  readonly extra?: readonly string[];
  /** PEM texts: it then speaks TLS on a port of its own too. */
  readonly tls?: { readonly key: string; readonly certificate: string };
}

export interface TestRedis extends AsyncDisposable {
  readonly port: number;
  /** Null without `tls`. */
  readonly tlsPort: number | null;
  readonly isRunning: boolean;
  /** Starts it again on the same port, empty. */
  start(): Promise<void>;
  /** Ends it at once, as a crash would. */
  stop(): Promise<void>;
  /** It keeps its connections and answers nothing. */
  freeze(): void;
  thaw(): void;
  /** Sends one command over a connection of its own and gives the raw answer. */
  raw(...args: readonly string[]): Promise<string>;
}

/** Starts one; ready when this resolves. */
export async function testRedis({ extra = [], tls }: TestRedisOptions = {}): Promise<TestRedis> {
  const server = program;
  if (server === null) throw new Error(redisMissing ?? '');
  const folder = mkdtempSync(path.join(tmpdir(), 'switchyard-redis-'));
  const port = await freePort();
  const tlsPort = tls === undefined ? null : await freePort();
  const tlsArgs = tls === undefined ? [] : tlsArguments(folder, tlsPort, tls);
  let child: ChildProcess | null = null;
  const start = async (): Promise<void> => {
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder];
    const started = spawn(server, [...args, ...tlsArgs, ...extra], { stdio: 'ignore' });
    child = started;
    await untilAccepting(port, started);
  };
  const stop = async (): Promise<void> => {
    const running = child;
    child = null;
    if (running === null || running.exitCode !== null) return;
    const gone = once(running, 'exit');
    running.kill('SIGKILL');
    await gone;
  };
  await start();
  return {
    port,
    tlsPort,
    get isRunning() {
      return child !== null;
    },
    start,
    stop,
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    raw: (...args) => rawCommand(port, args),
    [Symbol.asyncDispose]: async () => {
      await stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function tlsArguments(
  folder: string,
  port: number | null,
  tls: { readonly key: string; readonly certificate: string },
): string[] {
  const [key, certificate] = [path.join(folder, 'key.pem'), path.join(folder, 'certificate.pem')];
  writeFileSync(key, tls.key);
  writeFileSync(certificate, tls.certificate);
  const files = ['--tls-cert-file', certificate, '--tls-key-file', key, '--tls-ca-cert-file', certificate];
  return ['--tls-port', String(port), ...files, '--tls-auth-clients', 'no'];
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  probe.close();
  await once(probe, 'close');
  return port;
}

async function untilAccepting(port: number, child: ChildProcess): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}`);
    if (/^[+-]/.test(await rawCommand(port, ['PING']).catch(() => ''))) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** The first piece of the answer is the whole of it: for short answers. */
async function rawCommand(port: number, args: readonly string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    socket.write(`*${args.length}\r\n${args.map((arg) => `$${Buffer.byteLength(arg)}\r\n${arg}\r\n`).join('')}`);
    const [chunk]: Buffer[] = await once(socket, 'data');
    return chunk?.toString() ?? '';
  } finally {
    socket.destroy();
  }
}
