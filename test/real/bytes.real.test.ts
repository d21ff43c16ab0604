// The same seeded question asked directly and through the gateway: the bytes of both answers, less what no two answers share.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type TestGateway, testGateway } from '../support/gateway.ts';
import { modelOf, QUESTION } from './clients.ts';
import { configurationOf, presentServers } from './servers.ts';

let gateway: TestGateway;

beforeAll(async () => {
  if (presentServers.length > 0) gateway = await testGateway(configurationOf(presentServers));
});

afterAll(async () => {
  await gateway?.close();
});

/** Ids, clocks and what the clock measured; nothing else of an answer may differ. */
function withoutChance(body: string): string {
  return body
    .replace(/"(id|tool_call_id)":\s*"(chatcmpl|cmpl|msg|resp)[^"]*"/g, '"$1":"…"')
    .replace(/"created":\s*\d+/g, '"created":0')
    .replace(/"timings":\s*\{[^}]*\}/g, '"timings":{}');
}

async function ask(url: string, body: string, provider: string): Promise<string> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-provider': provider },
    body,
  });
  expect(response.status).toBe(200);
  return await response.text();
}

for (const server of presentServers) {
  describe(server.name, () => {
    for (const stream of [false, true]) {
      test(`a deterministic ${stream ? 'stream' : 'JSON answer'} is the same byte for byte`, async (context) => {
        const model = await modelOf(gateway, server);
        const body = JSON.stringify({ model, messages: QUESTION, max_tokens: 12, temperature: 0, seed: 7, stream });
        // The first fills the server's prompt cache, whose size is in the answer.
        await ask(server.url, body, server.name);
        const direct = withoutChance(await ask(server.url, body, server.name));
        const again = withoutChance(await ask(server.url, body, server.name));
        if (again !== direct) return context.skip('the server itself gives two different answers');
        expect(withoutChance(await ask(gateway.url, body, server.name))).toBe(direct);
      });
    }
  });
}
