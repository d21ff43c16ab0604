// Tells the other gateways what this one has taken out, and takes over what they have: each change at once through a
// channel, and all that still hold from a hash when it joins.

import type { Clock } from '../clock.ts';
import type { CooldownChange } from '../dispatch/cooldowns.ts';
import type { RedisConnection, RedisReply } from './connection.ts';
import { type CooldownMessage, cooldownField, readCooldown, writeCooldown } from './cooldown-message.ts';
import type { RedisLink } from './link.ts';
import type { ProviderIds } from './provider-ids.ts';
import { scriptCall } from './script.ts';

export interface SharedCooldownsOptions {
  readonly clock: Clock;
  readonly prefix: string;
  /** Of this gateway: its own messages come back to it. */
  readonly instance: string;
  readonly ids: () => ProviderIds;
  readonly onCooldown: (change: CooldownChange) => void;
}

/** What this gateway remembers of its own, and what Redis keeps of all, at most. */
const mostKept = 2_000;
/** Nobody waits for it. */
const publishWithinMs = 2_000;

/**
 * Values are `END TEXT` by Redis' own clock, in ms. What is closed stays until it would have been over anyway: for those
 * who adopted it and were away when it was closed. KEYS: hash. ARGV: field, ms left, text, channel, 1 if it is closed.
 */
const publishScript = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stop = now + tonumber(ARGV[2])
if ARGV[5] == '1' then
  local before = redis.call('HGET', KEYS[1], ARGV[1])
  stop = math.max(stop, tonumber(string.match(before or '', '^%d+') or '0'))
end
if redis.call('HLEN', KEYS[1]) >= ${mostKept} then
  local all = redis.call('HGETALL', KEYS[1])
  for at = 1, #all, 2 do
    if tonumber(string.match(all[at + 1], '^%d+') or '0') <= now then redis.call('HDEL', KEYS[1], all[at]) end
  end
end
if stop > now and redis.call('HLEN', KEYS[1]) < ${mostKept} then
  redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', stop) .. ' ' .. ARGV[3])
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.max(stop - now, redis.call('PTTL', KEYS[1]))))
end
redis.call('PUBLISH', ARGV[4], ARGV[3])
return 1
`;

/** KEYS: hash. Answers ms left and text of each that still holds. */
const readScript = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local all, holding = redis.call('HGETALL', KEYS[1]), {}
for at = 1, #all, 2 do
  local stop, text = string.match(all[at + 1], '^(%d+) (.*)$')
  if stop and tonumber(stop) > now then
    holding[#holding + 1] = string.format('%.0f', tonumber(stop) - now)
    holding[#holding + 1] = text
  end
end
return holding
`;

interface OwnCooldown {
  /** Closed: it ended while nobody could be told. */
  readonly message: CooldownMessage;
  /** When it is, or would have been, over for everybody, by `Clock.monotonic`. */
  readonly endsAtMs: number;
}

export class SharedCooldowns {
  readonly #options: SharedCooldownsOptions;
  readonly #hash: string;
  readonly #channel: string;
  /** Told by this gateway and still holding: to be told again where Redis has lost or missed it. */
  readonly #own = new Map<string, OwnCooldown>();

  constructor(options: SharedCooldownsOptions) {
    this.#options = options;
    this.#hash = `${options.prefix}cooldowns`;
    this.#channel = `${options.prefix}cooldown`;
  }

  /** Tells of a change that this gateway found itself; without a link it is remembered for the next joining. */
  publish(change: CooldownChange, link: RedisLink | null): void {
    const { clock, instance, ids } = this.#options;
    const { provider, model, is, because, message } = change;
    const providerId = ids().idOf(provider);
    // A trial is each gateway's own affair.
    if (providerId === null || is === 'half_open') return;
    const remainingMs = is === 'closed' ? 0 : Math.max(0, (change.untilMs ?? 0) - clock.now());
    const told: CooldownMessage = { from: instance, providerId, model, is, remainingMs, because, message };
    const isHeard = link?.isConnected === true;
    this.#remember(told, isHeard);
    const call = isHeard ? this.#call(told) : null;
    if (call !== null) void link?.run(publishScript, [this.#hash], call, publishWithinMs);
  }

  /** Listens, takes over what holds, and tells what it found alone meanwhile. Rejects when Redis does not let it. */
  async join(connection: RedisConnection, isNew: boolean): Promise<void> {
    // First: between reading and listening a change would be missed.
    if (isNew) await connection.subscribe(this.#channel, (text) => this.#take(readCooldown(text)));
    const holding = await scriptCall(connection, readScript, [this.#hash], []);
    const over = this.#takeAll(Array.isArray(holding) ? holding : []);
    this.#forgetOver();
    const nowMs = this.#options.clock.monotonic();
    const own = [...this.#own.values()].map(({ message, endsAtMs }) => ({ ...message, remainingMs: endsAtMs - nowMs }));
    for (const message of [...own, ...over]) {
      const call = this.#call(message);
      if (call !== null) await scriptCall(connection, publishScript, [this.#hash], call);
    }
    for (const [field, { message }] of this.#own) if (message.is === 'closed') this.#own.delete(field);
  }

  /** Takes over those of others, and gives back those of its own that are over: Redis was away when they ended. */
  #takeAll(holding: readonly RedisReply[]): readonly CooldownMessage[] {
    const over: CooldownMessage[] = [];
    for (let at = 0; at + 1 < holding.length; at += 2) {
      const found = readCooldown(String(holding[at + 1]));
      const remainingMs = Number(holding[at]);
      if (found === null || !(remainingMs > 0)) continue;
      const isOwn = found.from === this.#options.instance;
      if (!isOwn) this.#take({ ...found, remainingMs });
      else if (found.is !== 'closed' && !this.#own.has(cooldownField(found.providerId, found.model)))
        over.push({ ...found, is: 'closed', remainingMs, because: null, message: 'a request got through' });
    }
    return over;
  }

  #take(found: CooldownMessage | null): void {
    if (found === null || found.from === this.#options.instance) return;
    const { clock, ids, onCooldown } = this.#options;
    const provider = ids().nameOf(found.providerId);
    if (provider === null) return;
    const { model, is, remainingMs, because, message } = found;
    const atMs = clock.now();
    const untilMs = is === 'closed' ? null : Math.ceil(atMs + remainingMs);
    onCooldown({ atMs, provider, model, is, untilMs, because, message });
  }

  #remember(message: CooldownMessage, isHeard: boolean): void {
    const field = cooldownField(message.providerId, message.model);
    const before = this.#own.get(field);
    this.#own.delete(field);
    if (message.is === 'closed') {
      if (before !== undefined && !isHeard) this.#own.set(field, { message, endsAtMs: before.endsAtMs });
      return;
    }
    if (this.#own.size >= mostKept) this.#forgetOver();
    if (this.#own.size >= mostKept) return;
    this.#own.set(field, { message, endsAtMs: this.#options.clock.monotonic() + message.remainingMs });
  }

  #forgetOver(): void {
    const nowMs = this.#options.clock.monotonic();
    for (const [field, { endsAtMs }] of this.#own) if (endsAtMs <= nowMs) this.#own.delete(field);
  }

  #call(message: CooldownMessage): string[] | null {
    const text = writeCooldown(message);
    if (text === null) return null;
    const field = cooldownField(message.providerId, message.model);
    return [field, String(Math.ceil(message.remainingMs)), text, this.#channel, message.is === 'closed' ? '1' : '0'];
  }
}
