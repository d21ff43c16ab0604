// What several gateways share through Redis, as the rest of the gateway sees it. Redis going away changes what is shared,
// never whether a request is answered.

import { hostname } from 'node:os';
import type { AnswerStore } from '../cache/store.ts';
import type { Clock } from '../clock.ts';
import type { RedisSettings, Settings } from '../config/settings.ts';
import type { CooldownChange } from '../dispatch/cooldowns.ts';
import type { SharedWindows } from '../dispatch/rate-limits.ts';
import type { Log } from '../telemetry/log.ts';
import { redisAddress } from './address.ts';
import { RedisAnswers } from './answers.ts';
import type { RedisConnection } from './connection.ts';
import { SharedCooldowns } from './cooldowns.ts';
import { type LinkState, RedisLink } from './link.ts';
import { type ProviderIds, providerIds } from './provider-ids.ts';
import { RedisWindows } from './windows.ts';

export interface SharingStatus {
  /** `off`: no Redis is configured. `away`: this gateway carries on alone. */
  readonly is: 'off' | LinkState['is'];
  /** Epoch milliseconds. */
  readonly sinceMs: number;
  /** Host and port, and why it is away; null otherwise. */
  readonly because: string | null;
}

export interface SharingOptions {
  /** In force now. */
  readonly settings: () => Settings;
  readonly clock: Clock;
  readonly log: Log;
  /** Of this start of this gateway; no other has the same. */
  readonly instance: string;
  /** Told of each change of `is`. */
  readonly onStatus?: (status: SharingStatus) => void;
  /** Random numbers from 0 to 1. */
  readonly dice?: () => number;
  /** Name of this machine, in place of the system's. */
  readonly machine?: string;
}

export interface SharedState {
  /** Null: no Redis is configured. */
  windows(): SharedWindows | null;
  /** Null: answers are not kept in Redis, or it is away. */
  answers(): AnswerStore | null;
  /** Tells the other gateways what this one found; never one that was adopted from them. */
  publishCooldown(change: CooldownChange): void;
  /** Calls back with what other gateways found, in this gateway's names and time. */
  onCooldown(listener: (change: CooldownChange) => void): void;
  status(): SharingStatus;
  /** To be told after each change of the settings. */
  applySettings(): void;
  close(): void;
}

/** Begins to connect where a Redis is configured; never throws because of it. */
export function openSharing(options: SharingOptions): SharedState {
  return new Sharing(options);
}

const prefixOfAll = 'switchyard:v1:';

/** One connection and what goes through it. */
interface Part<Store> {
  /** What of the settings it was made from. */
  readonly madeFrom: string;
  readonly shown: string;
  /** Null: the settings name no address. */
  readonly link: RedisLink | null;
  readonly state: () => LinkState;
  readonly store: Store | null;
}

class Sharing implements SharedState {
  readonly #options: SharingOptions;
  readonly #listeners = new Set<(change: CooldownChange) => void>();
  #ids: { readonly settings: Settings; readonly ids: ProviderIds } | null = null;
  #cooldowns: SharedCooldowns | null = null;
  #main: Part<RedisWindows> | null = null;
  /** Answers are large, so they have a connection of their own: no reservation stands in line behind them. */
  #cache: Part<RedisAnswers> | null = null;
  #status: SharingStatus;
  #wasConnected = false;

  constructor(options: SharingOptions) {
    this.#options = options;
    this.#status = { is: 'off', sinceMs: options.clock.now(), because: null };
    this.applySettings();
  }

  windows(): SharedWindows | null {
    return this.#main?.store ?? null;
  }

  answers(): AnswerStore | null {
    const part = this.#cache;
    return part?.link?.isConnected === true ? part.store : null;
  }

  publishCooldown(change: CooldownChange): void {
    this.#cooldowns?.publish(change, this.#main?.link ?? null);
  }

  onCooldown(listener: (change: CooldownChange) => void): void {
    this.#listeners.add(listener);
  }

  status(): SharingStatus {
    return this.#status;
  }

  applySettings(): void {
    const { redis, cache } = this.#options.settings();
    const prefix = cache.namespace === null ? prefixOfAll : `${prefixOfAll}${cache.namespace}:`;
    const answersIn = cache.isEnabled && cache.store === 'redis' ? (cache.redis ?? redis) : null;
    if (this.#main?.madeFrom !== madeFrom(redis, prefix)) {
      this.#main?.link?.close();
      this.#main = redis === null ? null : this.#openMain(redis, prefix);
    }
    if (this.#cache?.madeFrom !== madeFrom(answersIn, prefix)) {
      this.#cache?.link?.close();
      this.#cache = answersIn === null ? null : this.#openCache(answersIn, prefix);
    }
    this.#judge();
  }

  close(): void {
    this.#main?.link?.close();
    this.#cache?.link?.close();
    this.#main = null;
    this.#cache = null;
    this.#listeners.clear();
  }

  #openMain(redis: RedisSettings, prefix: string): Part<RedisWindows> {
    const { clock, instance } = this.#options;
    const cooldowns = new SharedCooldowns({
      clock,
      prefix,
      instance,
      ids: () => this.#providerIds(),
      onCooldown: (change) => {
        for (const listener of this.#listeners) listener(change);
      },
    });
    this.#cooldowns = cooldowns;
    const join = async (connection: RedisConnection, isNew: boolean): Promise<void> => {
      await canWrite(connection, prefix);
      await cooldowns.join(connection, isNew);
    };
    const shareKey = (key: string): string => this.#sharedKey(key);
    return this.#part(redis, prefix, join, (link) => new RedisWindows(link, { prefix, instance, shareKey }));
  }

  #openCache(redis: RedisSettings, prefix: string): Part<RedisAnswers> {
    const join = (connection: RedisConnection): Promise<void> => canWrite(connection, prefix);
    return this.#part(redis, prefix, join, (link) => new RedisAnswers(link, prefix));
  }

  #part<Store>(
    redis: RedisSettings,
    prefix: string,
    join: (connection: RedisConnection, isNew: boolean) => Promise<void>,
    storeOf: (link: RedisLink) => Store,
  ): Part<Store> {
    const { clock, dice = Math.random } = this.#options;
    const made = madeFrom(redis, prefix) ?? '';
    const address = redisAddress(redis);
    if (typeof address === 'string') {
      const state: LinkState = { is: 'away', sinceMs: clock.now(), because: address };
      return { madeFrom: made, shown: 'the configured address', link: null, state: () => state, store: null };
    }
    const link = new RedisLink({ address, clock, dice, join, onState: () => this.#judge() });
    return { madeFrom: made, shown: address.shown, link, state: () => link.state, store: storeOf(link) };
  }

  /** The worst of the two decides: while one is away, something is not shared. */
  #judge(): void {
    const parts = [this.#main, this.#cache].filter((part) => part !== null);
    const worst = order.map((is) => parts.find((part) => part.state().is === is)).find((part) => part !== undefined);
    const before = this.#status;
    const state = worst?.state();
    const because = state?.because == null ? null : `${worst?.shown}: ${state.because}`;
    const sinceMs = this.#options.clock.now();
    if (state?.is === before.is) {
      this.#status = { ...before, because };
      return;
    }
    this.#status = { is: state?.is ?? 'off', sinceMs, because };
    this.#say(this.#status, worst?.shown ?? '');
    this.#options.onStatus?.(this.#status);
  }

  #say({ is, because }: SharingStatus, shown: string): void {
    const { log } = this.#options;
    if (is === 'away') log.warn(`[SHARING] Redis is away: this gateway carries on alone (${because})`);
    if (is === 'connected')
      log.info(
        `[SHARING] Redis at ${shown} is ${this.#wasConnected ? 'back' : 'there'}: this gateway shares its state`,
      );
    if (is === 'connected') this.#wasConnected = true;
  }

  #providerIds(): ProviderIds {
    const settings = this.#options.settings();
    if (this.#ids?.settings !== settings)
      this.#ids = { settings, ids: providerIds(settings, this.#options.machine ?? hostname()) };
    return this.#ids.ids;
  }

  /** Keys of windows are `SCOPE NUL PROVIDER NUL ...`, in this gateway's names; one word alone concerns all. */
  #sharedKey(key: string): string {
    const parts = key.split('\u0000');
    const name = parts[1];
    if (name !== undefined) parts[1] = this.#providerIds().idOf(name) ?? name;
    return parts.join('|');
  }
}

const order = ['away', 'connecting', 'connected'] as const satisfies readonly LinkState['is'][];

function madeFrom(redis: RedisSettings | null, prefix: string): string | undefined {
  return redis === null ? undefined : JSON.stringify([redis, prefix]);
}

/** What each link must be able to do before it counts as connected: a replica or a full Redis answers, and is no use. */
async function canWrite(connection: RedisConnection, prefix: string): Promise<void> {
  await connection.send(['SET', `${prefix}probe`, '1', 'PX', '1000'], false);
}
