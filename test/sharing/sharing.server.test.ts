// Two gateways and a real Redis that stops, freezes and comes back: what is shared, what is said, and how long it takes.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CachedAnswer } from '../../gateway/cache/cached-answer.ts';
import { defaultCache } from '../../gateway/config/defaults.ts';
import type { Settings } from '../../gateway/config/settings.ts';
import { testCertificate, testKey } from '../catalog/test-certificate.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { redisMissing, type TestRedis, testRedis } from '../support/redis.ts';
import { type GatewaySketch, redisAt, type SharingGateway, sharingGateway } from './gateways.ts';

/** What a busy machine may add to a time limit. */
const slackMs = 400;
const cacheInRedis = { ...defaultCache, isEnabled: true, store: 'redis' as const };

describe.skipIf(redisMissing !== null)(
  `sharing through Redis${redisMissing === null ? '' : `: ${redisMissing}`}`,
  () => {
    let redis: TestRedis;
    const opened: SharingGateway[] = [];
    const open = (instance: string, settings: Partial<Settings> = {}, more: Partial<GatewaySketch> = {}) => {
      const gateway = sharingGateway({ instance, settings: { redis: redisAt(redis.port), ...settings }, ...more });
      opened.push(gateway);
      return gateway;
    };
    beforeEach(async () => {
      redis = await testRedis();
    });
    afterEach(async () => {
      for (const { sharing } of opened.splice(0)) sharing.close();
      await redis[Symbol.asyncDispose]();
    });

    test('without a Redis in the settings nothing is shared, and nothing is said', () => {
      const gateway = open('a', { redis: null });
      expect(gateway.sharing.windows()).toBeNull();
      expect(gateway.sharing.answers()).toBeNull();
      expect(gateway.sharing.status()).toMatchObject({ is: 'off', because: null });
      expect(gateway.lines).toEqual([]);
    });

    test('Redis is stopped and started under load: no request fails or waits long, and the limit holds again', async () => {
      const gateways = [open('a'), open('b')];
      await Promise.all(gateways.map((gateway) => gateway.until('connected')));
      let isOver = false;
      let longestMs = 0;
      let asked = 0;
      const work = async ({ sharing }: SharingGateway): Promise<void> => {
        while (!isOver) {
          const startedMs = performance.now();
          await sharing.windows()?.reserve([{ key: 'busy', rpm: 1_000_000, tpm: null }], 10);
          longestMs = Math.max(longestMs, performance.now() - startedMs);
          asked += 1;
          await nextTurn();
        }
      };
      const workers = gateways.flatMap((gateway) => Array.from({ length: 10 }, () => work(gateway)));
      await redis.stop();
      await Promise.all(gateways.map((gateway) => gateway.until('away')));
      const whileAway = asked;
      while (asked < whileAway + 1_000) await nextTurn();
      await redis.start();
      await Promise.all(gateways.map((gateway) => gateway.until('connected')));
      isOver = true;
      await Promise.all(workers);
      expect(longestMs).toBeLessThan(100 + slackMs);

      // On a busy machine Redis may have been late besides.
      const told = /^there,(away,back,?)+$/;
      for (const { lines } of gateways)
        expect(lines.map((line) => /is (there|away|back):/.exec(line)?.[1]).join(',')).toMatch(told);
      for (let round = 0; ; round += 1) {
        await Promise.all(gateways.map((gateway) => gateway.until('connected')));
        const limits = [{ key: `exact ${round}`, rpm: 31, tpm: null }];
        const tries = gateways.flatMap(({ sharing }) =>
          Array.from({ length: 40 }, () => sharing.windows()?.reserve(limits, 1)),
        );
        const answers = await Promise.all(tries);
        const taken = answers.filter((answer) => answer?.taken === true).length;
        expect(taken).toBeLessThanOrEqual(31);
        // On a busy machine Redis may be late: that round says nothing.
        if (answers.includes(null)) continue;
        expect(taken).toBe(31);
        break;
      }
    });

    test('Redis is frozen: a request waits for the limit at most, and the ones after it not at all', async () => {
      const { sharing, until } = open('a', { cache: cacheInRedis });
      await until('connected');
      redis.freeze();
      const limits = [{ key: 'k', rpm: 5, tpm: null }];
      const startedMs = performance.now();
      const store = sharing.answers();
      const [reserved, found] = await Promise.all([sharing.windows()?.reserve(limits, 1), store?.get('k')]);
      expect(performance.now() - startedMs).toBeLessThan(100 + slackMs);
      expect([reserved, found]).toEqual([null, null]);
      expect(sharing.status()).toMatchObject({ is: 'away' });
      expect(sharing.status().because).toMatch(/^127\.0\.0\.1:\d+: no answer within \d+ ms$/);
      expect(sharing.windows()?.isConnected).toBe(false);
      expect(sharing.answers()).toBeNull();
      const laterMs = performance.now();
      for (let tries = 0; tries < 100; tries += 1) expect(await sharing.windows()?.reserve(limits, 1)).toBeNull();
      expect(performance.now() - laterMs).toBeLessThan(slackMs);
      redis.thaw();
      await until('connected');
      expect(await sharing.windows()?.reserve(limits, 1)).toMatchObject({ taken: true });
    });

    test('two gateways that name a provider differently share its window all the same', async () => {
      const first = open('a', {}, { providers: { box: 'http://10.0.0.7:11434' } });
      const second = open('b', {}, { providers: { big: 'http://10.0.0.7:11434/v1' } });
      await Promise.all([first.until('connected'), second.until('connected')]);
      const key = (provider: string): string => ['deployment', provider, 'qwen3:8b'].join('\u0000');
      const ask = ({ sharing }: SharingGateway, name: string) =>
        sharing.windows()?.reserve([{ key: key(name), rpm: 1, tpm: null }], 1);
      expect(await ask(first, 'box')).toMatchObject({ taken: true });
      expect(await ask(second, 'big')).toMatchObject({ taken: false });
      expect(await ask(second, 'another')).toMatchObject({ taken: true });
    });

    test('a wrong password or address is said once, without the password, and stops nothing', async () => {
      await using locked = await testRedis({ extra: ['--requirepass', 'open sesame'] });
      const wrong = open('a', { redis: redisAt(locked.port, { password: 'not-the-one' }) });
      await wrong.until('away');
      expect(wrong.sharing.status().because).toMatch(/WRONGPASS/);
      const port = redis.port;
      await redis.stop();
      const nobody = open('b', { redis: redisAt(port) });
      await nobody.until('away');
      expect(nobody.sharing.status().because).toMatch(/ECONNREFUSED/);
      const none = open('c', { redis: redisAt(port, { url: 'http://user:not-the-one@127.0.0.1' }) });
      expect(none.sharing.status()).toMatchObject({ is: 'away' });
      expect(none.sharing.windows()).toBeNull();
      // Each tries again at least once more meanwhile.
      const untilMs = performance.now() + 700;
      while (performance.now() < untilMs) await nextTurn();
      for (const { lines, sharing } of [wrong, nobody, none]) {
        expect(lines).toHaveLength(1);
        expect(lines[0]).toMatch(/^warn \[SHARING\] Redis is away: this gateway carries on alone \(.+\)$/);
        expect(lines[0] + JSON.stringify(sharing.status())).not.toContain('not-the-one');
        expect((await sharing.windows()?.reserve([{ key: 'k', rpm: 1, tpm: null }], 1)) ?? null).toBeNull();
      }
    });

    test('settings may change while it runs: another Redis, a cache, none at all', async () => {
      await using other = await testRedis();
      const gateway = open('a');
      await gateway.until('connected');
      gateway.change({ redis: redisAt(other.port) });
      expect(gateway.sharing.status().is).toBe('connecting');
      await gateway.until('connected');
      expect(await gateway.sharing.windows()?.reserve([{ key: 'k', rpm: 1, tpm: null }], 1)).toMatchObject({
        taken: true,
      });
      expect(await other.raw('EXISTS', 'switchyard:v1:window:k')).toBe(':1\r\n');
      expect(await redis.raw('CLIENT', 'LIST')).not.toContain('name=switchyard');
      expect(gateway.sharing.answers()).toBeNull();
      gateway.change({ cache: { ...cacheInRedis, redis: redisAt(redis.port) } });
      await gateway.until('connected');
      expect(gateway.sharing.answers()?.set('k', answer({}), 1_000)).toBe(true);
      gateway.change({ redis: null, cache: defaultCache });
      expect(gateway.sharing.status().is).toBe('off');
      expect(gateway.sharing.windows()).toBeNull();
      expect(gateway.sharing.answers()).toBeNull();
      gateway.change({ redis: redisAt(redis.port) });
      await gateway.until('connected');
      // A change that is none leaves the connection as it is.
      const before = gateway.sharing.windows();
      gateway.change({ logLevel: 'debug' });
      expect(gateway.sharing.windows()).toBe(before);
    });

    test('an answer comes back byte for byte, from another gateway', async () => {
      const still = { clock: new FakeClock() };
      const [first, second] = [open('a', { cache: cacheInRedis }, still), open('b', { cache: cacheInRedis }, still)];
      await Promise.all([first.until('connected'), second.until('connected')]);
      const property = fc.asyncProperty(
        fc.uint8Array({ maxLength: 3_000 }),
        fc.string({ unit: 'binary' }),
        fc.array(fc.tuple(fc.string(), fc.string())),
        async (bytes, model, headers) => {
          const kept = answer({ body: Buffer.from(bytes), model, headers: headers.flat() });
          expect(first.sharing.answers()?.set('k', kept, 60_000)).toBe(true);
          // Each has a connection of its own: asked over the one it was kept with, it is certainly there.
          expect(await first.sharing.answers()?.get('k')).toEqual(kept);
          expect(await second.sharing.answers()?.get('k')).toEqual(kept);
        },
      );
      await fc.assert(property, { numRuns: 40 });
      const leftMs = Number((await redis.raw('PTTL', 'switchyard:v1:answer:k')).slice(1));
      expect(leftMs).toBeGreaterThan(50_000);
      expect(leftMs).toBeLessThanOrEqual(60_000);
    });

    test('values that no gateway of this version wrote are a miss, and so is what has run out or was too large', async () => {
      const { sharing, until } = open(
        'a',
        { cache: { ...cacheInRedis, namespace: 'mine' } },
        { clock: new FakeClock() },
      );
      await until('connected');
      const store = sharing.answers();
      for (const value of ['', '\u0001', '\u0002abcdef', '\u0001\u0000\u0000\u0000\u0002{}rest', 'x'.repeat(100)]) {
        await redis.raw('SET', 'switchyard:v1:mine:answer:odd', value);
        expect(await store?.get('odd')).toBeNull();
      }
      await redis.raw('LPUSH', 'switchyard:v1:mine:answer:list', 'x');
      expect(await store?.get('list')).toBeNull();
      expect(await store?.get('never')).toBeNull();
      expect(store?.set('large', answer({ body: Buffer.alloc(1024 * 1024 + 1) }), 60_000)).toBe(false);
      expect(store?.set('over', answer({}), 0)).toBe(false);
      expect(store?.set('short', answer({}), 1)).toBe(true);
      while ((await redis.raw('EXISTS', 'switchyard:v1:mine:answer:short')) === ':1\r\n');
      expect(await store?.get('short')).toBeNull();
      expect(sharing.status().is).toBe('connected');
    });

    test('more answers at once than a slow Redis takes are not kept, instead of filling the memory', async () => {
      const { sharing, until } = open('a', { cache: cacheInRedis });
      await until('connected');
      redis.freeze();
      const large = answer({ body: Buffer.alloc(1_000_000) });
      const kept = Array.from({ length: 30 }, (_, at) => sharing.answers()?.set(`k${at}`, large, 60_000));
      expect(kept.filter((isKept) => isKept === true)).toHaveLength(16);
      redis.thaw();
    });

    test('with rediss:// it speaks TLS, and refuses a certificate nobody vouches for', async () => {
      await using guarded = await testRedis({ tls: { key: testKey, certificate: testCertificate } });
      const settings = { redis: redisAt(1, { url: `rediss://127.0.0.1:${guarded.tlsPort}` }) };
      const doubting = open('a', settings);
      await doubting.until('away');
      expect(doubting.sharing.status().because).toMatch(/certificate/i);
      const before = getCACertificates('default');
      setDefaultCACertificates([...before, testCertificate]);
      try {
        await open('b', settings).until('connected');
      } finally {
        setDefaultCACertificates(before);
      }
    });
  },
);

function answer(more: Partial<CachedAnswer>): CachedAnswer {
  return {
    status: 200,
    headers: ['content-type', 'application/json'],
    body: Buffer.from('{}'),
    provider: 'box',
    model: 'qwen3:8b',
    usage: { promptTokens: 1, completionTokens: null, cachedTokens: null, isEstimated: false },
    contentCharacters: 2,
    storedAtMs: 1_700_000_000_000,
    ...more,
  };
}
