// Waiting for a place: how many, how long, in which order, and what ends it.

import { expect, test } from 'vitest';
import type { StandIn } from '../backends/core/server.ts';
import { startLlamaCppPython } from '../backends/llama-cpp-python.ts';
import { providerOf } from '../faults/support.ts';
import { readStream } from '../support/http.ts';
import { MODEL, named, type World, worldOf } from './support.ts';

const SECOND = 1_000;

/** Looks after each turn of the event loop until it holds. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setImmediate(resolve));
}

async function queued(world: World<'a'>, count: number, name = 'a'): Promise<void> {
  await until(async () => (await providerOf(world.gateway, name)).queued === count);
}

/** A request that keeps its place until it is let go. */
async function holdPlace<Name extends string>(world: World<Name>, name: Name): Promise<() => Promise<void>> {
  const server: StandIn = world.servers[name];
  const running = server.inFlight;
  const faults = server.faults;
  await server.setFault([{ kind: 'hang', when: ({ body }) => body.includes('holder') }, ...faults]);
  const leave = new AbortController();
  const held = world
    .ask({ content: 'holder', headers: { 'x-provider': name }, signal: leave.signal })
    .catch(() => null);
  await until(() => server.inFlight === running + 1);
  return async () => {
    leave.abort();
    await held;
  };
}

test('a provider never has more requests than max_parallel_requests, and all are answered', async () => {
  let most = 0;
  const a = await named('a', {
    tokenDelayMs: 1,
    answer: () => {
      most = Math.max(most, a.inFlight);
      return ['a'];
    },
  });
  await using world = await worldOf({ a }, { keys: { a: 'max_parallel_requests: 2' } });
  const all = await Promise.all(Array.from({ length: 30 }, (_none, index) => world.ask({ stream: index % 2 === 0 })));
  expect(all.map(({ words }) => words)).toEqual(all.map(() => 'a'));
  expect(most).toBeLessThanOrEqual(2);
});

test('llama-cpp-python is asked one request at a time where nothing is configured: nobody interrupts anybody', async () => {
  const model = 'mistral-7b-instruct-q4_k_m';
  const a = await startLlamaCppPython({ models: [model], answer: ['one ', 'two ', 'three'], tokenDelayMs: 1 });
  await using world = await worldOf({ a }, { keys: {} });
  const all = await Promise.all(
    Array.from({ length: 12 }, (_none, index) => world.ask({ model, stream: index % 3 > 0 })),
  );
  expect(all.map(({ words }) => words)).toEqual(all.map(() => 'one two three'));
});

test('a free place elsewhere is taken before anybody waits, and the first that frees anywhere by who does', async () => {
  const limit = 'max_parallel_requests: 1';
  await using world = await worldOf({ a: await named('a'), b: await named('b') }, { keys: { a: limit, b: limit } });
  const releaseA = await holdPlace(world, 'a');
  expect((await world.ask()).words).toBe('b');
  const releaseB = await holdPlace(world, 'b');
  const waiting = world.ask();
  await until(async () => (await providerOf(world.gateway, 'b')).queued === 1);
  await releaseB();
  expect((await waiting).words).toBe('b');
  await releaseA();
});

test('the line is as long as max_queue says; who finds it full is told to come again', async () => {
  await using world = await worldOf({ a: await named('a') }, { keys: { a: 'max_parallel_requests: 1, max_queue: 2' } });
  const release = await holdPlace(world, 'a');
  const waiting = [world.ask(), world.ask()];
  await queued(world, 2);
  const refused = await world.ask();
  expect([refused.status, refused.code]).toEqual([503, 'queue_full']);
  expect(refused.retryAfter).toBeGreaterThan(0);
  await release();
  for (const seen of await Promise.all(waiting)) expect(seen.words).toBe('a');
});

test('nobody waits longer than queue_timeout, and nobody is refused before', async () => {
  await using world = await worldOf(
    { a: await named('a') },
    { keys: { a: 'max_parallel_requests: 1, queue_timeout: 20s' } },
  );
  const release = await holdPlace(world, 'a');
  const waiting = world.ask();
  await queued(world, 1);
  world.clock.advance(19 * SECOND);
  await queued(world, 1);
  world.clock.advance(2 * SECOND);
  const refused = await waiting;
  expect([refused.status, refused.code]).toEqual([503, 'queue_timeout']);
  expect(refused.retryAfter).toBeGreaterThan(0);
  const outcome = await world.outcomeOf(refused);
  expect(outcome.queuedMs).toBeGreaterThanOrEqual(20 * SECOND);
  await queued(world, 0);
  await release();
});

test('a client that leaves the line leaves nothing behind', async () => {
  await using world = await worldOf({ a: await named('a') }, { keys: { a: 'max_parallel_requests: 1' } });
  const release = await holdPlace(world, 'a');
  const leave = new AbortController();
  const waiting = world.ask({ signal: leave.signal }).catch(() => null);
  await queued(world, 1);
  leave.abort();
  await waiting;
  await queued(world, 0);
  expect(world.asked('a')).toBe(1);
  await release();
  expect((await world.ask()).words).toBe('a');
});

test('X-Priority: high first, but every fifth place goes to a lower class', async () => {
  const order: string[] = [];
  const a = await named('a', {
    answer: ({ promptText }) => {
      order.push(promptText.slice(0, 1));
      return ['a'];
    },
  });
  await using world = await worldOf({ a }, { keys: { a: 'max_parallel_requests: 1, max_queue: 200' } });
  const release = await holdPlace(world, 'a');
  const ask = (priority: string) => world.ask({ content: priority, headers: { 'x-priority': priority } });
  const waiting: Promise<unknown>[] = [];
  for (const [priority, count] of [
    ['low', 8],
    ['normal', 8],
    ['high', 24],
  ] as const) {
    for (let index = 0; index < count; index += 1) waiting.push(ask(priority));
    const sofar = waiting.length;
    await queued(world, sofar);
  }
  order.length = 0;
  await release();
  await Promise.all(waiting);
  expect(order).toHaveLength(40);
  const first = order.slice(0, 30).join('');
  // While high ones wait: four of them, then one of a lower class, over and over.
  expect(first.replace(/[ln]/g, '')).toHaveLength(24);
  for (let at = 0; at + 5 <= 30; at += 1) {
    const five = first.slice(at, at + 5).replaceAll('h', '');
    expect([at, five.length]).toEqual([at, 1]);
  }
});

test('clients take turns: one who sends a hundred does not keep out one who sends two', async () => {
  const order: string[] = [];
  const a = await named('a', {
    answer: ({ promptText }) => {
      order.push(promptText);
      return ['a'];
    },
  });
  await using world = await worldOf({ a }, { keys: { a: 'max_parallel_requests: 1, max_queue: 500' } });
  const release = await holdPlace(world, 'a');
  const ask = (client: string) => world.ask({ content: client, headers: { 'user-agent': client } });
  const many = Array.from({ length: 60 }, () => ask('many'));
  await queued(world, 60);
  const few = [ask('few'), ask('few')];
  await queued(world, 62);
  order.length = 0;
  await release();
  await Promise.all([...many, ...few]);
  expect(order.slice(0, 5).filter((client) => client === 'few')).toHaveLength(2);
});

test('who waits for a provider that is switched off goes elsewhere', async () => {
  const yaml = `exact_matches: { "${MODEL}": { provider: a, fallback: b } }`;
  const limit = 'max_parallel_requests: 1';
  await using world = await worldOf(
    { a: await named('a'), b: await named('b') },
    { keys: { a: limit, b: limit }, yaml },
  );
  const release = await holdPlace(world, 'a');
  const releaseB = await holdPlace(world, 'b');
  const waiting = world.ask();
  await until(async () => (await providerOf(world.gateway, 'a')).queued === 1);
  const off = await world.gateway.admin('/admin/providers/a', {
    method: 'PATCH',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ enabled: false }),
  });
  expect(off.status).toBe(200);
  await releaseB();
  expect((await waiting).words).toBe('b');
  await release();
});

test('a stream that waits is told so every few seconds, and answered as if nothing had been', async () => {
  await using world = await worldOf({ a: await named('a') }, { keys: { a: 'max_parallel_requests: 1' } });
  const release = await holdPlace(world, 'a');
  const arrivals: string[] = [];
  const waiting = readStream(`${world.gateway.url}/v1/chat/completions`, {
    body: { model: MODEL, stream: true, messages: [{ role: 'user', content: 'Hi' }] },
    onArrival: ({ bytes }) => void arrivals.push(bytes.toString()),
  });
  await queued(world, 1);
  for (let fillers = 1; fillers <= 3; fillers += 1) {
    world.clock.advance(6 * SECOND);
    await until(() => arrivals.join('').split(/^:.*\n\n/gm).length > fillers);
  }
  await release();
  const { status, text } = await waiting;
  expect(status).toBe(200);
  expect(text).toContain('"content":"a"');
  expect(text.trimEnd().endsWith('data: [DONE]')).toBe(true);
});
