// The admin operations of a running gateway: requests, health, and the document that describes them all.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AdminHealth, AdminLiveRequest, AdminRequestPage, AdminUsage } from '../../gateway/contract.ts';
import { readManagementToken } from '../../gateway/http/management-token.ts';
import { routes } from '../../gateway/http/routes.ts';
import type { StandIn } from '../backends/core/server.ts';
import { startOpenAi } from '../backends/openai.ts';
import { eventClient } from '../support/event-client.ts';
import { type TestGateway, testGateway } from '../support/gateway.ts';
import { send } from '../support/http.ts';
import { startHttp, TOKEN } from './support.ts';

const MODEL = 'gpt-oss-20b';

function chat(gateway: TestGateway, content = 'hello', stream = false): Promise<Response> {
  return fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'user-agent': 'tester/1' },
    body: JSON.stringify({ model: MODEL, stream, messages: [{ role: 'user', content }] }),
  });
}

async function json<Answer>(response: Response | Promise<Response>): Promise<Answer> {
  return (await (await response).json()) as Answer;
}

describe('what is kept', () => {
  let server: StandIn;
  let gateway: TestGateway;

  beforeAll(async () => {
    server = await startOpenAi();
    gateway = await testGateway(`providers:\n  one: { kind: openai, base_url: ${server.url} }\n`);
    for (let count = 0; count < 7; count += 1) await (await chat(gateway)).text();
    await (
      await fetch(`${gateway.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'nobody-has-it', messages: [{ role: 'user', content: 'x' }] }),
      })
    ).text();
  });

  afterAll(async () => {
    await gateway.close();
    await server[Symbol.asyncDispose]();
  });

  test('requests come newest first and page by page, each once, right after they ended', async () => {
    const ids: string[] = [];
    let cursor: string | null = null;
    do {
      const page: AdminRequestPage = await json(
        gateway.admin(`/admin/requests?limit=3${cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`}`),
      );
      ids.push(...page.requests.map(({ id }) => id));
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(new Set(ids).size).toBe(8);
    const all = await json<AdminRequestPage>(gateway.admin('/admin/requests'));
    expect([all.count, all.requests.map(({ id }) => id)]).toEqual([8, ids]);
    expect('decision' in (all.requests[0] ?? {})).toBe(false);
  });

  test('a filter keeps the others out', async () => {
    const failed = await json<AdminRequestPage>(gateway.admin('/admin/requests?result=rejected'));
    const mine = await json<AdminRequestPage>(gateway.admin('/admin/requests?client=tester&provider=one'));
    const none = await json<AdminRequestPage>(gateway.admin('/admin/requests?provider=two'));
    expect([failed.requests.length, mine.requests.length, none.requests.length]).toEqual([1, 7, 0]);
    expect(failed.requests[0]?.requestedModel).toBe('nobody-has-it');
  });

  test('an export is the list as lines or as a table', async () => {
    const lines = await gateway.admin('/admin/requests/export?result=complete');
    expect(lines.headers.get('content-type')).toBe('application/x-ndjson; charset=utf-8');
    const rows = (await lines.text()).trim().split('\n');
    expect(rows.map((row) => (JSON.parse(row) as { result: string }).result)).toEqual(Array(7).fill('complete'));
    const table = await gateway.admin('/admin/requests/export?format=csv');
    expect(table.headers.get('content-disposition')).toBe('attachment; filename="requests.csv"');
    expect((await table.text()).trim().split(/\r?\n/)).toHaveLength(9);
  });

  test('health, incidents, beats, the journal, series and usage are answered for a range', async () => {
    const health = await json<AdminHealth>(gateway.admin('/admin/health?provider=one&buckets=10'));
    expect(health.providers.map(({ provider }) => provider)).toEqual(['one']);
    const usage = await json<AdminUsage>(gateway.admin('/admin/usage?by=model'));
    expect(usage.rows.find(({ name }) => name === MODEL)).toMatchObject({ requests: 7, complete: 7 });
    expect(await json(gateway.admin('/admin/incidents'))).toMatchObject({ incidents: [], isComplete: true });
    expect(await json(gateway.admin('/admin/series?metric=durationMs'))).toMatchObject({
      metric: 'durationMs',
      total: { count: 7 },
    });
    const beats = await json<readonly { provider: string; isOk: boolean }[]>(
      gateway.admin('/admin/beats?provider=one'),
    );
    expect(beats.length > 0 && beats.every(({ provider, isOk }) => provider === 'one' && isOk)).toBe(true);
    const journal = await json<readonly { kind: string }[]>(gateway.admin('/admin/journal'));
    expect(journal.map(({ kind }) => kind)).toContain('gateway_started');
  });

  test.each([
    ['/admin/requests?limit=501', 'limit'],
    ['/admin/requests?limit=many', 'limit'],
    ['/admin/requests?resullt=failed', 'resullt'],
    ['/admin/requests?result=fine', 'result'],
    ['/admin/health?fromMs=2000&toMs=1000', 'toMs'],
    ['/admin/series', 'metric'],
    ['/admin/usage?by=colour', 'by'],
    ['/admin/incidents?provider=a&provider=b', 'provider'],
  ])('%s is 400 and names %s', async (target, param) => {
    const answer = await gateway.admin(target);
    expect([answer.status, await answer.json()]).toMatchObject([400, { error: { code: 'invalid_request', param } }]);
  });
});

test('a history that cannot be read is told, not an empty list', async () => {
  await using harness = await startHttp();
  const headers = { authorization: `Bearer ${TOKEN}` };
  for (const target of ['/admin/requests', '/admin/requests/export', '/admin/health', '/admin/usage']) {
    const answer = await send(harness.url + target, { headers });
    expect([target, answer.status, answer.text.includes('nothing is kept here')]).toEqual([target, 409, true]);
  }
});

describe('cancelling', () => {
  const cancel = (gateway: TestGateway, id: string) =>
    gateway.admin(`/admin/requests/${id}/cancel`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    });

  test('ends a stream with an error event, stops its provider, and blames nobody', async () => {
    await using server = await startOpenAi({ answer: Array.from({ length: 2_000 }, () => 'word '), tokenDelayMs: 10 });
    await using gateway = await testGateway(`providers:\n  one: { kind: openai, base_url: ${server.url} }\n`);
    const answer = await chat(gateway, 'go on', true);
    const id = answer.headers.get('x-request-id') ?? '';
    const cancelled = await json<{ request: AdminLiveRequest }>(cancel(gateway, id));
    expect(cancelled.request).toMatchObject({ id, provider: 'one', is: 'answering' });
    const text = await answer.text();
    expect(text).toContain('cancelled by whoever runs the gateway');
    const outcome = await gateway.outcome(id);
    expect(outcome).toMatchObject({ result: 'cancelled', errorCode: 'request_cancelled' });
    expect(outcome.attempts[0]?.failure?.kind).toBe('cancelled');
    const status = await json<{ traffic: { cooldowns: unknown[] } }>(gateway.admin('/admin/status'));
    expect(status.traffic.cooldowns).toEqual([]);
    expect((await cancel(gateway, id)).status).toBe(404);
  });

  test('ends one that waits for its first content, and one that waits for a place', async () => {
    await using server = await startOpenAi();
    await server.setFault('hang');
    await using gateway = await testGateway(
      `providers:\n  one: { kind: openai, base_url: ${server.url}, max_parallel_requests: 1 }\n`,
    );
    const headers = { authorization: `Bearer ${readManagementToken(gateway.dataFolder) ?? ''}` };
    await using events = await eventClient(`${gateway.url}/admin/events`, { headers });
    const asked = chat(gateway, 'first');
    const { request: first } = await events.change('request', ({ request }) => request.is === 'asking');
    const waiting = chat(gateway, 'second');
    const { request: second } = await events.change('request', ({ request }) => request.is === 'queued');
    await cancel(gateway, second.id);
    await cancel(gateway, first.id);
    for (const answer of [await asked, await waiting]) {
      expect(answer.status).toBe(499);
      expect(await answer.json()).toMatchObject({ error: { code: 'request_cancelled' } });
    }
    const { request } = await events.change('request_ended', (change) => change.request.id === first.id);
    expect(request.result).toBe('cancelled');
  });

  test('finds nobody under an id that nobody has', async () => {
    await using harness = await startHttp();
    const headers = { authorization: `Bearer ${TOKEN}` };
    const answer = await send(`${harness.url}/admin/requests/none/cancel`, { method: 'POST', headers, body: {} });
    expect([answer.status, answer.json]).toMatchObject([404, { error: { code: 'not_found', param: 'id' } }]);
  });
});

interface OpenApi {
  readonly openapi: string;
  readonly paths: Readonly<
    Record<
      string,
      Readonly<Record<string, { summary: string; parameters: { name: string; in: string }[]; requestBody?: unknown }>>
    >
  >;
}

describe('the OpenAPI document', () => {
  test('has every method of every admin route, and says what each is for', async () => {
    await using harness = await startHttp();
    const answer = await send(`${harness.url}/admin/openapi.json`, { headers: { authorization: `Bearer ${TOKEN}` } });
    const { openapi, paths } = answer.json as OpenApi;
    expect(openapi).toBe('3.1.0');
    const served = routes
      .filter(({ path }) => path.startsWith('/admin/'))
      .flatMap(({ path, methods }) =>
        Object.keys(methods).map((method) => `${method} ${path.replace(/[:*](\w+)/g, '{$1}')}`),
      );
    const told = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { summary }]) => [`${method.toUpperCase()} ${path}`, summary] as const),
    );
    expect(told.map(([key]) => key).sort()).toEqual(served.sort());
    expect(told.filter(([, summary]) => summary === '').map(([key]) => key)).toEqual([]);
  });

  test('tells input as it is validated', async () => {
    await using harness = await startHttp();
    const answer = await send(`${harness.url}/admin/openapi.json`, { headers: { authorization: `Bearer ${TOKEN}` } });
    const { paths } = answer.json as OpenApi;
    expect(paths['/admin/requests/{id}/cancel']?.post).toMatchObject({
      parameters: [{ name: 'id', in: 'path', required: true }],
      requestBody: { content: { 'application/json': { schema: { type: 'object', additionalProperties: false } } } },
    });
    expect(paths['/admin/series']?.get?.parameters).toContainEqual({
      ...{ name: 'metric', in: 'query', required: true },
      schema: { type: 'string', enum: ['durationMs', 'firstContentWarmMs', 'firstContentColdMs', 'tokensPerSecond'] },
    });
    expect(paths['/admin/requests']?.get?.parameters).toContainEqual({
      ...{ name: 'limit', in: 'query', required: false },
      schema: { type: 'integer', minimum: 1, maximum: 500, default: 100 },
    });
  });
});
