import { afterAll, expect, test } from 'vitest';
import type { FailureKind, Outcome } from '../../gateway/types.ts';
import type { BehaviourOptions } from '../backends/core/behaviour.ts';
import type { FaultKind } from '../backends/core/faults.ts';
import type { StandIn } from '../backends/core/server.ts';
import { startLlamaServer } from '../backends/llama-server.ts';
import { startOllama } from '../backends/ollama.ts';
import { startOpenAi } from '../backends/openai.ts';
import { startVllm } from '../backends/vllm.ts';
import { testGateway } from '../support/gateway.ts';
import { post } from '../support/http.ts';
import { eventually, officialClient, pick, readChat, seededRandom, whenReady } from './support.ts';

const MODEL = 'llama3.1:8b';
const REQUESTS = 1_000;
const SEED = 20_260_421;

interface Kind {
  readonly name: string;
  readonly start: (options: BehaviourOptions) => Promise<StandIn>;
}

const KINDS: readonly Kind[] = [
  { name: 'openai', start: startOpenAi },
  { name: 'vllm', start: startVllm },
  { name: 'llama_cpp', start: startLlamaServer },
  { name: 'ollama', start: (options) => startOllama({ ...options, warm: [MODEL], numParallel: 4 }) },
];

interface FaultCase {
  readonly title: string;
  /** Null: both providers are well. */
  readonly fault: FaultKind | null;
  /** What a failed attempt may be called. */
  readonly failure: readonly FailureKind[];
  /** The provider would stay silent for ever, so its limit is what ends it. */
  readonly isSilent?: boolean;
}

const CASES: readonly FaultCase[] = [
  { title: 'refuse', fault: 'refuse', failure: ['unreachable'] },
  { title: 'reset', fault: 'reset', failure: ['bad_answer'] },
  { title: 'close', fault: 'close', failure: ['bad_answer'] },
  { title: 'hang', fault: 'hang', failure: ['timeout_first_byte'], isSilent: true },
  { title: '401', fault: 'unauthorized', failure: ['auth'] },
  { title: '404', fault: 'not_found', failure: ['model_missing'] },
  { title: '429', fault: 'rate_limited', failure: ['rate_limited'] },
  { title: '500', fault: 'server_error', failure: ['server_error'] },
  { title: '502', fault: 'bad_gateway', failure: ['server_error'] },
  { title: '503 loading', fault: 'loading', failure: ['loading'] },
  { title: 'cut JSON', fault: 'cut_json', failure: ['bad_answer'] },
  { title: 'silence after headers', fault: 'hang_after_headers', failure: ['timeout_first_byte'], isSilent: true },
  { title: 'error event first', fault: 'error_event_first', failure: ['server_error'] },
  { title: 'empty 200', fault: 'empty', failure: ['bad_answer'] },
  { title: 'HTML 200', fault: 'html', failure: ['bad_answer'] },
  { title: 'none', fault: null, failure: [] },
];

const ROUNDS = CASES.flatMap((one) => [
  { ...one, stream: false },
  { ...one, stream: true },
]);

const totals = { requests: 0, faultsMet: 0, visibleFailures: 0 };
const classes = new Map<string, Set<string>>();

afterAll(() => {
  const { requests, faultsMet, visibleFailures } = totals;
  console.log(`failover: ${requests} requests, ${faultsMet} met a fault, ${visibleFailures} visible failures`);
  for (const [title, seen] of classes) console.log(`  ${title}: ${[...seen].sort().join(', ') || 'no failure'}`);
});

function configuration(bad: StandIn, good: StandIn, isSilent: boolean): string {
  const limit = isSilent ? ', timeouts: { first_byte: 300ms }' : '';
  return `
routing_mode: order
# Each request is to meet the fault.
router_settings: { disable_cooldowns: true }
providers:
  bad: { kind: ${bad.kind}, base_url: "${bad.url}", priority: 2${limit} }
  good: { kind: ${good.kind}, base_url: "${good.url}", priority: 1 }
`;
}

/** How many requests with that prompt a server got. */
function askedOf(server: StandIn, prompt: string): number {
  return server.requests.filter(({ body }) => body.includes(prompt)).length;
}

test.concurrent.each(ROUNDS.map((round, index) => ({ ...round, index })))(
  'one of two providers fails before the first content ($title, stream: $stream), and no client sees it',
  async ({ title, fault, failure, isSilent, stream, index }) => {
    const random = seededRandom(SEED + index);
    const answer: BehaviourOptions['answer'] = ({ promptText }) => `The answer to ${promptText} is this.`;
    const [badKind, goodKind] = [pick(random, KINDS), pick(random, KINDS)];
    await using bad = await badKind.start({ models: [MODEL], answer });
    await using good = await goodKind.start({ models: [MODEL], answer });
    await using gateway = await testGateway(configuration(bad, good, isSilent === true));
    await whenReady(gateway, 'bad', 'good');
    const client = officialClient(gateway.url);
    await bad.setFault(fault);

    const count = Math.floor(((index + 1) * REQUESTS) / ROUNDS.length) - Math.floor((index * REQUESTS) / ROUNDS.length);
    const prompts = Array.from({ length: count }, () => `question-${Math.floor(random() * 1e12).toString(36)}-`);
    // The first one alone: what it does to the provider's health must not spare the fault all others.
    const ask = async (prompt: string) => ({ prompt, ...(await readChat(client, MODEL, prompt, stream)) });
    const first = ask(prompts[0] ?? '');
    const settled = await Promise.allSettled([first, ...prompts.slice(1).map(ask)]);
    totals.requests += settled.length;
    const failed = settled.filter((one) => one.status === 'rejected');
    totals.visibleFailures += failed.length;
    expect(failed.map(({ reason }) => String(reason))).toEqual([]);

    const seen = new Set<string>();
    const check = async ({ prompt, text, finishReason, requestId, attempts }: Awaited<ReturnType<typeof ask>>) => {
      expect(text).toBe(`The answer to ${prompt} is this.`);
      expect(finishReason).toBe('stop');
      const outcome = await eventually<Outcome | null>(
        () => gateway.outcome(requestId).catch(() => null),
        (found) => found !== null,
      );
      expect(outcome?.result).toBe('complete');
      expect(outcome?.attempts.length).toBe(attempts);
      for (const attempt of outcome?.attempts.slice(0, -1) ?? []) {
        expect(attempt.provider).toBe('bad');
        if (attempt.failure) seen.add(attempt.failure.kind);
      }
      if (attempts > 1) totals.faultsMet += 1;
      // Nobody is asked twice about one request, least of all who has just failed at it.
      expect(askedOf(bad, prompt)).toBeLessThanOrEqual(1);
      expect(askedOf(good, prompt)).toBe(fault === null ? 0 : 1);
    };
    await Promise.all(settled.flatMap((one) => (one.status === 'fulfilled' ? [check(one.value)] : [])));
    classes.set(`${title}, ${stream ? 'stream' : 'JSON'} (${badKind.name})`, seen);
    expect([...seen]).toEqual(failure);
  },
);

test('a request that is itself at fault is not tried elsewhere, and the client reads the words of the provider', async () => {
  await using first = await startVllm({ models: [MODEL] });
  await using second = await startOpenAi({ models: [MODEL] });
  await using gateway = await testGateway(configuration(first, second, false));
  const answer = await post(`${gateway.url}/v1/chat/completions`, { model: MODEL, messages: 'no list at all' });
  expect(answer.status).toBe(400);
  const outcome = await gateway.outcome(String(answer.headers['x-request-id']));
  expect(outcome.attempts.map(({ provider, failure }) => [provider, failure?.kind])).toEqual([['bad', 'bad_request']]);
  expect(second.requests.filter(({ method }) => method === 'POST')).toEqual([]);
  expect(answer.text).toContain('messages');
});
