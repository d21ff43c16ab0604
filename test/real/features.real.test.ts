// What clients use beyond a plain chat, on real servers: embeddings, tools, several choices, logprobs, Responses.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type TestGateway, testGateway } from '../support/gateway.ts';
import { modelOf, openai, providerOf, QUESTION } from './clients.ts';
import { configurationOf, present, presentServers } from './servers.ts';

let gateway: TestGateway;

beforeAll(async () => {
  if (presentServers.length > 0) gateway = await testGateway(configurationOf(presentServers));
});

afterAll(async () => {
  await gateway?.close();
});

for (const server of present('ollama', 'llama_embeddings')) {
  describe(`embeddings of ${server.name}`, () => {
    test('the official client reads the same numbers as the server gives without a gateway', async () => {
      const model = await modelOf(gateway, server);
      const input = ['the time of day', 'one more'];
      // The client asks for base64 when nothing is said, and decodes it.
      const packed = await openai(gateway, server).embeddings.create({ model, input });
      const direct = await fetch(`${server.url}/v1/embeddings`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model, input }),
      });
      const { data } = (await direct.json()) as { data: { embedding: number[] }[] };
      expect(packed.data).toHaveLength(2);
      for (const [index, { embedding }] of packed.data.entries()) {
        const expected = data[index]?.embedding ?? [];
        expect(embedding).toHaveLength(expected.length);
        for (const [at, value] of embedding.entries()) expect(value).toBeCloseTo(expected[at] ?? Number.NaN, 4);
      }
    });
  });
}

const [ollama] = present('ollama');
const tools = [
  {
    type: 'function' as const,
    function: {
      name: 'get_weather',
      description: 'The weather in a city',
      parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
    },
  },
];
describe.skipIf(ollama === undefined)('tools on ollama', () => {
  test('a request with tools goes to the model whose template has them, and comes back complete', async (context) => {
    if (ollama === undefined) return;
    const { models } = await providerOf(gateway, ollama);
    const model = models.find(({ capabilities }) => capabilities?.includes('tools'))?.id;
    if (model === undefined) return context.skip('it has no model with tools');
    const { data, response } = await openai(gateway, ollama)
      .chat.completions.create({ model, messages: QUESTION, tools, max_tokens: 8 })
      .withResponse();
    expect(data.choices[0]?.finish_reason).toMatch(/stop|length|tool_calls/);
    expect(response.headers.get('x-switchyard-model')).toBe(model);
  });

  test('a model without tools is not asked: the gateway says what it lacks', async (context) => {
    if (ollama === undefined) return;
    const { models } = await providerOf(gateway, ollama);
    const model = models.find(({ capabilities }) => capabilities !== null && !capabilities.includes('tools'))?.id;
    if (model === undefined) return context.skip('all its models have tools');
    const asked = openai(gateway, ollama).chat.completions.create({ model, messages: QUESTION, tools, max_tokens: 8 });
    await expect(asked).rejects.toThrow(/lacks_tools/);
  });
});

for (const server of presentServers) {
  describe(server.name, () => {
    test('two choices are passed on as far as the server makes them', async () => {
      const model = await modelOf(gateway, server);
      const request = { model, messages: QUESTION, max_tokens: 4, n: 2 };
      // Measured: Ollama and llama-cpp-python ignore `n`; the gateway does not pretend otherwise.
      const expected = server.kind === 'ollama' || server.kind === 'llama_cpp_python' ? 1 : 2;
      const whole = await openai(gateway, server).chat.completions.create(request);
      expect(whole.choices).toHaveLength(expected);
      const stream = await openai(gateway, server).chat.completions.create({ ...request, stream: true });
      const finished = new Set<number>();
      for await (const chunk of stream) {
        for (const choice of chunk.choices) if (choice.finish_reason !== null) finished.add(choice.index);
      }
      expect(finished.size).toBe(expected);
    });

    test('logprobs arrive with their tokens', async () => {
      const model = await modelOf(gateway, server);
      const answer = await openai(gateway, server).chat.completions.create({
        model,
        messages: QUESTION,
        max_tokens: 3,
        logprobs: true,
        top_logprobs: 2,
      });
      const tokens = answer.choices[0]?.logprobs?.content ?? [];
      expect(tokens.length).toBeGreaterThan(0);
      expect(tokens.every(({ logprob }) => logprob <= 0)).toBe(true);
    });

    test('Responses are answered whole and as a stream, or the gateway says who cannot', async () => {
      const model = await modelOf(gateway, server);
      const request = { model, input: 'Say hello.', max_output_tokens: 6 };
      const asked = openai(gateway, server).responses.create(request);
      if (server.kind === 'llama_cpp_python') {
        await expect(asked).rejects.toMatchObject({ status: 501 });
        return;
      }
      expect((await asked).output_text).toEqual(expect.any(String));
      const stream = await openai(gateway, server).responses.create({ ...request, stream: true });
      const types: string[] = [];
      for await (const event of stream) types.push(event.type);
      expect(types).toContain('response.output_text.delta');
      expect(types.at(-1)).toMatch(/response\.(completed|incomplete)/);
    });
  });
}
