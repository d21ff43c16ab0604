// A real Ollama killed while it answers the other two official clients; `killed.real.test.ts` has the OpenAI one.

import Anthropic from '@anthropic-ai/sdk';
import { Ollama } from 'ollama';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type TestGateway, testGateway } from '../support/gateway.ts';
import { modelOf, outcomeOf, providersOf, QUESTION } from './clients.ts';
import { freePort, killableServers, type RunningServer, startServer } from './killable.ts';
import { present } from './servers.ts';

const MODEL = 'mid:latest';
const startLimitMs = 600_000;
const command = killableServers.find(({ name }) => name === 'ollama')?.command ?? null;
const [spare] = present('llama_cpp');
const isAbsent = command === null || spare === undefined;

describe.skipIf(isAbsent)(
  `Ollama killed${isAbsent ? ' (needs SWITCHYARD_TEST_RUN_OLLAMA and _LLAMA_CPP)' : ''}`,
  () => {
    let server: RunningServer;
    let gateway: TestGateway;

    beforeEach(async () => {
      if (command === null) return;
      server = await startServer(command, await freePort());
      gateway = await testGateway(`
providers:
  victim: { kind: ollama, base_url: "${server.url}" }
  spare: { kind: llama_cpp, base_url: "${spare?.url}" }
exact_matches:
  "${MODEL}": { provider: victim, fallback: spare }
`);
      await modelOf(gateway, { name: 'victim' });
    }, startLimitMs);

    afterEach(async () => {
      await gateway?.close();
      await server?.[Symbol.asyncDispose]();
    });

    function anthropic(): Anthropic {
      return new Anthropic({ apiKey: 'none', baseURL: gateway.url, maxRetries: 0 });
    }

    test('in mid-answer to the Anthropic client: it raises an error', async () => {
      const asked = { model: MODEL, messages: QUESTION, max_tokens: 400, stream: true as const };
      const { data, response } = await anthropic().messages.create(asked).withResponse();
      let pieces = 0;
      const read = async () => {
        for await (const event of data) {
          if (event.type !== 'content_block_delta') continue;
          pieces += 1;
          if (pieces === 3) server.kill();
        }
      };
      const error = await read().catch((raised: unknown) => raised);
      expect(error).toBeInstanceOf(Anthropic.APIError);
      expect(pieces).toBeGreaterThanOrEqual(3);
      console.log(`the Anthropic client raised "${String(error)}"`);
      expect((await outcomeOf(gateway, response.headers.get('x-request-id') ?? '')).result).toBe('broken');
    });

    test('in mid-answer to the Ollama client: it raises an error', async () => {
      const client = new Ollama({ host: gateway.url });
      const parts = await client.chat({
        model: MODEL,
        messages: QUESTION,
        stream: true,
        options: { num_predict: 400 },
      });
      let pieces = 0;
      const read = async () => {
        for await (const _part of parts) {
          pieces += 1;
          if (pieces === 3) server.kill();
        }
      };
      const error = await read().catch((raised: unknown) => raised);
      expect(error).toBeInstanceOf(Error);
      expect(pieces).toBeGreaterThanOrEqual(3);
      console.log(`the Ollama client raised "${String(error)}"`);
    });

    test('before its first word to the Anthropic client: another server answers', async () => {
      server.freeze();
      const stream = anthropic().messages.stream({ model: MODEL, messages: QUESTION, max_tokens: 4 });
      await expect
        .poll(async () => (await providersOf(gateway)).find(({ name }) => name === 'victim')?.inFlight)
        .toBe(1);
      server.kill();
      expect((await stream.finalMessage()).stop_reason).toMatch(/end_turn|max_tokens/);
    });
  },
);
