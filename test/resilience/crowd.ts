// More clients than places: each asks again as soon as it was answered, and notes how long it stood in line.

import { Agent } from 'node:http';
import type { StandIn } from '../backends/core/server.ts';
import { startLlamaServer } from '../backends/llama-server.ts';
import { startOpenAi } from '../backends/openai.ts';
import { type HttpAnswer, send } from '../support/http.ts';
import { MODEL } from './support.ts';

const SLOTS = 4;
export type PriorityClass = 'high' | 'normal' | 'low';

export interface CrowdClient {
  readonly name: string;
  readonly priority: PriorityClass;
  /** Ms in line, one entry per answer, in the order they came. */
  readonly waitsMs: number[];
  /** `performance.now()` when each request was sent, by what it said. */
  readonly sentAtMs: Map<string, number>;
  /** What came back instead of an answer. */
  readonly errors: string[];
}

/** Two servers of different kinds with four places each, which take their time over each answer. */
export async function startNarrow(answerMs: number, keepRequests: number): Promise<readonly StandIn[]> {
  const options = { models: [MODEL], prefillDelayMs: answerMs, keepRequests, answer: ['done'] };
  return Promise.all([startOpenAi(options), startLlamaServer({ ...options, slots: SLOTS })]);
}

/** Their configuration: lines long enough for everybody. */
export function narrowYaml(servers: readonly StandIn[]): string {
  const entries = servers.map(
    ({ kind, url }, index) =>
      `  p${index}: { kind: ${kind}, base_url: "${url}", max_parallel_requests: ${SLOTS}, max_queue: 1000 }`,
  );
  return `providers:\n${entries.join('\n')}\n`;
}

export function newClients(count: number, priorityOf: (index: number) => PriorityClass): readonly CrowdClient[] {
  return Array.from({ length: count }, (_none, index) => ({
    name: `client-${index}`,
    priority: priorityOf(index),
    waitsMs: [],
    sentAtMs: new Map(),
    errors: [],
  }));
}

/** Lets every client ask over and over; `isOver` is asked before each request. */
export async function runCrowd(
  url: string,
  clients: readonly CrowdClient[],
  isOver: (client: CrowdClient) => boolean,
): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: clients.length });
  const work = async (client: CrowdClient) => {
    while (!isOver(client)) {
      try {
        const answer = await ask(url, client, agent);
        const waitMs = answer.status === 200 ? waitIn(answer) : null;
        if (waitMs === null) client.errors.push(`${answer.status} ${answer.text}`);
        else client.waitsMs.push(waitMs);
      } catch (error) {
        client.errors.push(String(error));
      }
    }
  };
  await Promise.all(clients.map(work));
  agent.destroy();
}

/** Every other answer is a stream. */
function ask(url: string, client: CrowdClient, agent: Agent): Promise<HttpAnswer> {
  const { name, priority, waitsMs, sentAtMs } = client;
  const content = `${name} asks ${sentAtMs.size}.`;
  sentAtMs.set(content, performance.now());
  return send(`${url}/v1/chat/completions`, {
    method: 'POST',
    agent,
    headers: { 'user-agent': name, 'x-priority': priority },
    body: { model: MODEL, stream: waitsMs.length % 2 === 1, messages: [{ role: 'user', content }] },
  });
}

/** Null: the answer is not whole. A stream that was opened while it waited tells its wait in a comment. */
function waitIn({ headers, text, isComplete }: HttpAnswer): number | null {
  const wait = /queue;dur=([\d.]+)/.exec(String(headers['server-timing'] ?? text))?.[1];
  if (!isComplete || wait === undefined || !text.includes('done') || text.includes('"error"')) return null;
  return Number(wait);
}

/**
 * For each client: how many others on average were sent after a request of its and began before it. Without its first ones:
 * their connections were still being made.
 */
export function overtakers(
  clients: readonly CrowdClient[],
  servers: readonly StandIn[],
  skipped: number,
): readonly number[] {
  const began = new Map<string, number>();
  for (const { body, atMs } of servers.flatMap(({ requests }) => requests)) {
    const content = /client-\d+ asks \d+\./.exec(body.toString('latin1'))?.[0];
    if (content !== undefined) began.set(content, atMs);
  }
  const all = clients.flatMap(({ sentAtMs }) =>
    [...sentAtMs].map(([content, atMs]) => ({ atMs, beganAtMs: began.get(content) ?? Number.POSITIVE_INFINITY })),
  );
  return clients.map(({ sentAtMs }) => {
    const counts = [...sentAtMs].slice(skipped).map(([content, atMs]) => {
      const beganAtMs = began.get(content) ?? 0;
      return all.filter((other) => other.atMs > atMs && other.beganAtMs < beganAtMs).length;
    });
    return meanOf(counts);
  });
}

export function meanOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0) / Math.max(1, numbers.length);
}

/** The mean wait of each client, without its first ones: the line was not full yet when they came. */
export function meanWaits(clients: readonly CrowdClient[], skipped: number): readonly number[] {
  return clients.map(({ waitsMs }) => meanOf(waitsMs.slice(skipped)));
}

/** How far the client that waits longest and the one that waits least are from the mean of all, as a share of it. */
export function unfairness(means: readonly number[]): number {
  const middle = meanOf(means);
  return Math.max(...means.map((mean) => Math.abs(mean - middle))) / middle;
}
