// How the gateway treats real servers: queues, cold loads, clients that leave, probes.

import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type TestGateway, testGateway } from '../support/gateway.ts';
import { modelOf, openai, outcomeOf, providerOf, QUESTION, streamChat } from './clients.ts';
import { unload } from './ollama.ts';
import { configurationOf, present, presentServers } from './servers.ts';
import { hasWorked, sumsOf, workOf } from './work.ts';

let gateway: TestGateway;

beforeAll(async () => {
  if (presentServers.length > 0) gateway = await testGateway(configurationOf(presentServers));
});

afterAll(async () => {
  await gateway?.close();
});

for (const server of present('llama_cpp_python')) {
  test('six clients at once at llama-cpp-python are answered one after another, none interrupted', async () => {
    const model = await modelOf(gateway, server);
    const client = openai(gateway, server);
    const chats = await Promise.all(
      Array.from({ length: 6 }, (_, index) =>
        streamChat(client, model, { maxTokens: 40, question: `Tell me about ${index}.` }),
      ),
    );
    for (const chat of chats) {
      expect(chat.error).toBeNull();
      expect(chat.finish).toMatch(/stop|length/);
    }
    const outcomes = await Promise.all(chats.map(({ requestId }) => outcomeOf(gateway, requestId)));
    expect(outcomes.map(({ result, attempts }) => `${result} ${attempts.length}`)).toEqual(Array(6).fill('complete 1'));
    expect(outcomes.filter(({ queuedMs }) => queuedMs > 0).length).toBeGreaterThanOrEqual(4);
  });
}

for (const server of present('ollama')) {
  test('a stream from a model that Ollama loads first waits for the load and is told as cold', async () => {
    const { models } = await providerOf(gateway, server);
    const model = models.find(({ id }) => id.startsWith('mid'))?.id ?? (await modelOf(gateway, server));
    await unload(server.url, model);
    await expect
      .poll(
        async () => {
          const provider = await providerOf(gateway, server);
          return provider.models.find(({ id }) => id === model)?.isLoaded;
        },
        { timeout: 30_000, interval: 500 },
      )
      .toBe(false);
    const chat = await streamChat(openai(gateway, server), model, { maxTokens: 8 });
    expect(chat).toMatchObject({ error: null, finish: expect.stringMatching(/stop|length/) });
    const { attempts } = await outcomeOf(gateway, chat.requestId);
    expect(attempts).toMatchObject([{ failure: null, isCold: true }]);
  });
}

for (const server of presentServers) {
  describe(server.name, () => {
    test('requests given up before their answer, stream or not, leave no count behind and blame nobody', async () => {
      const model = await modelOf(gateway, server);
      const client = openai(gateway, server);
      for (const stream of [false, true]) {
        const asked = Array.from({ length: 4 }, async (_, index) => {
          const signal = AbortSignal.timeout(5 + index * 15);
          const request = { model, messages: QUESTION, max_tokens: 60, stream };
          try {
            const answer = await client.chat.completions.create(request, { signal });
            if (Symbol.asyncIterator in answer) for await (const _chunk of answer);
          } catch (error) {
            expect(String(error)).toMatch(/abort|terminated/i);
          }
        });
        await Promise.all(asked);
      }
      const state = async () => {
        const { observed, inFlight, queued } = await providerOf(gateway, server);
        return { observed, inFlight, queued };
      };
      await expect.poll(state, { timeout: 10_000 }).toEqual({ observed: 'ready', inFlight: 0, queued: 0 });
      const next = await streamChat(client, model, { maxTokens: 4 });
      expect(next).toMatchObject({ error: null, finish: expect.stringMatching(/stop|length/) });
    });
  });
}

describe.skipIf(presentServers.length === 0)('20 s of probes every half second', () => {
  test('nothing is generated, loaded, kept longer or interrupted', async () => {
    const probed = await testGateway(configurationOf(presentServers, ', probe: { interval_ms: 500 }'));
    try {
      const before = await Promise.all(presentServers.map(workOf));
      const until = Date.now() + 20_000;
      const [python] = present('llama_cpp_python');
      let streams = 0;
      // Its lock is taken by any request for its list, which would cut these.
      while (Date.now() < until) {
        if (python === undefined) await pause(500);
        else {
          const direct = await fetch(`${python.url}/v1/chat/completions`, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify({ messages: QUESTION, max_tokens: 200, stream: true }),
          });
          expect(await direct.text()).toMatch(/"finish_reason":\s*"(stop|length)"/);
          streams += 1;
        }
      }
      const after = await Promise.all(presentServers.map(workOf));
      const busy = presentServers.filter((_, index) => hasWorked(before[index], after[index]));
      expect(busy.map(({ name }) => name)).toEqual([]);
      for (const server of presentServers) {
        const { observed, probedAtMs } = await providerOf(probed, server);
        expect(observed).toBe('ready');
        expect(probedAtMs).toBeGreaterThan(until - 5_000);
      }
      if (python !== undefined) expect(streams).toBeGreaterThan(5);
    } finally {
      await probed.close();
    }
  });

  test('the counters compared above do move when something is generated', async () => {
    for (const server of presentServers) {
      const before = await workOf(server);
      if (before === null) continue;
      await streamChat(openai(gateway, server), await modelOf(gateway, server), { maxTokens: 4 });
      expect(hasWorked(before, await workOf(server)), server.name).toBe(true);
    }
    expect(sumsOf('a_total{x="1"} 2\na_total{x="2"} 3\n# b 4\n', /^a_total/)).toEqual({ a_total: 5 });
  });
});
