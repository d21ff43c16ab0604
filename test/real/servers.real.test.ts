// The gateway in front of real model servers, the official clients in front of it. Run by `npm run test:real`;
// what is not named in the environment is skipped, in words.

import Anthropic from '@anthropic-ai/sdk';
import { Ollama } from 'ollama';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type TestGateway, testGateway } from '../support/gateway.ts';
import { modelOf, openai, outcomeOf, QUESTION } from './clients.ts';
import { configurationOf, presentServers, realServers } from './servers.ts';

let gateway: TestGateway;

beforeAll(async () => {
  if (presentServers.length > 0) gateway = await testGateway(configurationOf(presentServers));
});

afterAll(async () => {
  await gateway?.close();
});

test.runIf(presentServers.length === 0)('no real server is named: nothing was tried', () => {
  console.log(`skipped: set ${realServers.map(({ variable }) => variable).join(', ')} to addresses of real servers`);
});

for (const server of realServers) {
  const isAbsent = server.url === null;
  describe.skipIf(isAbsent)(`${server.name}${isAbsent ? ` (${server.variable} is not set)` : ''}`, () => {
    test('a JSON answer arrives whole, and its headers name who gave it', async () => {
      const model = await modelOf(gateway, server);
      const { data, response } = await openai(gateway, server)
        .chat.completions.create({ model, messages: QUESTION, max_tokens: 8 })
        .withResponse();
      expect(data.choices[0]?.finish_reason).toMatch(/stop|length/);
      expect(data.choices[0]?.message.content).toEqual(expect.any(String));
      expect(response.headers.get('x-switchyard-provider')).toBe(server.name);
      expect(response.headers.get('x-switchyard-model')).toBe(model);
      const outcome = await outcomeOf(gateway, response.headers.get('x-request-id') ?? '');
      expect(outcome).toMatchObject({ result: 'complete', provider: server.name, usage: { isEstimated: false } });
    });

    test('a stream arrives piece by piece and complete', async () => {
      const model = await modelOf(gateway, server);
      const stream = await openai(gateway, server).chat.completions.create({
        model,
        messages: QUESTION,
        max_tokens: 12,
        stream: true,
      });
      let pieces = 0;
      let finish: string | null = null;
      for await (const chunk of stream) {
        if (chunk.choices[0]?.delta.content) pieces += 1;
        finish ??= chunk.choices[0]?.finish_reason ?? null;
      }
      expect(pieces).toBeGreaterThan(1);
      expect(finish).toMatch(/stop|length/);
    });

    test('completions are passed through', async () => {
      const model = await modelOf(gateway, server);
      const answer = await openai(gateway, server).completions.create({ model, prompt: 'Once', max_tokens: 5 });
      expect(answer.choices[0]?.text).toEqual(expect.any(String));
    });

    test('a prompt that is far too long is refused as such, also by a server that would cut it in silence', async () => {
      const model = await modelOf(gateway, server);
      const messages = [{ role: 'user' as const, content: 'the time of day '.repeat(6_000) }];
      const asked = openai(gateway, server).chat.completions.create({ model, messages, max_tokens: 4 });
      await expect(asked).rejects.toMatchObject({ status: 400, code: 'context_length_exceeded' });
    });

    test('a client that leaves in mid-stream is forgotten, and the server answers the next', async () => {
      const model = await modelOf(gateway, server);
      const stream = await openai(gateway, server).chat.completions.create({
        model,
        messages: QUESTION,
        max_tokens: 200,
        stream: true,
      });
      for await (const _chunk of stream) break;
      stream.controller.abort();
      const next = await openai(gateway, server).chat.completions.create({ model, messages: QUESTION, max_tokens: 4 });
      expect(next.choices).toHaveLength(1);
      const { providers } = (await (await gateway.admin('/admin/status')).json()) as {
        providers: { name: string; observed: string; inFlight: number }[];
      };
      expect(providers.find(({ name }) => name === server.name)).toMatchObject({ observed: 'ready', inFlight: 0 });
    });

    test('a model nobody has is refused by the gateway, with the nearest names', async () => {
      const asked = openai(gateway, server).chat.completions.create({ model: 'tinny-gpt-900b', messages: QUESTION });
      if (['llama_cpp', 'llama_embeddings', 'llama_cpp_python'].includes(server.name)) {
        // These answer any name with what they have; a pin names them, so a substitute is allowed and told.
        const { response } = await asked.withResponse();
        expect(response.headers.get('x-switchyard-model')).not.toBe('tinny-gpt-900b');
      } else await expect(asked).rejects.toMatchObject({ status: 404 });
    });
  });
}

describe.skipIf(!presentServers.some(({ name }) => name === 'ollama'))('a client set to Ollama at this address', () => {
  test('lists, chats and streams with the official client', async () => {
    const client = new Ollama({ host: gateway.url });
    const { models } = await client.list();
    expect(models.map(({ name }) => name)).toContain('tiny:latest');
    const answer = await client.chat({ model: 'tiny', messages: QUESTION, options: { num_predict: 4 } });
    expect(answer.done).toBe(true);
    let pieces = 0;
    for await (const part of await client.chat({
      model: 'tiny',
      messages: QUESTION,
      stream: true,
      options: { num_predict: 6 },
    })) {
      if (part.message.content) pieces += 1;
    }
    expect(pieces).toBeGreaterThan(1);
    expect((await client.show({ model: 'tiny' })).details.quantization_level).toBe('F16');
  });
});

const messagesServers = presentServers.filter(
  ({ kind }) => kind === 'ollama' || kind === 'vllm' || kind === 'llama_cpp',
);
describe.skipIf(messagesServers.length === 0)('a client that speaks Messages', () => {
  for (const server of messagesServers) {
    test(`${server.name} answers it natively`, async () => {
      const model = await modelOf(gateway, server);
      const defaultHeaders = { 'x-provider': server.name };
      const client = new Anthropic({ apiKey: 'none', baseURL: gateway.url, maxRetries: 0, defaultHeaders });
      const whole = await client.messages.create({ model, messages: QUESTION, max_tokens: 6 });
      expect(whole.stop_reason).toMatch(/end_turn|max_tokens/);
      const stream = client.messages.stream({ model, messages: QUESTION, max_tokens: 6 });
      expect((await stream.finalMessage()).stop_reason).toMatch(/end_turn|max_tokens/);
    });
  }
});
