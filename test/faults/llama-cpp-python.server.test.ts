import { expect, test } from 'vitest';
import type { RecordedRequest } from '../backends/core/server.ts';
import { startLlamaCppPython } from '../backends/llama-cpp-python.ts';
import { testGateway } from '../support/gateway.ts';
import { post } from '../support/http.ts';
import { officialClient, providerOf, readChat, whenReady } from './support.ts';

const MODEL = 'mistral-7b-instruct-q4_k_m';
const WORDS = 'one two three four five six seven eight nine ten';

function isGeneration({ method }: RecordedRequest): boolean {
  return method === 'POST';
}

test('ten clients at once share a server that can only do one thing at a time, and none is interrupted', async () => {
  await using server = await startLlamaCppPython({ models: [MODEL], answer: WORDS, tokenDelayMs: 15 });
  await using gateway = await testGateway(
    `providers: { python: { kind: llama_cpp_python, base_url: "${server.url}", probe: { interval: 100ms } } }`,
  );
  await whenReady(gateway, 'python');
  const client = officialClient(gateway.url);
  const turns = Array.from({ length: 10 }, (_none, turn) => turn);
  const answers = await Promise.all(turns.map((turn) => readChat(client, MODEL, `question ${turn}`, turn % 3 !== 0)));
  expect(answers.map(({ text, finishReason, attempts }) => [text, finishReason, attempts])).toEqual(
    turns.map(() => [WORDS, 'stop', 1]),
  );

  const generations = server.requests.filter(isGeneration);
  expect(generations).toHaveLength(10);
  const spans = generations.map(({ atMs, endedAtMs }) => [atMs, endedAtMs ?? Number.POSITIVE_INFINITY] as const);
  for (const [index, [beginsAt]] of spans.entries()) {
    const former = spans[index - 1];
    if (former) expect(beginsAt).toBeGreaterThanOrEqual(former[1]);
  }
  // It was watched all the time, by the one question that leaves a running answer alone.
  const probes = server.requests.filter((request) => !isGeneration(request));
  const during = probes.filter(({ atMs }) => spans.some(([beginsAt, endsAt]) => atMs > beginsAt && atMs < endsAt));
  expect(during.length).toBeGreaterThan(0);
  expect(new Set(during.map(({ path }) => path))).toEqual(new Set(['/openapi.json']));
  const { observed, inFlight, queued, maxParallelRequests } = await providerOf(gateway, 'python');
  expect({ observed, inFlight, queued, maxParallelRequests }).toEqual({
    observed: 'ready',
    inFlight: 0,
    queued: 0,
    maxParallelRequests: 1,
  });
});

test('without the limit the same server does interrupt: what breaks is told as an error, not as an answer', async () => {
  await using server = await startLlamaCppPython({ models: [MODEL], answer: WORDS, tokenDelayMs: 15 });
  await using gateway = await testGateway(
    `providers: { python: { kind: llama_cpp_python, base_url: "${server.url}", max_parallel_requests: 10 } }`,
  );
  await whenReady(gateway, 'python');
  const body = { model: MODEL, messages: [{ role: 'user', content: 'hi' }], stream: true };
  const answers = await Promise.all([1, 2, 3].map(() => post(`${gateway.url}/v1/chat/completions`, body)));
  const whole = answers.filter(({ text }) => text.includes('[DONE]'));
  expect(whole.length).toBeLessThan(3);
  for (const { text } of whole) expect(text).toMatch(/"finish_reason": ?"stop"/);
  for (const { text } of answers) if (!text.includes('[DONE]')) expect(text).toContain('"error"');
});
