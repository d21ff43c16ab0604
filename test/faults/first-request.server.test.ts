import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { startLlamaServer } from '../backends/llama-server.ts';
import { startOllama } from '../backends/ollama.ts';
import { startOpenAi } from '../backends/openai.ts';
import { startVllm } from '../backends/vllm.ts';
import { testGateway } from '../support/gateway.ts';
import { freePort, post, readStream } from '../support/http.ts';
import { eventually, officialClient, providerOf, readChat, statusOf, whenReady } from './support.ts';

const MODEL = 'llama3.1:8b';

function question(model = MODEL, stream = false): unknown {
  return { model, messages: [{ role: 'user', content: 'hi' }], stream };
}

/** A server that tells its list only when it is told to, and answers every question at once. */
async function startReluctant() {
  const lists: ServerResponse[] = [];
  let questions = 0;
  const list = JSON.stringify({ object: 'list', data: [{ id: MODEL, object: 'model' }] });
  const choices = [{ index: 0, message: { role: 'assistant', content: 'here' }, finish_reason: 'stop' }];
  const answer = JSON.stringify({ id: 'x', object: 'chat.completion', created: 1, model: MODEL, choices });
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    if (request.method === 'GET') {
      lists.push(response);
      return;
    }
    questions += 1;
    request.resume();
    request.on('end', () => response.end(answer));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get questions() {
      return questions;
    },
    get listsAsked() {
      return lists.length;
    },
    tellLists() {
      for (const response of lists.splice(0)) response.end(list);
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

test('a request that comes before the first list waits for it and is answered', async () => {
  await using provider = await startReluctant();
  await using gateway = await testGateway(`providers: { p: { kind: openai, base_url: "${provider.url}" } }`);
  const answering = post(`${gateway.url}/v1/chat/completions`, question());
  await eventually(
    () => provider.listsAsked,
    (asked) => asked > 0,
  );
  expect(provider.questions).toBe(0);
  provider.tellLists();
  const answer = await answering;
  expect(answer.status).toBe(200);
  expect(answer.text).toContain('here');
});

test('a list that never comes holds a request up for two seconds at most', async () => {
  await using provider = await startReluctant();
  const entry = `{ kind: openai, base_url: "${provider.url}", probe: { timeout: 30s } }`;
  await using gateway = await testGateway(`default_provider: p\nproviders: { p: ${entry} }`);
  const startedAt = performance.now();
  const answer = await post(`${gateway.url}/v1/chat/completions`, question());
  expect(answer.status).toBe(200);
  expect(answer.headers['x-switchyard-rule']).toBe('default');
  expect(performance.now() - startedAt).toBeLessThan(4_000);
});

test('a provider that is started later is noticed, and serves what was refused before', async () => {
  const port = await freePort();
  const entry = `{ kind: ollama, base_url: "http://127.0.0.1:${port}", probe: { interval: 300ms } }`;
  await using gateway = await testGateway(`providers: { late: ${entry} }`);
  const before = await post(`${gateway.url}/v1/chat/completions`, question());
  expect([404, 503]).toContain(before.status);
  await using _late = await startOllama({ port, models: [MODEL] });
  await whenReady(gateway, 'late');
  expect((await readChat(officialClient(gateway.url), MODEL, 'hi', true)).provider).toBe('late');
});

test('with nothing configured, servers on the usual ports are found and serve the very first request', async () => {
  await using ollama = await startOllama({ models: [MODEL] });
  await using vllm = await startVllm({ models: ['served-by-vllm'] });
  await using llama = await startLlamaServer({ models: ['served-by-llama-cpp'] });
  const nobody = await freePort();
  const discoveryPorts = [ollama.port, vllm.port, llama.port, nobody];
  await using gateway = await testGateway('', { discoveryPorts });
  const client = officialClient(gateway.url);
  const models = [MODEL, 'served-by-vllm', 'served-by-llama-cpp'];
  const answers = await Promise.all(models.map((model) => readChat(client, model, 'hi', false)));
  expect(answers.map(({ provider }) => provider)).toEqual(['ollama', 'vllm', 'llama_cpp']);
  const { providers } = await statusOf(gateway);
  expect(providers.map(({ isDiscovered, observed }) => ({ isDiscovered, observed }))).toEqual(
    models.map(() => ({ isDiscovered: true, observed: 'ready' })),
  );

  await using _late = await startOpenAi({ port: nobody, models: ['served-by-the-late-one'] });
  await eventually(
    () => statusOf(gateway),
    (status) => status.providers.length === 4,
    20_000,
  );
  expect((await readChat(client, 'served-by-the-late-one', 'hi', false)).provider).toBe('openai');
});

test('a provider that dies mid-run breaks what it was saying, others go on, and it serves again when it is back', async () => {
  const options = { models: [MODEL], tokenDelayMs: 20, answer: 'word '.repeat(200).trim() };
  const mortal = await startVllm(options);
  await using other = await startOpenAi({ models: [MODEL], answer: 'all of it' });
  await using gateway = await testGateway(`
routing_mode: order
providers:
  mortal: { kind: vllm, base_url: "${mortal.url}", priority: 2, probe: { interval: 300ms } }
  other: { kind: openai, base_url: "${other.url}", priority: 1 }
`);
  await whenReady(gateway, 'mortal', 'other');
  const isTalking = Promise.withResolvers<void>();
  const running = readStream(`${gateway.url}/v1/chat/completions`, {
    body: question(MODEL, true),
    onArrival: () => {
      isTalking.resolve();
      return true;
    },
  });
  await isTalking.promise;
  await mortal.close();
  const broken = await running;
  expect(broken.isComplete).toBe(true);
  expect(broken.text).toContain('"error"');
  expect(broken.text).not.toContain('[DONE]');
  expect((await gateway.outcome(String(broken.headers['x-request-id']))).result).toBe('broken');

  const client = officialClient(gateway.url);
  const meanwhile = await Promise.all([1, 2, 3].map((turn) => readChat(client, MODEL, 'hi', turn % 2 === 0)));
  expect(meanwhile.map(({ provider, text }) => [provider, text])).toEqual(meanwhile.map(() => ['other', 'all of it']));
  await eventually(
    () => providerOf(gateway, 'mortal'),
    ({ observed }) => observed === 'down',
  );

  await using _back = await startVllm({ ...options, tokenDelayMs: 0, port: mortal.port });
  await whenReady(gateway, 'mortal');
  const again = await readChat(client, MODEL, 'hi', true);
  expect([again.provider, again.attempts, again.finishReason]).toEqual(['mortal', 1, 'stop']);
}, 60_000);
