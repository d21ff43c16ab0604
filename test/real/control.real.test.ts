// Real servers found without a configuration, and switched off and on.

import { describe, expect, test } from 'vitest';
import type { ProviderKind } from '../../gateway/types.ts';
import { type TestGateway, testGateway } from '../support/gateway.ts';
import { modelOf, openai, providerOf, providersOf, streamChat } from './clients.ts';
import { configurationOf, presentServers, type RealServer } from './servers.ts';

async function switchTo(gateway: TestGateway, server: RealServer, enabled: boolean): Promise<void> {
  const response = await gateway.admin(`/admin/providers/${server.name}`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ enabled }),
  });
  expect(response.status).toBe(200);
}

for (const server of presentServers) {
  test(`${server.name} is found by the shape of its answers with nothing configured, and answers`, async () => {
    await using gateway = await testGateway('', { discoveryPorts: [Number(new URL(server.url).port)] });
    await expect.poll(() => providersOf(gateway), { timeout: 15_000 }).toHaveLength(1);
    const [found] = await providersOf(gateway);
    const expected: { kind: ProviderKind; isDiscovered: boolean } = { kind: server.kind, isDiscovered: true };
    expect(found).toMatchObject(expected);
    const name = found?.name ?? '';
    const model = await modelOf(gateway, { name });
    const chat = await streamChat(openai(gateway, { ...server, name }), model, { maxTokens: 4 });
    expect(chat).toMatchObject({ error: null, finish: expect.stringMatching(/stop|length/) });
  });
}

describe.skipIf(presentServers.length === 0)('all at once', () => {
  test('every server is found, each once, with nothing configured', async () => {
    const discoveryPorts = presentServers.map(({ url }) => Number(new URL(url).port));
    await using gateway = await testGateway('', { discoveryPorts });
    await expect.poll(() => providersOf(gateway), { timeout: 15_000 }).toHaveLength(presentServers.length);
    const kinds = async () => (await providersOf(gateway)).map(({ kind, observed }) => `${kind} ${observed}`).sort();
    await expect.poll(kinds, { timeout: 15_000 }).toEqual(presentServers.map(({ kind }) => `${kind} ready`).sort());
  });
});

for (const server of presentServers) {
  test(`${server.name} gets nothing while it is switched off, finishes what runs, and answers again afterwards`, async () => {
    await using gateway = await testGateway(configurationOf(presentServers));
    const model = await modelOf(gateway, server);
    const client = openai(gateway, server);
    let isOff: Promise<void> | null = null;
    const running = await streamChat(client, model, {
      maxTokens: 60,
      onPiece: () => {
        isOff ??= switchTo(gateway, server, false);
      },
    });
    expect(running).toMatchObject({ error: null, finish: expect.stringMatching(/stop|length/) });
    await isOff;
    expect(await providerOf(gateway, server)).toMatchObject({ isEnabled: false, inFlight: 0 });
    await expect(streamChat(client, model, { maxTokens: 4 })).rejects.toThrow(/disabled/);
    await switchTo(gateway, server, true);
    await expect.poll(async () => (await providerOf(gateway, server)).observed, { timeout: 15_000 }).toBe('ready');
    expect(await streamChat(client, model, { maxTokens: 4 })).toMatchObject({ error: null });
  });
}
