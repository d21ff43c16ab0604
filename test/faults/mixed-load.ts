// Many kinds of requests at once, good and bad, as a gateway meets them over a day: for the memory test and the soak.

import { Agent } from 'node:http';
import type { StandIn } from '../backends/core/server.ts';
import { startLlamaCppPython } from '../backends/llama-cpp-python.ts';
import { startLlamaServer } from '../backends/llama-server.ts';
import { startOllama } from '../backends/ollama.ts';
import { startOpenAi } from '../backends/openai.ts';
import { startVllm } from '../backends/vllm.ts';
import { type ReadStreamOptions, readStream } from '../support/http.ts';
import { pick, seededRandom } from './support.ts';

const SHARED_MODEL = 'llama3.1:8b';
const WORKERS = 16;
/** Every so many generations of a provider one goes wrong. */
const FAULT_EVERY = 25;

/** Providers of all kinds, each of which fails now and then. */
export class MixedProviders implements AsyncDisposable {
  readonly all: readonly StandIn[];

  private constructor(all: readonly StandIn[]) {
    this.all = all;
  }

  static async start(): Promise<MixedProviders> {
    const common = { models: [SHARED_MODEL, 'nomic-embed-text:latest'], tokenDelayMs: 2, keepRequests: 0 };
    const all = await Promise.all([
      startOllama({ ...common, warm: [SHARED_MODEL], numParallel: 4 }),
      startVllm({ ...common, models: [SHARED_MODEL] }),
      startLlamaServer({ ...common, models: [SHARED_MODEL] }),
      startLlamaCppPython({ ...common, models: ['mistral-7b-instruct-q4_k_m'] }),
      startOpenAi({ ...common, models: [SHARED_MODEL, 'text-embedding-3-small'] }),
    ]);
    const kinds = ['server_error', 'drop', 'cut_json', 'reset', 'rate_limited', 'error_event', 'html'] as const;
    for (const [index, provider] of all.entries()) {
      let count = 0;
      const isTurn = (turn: number) => () => {
        if (turn === 0) count += 1;
        return count % FAULT_EVERY === 0 && Math.floor(count / FAULT_EVERY + index) % kinds.length === turn;
      };
      await provider.setFault(kinds.map((kind, turn) => ({ kind, when: isTurn(turn) })));
    }
    return new MixedProviders(all);
  }

  /** A configuration that names them all. */
  yaml(): string {
    const entries = this.all.map(({ kind, url }) => `  ${kind}: { kind: ${kind}, base_url: "${url}" }`);
    return `providers:\n${entries.join('\n')}\n`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.all.map((provider) => provider.close()));
  }
}

interface Ask {
  readonly path: string;
  readonly body?: unknown;
  /** Leaves after that many arrivals. */
  readonly leavesAfter?: number;
  /** A connection of its own. */
  readonly isAlone?: boolean;
}

function chat(random: () => number, stream: boolean, model = SHARED_MODEL): Ask['body'] {
  const size = random() < 0.02 ? 4_000 : Math.floor(random() * 800);
  const content = `${Math.floor(random() * 1e9).toString(36)} ${'word '.repeat(size)}`;
  return { model, stream, messages: [{ role: 'user', content }] };
}

type Making = (random: () => number) => Ask;

const MAKINGS: readonly Making[] = [
  (random) => ({ path: '/v1/chat/completions', body: chat(random, false) }),
  (random) => ({ path: '/v1/chat/completions', body: chat(random, true) }),
  (random) => ({ path: '/v1/chat/completions', body: chat(random, true), isAlone: true }),
  (random) => ({ path: '/v1/chat/completions', body: chat(random, true), leavesAfter: 1 + Math.floor(random() * 3) }),
  (random) => ({ path: '/v1/chat/completions', body: chat(random, random() < 0.5, 'mistral-7b-instruct-q4_k_m') }),
  (random) => ({ path: '/api/chat', body: chat(random, random() < 0.5) }),
  () => ({ path: '/v1/embeddings', body: { model: 'nomic-embed-text:latest', input: ['some', 'text'] } }),
  () => ({ path: '/v1/completions', body: { model: SHARED_MODEL, prompt: 'once upon a time', max_tokens: 4 } }),
  (random) => ({ path: '/v1/chat/completions', body: chat(random, false, `no-such-model-${random()}`) }),
  () => ({ path: '/v1/chat/completions', body: '{"model": "llama3.1:8b", "messages": [' }),
  () => ({ path: '/v1/models' }),
  () => ({ path: '/metrics' }),
];

/** What came of a load: answers by status, and requests that ended without any. */
export interface LoadTally {
  readonly requests: number;
  readonly statuses: ReadonlyMap<number, number>;
  readonly unanswered: number;
}

/** Sends requests from 16 clients for that long, and ends when the last of them is answered. */
export async function runMixedLoad(url: string, seconds: number, seed: number): Promise<LoadTally> {
  const random = seededRandom(seed);
  const endsAt = performance.now() + seconds * 1_000;
  const agent = new Agent({ keepAlive: true, maxSockets: WORKERS });
  const statuses = new Map<number, number>();
  let unanswered = 0;
  let requests = 0;
  const work = async () => {
    while (performance.now() < endsAt) {
      requests += 1;
      try {
        const { status } = await send(url, pick(random, MAKINGS)(random), agent);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      } catch {
        unanswered += 1;
      }
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, work));
  agent.destroy();
  return { requests, statuses, unanswered };
}

function send(url: string, ask: Ask, agent: Agent): Promise<{ readonly status: number }> {
  const { body, leavesAfter, isAlone } = ask;
  const options: ReadStreamOptions = {
    method: body === undefined ? 'GET' : 'POST',
    body,
    ...(isAlone ? {} : { agent }),
    ...(leavesAfter === undefined ? {} : { onArrival: (_arrival, soFar) => soFar.length < leavesAfter }),
  };
  return readStream(url + ask.path, options);
}
