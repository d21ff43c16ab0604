// What `POST /admin/explain` says of a request is what happens when it is sent: random configurations and fleets, real requests.
// 1,500 of them by default; SWITCHYARD_LIVE_REQUESTS=10000 sends as many as that.

import { Agent } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AdminDecision, AdminStoredRequest } from '../../gateway/contract.ts';
import type { StandIn } from '../backends/core/server.ts';
import { startLlamaCppPython } from '../backends/llama-cpp-python.ts';
import { startLlamaServer } from '../backends/llama-server.ts';
import { startOllama } from '../backends/ollama.ts';
import { startOpenAi } from '../backends/openai.ts';
import { startVllm } from '../backends/vllm.ts';
import { eventually, seededRandom, statusOf } from '../faults/support.ts';
import { type TestGateway, testGateway } from '../support/gateway.ts';
import { deadAddress, type HttpAnswer, send } from '../support/http.ts';
import { type RandomRequest, randomConfiguration, randomRequest, SERVED } from './random-configurations.ts';

const REQUESTS = Number(process.env.SWITCHYARD_LIVE_REQUESTS ?? 1_500);
const REQUESTS_PER_WORLD = 100;
const SEED = 20_260;

const agent = new Agent({ keepAlive: true });
const servers: StandIn[] = [];
let closed = '';

beforeAll(async () => {
  const answer = ['ok'];
  servers.push(
    await startOllama({ models: [...SERVED.ollama], warm: ['llama3.1:8b', 'qwen2.5:32b'], answer }),
    await startVllm({ models: [...SERVED.vllm], answer }),
    await startLlamaServer({ models: [...SERVED.llama_cpp], answer }),
    await startLlamaCppPython({ models: [...SERVED.llama_cpp_python], answer }),
    await startOpenAi({ models: [...SERVED.openai], answer }),
  );
  closed = await deadAddress();
});

afterAll(async () => {
  agent.destroy();
  await Promise.all(servers.map((server) => server.close()));
});

// The dice show the same for what is explained and for what is sent: all that is left to chance falls alike.
const dice = Math.random;
let fallen = 0;
beforeAll(() => {
  Math.random = () => fallen;
});
afterAll(() => {
  Math.random = dice;
});

test(
  `${REQUESTS} random requests are served by the rule, and in the order, that was explained before`,
  async () => {
    const random = seededRandom(SEED);
    const rules = new Map<string, number>();
    for (let done = 0; done < REQUESTS; done += REQUESTS_PER_WORLD) {
      const yaml = randomConfiguration(random, servers, closed);
      await using gateway = await testGateway(yaml);
      await whenSettled(gateway);
      for (let count = done; count < Math.min(REQUESTS, done + REQUESTS_PER_WORLD); count += 1) {
        const request = randomRequest(random);
        fallen = random();
        const { explained, stored } = await explainedAndSent(gateway, request);
        const clue = () =>
          `${JSON.stringify(explained.candidates)}\n${JSON.stringify(stored.decision?.candidates)}\nrequest ${count}: ${JSON.stringify(request).slice(0, 600)}\n${yaml}`;
        expect(essence(stored.decision), clue()).toEqual(essence(explained));
        const [first] = stored.attempts;
        if (first) expect({ provider: first.provider, model: first.model }, clue()).toEqual(explained.chosen);
        const step = explained.rule?.split(':')[0] ?? explained.error?.code ?? '';
        rules.set(step, (rules.get(step) ?? 0) + 1);
      }
    }
    // The worlds are worth something: every step decided now and then.
    expect([...rules.keys()]).toEqual(
      expect.arrayContaining([
        'exact',
        'pattern',
        'capability',
        'size',
        'catalog',
        'default',
        'metadata',
        'alias',
        'pin',
      ]),
    );
  },
  Math.max(60_000, REQUESTS * 100),
);

/** Everybody was asked once, and was there or not. */
async function whenSettled(gateway: TestGateway): Promise<void> {
  await eventually(
    async () =>
      (await statusOf(gateway)).providers.map(({ name, isEnabled, observed }) => ({ name, isEnabled, observed })),
    (providers) => providers.every(({ isEnabled, observed }) => !isEnabled || observed !== 'pending'),
  );
}

async function explainedAndSent(
  gateway: TestGateway,
  { endpoint, path, headers, body }: RandomRequest,
): Promise<{ readonly explained: AdminDecision; readonly stored: AdminStoredRequest }> {
  const explained = await admin<AdminDecision>(gateway, '/admin/explain', { endpoint, headers, body });
  const answer: HttpAnswer = await send(gateway.url + path, { method: 'POST', agent, headers, body });
  const id = answer.headers['x-request-id'];
  const stored = await admin<AdminStoredRequest>(gateway, `/admin/requests/${String(id)}`);
  return { explained, stored };
}

async function admin<Answer>(gateway: TestGateway, path: string, body?: unknown): Promise<Answer> {
  const headers = { 'content-type': 'application/json' };
  const answer = await gateway.admin(
    path,
    body === undefined ? {} : { method: 'POST', headers, body: JSON.stringify(body) },
  );
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as Answer;
}

type Decided = Pick<AdminDecision, 'rule' | 'chosen' | 'candidates' | 'steps' | 'considered' | 'error'>;

/** Who is asked in what order, who is not and why, and what each step said; figures and waiting times go on meanwhile. */
function essence(decision: Decided | null) {
  return {
    rule: decision?.rule,
    chosen: decision?.chosen,
    kept: decision?.candidates.filter(({ kept }) => kept).map(({ provider, model, order }) => [order, provider, model]),
    skipped: decision?.candidates
      .filter(({ kept }) => !kept)
      .map(({ provider, model, reason }) => [provider, model, reason]),
    steps: decision?.steps.map(({ step, result }) => [step, result]),
    considered: decision?.considered,
    error: decision?.error?.code ?? null,
  };
}
