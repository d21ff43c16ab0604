// Where a Redis is and how to log in there: the settings of either spelling as one address.

import type { RedisSettings } from '../config/settings.ts';

export interface RedisAddress {
  /** Without the brackets of IPv6. */
  readonly host: string;
  readonly port: number;
  readonly isTls: boolean;
  /** Null: the default user. */
  readonly username: string | null;
  /** A secret. */
  readonly password: string | null;
  readonly database: number;
  /** For people: host and port, never who logs in. */
  readonly shown: string;
}

const standardPort = 6379;

/**
 * Reads the settings; what the URL says counts more than the keys beside it.
 * @returns a text where it is no address: what is wrong, without any part that may be secret
 */
export function redisAddress(settings: RedisSettings): RedisAddress | string {
  if (settings.url !== null) return fromUrl(settings.url, settings);
  const { host, port, password, database } = settings;
  return {
    host: host.replace(/^\[(.*)\]$/, '$1'),
    port,
    isTls: false,
    username: null,
    password,
    database,
    shown: `${host}:${port}`,
  };
}

/** The scheme is the one registered with IANA: `redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]`, `rediss` with TLS. */
function fromUrl(text: string, beside: RedisSettings): RedisAddress | string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || (url.protocol !== 'redis:' && url.protocol !== 'rediss:') || url.hostname === '')
    return 'redis_url is no address such as redis://127.0.0.1:6379/0, or rediss:// with TLS';
  const path = /^\/?(\d*)\/?$/.exec(url.pathname);
  if (path === null) return 'redis_url must end with the number of a database, or with nothing';
  const username = decoded(url.username);
  const password = decoded(url.password);
  if (username === undefined || password === undefined)
    return 'the user name or password in redis_url is not percent-encoded as it should be';
  const port = url.port === '' ? standardPort : Number(url.port);
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port,
    isTls: url.protocol === 'rediss:',
    username,
    password: password ?? beside.password,
    database: path[1] === undefined || path[1] === '' ? beside.database : Number(path[1]),
    shown: `${url.hostname}:${port}`,
  };
}

/** Null: empty. Undefined: cannot be decoded. */
function decoded(part: string): string | null | undefined {
  if (part === '') return null;
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}
