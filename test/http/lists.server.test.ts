// Lists of models, in every shape a client may want, over real sockets.

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import OpenAI from 'openai';
import { describe, expect, test } from 'vitest';
import { emptyModel, emptySettings, noTimeLimits } from '../../gateway/config/defaults.ts';
import type { ExactRule, ModelGroup, RoutingSettings, Settings } from '../../gateway/config/settings.ts';
import { knownModels, mergedFacts } from '../../gateway/http/known-models.ts';
import type { ProviderSnapshot } from '../../gateway/types.ts';
import { deadAddress, send } from '../support/http.ts';
import { type Harness, model, provider, providerSettings, startHttp } from './support.ts';

const position = { file: 'f', line: 1, column: 1 };

function exact(name: string, to: string, upstreamModel: string | null = null): ExactRule {
  return {
    label: name,
    model: name,
    provider: to,
    upstreamModel,
    fallback: { kind: 'default' },
    routingStrategy: null,
    requiresWarm: false,
    timeouts: null,
    description: null,
    position,
  };
}

function group(name: string, deployments: readonly (readonly [provider: string, model: string])[]): ModelGroup {
  return {
    name,
    isWildcard: name.includes('*'),
    deployments: deployments.map(([to, upstream]) => ({
      provider: to,
      model: upstream,
      weight: null,
      rpm: null,
      tpm: null,
      priority: null,
      order: null,
      variant: null,
      maxParallelRequests: null,
      timeouts: noTimeLimits,
      answerTimeoutMs: null,
      streamTimeoutMs: null,
      numRetries: null,
      cooldownMs: null,
      position,
    })),
  };
}

function routing(parts: Partial<RoutingSettings>): RoutingSettings {
  return { ...emptySettings().routing, ...parts };
}

const ollama = provider('ollama', [
  model('qwen3:8b', {
    size: 8.2e9,
    quantization: 'Q4_K_M',
    contextTrained: 40_960,
    contextLoaded: 8_192,
    capabilities: new Set(['completion', 'tools']),
    isLoaded: true,
    createdAtSeconds: 1_754_035_872,
  }),
  model('tiny:latest', { isLoaded: false }),
]);
const vllm = provider('vllm', [model('org/Big-30B-A3B', { size: 30e9, activeSize: 3e9, contextLoaded: 32_768 })], {
  kind: 'vllm',
  endpoints: new Set(['chat']),
});
const single = provider('cpp', [model('/models/llama.gguf', { size: 7e9 })], {
  kind: 'llama_cpp',
  isSingleModel: true,
  endpoints: new Set(['chat']),
});

function names(settings: Settings, providers: readonly ProviderSnapshot[]): string[] {
  const snapshot = { atMs: 0, version: 1, providers: new Map(providers.map((one) => [one.name, one])) };
  return knownModels(settings, snapshot).map(({ name, deployments }) => {
    const who = deployments.map((deployment) => `${deployment.provider.name}/${deployment.model}`);
    return `${name} <- ${who.join(', ')}`;
  });
}

describe('the names that can be asked for', () => {
  test('are exact rules, groups, listed models and declared aliases, each once, with everybody who would answer', () => {
    const settings: Settings = {
      ...emptySettings(),
      providers: new Map([
        [
          'ollama',
          {
            ...providerSettings('ollama', 'http://x'),
            models: new Map([['qwen3:8b', { ...emptyModel('qwen3:8b'), aliases: ['coder'] }]]),
          },
        ],
      ]),
      routing: routing({
        exactMatches: new Map([
          ['TINY', exact('TINY', 'ollama')],
          ['llama', exact('llama', 'cpp')],
          ['gone', exact('gone', 'nobody')],
        ]),
        groups: new Map([
          [
            'pool',
            group('pool', [
              ['ollama', 'qwen3:8b'],
              ['vllm', 'org/Big-30B-A3B'],
            ]),
          ],
          ['openai/*', group('openai/*', [['vllm', '*']])],
        ]),
      }),
    };
    const more = provider('second', [model('qwen3:8b')], { priority: 5 });
    expect(names(settings, [ollama, vllm, single, more])).toEqual([
      'TINY <- ollama/tiny:latest',
      'llama <- cpp//models/llama.gguf',
      'pool <- ollama/qwen3:8b, vllm/org/Big-30B-A3B',
      'qwen3:8b <- second/qwen3:8b, ollama/qwen3:8b',
      'tiny:latest <- ollama/tiny:latest',
      'org/Big-30B-A3B <- vllm/org/Big-30B-A3B',
      '/models/llama.gguf <- cpp//models/llama.gguf',
      'coder <- ollama/qwen3:8b',
    ]);
  });

  test('leave out what is switched off or cannot be called, and keep what is only away', () => {
    const away = { ...ollama, observed: 'down', isListStale: true } as const;
    const off = { ...vllm, isEnabled: false };
    const keyless = { ...single, isCallable: false };
    const settings = { ...emptySettings(), routing: routing({ exactMatches: new Map([['x', exact('x', 'vllm')]]) }) };
    expect(names(settings, [away, off, keyless])).toEqual([
      'qwen3:8b <- ollama/qwen3:8b',
      'tiny:latest <- ollama/tiny:latest',
    ]);
  });

  test('have of each fact the first that is known, and are loaded if they are anywhere', () => {
    const [first, second] = [
      provider('a', [model('m', { isLoaded: false, size: 1e9 })]),
      provider('b', [model('m', { isLoaded: true, size: 2e9, contextTrained: 4_096 })]),
    ];
    const [named] = knownModels(emptySettings(), {
      atMs: 0,
      version: 1,
      providers: new Map([
        ['a', first],
        ['b', second],
      ]),
    });
    expect(named && mergedFacts(named)).toMatchObject({
      size: 1e9,
      contextLength: 4_096,
      isLoaded: true,
      quantization: null,
      providers: ['a', 'b'],
    });
  });
});

describe('/v1/models', () => {
  test("is OpenAI's list with facts as extra fields", async () => {
    await using harness = await startHttp({ providers: [ollama, vllm] });
    for (const path of ['/v1/models', '/models', '/v1/models/', '/v1/v1/models', '/v1/models?limit=1000']) {
      const answer = await send(harness.url + path);
      expect([path, answer.status, answer.headers['content-type']]).toEqual([
        path,
        200,
        'application/json; charset=utf-8',
      ]);
      expect(answer.json).toMatchObject({ object: 'list' });
    }
    const { json } = await send(`${harness.url}/v1/models`);
    expect((json as { data: unknown[] }).data[0]).toEqual({
      id: 'qwen3:8b',
      object: 'model',
      created: 1_754_035_872,
      owned_by: 'ollama',
      context_length: 8_192,
      size: 8.2e9,
      active_size: null,
      quantization: 'Q4_K_M',
      capabilities: ['completion', 'tools'],
      loaded: true,
      providers: ['ollama'],
    });
  });

  test("has Anthropic's fields beside for a client that is one of theirs", async () => {
    await using harness = await startHttp({ providers: [ollama] });
    for (const headers of [{ 'anthropic-version': '2023-06-01' }, { 'x-api-key': 'any' }]) {
      const { json } = await send(`${harness.url}/v1/models?limit=20`, { headers });
      expect(json).toMatchObject({ object: 'list', has_more: false, first_id: 'qwen3:8b', last_id: 'tiny:latest' });
      expect((json as { data: unknown[] }).data).toMatchObject([
        {
          id: 'qwen3:8b',
          object: 'model',
          type: 'model',
          display_name: 'qwen3:8b',
          created_at: '2025-08-01T08:11:12.000Z',
          max_input_tokens: 8_192,
        },
        { type: 'model', created_at: '1970-01-01T00:00:00.000Z' },
      ]);
    }
  });

  test('is an empty list, not null, when there is nothing', async () => {
    await using harness = await startHttp();
    expect((await send(`${harness.url}/v1/models`)).json).toEqual({ object: 'list', data: [] });
  });

  test('waits for the first sweep', async () => {
    const listed = Promise.withResolvers<void>();
    let harness: Harness | null = null;
    const catalog = {
      snapshot: () => ({
        atMs: 0,
        version: 1,
        providers: new Map((harness?.providers ?? []).map((one) => [one.name, one])),
      }),
      whenListed: () => listed.promise,
      status: () => [],
      probe: () => null,
      sweep: async () => undefined,
      snooze: () => false,
      discover: async () => [],
      providerSettings: () => undefined,
      controlled: () => null,
    };
    harness = await startHttp({ deps: { catalog } });
    const asked = send(`${harness.url}/v1/models`);
    await expect.poll(() => harness?.http.inFlight).toBe(1);
    harness.providers = [ollama];
    listed.resolve();
    expect(((await asked).json as { data: unknown[] }).data).toHaveLength(2);
    await harness[Symbol.asyncDispose]();
  });

  test.each([
    ['/v1/models/qwen3:8b', 'qwen3:8b'],
    ['/v1/models/qwen3%3A8b', 'qwen3:8b'],
    ['/v1/models/org/Big-30B-A3B', 'org/Big-30B-A3B'],
    ['/v1/models/org%2FBig-30B-A3B', 'org/Big-30B-A3B'],
    ['/models/org/Big-30B-A3B', 'org/Big-30B-A3B'],
    ['/v1/models/tiny', 'tiny:latest'],
    ['/v1/models/TINY:latest', 'tiny:latest'],
  ])('%s is one entry', async (path, id) => {
    await using harness = await startHttp({ providers: [ollama, vllm] });
    const answer = await send(harness.url + path);
    expect([answer.status, (answer.json as { id: string }).id]).toEqual([200, id]);
  });

  test('an id that nobody knows is 404 with the nearest one, in the shape of the client', async () => {
    await using harness = await startHttp({ providers: [ollama] });
    const openai = await send(`${harness.url}/v1/models/qwen3:8c`);
    expect(openai).toMatchObject({
      status: 404,
      json: { error: { code: 'model_not_found', message: expect.stringContaining('qwen3:8b') } },
    });
    const headers = { 'anthropic-version': '2023-06-01' };
    const anthropic = await send(`${harness.url}/v1/models/nothing`, { headers });
    expect(anthropic).toMatchObject({ status: 404, json: { type: 'error', error: { type: 'not_found_error' } } });
    expect((await send(`${harness.url}/v1/models/%E0%A4%A`)).status).toBe(400);
  });

  test('is read by the official client', async () => {
    await using harness = await startHttp({ providers: [ollama, vllm] });
    const client = new OpenAI({ baseURL: `${harness.url}/v1`, apiKey: 'none', maxRetries: 0 });
    const ids: string[] = [];
    for await (const entry of client.models.list()) ids.push(entry.id);
    expect(ids).toEqual(['qwen3:8b', 'tiny:latest', 'org/Big-30B-A3B']);
    expect((await client.models.retrieve('org/Big-30B-A3B')).id).toBe('org/Big-30B-A3B');
    await expect(client.models.retrieve('nope')).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
  });
});

test("/model/info is LiteLLM's, one entry per deployment, without keys", async () => {
  await using harness = await startHttp({
    providers: [ollama],
    baseUrls: { ollama: 'http://user:secret@127.0.0.1:9' },
  });
  for (const path of ['/v1/model/info', '/model/info']) {
    const answer = await send(harness.url + path);
    expect(answer.json).toMatchObject({
      data: [
        {
          model_name: 'qwen3:8b',
          litellm_params: { model: 'ollama/qwen3:8b', api_base: 'http://127.0.0.1:9' },
          model_info: { id: 'ollama/qwen3:8b', mode: 'chat', max_input_tokens: 8_192, supports_vision: false },
          num_requests: 7,
        },
        { model_name: 'tiny:latest', model_info: { mode: null, supports_vision: null } },
      ],
    });
    expect(answer.text).not.toContain('secret');
  }
});

describe("Ollama's lists", () => {
  async function server(listener: RequestListener) {
    const http = createServer(listener);
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    const address = http.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    return {
      url: `http://127.0.0.1:${port}`,
      async [Symbol.asyncDispose]() {
        http.closeAllConnections();
        http.close();
        await once(http, 'close');
      },
    };
  }

  async function recorded(name: string): Promise<string> {
    const file = new URL(`../recordings/ollama/${name}.json`, import.meta.url);
    const { response } = JSON.parse(await readFile(file, 'utf8')) as { response: { chunks: [number, string][] } };
    return response.chunks.map(([, text]) => text).join('');
  }

  /** Answers recorded bodies by path. */
  function replaying(bodies: Readonly<Record<string, string>>, seen: IncomingMessage[] = []): RequestListener {
    return (request, response) => {
      seen.push(request);
      const body = bodies[request.url ?? ''];
      response.statusCode = body === undefined ? 404 : 200;
      response.end(body ?? '404 page not found');
    };
  }

  test('are what the servers themselves say, merged', async () => {
    const seen: IncomingMessage[] = [];
    const tags = await recorded('tags');
    const ps = await recorded('ps-loaded');
    await using first = await server(replaying({ '/api/tags': tags, '/api/ps': ps }, seen));
    const extra = {
      name: 'extra:1b',
      model: 'extra:1b',
      modified_at: '2027-01-01T00:00:00Z',
      size: 1,
      digest: 'd',
      details: {},
    };
    await using second = await server(
      replaying({ '/prefix/api/tags': JSON.stringify({ models: [extra] }), '/prefix/api/ps': '{"models":[]}' }),
    );
    await using harness = await startHttp({
      providers: [provider('a', []), provider('b', []), { ...vllm, name: 'c' }],
      baseUrls: { a: first.url, b: `${second.url}/prefix` },
    });
    const merged = (await send(`${harness.url}/api/tags`)).json as { models: { name: string }[] };
    const original = JSON.parse(tags) as { models: { name: string }[] };
    expect(merged.models[0]).toEqual(extra);
    expect(merged.models.slice(1)).toEqual(expect.arrayContaining(original.models));
    expect(merged.models).toHaveLength(original.models.length + 1);
    expect((await send(`${harness.url}/api/ps`)).json).toEqual(JSON.parse(ps));
    expect(seen[0]?.headers).toMatchObject({ 'x-switchyard-hop': 'instance-of-the-tests' });
    expect(seen[0]?.headers.origin).toBeUndefined();
  });

  test('come from memory, with every field strict clients want, where a server is away, silent or no Ollama', async () => {
    await using silent = await server(() => undefined);
    await using wrong = await server((_request, response) => response.end('<html>'));
    const facts = {
      size: 8.2e9,
      quantization: 'Q4_K_M',
      family: 'qwen3',
      digest: 'abc',
      fileBytes: 5_225_388_164,
      createdAtSeconds: 1_754_035_872,
      capabilities: new Set(['completion', 'reasoning', 'fim', 'structured_output'] as const),
      isLoaded: true,
      vramBytes: 10,
      loadedUntilMs: Number.POSITIVE_INFINITY,
      contextLoaded: 8_192,
    };
    await using harness = await startHttp({
      providers: [
        provider('away', [model('qwen3:8b', facts)], { observed: 'down' }),
        provider('gone', [model('gone:1b')]),
        provider('silent', [model('silent:1b')]),
        provider('wrong', [model('wrong:1b')]),
        provider('off', [model('off:1b')], { isEnabled: false }),
      ],
      baseUrls: { gone: await deadAddress(), silent: silent.url, wrong: wrong.url },
    });
    const { models } = (await send(`${harness.url}/api/tags`)).json as { models: unknown[] };
    expect(models).toHaveLength(4);
    expect(models[0]).toEqual({
      name: 'qwen3:8b',
      model: 'qwen3:8b',
      modified_at: '2025-08-01T08:11:12.000Z',
      size: 5_225_388_164,
      digest: 'abc',
      details: {
        parent_model: '',
        format: 'gguf',
        family: 'qwen3',
        families: ['qwen3'],
        parameter_size: '8.2B',
        quantization_level: 'Q4_K_M',
      },
      capabilities: ['completion', 'thinking', 'insert'],
    });
    expect(models[1]).toMatchObject({
      modified_at: '0001-01-01T00:00:00Z',
      size: 0,
      digest: '',
      details: { format: 'gguf' },
    });
    const running = (await send(`${harness.url}/api/ps`)).json as { models: { expires_at: string }[] };
    expect(running.models).toMatchObject([
      { name: 'qwen3:8b', size: 5_225_388_164, size_vram: 10, context_length: 8_192 },
    ]);
    expect(Date.parse(running.models[0]?.expires_at ?? '')).toBeGreaterThan(Date.parse('2200-01-01'));
  });

  test('tell a dotted version also when nobody has told one', async () => {
    await using harness = await startHttp({ providers: [ollama] });
    expect((await send(`${harness.url}/api/version`)).json).toEqual({ version: '0.17.4' });
    harness.providers = [];
    expect((await send(`${harness.url}/api/version`)).json).toEqual({
      version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
    });
  });

  describe('and management', () => {
    const requests = [
      ['POST', '/api/pull'],
      ['POST', '/api/push'],
      ['POST', '/api/create'],
      ['POST', '/api/copy'],
      ['DELETE', '/api/delete'],
      ['POST', '/api/blobs/sha256:abc'],
    ] as const;

    test.each(requests)('%s %s is refused unless allowed, in the words of its protocol', async (method, path) => {
      await using harness = await startHttp({ providers: [ollama] });
      const answer = await send(harness.url + path, { method, body: { model: 'm' } });
      expect(answer).toMatchObject({
        status: 403,
        json: { error: expect.stringContaining('server.allow_model_management') },
      });
    });

    test('passes through once allowed, bytes both ways, as they come', async () => {
      const more = Promise.withResolvers<void>();
      const bodies: string[] = [];
      await using upstream = await server(async (request, response) => {
        let body = '';
        for await (const chunk of request) body += chunk;
        bodies.push(`${request.method} ${request.url} ${body}`);
        response.writeHead(200, { 'content-type': 'application/x-ndjson', 'x-from': 'ollama', 'set-cookie': 'a=b' });
        response.write('{"status":"pulling manifest"}\n');
        await more.promise;
        response.end('{"status":"success"}\n');
      });
      await using harness = await startHttp({
        server: { isModelManagementAllowed: true },
        providers: [ollama],
        baseUrls: { ollama: upstream.url },
      });
      const answer = await send(`${harness.url}/api/pull?x=1`, {
        method: 'POST',
        body: { model: 'm' },
        // The first line is here before the second is sent.
        ...({ onArrival: () => more.resolve() } as object),
      });
      expect(answer.text).toBe('{"status":"pulling manifest"}\n{"status":"success"}\n');
      expect(answer.headers).toMatchObject({ 'x-from': 'ollama', 'x-switchyard-provider': 'ollama' });
      expect(answer.headers['set-cookie']).toBeUndefined();
      expect(bodies).toEqual(['POST /api/pull?x=1 {"model":"m"}']);
    });

    test('goes to the provider that is named when there are several', async () => {
      await using upstream = await server((request, response) => {
        request.resume();
        response.writeHead(200, { 'content-length': 5 });
        response.end(request.method === 'HEAD' ? undefined : 'hello');
      });
      await using harness = await startHttp({
        server: { isModelManagementAllowed: true },
        providers: [provider('one', []), provider('two', []), vllm],
        baseUrls: { two: upstream.url, one: await deadAddress() },
      });
      const ask = (method: string, path: string, pin?: string) =>
        send(harness.url + path, { method, ...(pin === undefined ? {} : { headers: { 'x-provider': pin } }) });
      expect(await ask('DELETE', '/api/delete', 'two')).toMatchObject({ status: 200, text: 'hello' });
      expect(await ask('HEAD', '/api/blobs/sha256:abc', 'two')).toMatchObject({ status: 200, text: '' });
      expect(await ask('DELETE', '/api/delete')).toMatchObject({
        status: 400,
        json: { error: expect.stringContaining('one, two') },
      });
      expect(await ask('DELETE', '/api/delete', 'tow')).toMatchObject({
        status: 400,
        json: { error: expect.stringContaining('two') },
      });
      expect(await ask('DELETE', '/api/delete', 'vllm')).toMatchObject({ status: 400 });
      expect(await ask('DELETE', '/api/delete', 'one')).toMatchObject({
        status: 502,
        json: { error: expect.stringContaining('one') },
      });
    });

    test.each(['before', 'after'])('ends at the provider when the client leaves %s the answer began', async (when) => {
      const arrived = Promise.withResolvers<void>();
      const left = Promise.withResolvers<void>();
      await using upstream = await server((request, response) => {
        request.resume();
        response.on('close', left.resolve);
        if (when === 'after') response.write('{"status":"pulling"}\n');
        arrived.resolve();
      });
      await using harness = await startHttp({
        server: { isModelManagementAllowed: true },
        providers: [ollama],
        baseUrls: { ollama: upstream.url },
      });
      const controller = new AbortController();
      const asked = send(`${harness.url}/api/pull`, { method: 'POST', body: {}, signal: controller.signal });
      asked.catch(() => undefined);
      await arrived.promise;
      controller.abort();
      await left.promise;
      await expect.poll(() => harness.http.inFlight).toBe(0);
    });
  });
});
