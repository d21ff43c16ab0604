import { describe, expect, test } from 'vitest';
import { fingerprint } from '../../gateway/providers/fingerprint.ts';
import { answer, fakeServer, parsed, type Reply, recorded, timedOut } from './recordings.ts';

type Replies = Readonly<Record<string, Reply>>;

async function look(replies: Replies, otherwise?: Reply, port = 8_080) {
  const server = fakeServer(replies, otherwise);
  return { print: await fingerprint((path) => server.get(path), port), asked: server.asked };
}

const ginNotFound = answer(404, '404 page not found');
const llamaNotFound: Reply = 'llama-server/err-404-get';
const list = (...data: object[]) => answer(200, { object: 'list', data });

const ollama: Replies = { '/': 'ollama/root', '/api/version': 'ollama/version', '/v1/models': 'ollama/v1-models' };
const vllm: Replies = {
  '/openapi.json': answer(200, { openapi: '3.1.0', info: { title: 'FastAPI', version: '0.1.0' }, paths: {} }),
  '/version': 'vllm/version',
  '/v1/models': 'vllm/models',
};
const llamaServer: Replies = { '/props': 'llama-server/props', '/v1/models': 'llama-server/models' };

describe('servers of a kind of their own', () => {
  test('Ollama', async () => {
    const { print } = await look(ollama, ginNotFound);
    expect(print).toMatchObject({ kind: 'ollama', version: '0.17.4', needsKey: false });
  });

  test('vLLM', async () => {
    const { print } = await look(vllm, 'vllm/root');
    expect(print).toMatchObject({ kind: 'vllm', version: '0.32.0', needsKey: false });
  });

  test('vLLM with a key, by its 401 and its open /version', async () => {
    const { print } = await look({ ...vllm, '/v1/models': 'vllm/auth_missing_models' }, 'vllm/root');
    expect(print).toMatchObject({ kind: 'vllm', version: '0.32.0', needsKey: true });
  });

  test('llama-server', async () => {
    const { print } = await look(llamaServer, llamaNotFound);
    expect(print).toMatchObject({ kind: 'llama_cpp', product: 'llama.cpp', version: 'b1-0c1e570', needsKey: false });
  });

  test('llama-server as a router', async () => {
    const { print } = await look(
      { '/props': 'llama-server/router-props', '/v1/models': 'llama-server/router-models' },
      llamaNotFound,
    );
    expect(print).toMatchObject({ kind: 'llama_cpp', product: 'llama.cpp (router)' });
  });

  test('llama-server that is loading', async () => {
    const { print } = await look({}, 'llama-server/loading-404');
    expect(print).toMatchObject({ kind: 'llama_cpp', needsKey: false });
  });

  test('llama-server with a key', async () => {
    const { print } = await look({ '/props': 'llama-server/key-props-no-key' }, 'llama-server/key-models-no-key');
    expect(print).toMatchObject({ kind: 'llama_cpp', needsKey: true });
  });

  test('llama-cpp-python, of which nothing but /openapi.json is asked', async () => {
    const { print, asked } = await look(
      { '/openapi.json': 'llama-cpp-python/openapi', '/v1/models': 'llama-cpp-python/models' },
      'llama-cpp-python/err-404',
    );
    expect(print).toMatchObject({ kind: 'llama_cpp_python', version: '0.3.36' });
    expect(asked).toEqual(['/openapi.json']);
  });
});

describe('servers for the kind openai', () => {
  test.each<[string, Replies, Reply | undefined]>([
    [
      'LM Studio',
      { '/lmstudio-greeting': answer(200, { lmstudio: true }) },
      answer(200, { error: 'Unexpected endpoint or method. (GET /x)' }),
    ],
    ['SGLang', { '/v1/models': list({ id: 'm', owned_by: 'sglang', max_model_len: 1 }) }, undefined],
    ['KoboldCpp', { '/api/extra/version': answer(200, { result: 'KoboldCpp', version: '1.102' }) }, undefined],
    [
      'TabbyAPI',
      {
        '/.well-known/serviceinfo': answer(200, { software: { name: 'TabbyAPI', version: '1' } }),
        '/api/extra/version': answer(200, { result: 'KoboldCpp', version: '1.74' }),
      },
      undefined,
    ],
    [
      'Text Generation Inference',
      { '/info': answer(200, { router: 'text-generation-router', version: '3.3.7' }) },
      undefined,
    ],
    [
      'LocalAI',
      {
        '/.well-known/localai.json': answer(200, { version: '3', endpoints: { models: '/v1/models' } }),
        '/api/version': answer(200, { version: '0.9.0' }),
      },
      undefined,
    ],
    [
      'Lemonade',
      { ...ollama, '/v1/health': answer(200, { status: 'ok', all_models_loaded: [], websocket_port: 9000 }) },
      undefined,
    ],
    [
      'Docker Model Runner',
      { '/': answer(200, 'Docker Model Runner is running'), '/api/version': answer(200, { version: '0.1.0' }) },
      undefined,
    ],
    ['Xinference', { '/openapi.json': answer(200, { info: { title: 'Xinference' } }) }, undefined],
    ["llama-cpp-python's example server", { '/v1/models': list({ id: 'm', owned_by: 'llama-cpp-python' }) }, undefined],
    [
      'OpenAI-compatible server',
      { '/v1/models': list({ id: 'mlx-community/x', object: 'model' }) },
      answer(404, 'Not Found'),
    ],
    ['OpenAI-compatible server', { '/v1/models': list() }, undefined],
    ['OpenAI-compatible server', { '/v1/models': answer(401, { error: { message: 'no key' } }) }, undefined],
  ])('%s', async (product, replies, otherwise) => {
    const { print } = await look(replies, otherwise);
    expect(print).toMatchObject({ kind: 'openai', product });
  });
});

describe('never adopted', () => {
  test.each<[string, Replies]>([
    ['our own kind', { ...ollama, '/health/readiness': answer(200, { status: 'ready', product: 'switchyard' }) }],
    ['our own kind', { ...ollama, '/health/readiness': answer(503, { status: 'stopping', product: 'switchyard' }) }],
    ['our own kind', { ...vllm, '/openapi.json': answer(404, '', { 'x-switchyard-provider': 'a' }) }],
    ['LiteLLM', { ...vllm, '/health/readiness': answer(200, { status: 'connected', litellm_version: '1.106' }) }],
    ['LiteLLM', { ...vllm, '/openapi.json': answer(200, { info: { title: 'LiteLLM API' } }) }],
    [
      'llama-swap',
      { '/running': answer(200, { running: [] }), '/v1/models': list({ id: 'm', owned_by: 'llama-swap' }) },
    ],
    ['llama-swap', { '/v1/models': list({ id: 'm', owned_by: 'llama-swap' }) }],
    ['Olla', { ...ollama, '/openapi.json': answer(404, '', { 'x-olla-request-id': '1' }) }],
    ['Olla', { ...ollama, '/version': answer(200, { name: 'olla', version: '0.1' }) }],
    ['Open WebUI', { ...ollama, '/openapi.json': answer(200, { info: { title: 'Open WebUI' } }) }],
    ['Portkey', { '/': answer(200, 'AI Gateway says hey!'), '/v1/models': list({ id: 'm' }) }],
  ])('%s', async (who, replies) => {
    const { print } = await look(replies);
    expect(print).toEqual({ notOurs: expect.stringContaining(who) });
  });

  const props = parsed(recorded('llama-server/props').text) as Record<string, unknown>;

  test.each([
    ['/root/.ollama/models/blobs/sha256-abc', 8_081],
    ['C:\\Users\\x\\.ollama\\models\\blobs\\sha256-abc', 40_000],
  ])('a llama-server that Ollama runs (%s)', async (model_path, port) => {
    const child = { ...llamaServer, '/props': answer(200, { ...props, model_path }, { server: 'llama.cpp' }) };
    expect((await look(child, llamaNotFound, port)).print).toEqual({ notOurs: expect.stringContaining('Ollama') });
  });

  test('a llama-server without a page of its own on an ephemeral port; on a usual one it is somebody’s choice', async () => {
    const child = { ...llamaServer, '/props': answer(200, { ...props, ui: false }, { server: 'llama.cpp' }) };
    expect((await look(child, llamaNotFound, 45_678)).print).toHaveProperty('notOurs');
    expect((await look(child, llamaNotFound, 8_081)).print).toMatchObject({ kind: 'llama_cpp' });
  });
});

describe('nothing we know', () => {
  test('a port where nothing answers is asked once', async () => {
    const { print, asked } = await look({}, timedOut);
    expect([print, asked]).toEqual([null, ['/openapi.json']]);
  });

  test.each<[string, Reply]>([
    ['a page for every path', answer(200, '<!doctype html><title>My app</title>')],
    ['JSON for every path', answer(200, { status: 'ok', version: '1.2.3' })],
    ['not found', answer(404, 'no')],
    ['a refusal of every path', answer(401, { error: 'login first' })],
    ['an error for every path', answer(500, { error: { message: 'x' } })],
  ])('%s', async (_what, otherwise) => {
    expect((await look({}, otherwise)).print).toBeNull();
  });

  test('another program’s FastAPI page', async () => {
    const page = answer(200, { openapi: '3.1.0', info: { title: 'My shop' }, paths: {} });
    expect((await look({ '/openapi.json': page })).print).toBeNull();
  });
});

test('no path is asked that could load, generate or unload, and none twice', async () => {
  const harmful = /unload|load|generate|completions|chat|health_generate|^\/health$|\/slots|\/metrics|\/backend/;
  for (const replies of [{}, ollama, vllm, llamaServer]) {
    const { asked } = await look(replies);
    expect(asked[0]).toBe('/openapi.json');
    expect(asked.filter((path) => harmful.test(path))).toEqual([]);
    expect(new Set(asked).size).toBe(asked.length);
  }
});
