// Binds the addresses a host setting stands for, all of them to one port.

import type { Server } from 'node:net';
import { isLoopbackName } from './local-names.ts';
import { describePortHolder } from './port-holder.ts';

/** The gateway cannot listen; the message says why and what to do. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
}

/** A second loopback address may be taken where the first was free, so a port for both is tried for a few times. */
const FREE_PORT_TRIES = 20;

export interface Listening<S extends Server> {
  readonly servers: readonly S[];
  readonly port: number;
  /** Hosts as they stand in a URL, the first one to be shown. */
  readonly hosts: readonly string[];
}

/** `127.0.0.1`, `localhost` and `::1` mean both loopback addresses; any other host means itself. */
export function addressesOf(host: string): readonly string[] {
  const plain = host.replace(/^\[|\]$/g, '').toLowerCase();
  return plain === '127.0.0.1' || plain === 'localhost' || plain === '::1' ? ['127.0.0.1', '::1'] : [plain];
}

/** Beyond this machine the gateway never runs without keys. Throws `ListenError`. */
export function demandKeysBeyondLoopback(host: string, apiKeyCount: number): void {
  if (apiKeyCount > 0 || addressesOf(host).every(isLoopbackName)) return;
  throw new ListenError(
    `cannot listen on ${host}: other machines could use every model without a key. Add server.api_keys to the configuration, or listen on 127.0.0.1.`,
  );
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

function listenOn(server: Server, host: string, port: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.once('error', reject);
  server.listen({ host, port, backlog: 511 }, () => {
    server.off('error', reject);
    const address = server.address();
    resolve(typeof address === 'object' && address ? address.port : port);
  });
  return promise;
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

/**
 * Listens with one server per address, made by `createServer`. A machine without IPv6 gets along with IPv4 alone.
 * Rejects with `ListenError`, which names who holds the port where the system tells; nothing stays bound then.
 */
export async function listen<S extends Server>(
  host: string,
  port: number,
  createServer: () => S,
): Promise<Listening<S>> {
  const addresses = addressesOf(host);
  for (let tries = 1; ; tries++) {
    const result = await listenOnce(addresses, port, createServer);
    if ('servers' in result) return result;
    const isRace = port === 0 && result.code === 'EADDRINUSE' && tries < FREE_PORT_TRIES;
    if (!isRace) throw await listenError(result, port);
  }
}

interface Failed {
  readonly code: string;
  readonly address: string;
  readonly cause: unknown;
}

async function listenOnce<S extends Server>(
  addresses: readonly string[],
  wantedPort: number,
  createServer: () => S,
): Promise<Listening<S> | Failed> {
  const servers: S[] = [];
  const hosts: string[] = [];
  let port = wantedPort;
  for (const address of addresses) {
    const server = createServer();
    try {
      port = await listenOn(server, address, port);
      servers.push(server);
      hosts.push(address.includes(':') ? `[${address}]` : address);
    } catch (cause) {
      const code = codeOf(cause);
      const isWithoutIpv6 = address === '::1' && (code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT');
      if (isWithoutIpv6 && servers.length > 0) continue;
      await Promise.all(servers.map(closed));
      return { code, address, cause };
    }
  }
  return { servers, port, hosts };
}

async function listenError(failed: Failed, port: number): Promise<ListenError> {
  const where = failed.address.includes(':') ? `[${failed.address}]:${port}` : `${failed.address}:${port}`;
  if (failed.code === 'EADDRINUSE') {
    const holder = await describePortHolder(failed.address, port);
    return new ListenError(
      `cannot listen on ${where}: ${holder ?? 'another program'} uses port ${port}. Stop it, or choose another port with --port.`,
      { cause: failed.cause },
    );
  }
  const reasons: Readonly<Record<string, string>> = {
    EACCES: 'the system does not allow this port (below 1024 it takes special rights): choose another with --port.',
    EADDRNOTAVAIL: 'this machine has no such address: correct server.host.',
    ENOTFOUND: 'this name has no address: correct server.host.',
  };
  const why = reasons[failed.code] ?? (failed.cause instanceof Error ? failed.cause.message : String(failed.cause));
  return new ListenError(`cannot listen on ${where}: ${why}`, { cause: failed.cause });
}
