// The event stream of a running gateway, followed over real connections.

import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../gateway/clock.ts';
import type { AdminHardware, AdminStatus } from '../../gateway/contract.ts';
import { EventHub } from '../../gateway/events/event-hub.ts';
import type { HttpDependencies } from '../../gateway/http/dependencies.ts';
import { readManagementToken } from '../../gateway/http/management-token.ts';
import { startOpenAi } from '../backends/openai.ts';
import { TestLog } from '../catalog/test-log.ts';
import { type EventClient, eventClient } from '../support/event-client.ts';
import { type TestGateway, testGateway } from '../support/gateway.ts';
import { startHttp, TOKEN } from './support.ts';

const MODEL = 'gpt-oss-20b';

function bearer(gateway: TestGateway): Record<string, string> {
  return { authorization: `Bearer ${readManagementToken(gateway.dataFolder) ?? ''}` };
}

function follow(gateway: TestGateway, since?: string): Promise<EventClient> {
  const headers = { ...bearer(gateway), ...(since === undefined ? {} : { 'last-event-id': since }) };
  return eventClient(`${gateway.url}/admin/events`, { headers });
}

function chat(gateway: TestGateway, stream = false): Promise<Response> {
  return fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: MODEL, stream, messages: [{ role: 'user', content: 'hello' }] }),
  });
}

function toggle(gateway: TestGateway, name: string, enabled: boolean): Promise<Response> {
  const headers = { 'content-type': 'application/json' };
  return gateway.admin(`/admin/providers/${name}`, { method: 'PATCH', headers, body: JSON.stringify({ enabled }) });
}

function yamlFor(baseUrls: Readonly<Record<string, string>>): string {
  const lines = Object.entries(baseUrls).map(
    ([name, url]) => `  ${name}: { kind: openai, base_url: ${url}, probe: { interval: 60 } }`,
  );
  return `providers:\n${lines.join('\n')}\n`;
}

describe('the stream', () => {
  test('begins with the status and what runs, and tells a request from its beginning to its end', async () => {
    await using server = await startOpenAi({ answer: Array.from({ length: 60 }, () => 'word '), tokenDelayMs: 30 });
    await using gateway = await testGateway(yamlFor({ one: server.url }));
    await using early = await follow(gateway);
    const answer = await chat(gateway, true);
    const id = answer.headers.get('x-request-id') ?? '';
    await early.change('request', ({ request }) => request.id === id && request.is === 'answering');
    await using late = await follow(gateway);
    await late.event('snapshot');
    const [snapshot] = late.snapshots;
    expect(snapshot?.requests).toMatchObject([
      { id, requestedModel: MODEL, provider: 'one', model: MODEL, is: 'answering' },
    ]);
    expect(snapshot?.status).toMatchObject({ product: 'switchyard', inFlight: 1 });
    await early.change('provider', ({ provider }) => provider.name === 'one' && provider.inFlight === 1);
    await answer.text();
    const ended = await early.change('request_ended', ({ request }) => request.id === id);
    expect(ended.request).toMatchObject({ result: 'complete', provider: 'one', attempts: [{ provider: 'one' }] });
    expect('decision' in ended.request).toBe(false);
    await early.change('provider', ({ provider }) => provider.name === 'one' && provider.inFlight === 0);
    const status = (await (await gateway.admin('/admin/status')).json()) as AdminStatus;
    expect(status.inFlight).toBe(0);
  });

  test('is seen by two in the same order, whoever switches what', async () => {
    await using server = await startOpenAi();
    await using gateway = await testGateway(yamlFor({ a: server.url, b: server.url, c: server.url }));
    await using one = await follow(gateway);
    await using two = await follow(gateway);
    for (const name of ['a', 'c', 'b', 'a']) await toggle(gateway, name, name === 'b');
    await toggle(gateway, 'a', true);
    await toggle(gateway, 'b', false);
    for (const client of [one, two]) {
      await client.change('provider', ({ provider }) => provider.name === 'b' && !provider.isEnabled);
      await client.change('transition', ({ provider, after }) => provider === 'b' && after === 'off');
    }
    await expect.poll(() => one.lastId === two.lastId).toBe(true);
    // What came before the second listened is not its own.
    expect(one.received.slice(1 - two.received.length)).toEqual(two.received.slice(1));
    expect(two.changes.length).toBeGreaterThan(6);
  });

  test('tells when the files change, and when a change of them is set aside', async () => {
    await using server = await startOpenAi();
    await using gateway = await testGateway(yamlFor({ one: server.url }));
    await using client = await follow(gateway);
    writeFileSync(gateway.configFile, 'providers: [');
    const refused = await client.change('config', ({ config }) => !config.isCurrent);
    expect(refused.config.problems[0]).toMatchObject({ severity: 'error', line: 1 });
    writeFileSync(gateway.configFile, yamlFor({ one: server.url, two: server.url }));
    await client.change('config', ({ config }) => config.isCurrent);
    await client.change('providers', ({ names }) => names.join() === 'one,two');
    await client.change('models', ({ provider, models }) => provider === 'two' && models.length > 0);
  });

  test('goes on where it was interrupted, and begins anew after a restart', async () => {
    await using server = await startOpenAi();
    const gateway = await testGateway(yamlFor({ a: server.url, b: server.url }));
    const first = await follow(gateway);
    await toggle(gateway, 'a', false);
    await first.change('provider', ({ provider }) => provider.name === 'a' && !provider.isEnabled);
    await first.close();
    await toggle(gateway, 'b', false);
    const second = await follow(gateway, first.lastId);
    await second.change('provider', ({ provider }) => provider.name === 'b' && !provider.isEnabled);
    expect(second.snapshots).toEqual([]);
    const { lastId } = second;
    await gateway.close();
    await second.event('end');
    await expect.poll(() => second.isEnded).toBe(true);
    await using again = await testGateway(yamlFor({ a: server.url, b: server.url }));
    await using third = await follow(again, lastId);
    await third.event('snapshot');
    expect(third.received[0]?.event).toBe('snapshot');
  });

  test('holds up no shutdown', async () => {
    await using server = await startOpenAi();
    const gateway = await testGateway(yamlFor({ one: server.url }));
    const client = await follow(gateway);
    const before = performance.now();
    await gateway.gateway.close();
    expect(performance.now() - before).toBeLessThan(4_000);
    await client.event('end');
    await gateway.close();
  });
});

test('the machine is told to all, and sampled only while somebody looks', async () => {
  let looking: ((hardware: AdminHardware) => void) | null = null;
  const hardware: HttpDependencies['hardware'] = {
    read: () => Promise.reject(new Error('nobody asks')),
    subscribe: (listener) => {
      looking = listener;
      return () => {
        looking = null;
      };
    },
  };
  await using harness = await startHttp({ deps: { hardware } });
  const headers = { authorization: `Bearer ${TOKEN}` };
  await using other = await eventClient(`${harness.url}/admin/events`, { headers });
  await other.event('snapshot');
  expect(looking).toBeNull();
  const looker = await eventClient(`${harness.url}/admin/events?look=hardware`, { headers });
  await looker.event('snapshot');
  const tell = looking as ((hardware: AdminHardware) => void) | null;
  for (const atMs of [1, 2]) tell?.({ atMs } as Partial<AdminHardware> as AdminHardware);
  for (const client of [looker, other]) await client.change('hardware', (change) => change.hardware.atMs === 2);
  await looker.close();
  await expect.poll(() => looking).toBeNull();
});

describe('who may follow', () => {
  test('only who has the token', async () => {
    await using harness = await startHttp();
    const answer = await fetch(`${harness.url}/admin/events`);
    expect(answer.status).toBe(401);
    await expect(eventClient(`${harness.url}/admin/events`, { headers: {} })).rejects.toThrow('401');
  });

  test('HEAD tells of the stream and ends', async () => {
    await using harness = await startHttp();
    const headers = { authorization: `Bearer ${TOKEN}` };
    const answer = await fetch(`${harness.url}/admin/events`, { method: 'HEAD', headers });
    expect([answer.status, answer.headers.get('content-type'), answer.headers.get('cache-control')]).toEqual([
      200,
      'text/event-stream; charset=utf-8',
      'no-store',
    ]);
  });

  test('33 listeners are one too many, and one that leaves makes room', async () => {
    await using harness = await startHttp();
    const url = `${harness.url}/admin/events`;
    const headers = { authorization: `Bearer ${TOKEN}` };
    const clients = await Promise.all(Array.from({ length: 32 }, () => eventClient(url, { headers })));
    await expect(eventClient(url, { headers })).rejects.toThrow('503');
    await clients.pop()?.close();
    await expect
      .poll(
        async () =>
          (await fetch(url, { method: 'GET', headers, signal: AbortSignal.timeout(500) }).catch(() => null))?.status,
      )
      .toBe(200);
    await Promise.all(clients.map((client) => client.close()));
  });
});

test('a listener that reads nothing holds up nobody, costs bounded memory, and begins anew with a snapshot', async () => {
  const events = new EventHub({
    ...{ clock: systemClock, log: new TestLog(), instance: 'here' },
    limits: { mergeMs: 1, keptChanges: 50, mostBehind: 20 },
  });
  await using harness = await startHttp({ deps: { events } });
  const headers = { authorization: `Bearer ${TOKEN}` };
  const slow = connect(harness.port, '127.0.0.1');
  slow.pause();
  slow.write(`GET /admin/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: ${headers.authorization}\r\n\r\n`);
  await expect.poll(() => events.subscribers).toBe(1);
  await using quick = await eventClient(`${harness.url}/admin/events`, { headers });
  const message = 'x'.repeat(100_000);
  for (let atMs = 1; atMs <= 300; atMs += 1) {
    events.announce({ kind: 'transition', provider: 'a', atMs, before: 'ready', after: 'down', message });
    await quick.change('transition', (change) => change.atMs === atMs);
  }
  expect(quick.snapshots).toHaveLength(1);
  let text = '';
  slow.setEncoding('latin1');
  slow.on('data', (chunk: string) => {
    text += chunk;
  });
  slow.resume();
  await expect.poll(() => text.match(/^event: snapshot$/gm)?.length, { timeout: 10_000 }).toBe(2);
  expect(text.match(/^event: change$/gm)?.length).toBeLessThan(200);
  slow.destroy();
});
