// What is learned, seen from outside: who answers over HTTP.

import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import type { StandIn } from '../backends/core/server.ts';
import { startOllama } from '../backends/ollama.ts';
import { startOpenAi } from '../backends/openai.ts';
import { officialClient, readChat, whenReady } from '../faults/support.ts';
import { type TestGateway, type TestGatewayOptions, testGateway } from '../support/gateway.ts';

const MODEL = 'llama3.1:8b';

/** Starts a gateway in front of these, by name, and waits until it knows them well. */
async function gatewayFor(
  servers: Readonly<Record<string, StandIn>>,
  rest: string,
  options: TestGatewayOptions = {},
): Promise<TestGateway> {
  const providers = Object.entries(servers).map(
    ([name, { kind, url }]) => `  ${name}: { kind: ${kind}, base_url: "${url}" }`,
  );
  const gateway = await testGateway(`providers:\n${providers.join('\n')}\n${rest}\n`, options);
  await whenReady(gateway, ...Object.keys(servers));
  return gateway;
}

/** Asks so often, one after the other; returns who answered. */
async function ask(gateway: TestGateway, times: number, stream = true, prompt = 'Hello'): Promise<readonly string[]> {
  const client = officialClient(gateway.url);
  const answered: string[] = [];
  for (let count = 0; count < times; count += 1) {
    const { provider } = await readChat(client, MODEL, prompt, stream);
    answered.push(provider);
  }
  return answered;
}

function share(names: readonly string[], name: string): number {
  return names.filter((one) => one === name).length / names.length;
}

const strategy = (name: string) => `router_settings: { routing_strategy: ${name} }`;

test.concurrent.each([
  { spelling: 'latency-based-routing', stream: true },
  { spelling: 'latency-based-routing', stream: false },
  { spelling: 'usage_based', stream: true },
])(
  'the faster of two gets the work once both were tried ($spelling, stream: $stream)',
  async ({ spelling, stream }) => {
    await using fast = await startOpenAi({ models: [MODEL], prefillDelayMs: 2 });
    await using slow = await startOpenAi({ models: [MODEL], prefillDelayMs: 300 });
    await using gateway = await gatewayFor({ fast, slow }, strategy(spelling));
    const first = await ask(gateway, 12, stream);
    expect(new Set(first)).toEqual(new Set(['fast', 'slow']));
    expect(share(await ask(gateway, 40, stream), 'fast')).toBeGreaterThan(0.8);
  },
);

test.concurrent('the fastest response is known after five answers of each', async () => {
  await using fast = await startOpenAi({ models: [MODEL], prefillDelayMs: 2 });
  await using slow = await startOpenAi({ models: [MODEL], prefillDelayMs: 600 });
  await using gateway = await gatewayFor({ fast, slow }, 'strategies: { fastest_response: {} }');
  const first = await ask(gateway, 10);
  expect(share(first, 'fast')).toBe(0.5);
  expect(share(await ask(gateway, 20), 'fast')).toBe(1);
});

test.concurrent('weights are exact over HTTP, in every window of a full cycle', async () => {
  await using a = await startOpenAi({ models: [MODEL] });
  await using b = await startOpenAi({ models: [MODEL] });
  await using gateway = await gatewayFor(
    { a, b },
    `exact_matches: { "${MODEL}": { provider: a } }
redundant_models: { "${MODEL}": { providers: [{ provider: a, weight: 0.7 }, { provider: b, weight: 0.3 }] } }`,
  );
  const answered = await ask(gateway, 40, false);
  for (let start = 0; start + 10 <= answered.length; start += 1) {
    expect(answered.slice(start, start + 10).filter((name) => name === 'a').length, `from ${start}`).toBe(7);
  }
});

test.concurrent('the predicted strategy prefers who has the model loaded', async () => {
  await using warm = await startOllama({ models: [MODEL], warm: [MODEL] });
  await using cold = await startOllama({ models: [MODEL], loadDelayMs: 100 });
  await using gateway = await gatewayFor({ cold, warm }, strategy('predicted'));
  expect(share(await ask(gateway, 20), 'warm')).toBe(1);
  expect(cold.stateOf(MODEL)).toBe('cold');
});

test.concurrent('a first request goes to who is warm even if the strategy would choose otherwise, the next as the strategy says', async () => {
  await using warm = await startOllama({ models: [MODEL], warm: [MODEL] });
  await using cold = await startOllama({ models: [MODEL] });
  await using gateway = await gatewayFor(
    { cold, warm },
    `${strategy('round_robin')}\nfirst_request_routing: { strategy: prefer_warm_providers, warm_check_timeout_ms: 100 }`,
  );
  const [first, second, third] = await ask(gateway, 3);
  expect(first).toBe('warm');
  expect(new Set([second, third])).toEqual(new Set(['cold', 'warm']));
});

test.concurrent('what is loaded is read anew before a first request, and never waited for longer than it may take', async () => {
  await using one = await startOllama({ models: [MODEL] });
  await using other = await startOllama({ models: [MODEL] });
  const probe = 'probe: { interval: 10ms, schedule: "0 0 1 1 *" }';
  const yaml = (timeoutMs: number) => `
providers:
  one: { kind: ollama, base_url: "${one.url}", ${probe} }
  other: { kind: ollama, base_url: "${other.url}", ${probe} }
router_settings: { routing_strategy: round_robin }
first_request_routing: { strategy: prefer_warm_providers, warm_check_timeout_ms: ${timeoutMs} }
`;
  await using gateway = await testGateway(yaml(5_000));
  await whenReady(gateway, 'one', 'other');
  await using slow = await testGateway(yaml(50));
  await whenReady(slow, 'one', 'other');
  // Loaded behind the gateway's back: no probe is due before next year.
  await fetch(`${other.url}/api/generate`, { method: 'POST', body: JSON.stringify({ model: MODEL }) });
  expect(other.stateOf(MODEL)).toBe('warm');
  expect(await ask(gateway, 1)).toEqual(['other']);

  await one.setFault({ kind: 'hang', only: 'probes' });
  await other.setFault({ kind: 'hang', only: 'probes' });
  const startedAt = performance.now();
  await ask(slow, 1);
  expect(performance.now() - startedAt).toBeLessThan(1_500);
});

test.concurrent('a restart keeps what was learned, in a file only its owner can read', async () => {
  await using fast = await startOpenAi({ models: [MODEL], prefillDelayMs: 2 });
  await using slow = await startOpenAi({ models: [MODEL], prefillDelayMs: 600 });
  const dataFolder = mkdtempSync(path.join(tmpdir(), 'switchyard-learned-'));
  try {
    const start = () => gatewayFor({ fast, slow }, 'strategies: { fastest_response: {} }', { dataFolder });
    const before = await start();
    await ask(before, 10);
    await before.close();
    const file = path.join(dataFolder, 'learned.json');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file, 'utf8')).not.toContain('Hello');

    await using after = await start();
    expect(share(await ask(after, 10), 'fast')).toBe(1);
  } finally {
    rmSync(dataFolder, { recursive: true, force: true });
  }
});

test.concurrent('a file that cannot be understood is set aside, and the gateway starts', async () => {
  await using server = await startOpenAi({ models: [MODEL] });
  const dataFolder = mkdtempSync(path.join(tmpdir(), 'switchyard-learned-'));
  try {
    writeFileSync(path.join(dataFolder, 'learned.json'), '{"version":1,');
    await using gateway = await gatewayFor({ server }, '', { dataFolder });
    expect(await ask(gateway, 1)).toEqual(['server']);
    expect(readdirSync(dataFolder).filter((name) => name.startsWith('learned.json.unreadable-')).length).toBe(1);
    expect(gateway.lines.some((line) => line.startsWith('warn ') && line.includes('set aside'))).toBe(true);
  } finally {
    rmSync(dataFolder, { recursive: true, force: true });
  }
});
