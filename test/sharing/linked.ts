// A connected link to a Redis of the test's own.

import { type Clock, systemClock } from '../../gateway/clock.ts';
import { redisAddress } from '../../gateway/sharing/address.ts';
import type { RedisConnection } from '../../gateway/sharing/connection.ts';
import { type LinkState, RedisLink } from '../../gateway/sharing/link.ts';

export interface LinkWatch {
  readonly link: RedisLink;
  /** Every state it told of, the newest last. */
  readonly states: readonly LinkState[];
  /** Resolves as soon as it is, or when it next becomes, that. */
  until(is: LinkState['is']): Promise<void>;
}

interface WatchOptions {
  readonly clock?: Clock;
  readonly url?: string;
  readonly dice?: () => number;
  readonly join?: (connection: RedisConnection, isNew: boolean) => Promise<void>;
}

/** A link to a port of this machine, connected or not. */
export function watchedLink(port: number, options: WatchOptions = {}): LinkWatch {
  const settings = { url: options.url ?? null, host: '127.0.0.1', port, password: null, database: 0 };
  const address = redisAddress(settings);
  if (typeof address === 'string') throw new Error(address);
  const states: LinkState[] = [];
  const waiting = new Set<{ readonly is: LinkState['is']; readonly resolve: () => void }>();
  const link = new RedisLink({
    address,
    clock: options.clock ?? systemClock,
    dice: options.dice ?? (() => 0),
    join: options.join ?? (async (connection) => void (await connection.send(['PING'], false))),
    onState: (state) => {
      states.push(state);
      for (const one of waiting) {
        if (one.is !== state.is) continue;
        waiting.delete(one);
        one.resolve();
      }
    },
  });
  const until = (is: LinkState['is']): Promise<void> =>
    link.state.is === is ? Promise.resolve() : new Promise((resolve) => waiting.add({ is, resolve }));
  return { link, states, until };
}
