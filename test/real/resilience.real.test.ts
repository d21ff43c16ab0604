// Real servers that are full, overflowing, frozen or given too much: what the official clients see through the gateway.
// Servers with unusual settings are started here, by the command lines that `killable.ts` reads.

import { setTimeout as pause } from 'node:timers/promises';
import OpenAI, { APIError } from 'openai';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Outcome } from '../../gateway/types.ts';
import { type TestGateway, testGateway } from '../support/gateway.ts';
import { modelOf, openai, outcomeOf, providerOf, providersOf, streamChat } from './clients.ts';
import { freePort, killableServers, type RunningServer, startServer } from './killable.ts';
import { unload } from './ollama.ts';
import { type PresentServer, present, type RealServer } from './servers.ts';

const startLimitMs = 600_000;
/** Takes over where another server fails; it answers any model name with what it has. */
const [spare] = present('llama_cpp');

function commandOf(name: string): string | null {
  return killableServers.find((server) => server.name === name)?.command ?? null;
}

async function start(command: string): Promise<RunningServer> {
  return startServer(command, await freePort());
}

function clientOf(gateway: TestGateway, maxRetries = 0): OpenAI {
  return new OpenAI({ apiKey: 'none', baseURL: `${gateway.url}/v1`, maxRetries });
}

/** `ollama overloaded, spare` for a request that went on from the first to the second. */
function wayOf({ attempts }: Outcome): string {
  return attempts.map(({ provider, failure }) => (failure ? `${provider} ${failure.kind}` : provider)).join(', ');
}

function countsOf(words: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}

function real(name: string, kind: RealServer['kind'], url: string): PresentServer {
  return { name, kind, variable: '', url };
}

/** The victim first, the spare behind it. */
function behind(victim: PresentServer, model: string, settings = ''): string {
  return `
providers:
  victim: { kind: ${victim.kind}, base_url: "${victim.url}" }
  spare: { kind: llama_cpp, base_url: "${spare?.url}" }
exact_matches:
  "${model}": { provider: victim, fallback: spare }
${settings}`;
}

const WHOLE = { error: null, finish: expect.stringMatching(/stop|length/) };

for (const server of present('llama_cpp_python')) {
  describe('llama-cpp-python, which lets a request interrupt another', () => {
    test('streams, JSON answers and clients that leave at once: whoever stays is answered whole, at the first attempt', async () => {
      await using gateway = await testGateway(
        `providers:\n  python: { kind: llama_cpp_python, base_url: "${server.url}" }\n`,
      );
      const model = await modelOf(gateway, { name: 'python' });
      const client = clientOf(gateway);
      const streams = Array.from({ length: 4 }, (_, index) =>
        streamChat(client, model, { maxTokens: 40, question: `Tell me about ${index}.` }),
      );
      const answers = Array.from({ length: 4 }, (_, index) => {
        const messages = [{ role: 'user' as const, content: `What is ${index}?` }];
        return client.chat.completions.create({ model, messages, max_tokens: 40 }).withResponse();
      });
      const leavers = [30, 300].map(async (afterMs) => {
        const messages = [{ role: 'user' as const, content: 'Never mind.' }];
        const signal = AbortSignal.timeout(afterMs);
        await expect(client.chat.completions.create({ model, messages }, { signal })).rejects.toThrow(/abort/i);
      });
      await Promise.all(leavers);
      const ids: string[] = [];
      for (const chat of await Promise.all(streams)) {
        expect(chat).toMatchObject(WHOLE);
        ids.push(chat.requestId);
      }
      for (const { data, response } of await Promise.all(answers)) {
        expect(data.choices[0]?.finish_reason).toMatch(/stop|length/);
        ids.push(response.headers.get('x-request-id') ?? '');
      }
      const outcomes = await Promise.all(ids.map((id) => outcomeOf(gateway, id)));
      expect(countsOf(outcomes.map(wayOf))).toEqual({ python: 8 });
      await expect
        .poll(() => providerOf(gateway, { ...server, name: 'python' }))
        .toMatchObject({ inFlight: 0, queued: 0 });
    });

    test('with room for one in line, the rest is told when to come back, and clients that do are answered', async () => {
      await using gateway = await testGateway(
        `providers:\n  python: { kind: llama_cpp_python, base_url: "${server.url}", max_queue: 1 }\n`,
      );
      const model = await modelOf(gateway, { name: 'python' });
      const ask = async (maxRetries: number, index: number) => {
        const messages = [{ role: 'user' as const, content: `Tell me about ${index}.` }];
        const request = { model, messages, max_tokens: 60 };
        const { data } = await clientOf(gateway, maxRetries).chat.completions.create(request).withResponse();
        return data.choices[0]?.finish_reason;
      };
      const settled = await Promise.allSettled(Array.from({ length: 5 }, (_, index) => ask(0, index)));
      const refusals = settled.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []));
      expect(refusals.length).toBeGreaterThanOrEqual(2);
      for (const error of refusals) {
        expect(error).toBeInstanceOf(APIError);
        if (!(error instanceof APIError)) continue;
        expect(error.status).toBe(503);
        expect(Number(error.headers?.get('retry-after'))).toBeGreaterThan(0);
      }
      console.log(`llama_cpp_python: refused with "${String(refusals[0])}"`);
      const patient = await Promise.all(Array.from({ length: 4 }, (_, index) => ask(8, index)));
      for (const finish of patient) expect(finish).toMatch(/stop|length/);
    });
  });
}

const ollama = commandOf('ollama');
describe.skipIf(ollama === null || !spare)(
  'Ollama with OLLAMA_MAX_QUEUE=1 (needs SWITCHYARD_TEST_RUN_OLLAMA and _LLAMA_CPP)',
  () => {
    let victim: RunningServer;

    beforeAll(async () => {
      victim = await start(`env OLLAMA_MAX_QUEUE=1 ${ollama}`);
    }, startLimitMs);
    afterAll(() => victim?.[Symbol.asyncDispose]());

    /** Six streams at once at a model that has to be loaded first. */
    async function six(gateway: TestGateway, model: string): Promise<readonly Outcome[]> {
      await unload(victim.url, model);
      const chats = await Promise.all(
        Array.from({ length: 6 }, () => streamChat(clientOf(gateway), model, { maxTokens: 4 })),
      );
      for (const chat of chats) expect(chat).toMatchObject(WHOLE);
      return Promise.all(chats.map(({ requestId }) => outcomeOf(gateway, requestId)));
    }

    test('with another server behind it: whom it refuses the other answers, and no client sees a failure', async () => {
      const model = 'tiny:latest';
      await using gateway = await testGateway(behind(real('victim', 'ollama', victim.url), model));
      await modelOf(gateway, { name: 'victim' });
      const ways = countsOf((await six(gateway, model)).map(wayOf));
      console.log('ollama, full, with a spare:', ways);
      expect(ways['victim overloaded, spare']).toBeGreaterThanOrEqual(1);
    });

    test('alone: it is asked again after a pause, and no client sees a failure', async () => {
      const model = 'tiny:latest';
      await using gateway = await testGateway(
        `providers:\n  victim: { kind: ollama, base_url: "${victim.url}" }\nrouter_settings: { num_retries: 5 }\n`,
      );
      await modelOf(gateway, { name: 'victim' });
      const ways = countsOf((await six(gateway, model)).map(wayOf));
      console.log('ollama, full, alone:', ways);
      expect(Object.keys(ways).some((way) => way.startsWith('victim overloaded, victim'))).toBe(true);
    });
  },
);

describe.skipIf(ollama === null || !spare)(
  'Ollama with a context of 512 tokens (needs SWITCHYARD_TEST_RUN_OLLAMA and _LLAMA_CPP)',
  () => {
    const model = 'tiny:latest';
    const tooLong = [{ role: 'user' as const, content: 'the time of day '.repeat(160) }];
    let victim: RunningServer;
    let gateway: TestGateway;

    beforeAll(async () => {
      victim = await start(`env OLLAMA_CONTEXT_LENGTH=512 ${ollama}`);
      gateway = await testGateway(behind(real('victim', 'ollama', victim.url), model));
      await modelOf(gateway, { name: 'victim' });
      // Cold, so that the gateway learns what loading takes.
      expect(await streamChat(clientOf(gateway), model, { maxTokens: 2 })).toMatchObject(WHOLE);
      const contextLoaded = async () => {
        const victims = await providersOf(gateway);
        return victims.find(({ name }) => name === 'victim')?.models.find(({ id }) => id === model)?.contextLoaded;
      };
      await vi.waitFor(async () => expect(await contextLoaded()).toBe(512), { timeout: 60_000, interval: 500 });
    }, startLimitMs);
    afterAll(async () => {
      await gateway?.close();
      await victim?.[Symbol.asyncDispose]();
    });

    test('a prompt that it would cut goes to the server with the larger context', async () => {
      const { response } = await clientOf(gateway)
        .chat.completions.create({ model, messages: tooLong, max_tokens: 4 })
        .withResponse();
      const outcome = await outcomeOf(gateway, response.headers.get('x-request-id') ?? '');
      expect(wayOf(outcome)).toBe('spare');
      const skipped = outcome.decision?.candidates.find(({ provider }) => provider === 'victim');
      expect(skipped?.reason).toBe('context_too_small');
    });

    test('where no other may be asked, it is refused in words, not cut', async () => {
      const asked = openai(gateway, real('victim', 'ollama', victim.url)).chat.completions.create({
        model,
        messages: tooLong,
      });
      await expect(asked).rejects.toMatchObject({ status: 400, code: 'context_length_exceeded' });
    });

    test('a prompt that was cut although it had looked short enough is told as such', async () => {
      // One token or more for each of these letters, where the estimate is one for four.
      const messages = [{ role: 'user' as const, content: 'ÿþýüûúùø'.repeat(100) }];
      const { data, response } = await clientOf(gateway)
        .chat.completions.create({ model, messages, max_tokens: 4 })
        .withResponse();
      expect(data.usage?.prompt_tokens).toBe(512);
      expect(response.headers.get('x-switchyard-warning')).toContain('prompt_truncated');
    });

    test('silent in a cold load: left in time where another may answer, waited for where none may', async () => {
      await unload(victim.url, model);
      const pinned = openai(gateway, real('victim', 'ollama', victim.url));
      const startedAt = performance.now();
      const secondsSince = () => (performance.now() - startedAt) / 1_000;
      victim.freeze();
      const alone = streamChat(pinned, model, { maxTokens: 2 });
      const free = streamChat(clientOf(gateway), model, { maxTokens: 2 });
      const left = await free;
      const leftAfter = secondsSince();
      expect(left).toMatchObject(WHOLE);
      expect(wayOf(await outcomeOf(gateway, left.requestId))).toBe('victim timeout_first_byte, spare');
      await pause(10_000);
      victim.thaw();
      const waited = await alone;
      console.log(`ollama, frozen: left after ${leftAfter.toFixed(1)} s, waited for ${secondsSince().toFixed(1)} s`);
      expect(waited).toMatchObject(WHOLE);
      expect(wayOf(await outcomeOf(gateway, waited.requestId))).toBe('victim');
    });
  },
);

const llamaCpp = commandOf('llama_cpp');
describe.skipIf(llamaCpp === null || !spare)(
  'llama-server whose slots share one context (needs SWITCHYARD_TEST_RUN_LLAMA_CPP and _LLAMA_CPP)',
  () => {
    test('four prompts that fit one by one and overflow together: nobody gets half an answer as a whole one', async () => {
      await using victim = await start(`${llamaCpp} --parallel 4 --kv-unified -c 1024`);
      await using looker = await testGateway(`providers:\n  victim: { kind: llama_cpp, base_url: "${victim.url}" }\n`);
      const model = await modelOf(looker, { name: 'victim' });
      await using gateway = await testGateway(behind(real('victim', 'llama_cpp', victim.url), model));
      await modelOf(gateway, { name: 'victim' });
      const chats = await Promise.all(
        Array.from({ length: 4 }, (_, index) =>
          streamChat(clientOf(gateway), model, {
            maxTokens: 100,
            question: `${index} ${'the time of day '.repeat(90)}`,
          }),
        ),
      );
      const outcomes = await Promise.all(chats.map(({ requestId }) => outcomeOf(gateway, requestId)));
      console.log('llama_cpp, overflowing:', countsOf(outcomes.map((one) => `${wayOf(one)}: ${one.result}`)));
      for (const [index, chat] of chats.entries()) {
        if (outcomes[index]?.result === 'complete') expect(chat).toMatchObject(WHOLE);
        else {
          expect(chat.error).toBeInstanceOf(APIError);
          expect(chat.pieces).toBeGreaterThan(0);
          console.log(`llama_cpp: client raised "${String(chat.error)}"`);
        }
      }
      expect(outcomes.some(({ attempts }) => attempts[0]?.failure)).toBe(true);
      const next = await streamChat(clientOf(gateway), model, { maxTokens: 4 });
      expect(next).toMatchObject(WHOLE);
    });
  },
);

const vllm = commandOf('vllm');
describe.skipIf(vllm === null || !spare)(
  'vLLM with a frozen engine (needs SWITCHYARD_TEST_RUN_VLLM and _LLAMA_CPP)',
  () => {
    let victim: RunningServer;

    beforeAll(async () => {
      if (vllm !== null) victim = await start(vllm);
    }, startLimitMs);
    afterAll(() => victim?.[Symbol.asyncDispose]());

    test('is left early though its health check answers, passed over, not shown as ready, and asked again when it is back', async () => {
      const model = 'tiny-vllm';
      await using gateway = await testGateway(
        behind(real('victim', 'vllm', victim.url), model, 'router_settings: { cooldown_time: 15 }\n'),
      );
      await modelOf(gateway, { name: 'victim' });
      const ask = async () => {
        const startedAt = performance.now();
        const chat = await streamChat(clientOf(gateway), model, { maxTokens: 4 });
        expect(chat).toMatchObject(WHOLE);
        const outcome = await outcomeOf(gateway, chat.requestId);
        return { way: wayOf(outcome), outcome, seconds: (performance.now() - startedAt) / 1_000 };
      };
      expect((await ask()).way).toBe('victim');
      expect(victim.freezeChildren()).toBeGreaterThan(0);
      const three = await Promise.all([ask(), ask(), ask()]);
      console.log(`vllm, frozen: left after ${three.map(({ seconds }) => seconds.toFixed(1)).join(', ')} s`);
      expect(three.map(({ way }) => way)).toEqual(Array(3).fill('victim timeout_first_byte, spare'));
      expect((await fetch(`${victim.url}/health`)).status).toBe(200);
      const fourth = await ask();
      expect(fourth.way).toBe('spare');
      const skipped = fourth.outcome.decision?.candidates.find(({ provider }) => provider === 'victim');
      const shown = await providerOf(gateway, real('victim', 'vllm', victim.url));
      console.log(
        `vllm, frozen: passed over in ${fourth.seconds.toFixed(1)} s as ${skipped?.reason}, shown as`,
        shown.observed,
        shown.cause,
      );
      expect(skipped?.reason).toMatch(/cooling_down|down/);
      expect(shown.observed).not.toBe('ready');
      victim.thaw();
      const thawedAt = performance.now();
      await expect.poll(async () => (await ask()).way, { timeout: 120_000, interval: 500 }).toBe('victim');
      console.log(`vllm: asked again ${((performance.now() - thawedAt) / 1_000).toFixed(1)} s after it went on`);
      await expect
        .poll(async () => (await providerOf(gateway, real('victim', 'vllm', victim.url))).observed, { timeout: 30_000 })
        .toBe('ready');
    });
  },
);
