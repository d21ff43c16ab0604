// Two hundred clients leave at any moment of requests that wait in line, are repeated or go on to others: nothing of them stays.

import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import type { StandIn } from '../backends/core/server.ts';
import { eventually, pick, seededRandom, statusOf } from '../faults/support.ts';
import { MODEL, named, type World, worldOf } from './support.ts';

const CLIENTS = 200;
const SEED = 4_711;

/** Where in the life of its request a client leaves, and what the server does that makes it last. */
const MOMENTS = ['in_line', 'between_retries', 'before_content', 'in_the_stream', 'while_loading'] as const;
type Moment = (typeof MOMENTS)[number];

const PIN: Readonly<Record<Moment, string>> = {
  in_line: 'narrow',
  between_retries: 'failing',
  before_content: 'silent',
  in_the_stream: 'streaming',
  while_loading: 'loading',
};

interface Leaver {
  readonly name: string;
  readonly moment: Moment;
  readonly delayMs: number;
}

function requestText({ moment, name }: Leaver): string {
  const body = JSON.stringify({
    model: MODEL,
    stream: moment !== 'between_retries',
    messages: [{ role: 'user', content: `${moment} ${name}.` }],
  });
  return `POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nX-Provider: ${PIN[moment]}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

/** Sends its request, stays a while, and is gone. */
async function leave(port: number, leaver: Leaver): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(requestText(leaver));
  socket.resume();
  await new Promise((resolve) => setTimeout(resolve, leaver.delayMs));
  if (leaver.delayMs % 2 < 1) socket.resetAndDestroy();
  else socket.destroy();
  await once(socket, 'close');
}

type Names = 'narrow' | 'failing' | 'silent' | 'streaming' | 'loading' | 'limited';

async function start(): Promise<World<Names>> {
  const endless = Array.from({ length: 2_000 }, () => 'word ');
  const servers = {
    narrow: await named('narrow'),
    failing: await named('failing'),
    silent: await named('silent'),
    streaming: await named('streaming', { answer: endless, tokenDelayMs: 20 }),
    loading: await named('loading'),
    limited: await named('limited'),
  };
  await servers.narrow.setFault({ kind: 'hang', when: ({ body }) => body.includes('in_line') });
  await servers.failing.setFault({ kind: 'overloaded' });
  await servers.silent.setFault('hang');
  await servers.loading.setFault('loading');
  return worldOf(servers, {
    keys: {
      narrow: 'max_parallel_requests: 1, max_queue: 1000',
      silent: 'tpm: 1000000, rpm: 100000',
      streaming: 'max_parallel_requests: 20, max_queue: 1000, tpm: 1000000',
    },
    yaml: 'routing_mode: order\nrouter_settings: { num_retries: 20, allowed_fails: 1000000 }',
  });
}

/** Until nothing runs or waits anywhere. */
async function quiet(world: World<Names>): Promise<void> {
  await eventually(
    async () => {
      const { providers, inFlight } = await statusOf(world.gateway);
      const upstream = Object.values<StandIn>(world.servers).map((server) => server.inFlight);
      return { busy: providers.map((one) => one.inFlight + one.queued), inFlight, upstream };
    },
    ({ busy, inFlight, upstream }) => [...busy, ...upstream].every((count) => count === 0) && inFlight <= 1,
  );
}

test('200 clients leave in line, between retries, before content and in streams: nothing stays, and nobody is blamed', async () => {
  await using world = await start();
  const random = seededRandom(SEED);
  const { port } = world.gateway.gateway;
  const leavers = Array.from(
    { length: CLIENTS },
    (_none, index): Leaver => ({
      name: `client-${index}`,
      moment: pick(random, MOMENTS),
      delayMs: 20 + random() * 1_800,
    }),
  );
  const line = leavers.values();
  await Promise.all(
    Array.from({ length: 40 }, async () => {
      for (const leaver of line) await leave(port, leaver);
    }),
  );
  await quiet(world);
  const askedOf = () =>
    Object.values<StandIn>(world.servers).flatMap(({ requests }) =>
      requests.flatMap(({ body }) => /client-\d+/.exec(body.toString('latin1'))?.[0] ?? []),
    );
  const asked = askedOf();
  // Longer than any wait between two attempts: whoever was forgotten would come back now.
  world.clock.advance(60_000);
  await quiet(world);
  expect(askedOf()).toEqual(asked);
  expect(new Set(asked).size).toBeLessThan(asked.length);
  const inLine = leavers.filter(({ moment }) => moment === 'in_line').map(({ name }) => name);
  const served = inLine.filter((name) => asked.includes(name));
  console.log(
    `leaving: ${CLIENTS} clients, ${asked.length} attempts for ${new Set(asked).size} of them, ${served.length} of the ${inLine.length} in line got a place before`,
  );
  expect(served.length).toBeLessThan(inLine.length);

  const { providers } = await statusOf(world.gateway);
  expect(providers.map(({ name, inFlight, queued }) => [name, inFlight, queued])).toEqual(
    Object.keys(world.servers).map((name) => [name, 0, 0]),
  );
  for (const name of ['narrow', 'silent', 'streaming'] as const) {
    expect([name, providers.find((one) => one.name === name)?.observed]).toEqual([name, 'ready']);
  }
  expect(world.gateway.lines.filter((text) => text.startsWith('error'))).toEqual([]);

  // All places and all rates are there again.
  for (const server of Object.values<StandIn>(world.servers)) await server.setFault(null);
  for (const name of ['narrow', 'silent', 'failing', 'loading'] as const) {
    const seen = await world.askThroughTime({ headers: { 'x-provider': name } });
    expect([name, seen.words]).toEqual([name, name]);
  }
}, 60_000);

test('a client that leaves while its request waits to be repeated is not asked for again', async () => {
  await using world = await worldOf({ a: await named('a') });
  await world.servers.a.setFault('server_error');
  const leave = new AbortController();
  const asked = world.ask({ signal: leave.signal }).catch(() => null);
  await eventually(
    () => [world.asked('a'), world.servers.a.inFlight] as const,
    ([count, running]) => count === 1 && running === 0,
  );
  leave.abort();
  await asked;
  await eventually(
    () => statusOf(world.gateway),
    ({ inFlight }) => inFlight <= 1,
  );
  world.clock.advance(60_000);
  await world.servers.a.setFault(null);
  expect((await world.ask()).words).toBe('a');
  expect(world.asked('a')).toBe(2);
});

test('a trial that its client leaves is free for the next one', async () => {
  await using world = await worldOf({ a: await named('a'), b: await named('b') });
  await world.servers.a.setFault('server_error');
  for (let time = 0; time < 3; time += 1) await world.ask();
  await world.servers.a.setFault({ kind: 'hang', times: 5 });
  world.clock.advance(31_000);
  for (let time = 0; time < 5; time += 1) {
    const leave = new AbortController();
    const asked = world.ask({ signal: leave.signal }).catch(() => null);
    await eventually(
      () => world.servers.a.inFlight,
      (running) => running === 1,
    );
    leave.abort();
    await asked;
    await eventually(
      () => statusOf(world.gateway),
      ({ inFlight, providers }) => inFlight <= 1 && providers.every((one) => one.inFlight === 0),
    );
  }
  expect((await world.ask()).words).toBe('a');
});

test('tokens that a request reserved are given back when its client leaves before anything was sent', async () => {
  await using world = await worldOf({ a: await named('a') }, { keys: { a: 'max_parallel_requests: 1, rpm: 2' } });
  await world.servers.a.setFault({ kind: 'hang', times: 1 });
  const first = new AbortController();
  const holding = world.ask({ signal: first.signal }).catch(() => null);
  await eventually(
    () => world.servers.a.inFlight,
    (running) => running === 1,
  );
  for (let time = 0; time < 5; time += 1) {
    const leave = new AbortController();
    const waiting = world.ask({ signal: leave.signal }).catch(() => null);
    await eventually(
      () => statusOf(world.gateway),
      ({ providers }) => providers[0]?.queued === 1,
    );
    leave.abort();
    await waiting;
    await eventually(
      () => statusOf(world.gateway),
      ({ providers }) => providers[0]?.queued === 0,
    );
  }
  first.abort();
  await holding;
  await eventually(
    () => statusOf(world.gateway),
    ({ providers }) => providers[0]?.inFlight === 0,
  );
  expect((await world.ask()).words).toBe('a');
});
