// Models loaded and unloaded through the admin API, what `keep_warm` plans, and the machine.

import { describe, expect, test } from 'vitest';
import type { AdminEvent, AdminHardware, AdminKeepWarm, AdminModelActionResult } from '../../gateway/contract.ts';
import { startOllama } from '../backends/ollama.ts';
import { type TestGateway, testGateway } from '../support/gateway.ts';

const configuration = (url: string, more = '') =>
  `providers:\n  gpu: { kind: ollama, base_url: "${url}"${more}, probe: { interval: 3600 } }\n`;

function act(gateway: TestGateway, action: 'load' | 'unload', body: unknown): Promise<Response> {
  return gateway.admin(`/admin/models/${action}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
}

async function get<T>(gateway: TestGateway, target: string): Promise<T> {
  const answer = await gateway.admin(target);
  expect(answer.status).toBe(200);
  return (await answer.json()) as T;
}

describe('a model', () => {
  test('is loaded and unloaded; status, journal and the next load know of it', async () => {
    await using server = await startOllama({ loadDelayMs: 40 });
    await using gateway = await testGateway(configuration(server.url));
    const loaded = await act(gateway, 'load', { provider: 'gpu', model: 'qwen3:0.6b' });
    expect(loaded.status).toBe(200);
    expect((await loaded.json()) as AdminModelActionResult).toMatchObject({ result: 'done', by: 'user' });
    const status = await get<{ providers: { models: object[] }[] }>(gateway, '/admin/status');
    const model = status.providers[0]?.models.find((each) => 'id' in each && each.id === 'qwen3:0.6b');
    expect(model).toMatchObject({ isLoaded: true, loadedSinceMs: expect.any(Number) });
    expect(model && 'predictedLoadMs' in model ? model.predictedLoadMs : null).toBeGreaterThanOrEqual(39);
    const unloaded = await act(gateway, 'unload', { provider: 'gpu', model: 'qwen3:0.6b' });
    expect(await unloaded.json()).toMatchObject({ result: 'done' });
    expect(server.stateOf('qwen3:0.6b')).toBe('cold');
    const journal = await get<AdminEvent[]>(gateway, '/admin/journal');
    expect(journal.filter(({ kind }) => kind === 'keep_warm').map(({ message }) => message)).toEqual([
      expect.stringMatching(/^by hand: qwen3:0.6b on gpu was unloaded/),
      expect.stringMatching(/^by hand: qwen3:0.6b on gpu was loaded \(\d\.\d s\)$/),
    ]);
  });

  test('with a request of ours running is not unloaded, and its answer stays whole', async () => {
    await using server = await startOllama({ warm: ['qwen3:0.6b'], tokenDelayMs: 20 });
    await using gateway = await testGateway(configuration(server.url));
    const chat = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'qwen3:0.6b', stream: true, messages: [{ role: 'user', content: 'x' }] }),
    });
    const refused = await act(gateway, 'unload', { provider: 'gpu', model: 'qwen3:0.6b' });
    expect(await refused.json()).toMatchObject({ result: 'busy', message: 'is in use: 1 request runs there' });
    const waited = act(gateway, 'unload', { provider: 'gpu', model: 'qwen3:0.6b', waitMs: 60_000 });
    expect(await chat.text()).toContain('[DONE]');
    expect(await (await waited).json()).toMatchObject({ result: 'done' });
  });

  test.each([
    ['load', { provider: 'gpux', model: 'qwen3:0.6b' }, 404, 'provider'],
    ['load', { provider: 'gpu', model: 'qwen3:0.7b' }, 404, 'model'],
    ['unload', { provider: 'gpu' }, 400, 'model'],
    ['unload', { provider: 'gpu', model: 'qwen3:0.6b', waitMs: -1 }, 400, 'waitMs'],
    ['load', { provider: 'gpu', model: 'qwen3:0.6b', wait: 1 }, 400, 'wait'],
  ] as const)('%s %j is %i and names %s', async (action, body, status, param) => {
    await using server = await startOllama();
    await using gateway = await testGateway(configuration(server.url));
    const answer = await act(gateway, action, body);
    expect(answer.status).toBe(status);
    expect(await answer.json()).toMatchObject({ error: { param } });
  });

  test('that still loads does not keep the gateway from stopping', async () => {
    await using server = await startOllama({ loadDelayMs: 600_000 });
    const gateway = await testGateway(configuration(server.url));
    const loading = act(gateway, 'load', { provider: 'gpu', model: 'qwen3:0.6b' });
    await expect.poll(() => server.stateOf('qwen3:0.6b'), { timeout: 10_000 }).toBe('loading');
    await gateway.gateway.close();
    expect(await (await loading).json()).toMatchObject({ result: 'failed' });
    await gateway.close();
  });
});

test('keep_warm acts at its times and tells what is next and what came of it', async () => {
  await using server = await startOllama();
  const entry = ', keep_warm: [{ schedule: "* * * * * *", model: "qwen3:0.6b", action: load }]';
  await using gateway = await testGateway(configuration(server.url, entry));
  await expect.poll(() => server.stateOf('qwen3:0.6b'), { timeout: 10_000 }).toBe('warm');
  const plan = () => get<AdminKeepWarm[]>(gateway, '/admin/keep-warm');
  await expect.poll(async () => (await plan())[0]?.last, { timeout: 10_000 }).not.toBeNull();
  expect(await plan()).toMatchObject([
    {
      provider: 'gpu',
      schedule: '* * * * * *',
      action: 'load',
      nextAtMs: expect.any(Number),
      last: { by: 'schedule' },
    },
  ]);
});

test('the machine is told with what is known of it, and why the rest is not', async () => {
  await using gateway = await testGateway('');
  const hardware = await get<AdminHardware>(gateway, '/admin/hardware');
  expect(hardware.memory).toMatchObject({ is: 'known', value: { totalBytes: expect.any(Number) } });
  expect(hardware.machine.cpu).toMatchObject({ is: 'known' });
  if (hardware.gpus.is === 'not_detected') expect(hardware.gpus.because).not.toBe('');
  expect(hardware.modelFolders.length).toBeGreaterThanOrEqual(3);
});
