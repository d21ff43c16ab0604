import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { Agent } from 'node:http';
import { connect, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import type { BehaviourOptions } from '../backends/core/behaviour.ts';
import type { FaultSubject } from '../backends/core/faults.ts';
import type { RecordedRequest, StandIn } from '../backends/core/server.ts';
import { startOllama } from '../backends/ollama.ts';
import { startOpenAi } from '../backends/openai.ts';
import { startVllm } from '../backends/vllm.ts';
import { type TestGateway, testGateway } from '../support/gateway.ts';
import { send } from '../support/http.ts';
import { eventually, officialClient, pick, readChat, seededRandom, statusOf, whenReady } from './support.ts';

const CLIENTS = 500;
const SEED = 7_331;
/** How soon after the client the provider has to be left, also on a machine that has much else to do. */
const PROMPTLY_MS = 1_500;

/** Where in the life of its request a client leaves. */
const MOMENTS = ['before_the_body', 'waiting', 'headers_only', 'mid_stream', 'json_waiting', 'in_the_queue'] as const;
type Moment = (typeof MOMENTS)[number];

const MODEL_AT: Readonly<Record<Moment, readonly string[]>> = {
  before_the_body: ['fast', 'slow', 'loads'],
  waiting: ['fast', 'slow', 'loads'],
  headers_only: ['fast', 'slow'],
  mid_stream: ['fast', 'slow'],
  json_waiting: ['fast', 'slow', 'loads'],
  in_the_queue: ['narrow'],
};

interface Leaver {
  readonly moment: Moment;
  readonly name: string;
  readonly model: string;
  /** Ms after the moment has come. */
  readonly delayMs: number;
}

function requestText({ moment, name, model }: Leaver): string {
  const stream = moment !== 'json_waiting';
  const messages = [{ role: 'user', content: `${moment} ${name}` }];
  const body = JSON.stringify({ model, messages, stream, pad: 'x'.repeat(2_000) });
  const head = `POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
  return moment === 'before_the_body' ? head + body.slice(0, 500) : head + body;
}

function after(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Sends its request, waits for its moment, and is gone. Resolves with `performance.now()` of that. */
async function leave(port: number, leaver: Leaver): Promise<number> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(requestText(leaver));
  if (leaver.moment === 'mid_stream') await firstContent(socket);
  await after(leaver.delayMs);
  const leftAtMs = performance.now();
  if (leaver.delayMs % 2 < 1) socket.resetAndDestroy();
  else socket.destroy();
  await once(socket, 'close');
  return leftAtMs;
}

async function firstContent(socket: Socket): Promise<void> {
  let text = '';
  while (!text.includes('"content":"')) {
    const [bytes] = (await once(socket, 'data')) as [Buffer];
    text += bytes.toString();
  }
}

function isAbout(moment: Moment): (request: FaultSubject) => boolean {
  return ({ body }) => body.includes(`${moment} client-`);
}

/** Providers that leave time to leave: the first two token by token, one that loads, one with a single place. */
async function startProviders() {
  const answer: BehaviourOptions['answer'] = ({ promptText }) =>
    promptText.includes('quickly') ? 'quick' : 'one two three four five six seven eight';
  const slowly = { tokenDelayMs: 2_000, answer, keepRequests: 10_000 };
  const fast = await startOpenAi({ models: ['fast'], ...slowly });
  const slow = await startVllm({ models: ['slow'], ...slowly });
  const loads = await startOllama({ models: ['loads'], ...slowly, loadDelayMs: 60_000 });
  const narrow = await startOpenAi({ models: ['narrow'], ...slowly });
  const silent = [
    { kind: 'hang', when: isAbout('waiting') },
    { kind: 'hang_after_headers', when: isAbout('headers_only') },
  ] as const;
  for (const provider of [fast, slow]) await provider.setFault(silent);
  await narrow.setFault({ kind: 'hang', when: ({ body }) => body.includes('in_the_queue') });
  return [fast, slow, loads, narrow] as const;
}

function configuration(providers: readonly StandIn[]): string {
  const entries = providers.map(({ kind, url }, index) => {
    const limit = index === 3 ? ', max_parallel_requests: 1, max_queue: 1000' : '';
    return `  p${index}: { kind: ${kind}, base_url: "${url}"${limit} }`;
  });
  return `providers:\n${entries.join('\n')}\n`;
}

/** Timers and sockets of this process, which are those of clients, gateway and providers together. */
function resources(): { readonly timers: number; readonly sockets: number } {
  const all = process.getActiveResourcesInfo();
  return {
    timers: all.filter((kind) => kind === 'Timeout').length,
    sockets: all.filter((kind) => kind.startsWith('TCP')).length,
  };
}

async function quiet(gateway: TestGateway, providers: readonly StandIn[]): Promise<void> {
  await eventually(
    async () => {
      const status = await statusOf(gateway);
      const running = status.providers.map(({ inFlight, queued }) => inFlight + queued);
      // The question itself is one.
      return { running, own: status.inFlight, upstream: providers.map(({ inFlight }) => inFlight) };
    },
    ({ running, own, upstream }) => [...running, ...upstream].every((count) => count === 0) && own <= 1,
  );
}

function leaverOf(request: RecordedRequest): string | null {
  return /client-\d+/.exec(request.body.toString('latin1'))?.[0] ?? null;
}

test('500 clients leave at random moments: every provider is left at once, nothing of them stays, and nobody is blamed', async () => {
  const warnings: string[] = [];
  const onWarning = (warning: Error) => warnings.push(String(warning));
  process.on('warning', onWarning);
  const atFirst = resources();
  const random = seededRandom(SEED);
  const providers = await startProviders();
  const gateway = await testGateway(configuration(providers));
  await whenReady(gateway, 'p0', 'p1', 'p2', 'p3');
  const before = resources();

  const leavers = Array.from({ length: CLIENTS }, (_none, index): Leaver => {
    const moment = MOMENTS[index % MOMENTS.length] ?? 'waiting';
    return { moment, name: `client-${index}`, model: pick(random, MODEL_AT[moment]), delayMs: random() * 250 };
  });
  const leftAtMs = new Map<string, number>();
  // Has the only place until the storm is over, so that all others there wait in the queue.
  const holder = connect(gateway.gateway.port, '127.0.0.1');
  holder.write(requestText({ moment: 'in_the_queue', name: 'holder', model: 'narrow', delayMs: 0 }));
  await eventually(
    () => providers[3].inFlight,
    (running) => running === 1,
  );
  // Fifty at a time, so that they meet every state of the others.
  const line = leavers.values();
  await Promise.all(
    Array.from({ length: 50 }, async () => {
      for (const leaver of line) leftAtMs.set(leaver.name, await leave(gateway.gateway.port, leaver));
    }),
  );
  expect(providers[3].inFlight).toBe(1);
  holder.destroy();
  await quiet(gateway, providers);

  const asked = providers.flatMap((provider) => provider.requests.filter((request) => leaverOf(request) !== null));
  const lags = asked.map((request) => {
    const leftAt = leftAtMs.get(leaverOf(request) ?? '') ?? 0;
    // On a busy machine a client can be gone before its request has reached the provider.
    return (request.endedAtMs ?? Number.POSITIVE_INFINITY) - Math.max(leftAt, request.atMs);
  });
  lags.sort((a, b) => a - b);
  const middle = Math.round(lags[Math.floor(lags.length / 2)] ?? 0);
  console.log(
    `leaving: ${CLIENTS} clients, ${asked.length} reached a provider, left after ${middle} ms (median), ${Math.round(lags.at(-1) ?? 0)} ms (longest)`,
  );
  expect(asked.length).toBeGreaterThan(200);
  expect(asked.filter(({ aborted }) => !aborted)).toEqual([]);
  expect(lags.at(-1)).toBeLessThan(PROMPTLY_MS);
  for (const moment of ['before_the_body', 'in_the_queue'])
    expect(asked.some(({ body }) => body.includes(moment))).toBe(false);

  const status = await statusOf(gateway);
  expect(status.providers.map(({ observed, cause }) => ({ observed, cause }))).toEqual(
    providers.map(() => ({ observed: 'ready', cause: null })),
  );
  expect(gateway.lines.filter((text) => text.startsWith('error'))).toEqual([]);
  const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
  const results = [...metrics.matchAll(/^switchyard_attempts_total\{.*result="([a-z_]+)".*\} (\d+)$/gm)];
  expect(new Set(results.map(([, result]) => result))).toEqual(new Set(['cancelled']));

  // What is left are the providers' own timers and connections kept alive for the next request.
  await eventually(
    () => resources(),
    ({ timers, sockets }) => timers <= before.timers + 4 && sockets <= before.sockets + 8,
    4_000,
  );
  for (const provider of providers) await provider.setFault(null);
  const client = officialClient(gateway.url);
  for (const model of ['fast', 'slow', 'narrow']) {
    const answer = await readChat(client, model, 'say it quickly', true);
    expect(answer.text).toBe('quick');
    expect(answer.attempts).toBe(1);
  }

  await gateway.close();
  for (const provider of providers) await provider.close();
  await eventually(
    () => resources(),
    ({ timers, sockets }) => timers <= atFirst.timers && sockets <= atFirst.sockets,
  );
  process.off('warning', onWarning);
  expect(warnings.filter((warning) => warning.includes('MaxListeners'))).toEqual([]);
}, 60_000);

test('a connection that carried a hundred requests has no more listeners than after its first', async () => {
  await using provider = await startOpenAi({ models: ['m'] });
  await using gateway = await testGateway(`providers: { p: { kind: openai, base_url: "${provider.url}" } }`);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const seen = new Set<Socket>();
  const note = (message: unknown) => {
    const { socket, server } = message as { socket: Socket; server: { address(): { port: number } | null } };
    if (server.address()?.port === gateway.gateway.port) seen.add(socket);
  };
  subscribe('http.server.request.start', note);
  const ask = async (stream: boolean) => {
    const body = { model: 'm', messages: [{ role: 'user', content: 'hi' }], stream };
    const answer = await send(`${gateway.url}/v1/chat/completions`, { method: 'POST', body, agent });
    expect(answer.status).toBe(200);
  };
  const listeners = () => {
    const [socket] = seen;
    return socket?.eventNames().map((name) => [String(name), socket.listenerCount(name)]);
  };
  await ask(true);
  await ask(false);
  const first = listeners();
  for (let round = 0; round < 50; round += 1) {
    await ask(true);
    await ask(false);
  }
  unsubscribe('http.server.request.start', note);
  expect(seen.size).toBe(1);
  expect(listeners()).toEqual(first);
  agent.destroy();
});
