// What would be decided, asked over HTTP of a gateway with stand-ins behind it; and what was decided, decided again.

import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type {
  AdminDecision,
  AdminDraftError,
  AdminReplay,
  AdminReplayRequest,
  AdminStoredRequest,
} from '../../gateway/contract.ts';
import { endpointTraits } from '../../gateway/protocols/endpoints.ts';
import { startOllama } from '../backends/ollama.ts';
import { startVllm } from '../backends/vllm.ts';
import { type TestGateway, testGateway } from '../support/gateway.ts';
import { send } from '../support/http.ts';

type Running = Awaited<ReturnType<typeof startOllama>>;

let ollama: Running;
let vllm: Awaited<ReturnType<typeof startVllm>>;
let gateway: TestGateway;

const MODEL = 'qwen3:0.6b';
let VLLM_MODEL = '';

function yaml(): string {
  return `providers:
  ollama: { kind: ollama, base_url: ${ollama.url} }
  vllm: { kind: vllm, base_url: ${vllm.url}, default_model: ${VLLM_MODEL} }
exact_matches:
  "${MODEL}": { provider: ollama, fallback: vllm }
request_metadata_routing:
  urgent: { condition: 'header.x-team == "red"', provider: vllm, model: ${VLLM_MODEL} }
`;
}

beforeAll(async () => {
  ollama = await startOllama();
  vllm = await startVllm();
  const list = (await send(`${vllm.url}/v1/models`)).json as { data: { id: string }[] };
  VLLM_MODEL = list.data[0]?.id ?? '';
  gateway = await testGateway(yaml());
});

afterAll(async () => {
  await gateway.close();
  await ollama.close();
  await vllm.close();
});

async function post<Answer>(
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<{ status: number; json: Answer; text: string }> {
  const response = await gateway.admin(path, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json', ...headers },
  });
  const text = await response.text();
  return { status: response.status, json: text.startsWith('{') ? JSON.parse(text) : null, text };
}

async function ask(model: string, headers: Record<string, string> = {}): Promise<string> {
  const body = { model, messages: [{ role: 'user', content: 'the secret of the prompt' }] };
  const answer = await send(`${gateway.url}/v1/chat/completions`, { method: 'POST', body, headers });
  return String(answer.headers['x-request-id']);
}

describe('POST /admin/explain', () => {
  test('answers the decision as JSON with exactly its fields, and sends nothing', async () => {
    const before = await send(`${gateway.url}/metrics`);
    const { status, json } = await post<AdminDecision>('/admin/explain', { body: { model: MODEL } });
    expect(status).toBe(200);
    expect(Object.keys(json)).toEqual(['rule', 'chosen', 'candidates', 'steps', 'considered', 'error']);
    expect(json).toMatchObject({
      rule: `exact:${MODEL}`,
      chosen: { provider: 'ollama', model: MODEL },
      error: null,
    });
    expect(Object.keys(json.candidates[0] ?? {})).toEqual([
      'provider',
      'model',
      'place',
      'kept',
      'reason',
      'order',
      'terms',
    ]);
    const after = await send(`${gateway.url}/metrics`);
    const count = (text: string) => /^litellm_requests_total.*$/gm.exec(text)?.[0];
    expect(count(after.text)).toBe(count(before.text));
  });

  test('takes a request as it would be sent: its body, its headers, switches in the query', async () => {
    const pinned = await post<AdminDecision>('/admin/explain', { model: VLLM_MODEL }, { 'x-provider': 'vllm' });
    expect(pinned.json.rule).toBe('pin:vllm');
    const down = await post<AdminDecision>('/admin/explain?down=ollama', { model: MODEL });
    expect(down.json.candidates.find(({ provider }) => provider === 'ollama')?.reason).toBe('down');
  });

  test('decides as live traffic does: same rule, same first candidate', async () => {
    for (const headers of [{}, { 'x-team': 'red' }, { 'x-provider': 'ollama' }]) {
      const explained = await post<AdminDecision>('/admin/explain', { headers, body: { model: MODEL } });
      const stored = await gateway.outcome(await ask(MODEL, headers));
      expect(explained.json.rule).toBe(stored.rule);
      expect(explained.json.chosen).toEqual({ provider: stored.provider, model: stored.model });
    }
  });

  test.each(Object.keys(endpointTraits))('works for the endpoint %s', async (endpoint) => {
    const { status, json } = await post<AdminDecision>('/admin/explain', { endpoint, body: { model: MODEL } });
    expect(status).toBe(200);
    expect(json.steps.length).toBeGreaterThan(5);
  });

  test('thinks of providers as down, and refuses names of none', async () => {
    const { json } = await post<AdminDecision>('/admin/explain', { body: { model: MODEL }, down: ['ollama'] });
    expect(json.candidates.find(({ provider }) => provider === 'ollama')).toMatchObject({ reason: 'down' });
    expect(json.chosen?.provider).toBe('vllm');
    const wrong = await post<{ error: { code: string; param: string } }>('/admin/explain', {
      body: { model: MODEL },
      down: ['vllm', 'olama'],
    });
    expect(wrong.status).toBe(400);
    expect(wrong.json.error).toMatchObject({ code: 'unknown_provider', param: 'down[1]' });
    expect(wrong.text).toContain('did you mean');
  });

  test('says where a body is wrong, as for live traffic', async () => {
    const { status, json } = await post<{ error: { param: string } }>('/admin/explain', { body: { model: 7 } });
    expect([status, json.error.param]).toEqual([400, 'body.model']);
  });

  test('decides by a draft of the rules, whose file stays as it is', async () => {
    const rules = yaml().replace('provider: ollama, fallback: vllm', `provider: vllm, model: ${VLLM_MODEL}`);
    const { json } = await post<AdminDecision>('/admin/explain', { body: { model: MODEL }, rules });
    expect(json.chosen).toEqual({ provider: 'vllm', model: VLLM_MODEL });
    expect(readFileSync(gateway.configFile, 'utf8')).toBe(yaml());
    const alone = await post<AdminDecision>('/admin/explain', {
      body: { model: 'x' },
      rules: 'default_provider: vllm',
    });
    expect(alone.json).toMatchObject({ rule: 'default', chosen: { provider: 'vllm' } });
  });

  test('under a draft that switches a provider off or takes it out, nobody asks it', async () => {
    const off = yaml().replace('kind: ollama,', 'kind: ollama, enabled: false,');
    const { json } = await post<AdminDecision>('/admin/explain', { body: { model: MODEL }, rules: off });
    expect(json.candidates.find(({ provider }) => provider === 'ollama')?.reason).toBe('disabled');
    const without = yaml().replace(/^ {2}ollama:.*\n/m, '');
    const gone = await post<AdminDecision>('/admin/explain', { body: { model: MODEL }, rules: without });
    expect(gone.json.candidates.map(({ provider }) => provider)).not.toContain('ollama');
  });

  test('answers a wrong draft with every problem and its place', async () => {
    const rules = 'patterns:\n  - { pattern: "(", provider: ollama }\nnonsense: 1\n';
    const { status, json } = await post<AdminDraftError>('/admin/explain', { body: { model: MODEL }, rules });
    expect(status).toBe(400);
    expect(json.error).toMatchObject({ code: 'invalid_configuration', param: 'rules' });
    expect(json.error.problems).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ file: gateway.configFile, line: 2, code: 'invalid_regex', severity: 'error' }),
        expect.objectContaining({ line: 3, column: 1, code: 'unknown_key' }),
      ]),
    );
    const condition = 'request_metadata_routing:\n  a: { condition: "batch_size >", provider: ollama }\n';
    const wrong = await post<AdminDraftError>('/admin/explain', { body: {}, rules: condition });
    expect(wrong.json.error.problems[0]).toMatchObject({ line: 2, code: 'invalid_condition' });
  });

  test('answers as a tree of lines to who prefers text', async () => {
    const { text } = await post('/admin/explain', { body: { model: MODEL } }, { accept: 'text/plain' });
    expect(text.split('\n').at(-1)).toBe(`└─ ollama is asked for ${MODEL} by exact:${MODEL}`);
  });

  test('needs the token', async () => {
    const answer = await send(`${gateway.url}/admin/explain`, {
      method: 'POST',
      body: {},
      headers: { 'content-type': 'application/json' },
    });
    expect(answer.status).toBe(401);
  });
});

test('GET /admin/requests/ID has the decision with who was chosen, and the attempts', async () => {
  const id = await ask(MODEL);
  const stored = (await (await gateway.admin(`/admin/requests/${id}`)).json()) as AdminStoredRequest;
  expect(stored.attempts).toMatchObject([{ provider: 'ollama', model: MODEL, failure: null }]);
  expect(stored.decision).toMatchObject({
    rule: `exact:${MODEL}`,
    chosen: { provider: 'ollama', model: MODEL },
    considered: expect.any(Number),
    error: null,
  });
});

describe('POST /admin/replay', () => {
  test('tells which of the last requests other rules would have sent elsewhere', async () => {
    const plain = await ask(MODEL);
    const red = await ask(MODEL, { 'x-team': 'red' });
    const same = await post<AdminReplay>('/admin/replay', { limit: 2 } satisfies AdminReplayRequest);
    expect(same.json).toEqual({ total: 2, changed: [] });
    const rules = yaml().replace('provider: ollama, fallback: vllm', `provider: vllm, model: ${VLLM_MODEL}`);
    const { json } = await post<AdminReplay>('/admin/replay', { limit: 2, rules });
    expect(json.total).toBe(2);
    expect(json.changed.map(({ id }) => id)).toContain(plain);
    const change = json.changed.find(({ id }) => id === plain);
    expect(change?.before.chosen).toEqual({ provider: 'ollama', model: MODEL });
    expect(change?.after.chosen).toEqual({ provider: 'vllm', model: VLLM_MODEL });
    // A condition on a header decides about it again: it was kept.
    const team = yaml().replace('== "red"', '== "blue"');
    const other = await post<AdminReplay>('/admin/replay', { limit: 2, rules: team });
    expect(other.json.changed.map(({ id }) => id)).toEqual([red]);
  });

  test('goes by the rules and the providers of the time, not by those in force', async () => {
    const id = await ask(MODEL);
    const rules = yaml();
    writeFileSync(
      gateway.configFile,
      yaml()
        .replace('fallback: vllm', 'fallback: none')
        .replace('provider: ollama,', `provider: vllm, model: ${VLLM_MODEL},`),
    );
    try {
      // The new rules are in force as soon as a replay without rules finds a difference.
      await expect
        .poll(async () => (await post<AdminReplay>('/admin/replay', { limit: 1 })).json.changed.map((one) => one.id))
        .toEqual([id]);
      const { json } = await post<AdminReplay>('/admin/replay', { limit: 1, rules });
      expect(json).toEqual({ total: 1, changed: [] });
    } finally {
      writeFileSync(gateway.configFile, rules);
    }
  });

  test('refuses a wrong draft and a wrong limit', async () => {
    expect((await post<AdminDraftError>('/admin/replay', { rules: ':' })).json.error.code).toBe(
      'invalid_configuration',
    );
    expect((await post('/admin/replay', { limit: 0 })).status).toBe(400);
  });
});
