// An address tried as a provider through the admin API: which step fails says what is wrong.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AdminTestedProvider, AdminTestStep } from '../../gateway/contract.ts';
import { startOllama } from '../backends/ollama.ts';
import { startOpenAi } from '../backends/openai.ts';
import { deadAddress } from '../support/http.ts';
import { type Harness, startHttp, TOKEN } from './support.ts';

let harness: Harness;

beforeAll(async () => {
  harness = await startHttp();
});

afterAll(async () => {
  await harness[Symbol.asyncDispose]();
});

async function tried(draft: AdminTestedProvider): Promise<AdminTestStep[]> {
  const response = await fetch(`${harness.url}/admin/providers/test`, {
    method: 'POST',
    headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify(draft),
  });
  const lines = (await response.text()).trim().split('\n');
  return lines.map((line) => JSON.parse(line) as AdminTestStep);
}

function failureIn(steps: readonly AdminTestStep[]): readonly [string, string] {
  const failed = steps.findIndex(({ is }) => is === 'failed');
  expect(steps.slice(failed + 1).every(({ is }) => is === 'skipped')).toBe(true);
  return [steps[failed]?.step ?? '', steps[failed]?.message ?? ''];
}

test('a server is recognised and its models are counted, without a generation or a load', async () => {
  await using server = await startOllama({ models: ['qwen3:8b', 'llama3.1:8b'] });
  const address = server.url.replace('http://', '');
  const steps = await tried({ baseUrl: address });
  expect(steps.map(({ step, is }) => `${step} ${is}`)).toEqual([
    'address passed',
    'resolves passed',
    'connects passed',
    'tls skipped',
    'answers passed',
    'recognised passed',
    'accepted passed',
    'models passed',
  ]);
  expect(steps.at(-1)).toMatchObject({ kind: 'ollama', message: '2 listed' });
  // `/api/show` only reads.
  const others = server.requests.filter(({ method, url }) => method !== 'GET' && url !== '/api/show');
  expect([others, server.requests.length > 2]).toEqual([[], true]);
});

test('each kind of trouble has its step', async () => {
  expect(failureIn(await tried({ baseUrl: 'ftp://x' }))[0]).toBe('address');
  expect(failureIn(await tried({ baseUrl: 'http://no-such-host.invalid:1' }))[0]).toBe('resolves');
  expect(failureIn(await tried({ baseUrl: await deadAddress() }))[0]).toBe('connects');
  await using ollama = await startOllama();
  expect(failureIn(await tried({ baseUrl: ollama.url.replace('http:', 'https:') }))[0]).toBe('tls');
  const [step, message] = failureIn(await tried({ baseUrl: ollama.url, kind: 'vllm' }));
  expect([step, message]).toEqual(['recognised', expect.stringMatching(/Ollama.* not as vllm/)]);
});

test('what is no model server is not recognised, and a refused key is told as that', async () => {
  const nginx = createServer((_request, response) => response.writeHead(404).end('not here'));
  await new Promise<void>((resolve) => nginx.listen(0, '127.0.0.1', resolve));
  const { port } = nginx.address() as AddressInfo;
  expect(failureIn(await tried({ baseUrl: `127.0.0.1:${port}` }))[0]).toBe('recognised');
  nginx.close();
  await using locked = await startOpenAi({ apiKey: 'right' });
  const [step, message] = failureIn(await tried({ baseUrl: locked.url, kind: 'openai', apiKey: 'wrong-and-secret' }));
  expect([step, message.includes('wrong-and-secret')]).toEqual(['accepted', false]);
  const steps = await tried({ baseUrl: locked.url, kind: 'openai', apiKey: 'right' });
  expect(steps.every(({ is }) => is !== 'failed')).toBe(true);
});
