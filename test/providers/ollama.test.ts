import { describe, expect, test } from 'vitest';
import { adapters } from '../../gateway/providers/index.ts';
import type { ProbeFindings } from '../../gateway/providers/provider.ts';
import type { ModelFacts } from '../../gateway/types.ts';
import { answer, fakeServer, parsed, quiet, type Reply, recorded, timedOut } from './recordings.ts';

const { ollama } = adapters;

const idle: Readonly<Record<string, Reply>> = {
  '/api/version': 'ollama/version',
  '/api/tags': 'ollama/tags',
  '/api/ps': 'ollama/ps-none-loaded',
  'show:tiny:latest': 'ollama/show',
  'show:tiny-tools:latest': 'ollama/show-tools',
  'show:tiny-auto:latest': 'ollama/show-auto-template',
  'show:slow:latest': 'ollama/show',
};

async function probe(replies: Readonly<Record<string, Reply>>, previous: ProbeFindings | null = null) {
  const server = fakeServer(replies);
  const findings = await ollama.probe(server, quiet, previous);
  return { findings, asked: server.asked };
}

function model(findings: ProbeFindings, id: string): ModelFacts {
  const facts = findings.models?.find((candidate) => candidate.id === id);
  if (facts === undefined) throw new TypeError(`${id} is not listed`);
  return facts;
}

describe('what is read', () => {
  test('is the list in its order, with the facts of each model', async () => {
    const { findings } = await probe(idle);
    expect(findings).toMatchObject({
      observed: 'ready',
      cause: null,
      version: '0.17.4',
      isSingleModel: false,
      loadsOnDemand: true,
    });
    expect(findings.models?.map(({ id }) => id)).toEqual([
      'tiny-auto:latest',
      'tiny-tools:latest',
      'slow:latest',
      'tiny:latest',
    ]);
    expect(model(findings, 'tiny:latest')).toEqual({
      id: 'tiny:latest',
      aliases: [],
      size: 150_080,
      activeSize: null,
      quantization: 'F16',
      contextTrained: 2_048,
      contextLoaded: null,
      capabilities: new Set(['completion', 'structured_output']),
      isLoaded: false,
      loadedUntilMs: null,
      vramBytes: null,
      fileBytes: 314_945,
      family: 'tiny',
      digest: '51f679b2365e8fc87a2807f4967ff62873d5c8889b89243ce56ad7e3df688a8f',
      createdAtSeconds: 1_795_256_376,
      remoteHost: null,
    });
    expect(model(findings, 'tiny-tools:latest').capabilities).toContain('tools');
  });

  test('says what is loaded, with which context, until when', async () => {
    const { findings } = await probe({ ...idle, '/api/ps': 'ollama/ps-loaded' });
    expect(model(findings, 'tiny:latest')).toMatchObject({
      isLoaded: true,
      contextLoaded: 2_048,
      vramBytes: 0,
      loadedUntilMs: Date.parse('2026-11-21T10:24:48.357Z'),
    });
    expect(model(findings, 'slow:latest')).toMatchObject({ isLoaded: false, contextLoaded: null, loadedUntilMs: null });
  });

  test('takes the year 2319 for never', async () => {
    const { findings } = await probe({ ...idle, '/api/ps': 'ollama/ps-keep-alive-forever' });
    expect(model(findings, 'tiny:latest').loadedUntilMs).toBe(Number.POSITIVE_INFINITY);
    expect(model(findings, 'slow:latest').loadedUntilMs).toBe(Date.parse('2026-11-21T10:44:27.060Z'));
  });

  test('takes the context of the Modelfile for a model that is not loaded', async () => {
    const shown = parsed(recorded('ollama/show').text) as Record<string, unknown>;
    const { findings } = await probe({
      ...idle,
      'show:tiny:latest': answer(200, { ...shown, parameters: 'stop   "<x>"\nnum_ctx                        1024' }),
    });
    expect(model(findings, 'tiny:latest').contextLoaded).toBe(1_024);
  });

  test('derives capabilities as Ollama does where an old server does not list them', async () => {
    const old = (info: object, template: string) =>
      answer(200, { template, details: {}, model_info: { 'general.architecture': 'a', ...info } });
    const { findings } = await probe({
      ...idle,
      'show:tiny:latest': old({ 'a.pooling_type': 1 }, ''),
      'show:slow:latest': old({ 'a.vision.block_count': 3 }, '{{ .Tools }}{{ .Suffix }}'),
    });
    expect(model(findings, 'tiny:latest').capabilities).toEqual(new Set(['embedding']));
    expect(model(findings, 'slow:latest').capabilities).toEqual(
      new Set(['completion', 'vision', 'tools', 'fim', 'structured_output']),
    );
  });

  test('from 0.30 on takes capabilities and context of the list where show gives none', async () => {
    const entry = {
      name: 'qwen3:8b',
      digest: 'd1',
      size: 5,
      details: { parameter_size: '8.2B', quantization_level: 'Q4_K_M', context_length: 40_960, families: null },
      capabilities: ['completion', 'tools', 'thinking'],
    };
    const { findings } = await probe({
      ...idle,
      '/api/tags': answer(200, { models: [entry] }),
      'show:qwen3:8b': answer(500, 'x'),
    });
    expect(model(findings, 'qwen3:8b')).toMatchObject({
      size: 8.2e9,
      quantization: 'Q4_K_M',
      contextTrained: 40_960,
      capabilities: new Set(['completion', 'tools', 'reasoning', 'structured_output']),
      family: 'qwen3',
    });
  });

  test.each([
    [{ name: 'gpt-oss:120b-cloud', remote_host: 'https://ollama.com:443', remote_model: 'gpt-oss:120b' }, 'ollama.com'],
    [{ name: 'gpt-oss:120b-cloud' }, 'ollama.com'],
    [{ name: 'kimi-k2:cloud' }, 'ollama.com'],
    [{ name: 'mine', remote_host: 'models.example.net' }, 'models.example.net'],
    [{ name: 'my-cloud:latest' }, null],
    [{ name: 'my-cloud' }, null],
  ])('%j is answered by %s, and not shown if that is another machine', async (entry, remoteHost) => {
    const { findings, asked } = await probe({
      ...idle,
      '/api/tags': answer(200, { models: [{ ...entry, digest: 'd' }] }),
    });
    expect(model(findings, entry.name).remoteHost).toBe(remoteHost);
    expect(asked.includes(`show:${entry.name}`)).toBe(remoteHost === null);
  });
});

describe('what is asked', () => {
  test('is version, list and what is loaded, and show once for each digest', async () => {
    const first = await probe(idle);
    expect([...first.asked].sort()).toEqual(Object.keys(idle).sort());
    const second = await probe(idle, first.findings);
    expect([...second.asked].sort()).toEqual(['/api/ps', '/api/tags', '/api/version']);
    expect(second.findings.models).toEqual(first.findings.models);
  });

  test('is show again for a model that changed', async () => {
    const first = await probe(idle);
    const tags = parsed(recorded('ollama/tags').text) as { models: { name: string; digest: string }[] };
    const changed = tags.models.map((entry) => (entry.name === 'tiny:latest' ? { ...entry, digest: 'new' } : entry));
    const second = await probe({ ...idle, '/api/tags': answer(200, { models: changed }) }, first.findings);
    expect(second.asked.filter((path) => path.startsWith('show:'))).toEqual(['show:tiny:latest']);
  });

  test('is show again after an unload, for the context it will have next time', async () => {
    const shown = parsed(recorded('ollama/show').text) as Record<string, unknown>;
    const replies = { ...idle, 'show:tiny:latest': answer(200, { ...shown, parameters: 'num_ctx 1024' }) };
    const first = await probe({ ...replies, '/api/ps': 'ollama/ps-loaded' });
    expect(model(first.findings, 'tiny:latest').contextLoaded).toBe(2_048);
    const second = await probe(replies, first.findings);
    expect(second.asked.filter((path) => path.startsWith('show:'))).toEqual(['show:tiny:latest']);
    expect(model(second.findings, 'tiny:latest').contextLoaded).toBe(1_024);
    const third = await probe(replies, second.findings);
    expect(third.asked.filter((path) => path.startsWith('show:'))).toEqual([]);
    expect(model(third.findings, 'tiny:latest').contextLoaded).toBe(1_024);
  });

  test('stops at a show that gets no answer, and the probe goes on without', async () => {
    const silent = Object.fromEntries(
      Object.keys(idle).map((path) => [path, path.startsWith('show:') ? timedOut : (idle[path] ?? '')]),
    );
    const many = Array.from({ length: 50 }, (_, at) => ({ name: `m${at}:latest`, digest: `${at}` }));
    const server = fakeServer({ ...silent, '/api/tags': answer(200, { models: many }) }, timedOut);
    const findings = await ollama.probe(server, quiet, null);
    expect(findings.models).toHaveLength(50);
    expect(server.asked.filter((path) => path.startsWith('show:')).length).toBeLessThanOrEqual(4);
  });
});

describe('how it is', () => {
  test('silence at /api/version is passed on to whoever counts silences', async () => {
    await expect(probe({ ...idle, '/api/version': timedOut })).rejects.toMatchObject({ failure: timedOut });
  });

  test('a server that hangs on /api/ps keeps what was known to be loaded', async () => {
    const first = await probe({ ...idle, '/api/ps': 'ollama/ps-loaded' });
    const second = await probe({ ...idle, '/api/ps': timedOut }, first.findings);
    expect(second.findings.observed).toBe('ready');
    expect(second.findings.models).toEqual(first.findings.models);
  });

  test('a server that hangs on /api/tags is degraded and keeps its list', async () => {
    const { findings } = await probe({ ...idle, '/api/tags': timedOut });
    expect(findings).toMatchObject({
      observed: 'degraded',
      cause: { class: 'timeout' },
      models: null,
      version: '0.17.4',
    });
  });

  test('a refusal without a word is explained: it is the host name', async () => {
    const { findings } = await probe({ ...idle, '/api/version': 'ollama/host-header-foreign' });
    expect(findings).toMatchObject({
      observed: 'auth',
      cause: { class: 'auth', message: expect.stringContaining('host name') },
    });
  });

  test.each(['llama-server/api-version', 'llama-cpp-python/api-version'])(
    'another server is not taken for one (%s)',
    async (reply) => {
      const { findings } = await probe({ ...idle, '/api/version': reply });
      expect(findings).toMatchObject({ observed: 'down', cause: { class: 'wrong_kind' }, models: null });
    },
  );

  test('an empty collection is a list of nothing', async () => {
    const { findings } = await probe({ ...idle, '/api/tags': answer(200, { models: null }) });
    expect(findings).toMatchObject({ observed: 'ready', models: [] });
  });
});

test.each([
  ['Llama3.1:8B', 'llama3.1:8b', true],
  ['tiny', 'tiny:latest', true],
  ['TINY', 'tiny:latest', true],
  ['library/tiny', 'tiny', true],
  ['registry.ollama.ai/library/tiny:latest', 'tiny', true],
  ['hf.co/User/Repo:Q4_K_M', 'hf.co/user/repo:q4_k_m', true],
  ['hf.co:443/user/repo', 'hf.co:443/user/repo:latest', true],
  ['tiny:8b', 'tiny', false],
  ['user/tiny', 'tiny', false],
])('%s and %s are the same name: %s', (a, b, isSame) => {
  expect(ollama.isSameName(a, b)).toBe(isSame);
  expect(ollama.isSameName(b, a)).toBe(isSame);
});
