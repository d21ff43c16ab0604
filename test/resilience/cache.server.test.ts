// Answers to identical requests from memory: what is kept, for whom, for how long, and how a request has its say.

import { describe, expect, test } from 'vitest';
import { startVllm } from '../backends/vllm.ts';
import { MODEL, named, type Seen, type World, worldOf } from './support.ts';

const SECOND = 1_000;

/** A server that never says the same twice. */
async function counting(settings: string, keys = ''): Promise<World<'a'>> {
  let count = 0;
  const answer = () => {
    count += 1;
    return ['answer ', String(count)];
  };
  return worldOf(
    { a: await named('a', { answer }) },
    { yaml: settings, ...(keys === '' ? {} : { keys: { a: keys } }) },
  );
}

const ON = 'litellm_settings: { cache: true }';
const isHit = ({ answer }: Seen): boolean => answer.headers['x-switchyard-cache'] === 'hit';

test('it is off by default', async () => {
  await using world = await counting('routing_mode: order');
  expect([(await world.ask()).words, (await world.ask()).words]).toEqual(['answer 1', 'answer 2']);
});

test.each([
  ['litellm_settings.cache', ON],
  ['router_settings.cache_responses', 'router_settings: { cache_responses: true, cache_kwargs: { type: local } }'],
  ['cache_params', 'litellm_settings: { cache: true, cache_params: { type: local, ttl: 3600 } }'],
])('the same request is answered once by the provider and then from memory: %s', async (_spelling, settings) => {
  await using world = await counting(settings);
  const first = await world.ask();
  expect([first.words, isHit(first)]).toEqual(['answer 1', false]);
  const second = await world.ask();
  expect([second.words, isHit(second), world.asked('a')]).toEqual(['answer 1', true, 1]);
  const outcome = await world.outcomeOf(second);
  expect([outcome.cache, outcome.result, outcome.attempts]).toEqual(['hit', 'complete', []]);
  expect((await world.outcomeOf(first)).cache).toBe('stored');
  expect((await world.ask({ content: 'something else' })).words).toBe('answer 2');
});

test('a stream is replayed byte for byte, and has an entry of its own', async () => {
  await using world = await counting(ON);
  const first = await world.ask({ stream: true });
  const second = await world.ask({ stream: true });
  expect(second.answer.body.equals(first.answer.body)).toBe(true);
  expect(second.answer.headers['content-type']).toBe(first.answer.headers['content-type']);
  expect([isHit(second), world.asked('a')]).toEqual([true, 1]);
  expect(isHit(await world.ask())).toBe(false);
});

test('an hour long, or as long as it is told', async () => {
  await using world = await counting(ON);
  await world.ask();
  world.clock.advance(3_590 * SECOND);
  expect(isHit(await world.ask())).toBe(true);
  world.clock.advance(20 * SECOND);
  expect((await world.ask()).words).toBe('answer 2');
  await using other = await counting('router_settings: { cache_responses: true, default_cache_time_seconds: 60 }');
  await other.ask();
  other.clock.advance(61 * SECOND);
  expect((await other.ask()).words).toBe('answer 2');
});

test('only complete answers are kept', async () => {
  await using world = await counting(ON);
  for (const kind of ['error_event', 'drop', 'no_done', 'no_finish', 'finish_abort'] as const) {
    await world.servers.a.setFault({ kind, times: 1 });
    await world.ask({ stream: true, content: kind });
    const again = await world.ask({ stream: true, content: kind });
    expect([kind, isHit(again), again.status]).toEqual([kind, false, 200]);
  }
});

test('what counts is the request less the fields that are the gateway’s own', async () => {
  await using world = await counting(ON);
  await world.ask({ body: { temperature: 0 } });
  expect(isHit(await world.ask({ body: { temperature: 0, num_retries: 1, timeout: 60 } }))).toBe(true);
  expect(isHit(await world.ask({ body: { temperature: 1 } }))).toBe(false);
});

test('two API keys share nothing', async () => {
  const keys = 'server: { api_keys: [{ name: one, key: sk-one }, { name: two, key: sk-two }] }';
  await using world = await counting(`${keys}\n${ON}`);
  const as = (key: string) => world.ask({ headers: { authorization: `Bearer ${key}` } });
  await as('sk-one');
  expect([isHit(await as('sk-one')), isHit(await as('sk-two'))]).toEqual([true, false]);
});

describe('a request has its say', () => {
  test('no-cache asks the provider and keeps the new answer', async () => {
    await using world = await counting(ON);
    await world.ask();
    expect((await world.ask({ body: { cache: { 'no-cache': true } } })).words).toBe('answer 2');
    expect((await world.ask()).words).toBe('answer 2');
    expect(world.servers.a.requests.some(({ body }) => body.includes('no-cache'))).toBe(false);
  });

  test('no-store keeps nothing', async () => {
    await using world = await counting(ON);
    await world.ask({ body: { cache: { 'no-store': true } } });
    expect(isHit(await world.ask())).toBe(false);
  });

  test('ttl says how long, s-maxage how old', async () => {
    await using world = await counting(ON);
    await world.ask({ body: { cache: { ttl: 10 } } });
    world.clock.advance(11 * SECOND);
    expect(isHit(await world.ask())).toBe(false);
    world.clock.advance(100 * SECOND);
    expect(isHit(await world.ask({ body: { cache: { 's-maxage': 60 } } }))).toBe(false);
    expect(isHit(await world.ask({ body: { cache: { 's-maxage': 60 } } }))).toBe(true);
  });

  test('default_off keeps only what a request asks to keep', async () => {
    await using world = await counting('litellm_settings: { cache: true, cache_params: { mode: default_off } }');
    await world.ask();
    expect(isHit(await world.ask())).toBe(false);
    const wanted = { body: { cache: { 'use-cache': true } } };
    await world.ask(wanted);
    expect(isHit(await world.ask(wanted))).toBe(true);
  });
});

test('embeddings are kept too, and how often it was hit is among the metrics', async () => {
  const a = await startVllm({ models: [MODEL] });
  await using world = await worldOf({ a }, { yaml: ON });
  await world.ask();
  await world.ask();
  const metrics = await (await fetch(`${world.gateway.url}/metrics`)).text();
  expect(metrics).toMatch(/cache_hit_rate 0\.5/);
});

test('a hit takes no place, no rate and no turn', async () => {
  await using world = await counting(ON, 'rpm: 1, max_parallel_requests: 1');
  await world.ask();
  for (let time = 0; time < 5; time += 1) expect((await world.ask()).status).toBe(200);
  expect(world.asked('a')).toBe(1);
});
