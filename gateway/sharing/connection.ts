// One connection to Redis, from dialling to its end. It never mends itself: who owns it dials anew.

import { isIP } from 'node:net';
import type { RESP_TYPES, RedisClientType } from '@redis/client';
import type { RedisAddress } from './address.ts';

/** What an answer of Redis is made of, as far as we ask for it. */
export type RedisReply = string | number | Buffer | null | readonly RedisReply[];

export interface ConnectionEvents {
  /** It is over, by itself; told once at most, and never after `close`. */
  readonly onLost: (because: unknown) => void;
}

/** Commands sent and not answered yet, at most: further ones fail at once. */
const mostUnanswered = 5_000;
const connectWithinMs = 3_000;

export class RedisConnection {
  readonly #client: RedisClientType;
  readonly #binary: { readonly typeMapping: { readonly [RESP_TYPES.BLOB_STRING]: typeof Buffer } };
  #isClosed = false;

  private constructor(client: RedisClientType, blobString: typeof RESP_TYPES.BLOB_STRING, events: ConnectionEvents) {
    this.#client = client;
    this.#binary = { typeMapping: { [blobString]: Buffer } };
    const lost = (because: unknown): void => {
      if (this.#isClosed) return;
      this.#isClosed = true;
      client.destroy();
      events.onLost(because);
    };
    client.on('error', lost);
    client.on('end', () => lost(new Error('the connection was closed')));
    // One that is given up while it is being dialled would be finished by the client all the same.
    client.on('connect', () => {
      if (this.#isClosed) client.destroy();
    });
  }

  /** Loads the client on first use. The connection is not dialled yet. */
  static async to(address: RedisAddress, events: ConnectionEvents): Promise<RedisConnection> {
    const { createClient, RESP_TYPES } = await import('@redis/client');
    const { host, port, username, password, database } = address;
    const client: RedisClientType = createClient({
      socket: {
        host,
        port,
        connectTimeout: connectWithinMs,
        // The client's own waits cannot be called off, and would keep a process that wants to end.
        reconnectStrategy: false,
        ...(address.isTls ? { tls: true as const, ...(isIP(host) === 0 ? { servername: host } : {}) } : {}),
      },
      name: 'switchyard',
      database,
      ...(username === null ? {} : { username }),
      ...(password === null ? {} : { password }),
      disableOfflineQueue: true,
      commandsQueueMaxLength: mostUnanswered,
      maintNotifications: 'disabled',
    });
    return new RedisConnection(client, RESP_TYPES.BLOB_STRING, events);
  }

  /** Dials and logs in. Rejects with what the network or Redis said; a frozen Redis never answers. */
  async dial(): Promise<void> {
    await this.#client.connect();
  }

  /** Sends one command. Rejects with Redis' own error, or when the connection ends. */
  send(args: readonly (string | Buffer)[], isBinary: boolean): Promise<RedisReply> {
    return this.#client.sendCommand<RedisReply>(args, isBinary ? this.#binary : undefined);
  }

  /** Calls back with each message of a channel. Resolves when Redis has agreed. */
  subscribe(channel: string, listener: (message: string) => void): Promise<void> {
    return this.#client.subscribe(channel, listener);
  }

  /** Ends it; what is unanswered rejects. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#client.destroy();
  }
}
