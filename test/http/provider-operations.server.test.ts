// Providers switched, snoozed and probed through the admin API of a running gateway.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { AdminProvider } from '../../gateway/contract.ts';
import { startOllama } from '../backends/ollama.ts';
import { startOpenAi } from '../backends/openai.ts';
import { type TestGateway, testGateway } from '../support/gateway.ts';
import { MovableClock } from '../support/movable-clock.ts';

const HOUR_MS = 3_600_000;

function change(gateway: TestGateway, method: string, target: string, body: unknown): Promise<Response> {
  const headers = { 'content-type': 'application/json' };
  return gateway.admin(`/admin/${target}`, { method, headers, body: JSON.stringify(body) });
}

async function one(gateway: TestGateway): Promise<AdminProvider | undefined> {
  return ((await (await gateway.admin('/admin/providers')).json()) as AdminProvider[])[0];
}

describe('snoozing', () => {
  test('switches off until then, and leaves the file as it was', async () => {
    await using server = await startOpenAi();
    const clock = new MovableClock();
    const yaml = `providers:\n  one: { kind: openai, base_url: ${server.url} } # mine\n`;
    await using gateway = await testGateway(yaml, { clock });
    const until = clock.now() + HOUR_MS;
    const answer = await change(gateway, 'PATCH', 'providers/one', { enabled: false, until });
    expect(await answer.json()).toMatchObject({ isEnabled: false, snoozedUntil: until, observed: 'off' });
    expect(readFileSync(gateway.configFile, 'utf8')).toBe(yaml);
    clock.advance(HOUR_MS - 60_000);
    expect(await one(gateway)).toMatchObject({ isEnabled: false });
    clock.advance(60_001);
    expect(await one(gateway)).toMatchObject({ isEnabled: true, snoozedUntil: null });
  });

  test('until a time outlives a restart, until the next start does not', async () => {
    await using server = await startOpenAi();
    const yaml = `providers:\n  one: { kind: openai, base_url: ${server.url} }\n  two: { kind: openai, base_url: ${server.url} }\n`;
    const dataFolder = mkdtempSync(path.join(tmpdir(), 'switchyard-snooze-'));
    const until = Date.now() + HOUR_MS;
    const first = await testGateway(yaml, { dataFolder });
    await change(first, 'PATCH', 'providers/one', { enabled: false, until });
    await change(first, 'PATCH', 'providers/two', { enabled: false, until: 'restart' });
    await first.close();
    await using second = await testGateway(yaml, { dataFolder });
    const providers = (await (await second.admin('/admin/providers')).json()) as AdminProvider[];
    expect(providers.map(({ isEnabled, snoozedUntil }) => [isEnabled, snoozedUntil])).toEqual([
      [false, until],
      [true, null],
    ]);
    rmSync(dataFolder, { recursive: true, force: true });
  });

  test('ends when the provider is switched on, and a new wish takes the place of an old one', async () => {
    await using server = await startOpenAi();
    await using gateway = await testGateway(`providers:\n  one: { kind: openai, base_url: ${server.url} }\n`);
    await change(gateway, 'PATCH', 'providers/one', { enabled: false, until: Date.now() + HOUR_MS });
    await change(gateway, 'PATCH', 'providers/one', { enabled: false, until: 'restart' });
    expect(await one(gateway)).toMatchObject({ snoozedUntil: 'restart' });
    const on = await change(gateway, 'PATCH', 'providers/one', { enabled: true });
    expect(await on.json()).toMatchObject({ isEnabled: true, snoozedUntil: null });
  });

  test.each([
    [{ enabled: true, until: Date.now() + HOUR_MS }, 'until'],
    [{ enabled: false, until: 1_000 }, 'until'],
    [{ enabled: false, until: 'tomorrow' }, 'until'],
    [{ enabled: true, cancelRunning: true }, 'cancelRunning'],
    [{ until: Date.now() + HOUR_MS }, 'enabled'],
  ])('%j is refused at %s', async (body, param) => {
    await using gateway = await testGateway('providers:\n  one: { kind: openai, base_url: http://127.0.0.1:9 }\n');
    const answer = await change(gateway, 'PATCH', 'providers/one', body);
    expect([answer.status, await answer.json()]).toMatchObject([400, { error: { param } }]);
    expect(await one(gateway)).toMatchObject({ isEnabled: true });
  });
});

test('switching off lets what runs there end, or ends it where that is wanted', async () => {
  await using server = await startOpenAi({ answer: Array.from({ length: 3_000 }, () => 'word '), tokenDelayMs: 5 });
  await using gateway = await testGateway(`providers:\n  one: { kind: openai, base_url: ${server.url} }\n`);
  const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'gpt-oss-20b', stream: true, messages: [{ role: 'user', content: 'go on' }] }),
  });
  const off = await change(gateway, 'PATCH', 'providers/one', { enabled: false });
  expect(await off.json()).toMatchObject({ isEnabled: false, isDraining: true, inFlight: 1 });
  const ended = await change(gateway, 'PATCH', 'providers/one', { enabled: false, cancelRunning: true });
  expect(ended.status).toBe(200);
  expect(await answer.text()).toContain('cancelled by whoever runs the gateway');
  await expect.poll(async () => (await one(gateway))?.isDraining).toBe(false);
});

test('a server that is no provider yet is found, and the ones there are, are not', async () => {
  await using known = await startOpenAi();
  await using other = await startOllama({ models: ['qwen3:8b'] });
  await using gateway = await testGateway(`providers:\n  one: { kind: openai, base_url: ${known.url} }\n`, {
    discoveryPorts: [known.port, other.port],
  });
  const found = await change(gateway, 'POST', 'discover', {});
  expect(await found.json()).toEqual([
    expect.objectContaining({ kind: 'ollama', baseUrl: other.url, models: 1, needsKey: false }),
  ]);
});

describe('probing now', () => {
  test('tells at once what has changed, of one or of all', async () => {
    const server = await startOpenAi();
    const url = server.url;
    await using gateway = await testGateway(
      `providers:\n  one: { kind: openai, base_url: ${url}, probe: { interval: 600, retries: 0 } }\n`,
    );
    await expect.poll(async () => (await one(gateway))?.observed).toBe('ready');
    await server[Symbol.asyncDispose]();
    const answer = await change(gateway, 'POST', 'providers/one/probe', {});
    expect(await answer.json()).toMatchObject({ name: 'one', cause: { class: 'refused' } });
    const all = await change(gateway, 'POST', 'providers/probe', {});
    expect(await all.json()).toMatchObject([{ name: 'one', cause: { class: 'refused' } }]);
  });

  test('of a provider that is not there is 404', async () => {
    await using gateway = await testGateway('providers:\n  one: { kind: openai, base_url: http://127.0.0.1:9 }\n');
    expect((await change(gateway, 'POST', 'providers/onne/probe', {})).status).toBe(404);
  });
});
