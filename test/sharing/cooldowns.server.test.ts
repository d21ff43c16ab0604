// Cooldowns between gateways through a real Redis: told at once, found on joining, and never in another machine's time.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { defaultCache } from '../../gateway/config/defaults.ts';
import type { CooldownChange } from '../../gateway/dispatch/cooldowns.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { redisMissing, type TestRedis, testRedis } from '../support/redis.ts';
import { type GatewaySketch, redisAt, type SharingGateway, sharingGateway } from './gateways.ts';

const box = 'http://10.0.0.7:11434';

describe.skipIf(redisMissing !== null)(`cooldowns in Redis${redisMissing === null ? '' : `: ${redisMissing}`}`, () => {
  let redis: TestRedis;
  const opened: SharingGateway[] = [];
  const open = async (sketch: GatewaySketch): Promise<SharingGateway> => {
    const gateway = sharingGateway({ ...sketch, settings: { redis: redisAt(redis.port), ...sketch.settings } });
    opened.push(gateway);
    await gateway.until('connected');
    return gateway;
  };
  beforeEach(async () => {
    redis = await testRedis();
  });
  afterEach(async () => {
    for (const { sharing } of opened.splice(0)) sharing.close();
    await redis[Symbol.asyncDispose]();
  });

  test('what one gateway finds the other is told, under its own name for that server', async () => {
    const first = await open({ instance: 'a', providers: { box } });
    const second = await open({ instance: 'b', providers: { 'the-big-one': `${box}/` } });
    first.sharing.publishCooldown(cooling({ provider: 'box', model: 'qwen3:8b' }));
    await second.untilAdopted(1);
    const [told] = second.adopted;
    expect(told).toMatchObject({
      provider: 'the-big-one',
      model: 'qwen3:8b',
      is: 'cooling_down',
      because: 'server_error',
      message: 'three failures',
    });
    first.sharing.publishCooldown(closed({ provider: 'box', model: 'qwen3:8b' }));
    await second.untilAdopted(2);
    expect(second.adopted[1]).toMatchObject({ provider: 'the-big-one', is: 'closed', untilMs: null, because: null });
    expect(first.adopted).toEqual([]);
  });

  test('the time left is what is told: gateways whose clocks are years apart agree on it', async () => {
    const [early, late] = [new FakeClock(Date.UTC(2020, 0, 1)), new FakeClock(Date.UTC(2040, 0, 1))];
    const first = await open({ instance: 'a', providers: { box }, clock: early });
    const second = await open({ instance: 'b', providers: { box }, clock: late });
    first.sharing.publishCooldown(cooling({ provider: 'box', atMs: early.now(), untilMs: early.now() + 30_000 }));
    await second.untilAdopted(1);
    expect(second.adopted[0]).toMatchObject({ atMs: late.now(), untilMs: late.now() + 30_000 });
  });

  test('who joins later finds what still holds and for how long, what was closed early, and nothing that is over', async () => {
    const first = await open({ instance: 'a', providers: { box, other: 'http://10.0.0.8:8001' } });
    const untilMs = Date.now() + 30_000;
    first.sharing.publishCooldown(cooling({ provider: 'box', model: null, untilMs, is: 'breaker_open' }));
    first.sharing.publishCooldown(cooling({ provider: 'other', model: 'm', untilMs }));
    first.sharing.publishCooldown(closed({ provider: 'other', model: 'm' }));
    first.sharing.publishCooldown(cooling({ provider: 'other', model: 'short', untilMs: Date.now() + 20 }));
    while ((await redis.raw('HLEN', 'switchyard:v1:cooldowns')) !== ':3\r\n');
    const untilShortMs = Date.now() + 30;
    while (Date.now() < untilShortMs) await redis.raw('PING');
    const second = await open({ instance: 'b', providers: { box, other: 'http://10.0.0.8:8001' } });
    const [held, ...others] = [...second.adopted].sort((a, b) => a.provider.localeCompare(b.provider));
    expect(held).toMatchObject({ provider: 'box', model: null, is: 'breaker_open' });
    expect(Math.abs((held?.untilMs ?? 0) - untilMs)).toBeLessThan(1_000);
    expect(others).toMatchObject([{ provider: 'other', model: 'm', is: 'closed' }]);
    const leftMs = Number((await redis.raw('PTTL', 'switchyard:v1:cooldowns')).slice(1));
    expect(leftMs).toBeGreaterThan(0);
    expect(leftMs).toBeLessThanOrEqual(30_000);
  });

  test('what was found while Redis was away is told on joining again, and what ended meanwhile is withdrawn', async () => {
    const first = await open({ instance: 'a', providers: { box } });
    const second = await open({ instance: 'b', providers: { box } });
    first.sharing.publishCooldown(cooling({ provider: 'box', model: 'ended' }));
    await second.untilAdopted(1);
    redis.freeze();
    expect(await first.sharing.windows()?.reserve([{ key: 'k', rpm: 1, tpm: null }], 1)).toBeNull();
    expect(first.sharing.status().is).toBe('away');
    first.sharing.publishCooldown(closed({ provider: 'box', model: 'ended' }));
    first.sharing.publishCooldown(cooling({ provider: 'box', model: 'new' }));
    redis.thaw();
    await second.untilAdopted(3);
    const told = second.adopted.slice(1).map(({ model, is }) => `${model} ${is}`);
    expect(told.sort()).toEqual(['ended closed', 'new cooling_down']);
  });

  test('what ended while Redis was gone is told to those who had adopted it', async () => {
    const first = await open({ instance: 'a', providers: { box } });
    const second = await open({ instance: 'b', providers: { box } });
    first.sharing.publishCooldown(cooling({ provider: 'box' }));
    await second.untilAdopted(1);
    await redis.stop();
    await Promise.all([first.until('away'), second.until('away')]);
    first.sharing.publishCooldown(closed({ provider: 'box' }));
    await redis.start();
    await second.untilAdopted(2);
    expect(second.adopted[1]).toMatchObject({ provider: 'box', is: 'closed' });
  });

  test('a Redis that lost everything is told again what still holds', async () => {
    const first = await open({ instance: 'a', providers: { box } });
    first.sharing.publishCooldown(cooling({ provider: 'box', model: 'm' }));
    await redis.stop();
    await first.until('away');
    await redis.start();
    await first.until('connected');
    const second = await open({ instance: 'b', providers: { box } });
    expect(second.adopted).toMatchObject([{ provider: 'box', model: 'm', is: 'cooling_down' }]);
  });

  test('a server this gateway does not have, a trial, and the loopback of another machine concern nobody', async () => {
    const local = 'http://127.0.0.1:11434';
    const first = await open({ instance: 'a', providers: { box, local, mine: 'http://10.0.0.9:1' }, machine: 'one' });
    const second = await open({ instance: 'b', providers: { box, local }, machine: 'two' });
    first.sharing.publishCooldown(cooling({ provider: 'mine' }));
    first.sharing.publishCooldown(cooling({ provider: 'local' }));
    first.sharing.publishCooldown(cooling({ provider: 'unheard-of' }));
    first.sharing.publishCooldown({ ...cooling({ provider: 'box' }), is: 'half_open', untilMs: null });
    first.sharing.publishCooldown(cooling({ provider: 'box', model: 'last' }));
    await second.untilAdopted(1);
    expect(second.adopted).toMatchObject([{ provider: 'box', model: 'last' }]);
    const neighbour = await open({ instance: 'c', providers: { local: 'http://localhost:11434' }, machine: 'one' });
    expect(neighbour.adopted).toMatchObject([{ provider: 'local' }]);
  });

  test('messages that no gateway of this version wrote are ignored', async () => {
    const gateway = await open({ instance: 'a', providers: { box } });
    const good = {
      form: 1,
      from: 'x',
      providerId: 'ollama 10.0.0.7:11434',
      model: null,
      is: 'cooling_down',
      remainingMs: 5_000,
      because: 'overloaded',
      message: 'm',
    };
    const wrong: unknown[] = [
      { ...good, form: 2 },
      { ...good, is: 'half_open' },
      { ...good, because: 'toString' },
      { ...good, remainingMs: '5' },
      { ...good, remainingMs: -1 },
      { ...good, model: 7 },
      { ...good, message: 'm'.repeat(5_000) },
      { ...good, from: null },
      [],
      null,
      7,
    ];
    const texts = ['', '{', '\u0000', ...wrong.map((value) => JSON.stringify(value))];
    for (const text of texts) await redis.raw('PUBLISH', 'switchyard:v1:cooldown', text);
    const values = texts.flatMap((text, at) => [String(at), `9999999999999 ${text}`]);
    await redis.raw('HSET', 'switchyard:v1:cooldowns', 'no', 'number', ...values);
    await redis.raw('PUBLISH', 'switchyard:v1:cooldown', JSON.stringify(good));
    await gateway.untilAdopted(1);
    expect(gateway.adopted).toMatchObject([{ provider: 'box', because: 'overloaded' }]);
    const later = await open({ instance: 'b', providers: { box } });
    expect(later.adopted).toEqual([]);
    expect(later.sharing.status().is).toBe('connected');
  });

  test('gateways of another namespace hear nothing', async () => {
    const first = await open({ instance: 'a', providers: { box } });
    const cache = { ...defaultCache, namespace: 'apart' };
    const apart = await open({ instance: 'b', providers: { box }, settings: { cache } });
    const near = await open({ instance: 'c', providers: { box } });
    first.sharing.publishCooldown(cooling({ provider: 'box' }));
    await near.untilAdopted(1);
    await apart.sharing.windows()?.reserve([{ key: 'k', rpm: 1, tpm: null }], 1);
    expect(apart.adopted).toEqual([]);
  });
});

function cooling(change: Partial<CooldownChange>): CooldownChange {
  const atMs = Date.now();
  return {
    ...{ atMs, provider: 'box', model: null, is: 'cooling_down', untilMs: atMs + 30_000 },
    ...{ because: 'server_error', message: 'three failures', ...change },
  };
}

function closed(change: Partial<CooldownChange>): CooldownChange {
  return { ...cooling(change), is: 'closed', untilMs: null, because: null, message: 'a request got through' };
}
