// Two whole gateways, one Redis, over HTTP: what they share, and that no request fails when Redis comes and goes.

import { describe, expect, test } from 'vitest';
import type { StandIn } from '../backends/core/server.ts';
import { startOpenAi } from '../backends/openai.ts';
import { eventually } from '../faults/support.ts';
import { type TestGateway, testGateway } from '../support/gateway.ts';
import { post } from '../support/http.ts';
import { redisMissing, testRedis } from '../support/redis.ts';

const MODEL = 'm';
const LIMIT = 20;

function configuration(provider: StandIn, redisPort: number, more: string): string {
  return `
providers:
  box: { kind: openai, base_url: "${provider.url}" }
default_provider: box
router_settings: { redis_host: 127.0.0.1, redis_port: ${redisPort}, num_retries: 0${more} }
`;
}

function ask(gateway: TestGateway, text: string, extra: Record<string, unknown> = {}) {
  const body = { model: MODEL, messages: [{ role: 'user', content: text }], ...extra };
  return post(`${gateway.url}/v1/chat/completions`, JSON.stringify(body));
}

const linesWith = (gateway: TestGateway, part: string) => gateway.lines.filter((line) => line.includes(part)).length;

async function connected(...gateways: readonly TestGateway[]): Promise<void> {
  for (const gateway of gateways) {
    await eventually(
      async () => gateway.lines,
      (lines) => lines.some((line) => /\[SHARING\].*shares its state/.test(line)),
    );
  }
}

describe.skipIf(redisMissing !== null)(`two gateways (${redisMissing ?? 'with a real Redis'})`, () => {
  test('keep one limit between them, to the request', async () => {
    await using redis = await testRedis();
    await using box = await startOpenAi({ models: [MODEL] });
    const yaml = configuration(box, redis.port, `, rpm: ${LIMIT}`);
    await using one = await testGateway(yaml);
    await using two = await testGateway(yaml);
    await connected(one, two);
    const answers = await Promise.all(
      Array.from({ length: LIMIT * 2 }, (_, index) => ask(index % 2 === 0 ? one : two, `question ${index}`)),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(LIMIT);
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused).toHaveLength(LIMIT);
    for (const { headers } of refused) {
      expect(Number(headers['retry-after'])).toBeGreaterThan(0);
      expect(Number(headers['retry-after'])).toBeLessThanOrEqual(60);
    }
  });

  test('tell each other what is cooling down', async () => {
    await using redis = await testRedis();
    await using box = await startOpenAi({ models: [MODEL] });
    await using backup = await startOpenAi({ models: [MODEL] });
    const yaml = `
routing_mode: order
providers:
  box: { kind: openai, base_url: "${box.url}", priority: 2 }
  backup: { kind: openai, base_url: "${backup.url}", priority: 1 }
router_settings: { redis_host: 127.0.0.1, redis_port: ${redis.port}, num_retries: 0 }
`;
    await using one = await testGateway(yaml);
    await using two = await testGateway(yaml);
    await connected(one, two);
    await box.setFault('rate_limited');
    expect((await ask(one, 'a')).headers['x-switchyard-provider']).toBe('backup');
    await eventually(
      async () => linesWith(two, '[ROUTER] box/m: cooling_down'),
      (count) => count > 0,
    );
    const asked = box.requests.length;
    expect((await ask(two, 'b')).headers['x-switchyard-provider']).toBe('backup');
    expect(box.requests).toHaveLength(asked);
  });

  test('answer from what the other has kept', async () => {
    await using redis = await testRedis();
    await using box = await startOpenAi({ models: [MODEL] });
    const yaml = `${configuration(box, redis.port, '')}litellm_settings: { cache: true }\n`;
    await using one = await testGateway(yaml);
    await using two = await testGateway(yaml);
    await connected(one, two);
    const first = await ask(one, 'the same');
    const second = await eventually(
      () => ask(two, 'the same'),
      ({ headers }) => headers['x-switchyard-cache'] === 'hit',
    );
    expect(second.status).toBe(200);
    expect(second.body.equals(first.body)).toBe(true);
  });

  test('serve every request while Redis crashes, freezes and comes back', async () => {
    await using redis = await testRedis();
    await using box = await startOpenAi({ models: [MODEL] });
    const yaml = `${configuration(box, redis.port, ', rpm: 1000000')}litellm_settings: { cache: true }\n`;
    await using one = await testGateway(yaml);
    await using two = await testGateway(yaml);
    await connected(one, two);
    const statuses = new Map<number, number>();
    let isOver = false;
    let asked = 0;
    const client = async (gateway: TestGateway): Promise<void> => {
      while (!isOver) {
        asked += 1;
        const { status } = await ask(gateway, `question ${asked % 50}`, { stream: asked % 2 === 0 });
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    };
    const clients = [one, one, two, two].map(client);
    const more = async (count: number) => {
      const goal = asked + count;
      await eventually(
        async () => asked,
        (now) => now >= goal,
      );
    };
    await more(50);
    await redis.stop();
    await more(100);
    await redis.start();
    await more(100);
    redis.freeze();
    await more(100);
    redis.thaw();
    await more(50);
    isOver = true;
    await Promise.all(clients);
    expect([...statuses.keys()]).toEqual([200]);
    for (const gateway of [one, two])
      expect(gateway.lines.some((line) => /\[SHARING\].*carries on alone/.test(line))).toBe(true);
  });
});
