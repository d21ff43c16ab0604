import { describe, expect, test } from 'vitest';
import { adapters } from '../../gateway/providers/index.ts';
import { answer, fakeServer, quiet, type Reply, timedOut } from './recordings.ts';

const { openai, cloud } = adapters;

async function probe(reply: Reply) {
  const server = fakeServer({ '/v1/models': reply });
  const findings = await openai.probe(server, quiet, null);
  expect(server.asked).toEqual(['/v1/models']);
  return findings;
}

describe('a probe asks for the models and nothing else', () => {
  test('and takes a list of bare names', async () => {
    const findings = await probe(
      answer(200, {
        object: 'list',
        data: [{ id: 'a' }, { id: 'b' }, { id: 'a' }, {}, null, 'x', { id: 'y'.repeat(513) }],
      }),
    );
    expect(findings).toMatchObject({ observed: 'ready', loadsOnDemand: false });
    expect(findings.models?.map(({ id }) => id)).toEqual(['a', 'b']);
    expect(findings.models?.[0]).toMatchObject({ size: null, capabilities: null, isLoaded: null, contextLoaded: null });
  });

  test.each<[string, object, object]>([
    ['vLLM and SGLang', { max_model_len: 8_192 }, { contextLoaded: 8_192 }],
    ['llama-swap', { context_length: 4_096, status: { value: 'loaded' } }, { contextLoaded: 4_096, isLoaded: true }],
    [
      'LM Studio',
      { state: 'not-loaded', max_context_length: 32_768, quantization: 'Q4_K_M', capabilities: ['tool_use'] },
      { isLoaded: false, contextTrained: 32_768, quantization: 'Q4_K_M', capabilities: null },
    ],
    [
      'LM Studio, loaded',
      { state: 'loaded', max_context_length: 32_768, loaded_context_length: 8_192 },
      { isLoaded: true, contextTrained: 32_768, contextLoaded: 8_192 },
    ],
    [
      'Docker Model Runner',
      { dmr: { context_window: 40_960, parameters: '8.19 B', quantization: 'Q4_K_M' } },
      { contextLoaded: 40_960, size: 8.19e9, quantization: 'Q4_K_M' },
    ],
    [
      'llama.cpp',
      { aliases: ['m', 'other'], meta: { n_ctx: 1_024, n_ctx_train: 2_048, n_params: 7e9, ftype: 'Q4_K - Medium' } },
      { aliases: ['other'], contextLoaded: 1_024, contextTrained: 2_048, size: 7e9, quantization: 'Q4_K_M' },
    ],
    [
      'LocalAI',
      { capabilities: ['FLAG_ANY', 'chat', 'vision', 'function_calling'] },
      { capabilities: new Set(['completion', 'structured_output', 'vision', 'tools']) },
    ],
  ])('and reads the facts that %s adds', async (_server, extra, facts) => {
    const findings = await probe(answer(200, { object: 'list', data: [{ id: 'm', ...extra }] }));
    expect(findings.models?.[0]).toMatchObject(facts);
  });

  test('and takes no number for a fact that cannot be one', async () => {
    const findings = await probe(
      answer(200, '{"data": [{"id": "m", "max_model_len": 1e999, "meta": {"n_params": -1, "n_ctx_train": 0}}]}'),
    );
    expect(findings.models?.[0]).toMatchObject({ contextLoaded: null, size: null, contextTrained: null });
  });

  test('and takes a server that tells unloaded models for one that loads on demand', async () => {
    const data = [
      { id: 'a', state: 'loaded' },
      { id: 'b', state: 'not-loaded' },
    ];
    expect(await probe(answer(200, { data }))).toMatchObject({ loadsOnDemand: true });
  });

  test('and believes a date of creation only if it is not the time of the request', async () => {
    const nowSeconds = Math.floor(quiet.nowMs / 1_000);
    const data = [
      { id: 'new', created: nowSeconds },
      { id: 'zero', created: 0 },
      { id: 'old', created: 1_686_935_002 },
    ];
    const findings = await probe(answer(200, { object: 'list', data }));
    expect(findings.models?.map(({ createdAtSeconds }) => createdAtSeconds)).toEqual([null, null, 1_686_935_002]);
  });

  test('and knows an embedding model by its name', async () => {
    const findings = await probe(
      answer(200, { object: 'list', data: [{ id: 'text-embedding-nomic-embed-text-v1.5' }] }),
    );
    expect(findings.models?.[0]?.capabilities).toEqual(new Set(['embedding']));
  });

  test.each<[string, Reply, object]>([
    ['a wrong key', answer(401, { error: { message: 'no' } }), { observed: 'auth', cause: { class: 'auth' } }],
    ['a forbidden list', answer(403, ''), { observed: 'auth', cause: { class: 'auth' } }],
    ['no list at all', answer(404, 'Not Found'), { observed: 'degraded', cause: { class: 'wrong_kind' } }],
    ['a web page', answer(200, '<html></html>'), { observed: 'down', cause: { class: 'wrong_kind' } }],
    [
      'LM Studio’s 200 to anything',
      answer(200, { error: 'Unexpected endpoint or method. (GET /v1/models)' }),
      { observed: 'down' },
    ],
    [
      'a gateway without its server',
      answer(502, '<title>502</title>'),
      { observed: 'down', cause: { class: 'http_status' } },
    ],
    [
      'a server that starts',
      answer(503, { status: 'starting', message: 'starting' }),
      { observed: 'warming', cause: { class: 'loading' } },
    ],
    ['an empty list', answer(200, { object: 'list', data: null }), { observed: 'ready', models: [] }],
  ])('and finds %s', async (_what, reply, findings) => {
    expect(await probe(reply)).toMatchObject(findings);
  });

  test('and passes on silence', async () => {
    await expect(probe(timedOut)).rejects.toMatchObject({ failure: timedOut });
  });
});

test('a cloud vendor is never asked anything, and offers no path yet', async () => {
  const server = fakeServer({});
  expect(await cloud.probe(server, quiet, null)).toMatchObject({ observed: 'ready', models: null });
  expect(server.asked).toEqual([]);
  expect(Object.keys(cloud.paths)).toEqual([]);
});
