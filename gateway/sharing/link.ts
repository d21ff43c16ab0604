// Keeps one connection to Redis up, and keeps everybody from waiting for it: after one command that was not answered in
// time nobody asks any more until Redis has shown that it is there again.

import type { Clock } from '../clock.ts';
import { maskSecrets } from '../telemetry/log.ts';
import type { RedisAddress } from './address.ts';
import { RedisConnection, type RedisReply } from './connection.ts';
import { scriptCall } from './script.ts';

export interface LinkState {
  readonly is: 'connecting' | 'connected' | 'away';
  /** Epoch milliseconds. */
  readonly sinceMs: number;
  /** Why it is away; null otherwise. */
  readonly because: string | null;
}

export interface LinkOptions {
  readonly address: RedisAddress;
  readonly clock: Clock;
  /** Random numbers from 0 to 1: several gateways should not come back in one moment. */
  readonly dice: () => number;
  /** What has to work before the link counts as connected: after each dialling (`isNew`) and after each silence. */
  readonly join: (connection: RedisConnection, isNew: boolean) => Promise<void>;
  readonly onState: (state: LinkState) => void;
}

const shortestPauseMs = 500;
const longestPauseMs = 10_000;
/** A connection that held that long was a good one: the next pause is the shortest again. */
const steadyAfterMs = 10_000;
/** For dialling, logging in and joining together. */
const joinWithinMs = 5_000;
/** A link nobody uses would not notice that Redis is gone, nor miss its messages. */
const heartbeatEveryMs = 10_000;
const heartbeatWithinMs = 1_000;

/** Answers by which Redis says that it cannot serve anybody at present: no use to go on asking. */
const unableCodes = new Set([
  'LOADING',
  'READONLY',
  'OOM',
  'MISCONF',
  'MASTERDOWN',
  'BUSY',
  'NOAUTH',
  'NOPERM',
  'NOREPLICAS',
]);

export class RedisLink {
  readonly #options: LinkOptions;
  readonly #secrets: readonly string[];
  #connection: RedisConnection | null = null;
  #state: LinkState;
  #connectedAtMs = 0;
  #shortLives = 0;
  #cancelTimer: () => void = () => {};
  #isClosed = false;

  /** Begins to connect at once. */
  constructor(options: LinkOptions) {
    this.#options = options;
    this.#secrets = options.address.password === null ? [] : [options.address.password];
    this.#state = { is: 'connecting', sinceMs: options.clock.now(), because: null };
    void this.#dial();
  }

  get state(): LinkState {
    return this.#state;
  }

  get isConnected(): boolean {
    return this.#state.is === 'connected';
  }

  /**
   * Sends a command and waits no longer than that. Never rejects.
   * @param isBinary strings come as buffers
   * @returns undefined: no answer, an error, or away
   */
  ask(args: readonly (string | Buffer)[], withinMs: number, isBinary = false): Promise<RedisReply | undefined> {
    const connection = this.#connection;
    if (connection === null || !this.isConnected) return Promise.resolve(undefined);
    return this.#settled(connection, connection.send(args, isBinary), withinMs);
  }

  /** The same for a script, which Redis may have to be sent again. */
  run(
    script: string,
    keys: readonly string[],
    args: readonly string[],
    withinMs: number,
  ): Promise<RedisReply | undefined> {
    const connection = this.#connection;
    if (connection === null || !this.isConnected) return Promise.resolve(undefined);
    return this.#settled(connection, scriptCall(connection, script, keys, args), withinMs);
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelTimer();
    this.#connection?.close();
    this.#connection = null;
  }

  #settled(
    connection: RedisConnection,
    answer: Promise<RedisReply>,
    withinMs: number,
  ): Promise<RedisReply | undefined> {
    return new Promise((resolve) => {
      let isPending = true;
      const isTooLate = (): void => {
        if (!isPending) return;
        isPending = false;
        resolve(undefined);
        this.#suspend(connection, `no answer within ${withinMs} ms`);
      };
      // A busy process may find the timer due and the answer unread: reading comes before the verdict.
      const cancel = this.#options.clock.after(withinMs, () => setImmediate(isTooLate));
      const settle = (reply: RedisReply | undefined): void => {
        if (!isPending) return;
        isPending = false;
        cancel();
        resolve(reply);
      };
      answer.then(settle, (error: unknown) => {
        settle(undefined);
        if (isUnable(error)) this.#suspend(connection, this.#words(error));
      });
    });
  }

  async #dial(): Promise<void> {
    let connection: RedisConnection | null = null;
    try {
      connection = await RedisConnection.to(this.#options.address, {
        onLost: (because) => connection && this.#drop(connection, this.#words(because)),
      });
      if (this.#isClosed) return connection.close();
      this.#connection = connection;
      const dialled = connection;
      await this.#join(dialled, () => dialled.dial(), true);
    } catch (error) {
      // Options that the client refuses, or a client that is not installed.
      this.#away(this.#words(error));
      this.#retry();
    }
  }

  /** Asks a connection that fell silent, or cannot serve, whether it can be used again. */
  #rejoin(connection: RedisConnection): Promise<void> {
    return this.#join(connection, () => Promise.resolve(), false);
  }

  async #join(connection: RedisConnection, before: () => Promise<void>, isNew: boolean): Promise<void> {
    this.#cancelTimer = this.#options.clock.after(joinWithinMs, () =>
      this.#drop(connection, `no answer within ${joinWithinMs} ms`),
    );
    try {
      await before();
      await this.#options.join(connection, isNew);
    } catch (error) {
      this.#drop(connection, this.#words(error));
      return;
    }
    if (this.#connection !== connection) return;
    this.#cancelTimer();
    this.#connectedAtMs = this.#options.clock.monotonic();
    this.#beat();
    this.#set({ is: 'connected', sinceMs: this.#options.clock.now(), because: null });
  }

  #beat(): void {
    this.#cancelTimer = this.#options.clock.after(heartbeatEveryMs, () => {
      this.#beat();
      void this.ask(['PING'], heartbeatWithinMs);
    });
  }

  /** The connection stays, since a late answer would come through it, but nobody uses it until it has answered. */
  #suspend(connection: RedisConnection, because: string): void {
    if (this.#connection !== connection || !this.isConnected) return;
    this.#away(because);
    this.#retry();
  }

  #drop(connection: RedisConnection, because: string): void {
    connection.close();
    if (this.#connection !== connection) return;
    this.#connection = null;
    this.#away(because);
    this.#retry();
  }

  #away(because: string): void {
    if (this.isConnected) {
      const livedMs = this.#options.clock.monotonic() - this.#connectedAtMs;
      if (livedMs >= steadyAfterMs) this.#shortLives = 0;
    }
    const sinceMs = this.#state.is === 'away' ? this.#state.sinceMs : this.#options.clock.now();
    this.#set({ is: 'away', sinceMs, because });
  }

  #retry(): void {
    if (this.#isClosed) return;
    this.#cancelTimer();
    const growingMs = Math.min(longestPauseMs, shortestPauseMs * 2 ** this.#shortLives);
    this.#shortLives = Math.min(this.#shortLives + 1, 10);
    const pauseMs = Math.max(shortestPauseMs, growingMs * (0.75 + 0.25 * this.#options.dice()));
    this.#cancelTimer = this.#options.clock.after(pauseMs, () => {
      void (this.#connection === null ? this.#dial() : this.#rejoin(this.#connection));
    });
  }

  #set(state: LinkState): void {
    if (this.#isClosed) return;
    this.#state = state;
    this.#options.onState(state);
  }

  #words(error: unknown): string {
    return maskSecrets(wordsOf(error), this.#secrets);
  }
}

function isUnable(error: unknown): boolean {
  return error instanceof Error && unableCodes.has(error.message.split(' ', 1)[0] ?? '');
}

function wordsOf(error: unknown): string {
  // Both addresses of a name refused: the first says it as well as the second.
  if (error instanceof AggregateError && error.errors.length > 0) return wordsOf(error.errors[0]);
  if (!(error instanceof Error)) return String(error);
  return error.message !== '' ? error.message : 'code' in error ? String(error.code) : error.name;
}
