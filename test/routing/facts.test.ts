import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../gateway/errors.ts';
import { type FactsInput, readFacts } from '../../gateway/routing/facts.ts';
import type { Endpoint, RequestFacts } from '../../gateway/types.ts';

function read(body: unknown, changes: Partial<FactsInput> = {}): RequestFacts {
  return readFacts({
    id: 'req_1',
    receivedAtMs: 1,
    endpoint: 'chat',
    protocol: 'openai',
    headers: {},
    body,
    bodyBytes: JSON.stringify(body ?? null).length,
    client: 'test',
    conversationSecret: 'secret',
    charactersPerToken: 4,
    ...changes,
  });
}

const user = (content: unknown) => ({ model: 'm', messages: [{ role: 'user', content }] });

describe('what a body needs', () => {
  const cases: readonly (readonly [string, Endpoint, unknown, readonly string[]])[] = [
    ['plain chat needs nothing', 'chat', user('hi'), []],
    [
      'an image part needs vision',
      'chat',
      user([{ type: 'image_url', image_url: { url: 'data:image/png;base64,AA' } }]),
      ['vision'],
    ],
    ['top-level images need vision', 'chat', { ...user('hi'), images: ['AA'] }, ['vision']],
    ['an empty list of images needs nothing', 'chat', { ...user('hi'), images: [] }, []],
    [
      'an audio part needs audio',
      'chat',
      user([{ type: 'input_audio', input_audio: { data: 'AA', format: 'wav' } }]),
      ['audio'],
    ],
    ['tools need tools', 'chat', { ...user('hi'), tools: [{ type: 'function', function: { name: 'f' } }] }, ['tools']],
    ['an empty list of tools needs nothing', 'chat', { ...user('hi'), tools: [] }, []],
    ['old-style functions need tools', 'chat', { ...user('hi'), functions: [{ name: 'f' }] }, ['tools']],
    [
      'a JSON schema needs structured output',
      'chat',
      { ...user('hi'), response_format: { type: 'json_schema', json_schema: {} } },
      ['structured_output'],
    ],
    ['JSON mode is no schema', 'chat', { ...user('hi'), response_format: { type: 'json_object' } }, []],
    ['an effort asks for reasoning', 'chat', { ...user('hi'), reasoning_effort: 'low' }, ['reasoning']],
    ['the effort none asks for none', 'chat', { ...user('hi'), reasoning_effort: 'none' }, []],
    ['a suffix is fill-in-the-middle', 'completions', { model: 'm', prompt: 'a', suffix: 'b' }, ['fim']],
    ['an empty suffix is none', 'completions', { model: 'm', prompt: 'a', suffix: '' }, []],
    ['embeddings need an embedding model', 'embeddings', { model: 'm', input: 'a' }, ['embedding']],
    ['rerank needs a reranker', 'rerank', { model: 'm', query: 'a', documents: ['b'] }, ['rerank']],
    ['speech needs speech', 'audio_speech', { model: 'm', input: 'a' }, ['speech']],
    [
      'an image of the Responses API needs vision',
      'responses',
      { model: 'm', input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'x' }] }] },
      ['vision'],
    ],
    [
      'a schema of the Responses API',
      'responses',
      { model: 'm', input: 'a', text: { format: { type: 'json_schema' } } },
      ['structured_output'],
    ],
    [
      'an effort of the Responses API',
      'responses',
      { model: 'm', input: 'a', reasoning: { effort: 'high' } },
      ['reasoning'],
    ],
    [
      'an image block needs vision',
      'messages',
      user([{ type: 'image', source: { type: 'base64', data: 'AA' } }]),
      ['vision'],
    ],
    [
      'an image inside a tool result needs vision',
      'messages',
      user([{ type: 'tool_result', content: [{ type: 'image', source: {} }] }]),
      ['vision'],
    ],
    [
      'thinking asks for reasoning',
      'messages',
      { ...user('a'), thinking: { type: 'enabled', budget_tokens: 2000 } },
      ['reasoning'],
    ],
    ['disabled thinking asks for none', 'messages', { ...user('a'), thinking: { type: 'disabled' } }, []],
    ['counting tokens needs nothing', 'messages_count_tokens', { ...user('a'), tools: [{ name: 'f' }] }, []],
    [
      'images of an Ollama message need vision',
      'ollama_chat',
      { model: 'm', messages: [{ role: 'user', content: 'a', images: ['AA'] }] },
      ['vision'],
    ],
    ['a schema as Ollama format', 'ollama_chat', { ...user('a'), format: { type: 'object' } }, ['structured_output']],
    ['the Ollama format json is no schema', 'ollama_chat', { ...user('a'), format: 'json' }, []],
    ['Ollama think asks for reasoning', 'ollama_generate', { model: 'm', prompt: 'a', think: true }, ['reasoning']],
    ['Ollama embed needs an embedding model', 'ollama_embed', { model: 'm', input: ['a'] }, ['embedding']],
  ];
  test.each(cases)('%s', (_name, endpoint, body, needs) => {
    expect(read(body, { endpoint }).needs).toEqual(needs);
  });

  test('all needs are found together', () => {
    const body = { ...user([{ type: 'image_url' }, { type: 'input_audio' }]), tools: [{}], think: 'high', suffix: 'x' };
    expect(read(body).needs).toEqual(['vision', 'audio', 'tools', 'reasoning', 'fim']);
  });
});

describe('how long a prompt is', () => {
  const text = 'x'.repeat(4_000);
  test('text counts by characters over the ratio', () => {
    expect(read(user(text)).promptTokens).toBeGreaterThanOrEqual(1_000);
    expect(read(user(text)).promptTokens).toBeLessThan(1_010);
    expect(read(user(text), { charactersPerToken: 2 }).promptTokens).toBeGreaterThanOrEqual(2_000);
  });
  test('a ratio of nothing falls back to four', () => {
    expect(read(user(text), { charactersPerToken: 0 }).promptTokens).toBeLessThan(1_010);
  });
  test('an image counts as 1,000 and its base64 not at all', () => {
    const url = `data:image/png;base64,${'A'.repeat(100_000)}`;
    const tokens = read(
      user([
        { type: 'text', text: 'look' },
        { type: 'image_url', image_url: { url } },
      ]),
    ).promptTokens;
    expect(tokens).toBeGreaterThanOrEqual(1_000);
    expect(tokens).toBeLessThan(1_010);
  });
  test.each([
    ['audio', [{ type: 'input_audio', input_audio: { data: 'A'.repeat(50_000) } }]],
    ['a file', [{ type: 'file', file: { filename: 'a.pdf', file_data: 'A'.repeat(50_000) } }]],
    ['a PDF document', [{ type: 'document', source: { type: 'base64', data: 'A'.repeat(50_000) } }]],
  ])('the base64 of %s counts for nothing', (_name, content) => {
    expect(read(user(content)).promptTokens).toBeLessThan(20);
  });
  test('a document of plain text counts', () => {
    expect(
      read(user([{ type: 'document', source: { type: 'text', data: text } }])).promptTokens,
    ).toBeGreaterThanOrEqual(1_000);
  });
  test('tools and system text count', () => {
    const tools = [{ type: 'function', function: { name: 'f', description: text, parameters: { type: 'object' } } }];
    expect(read({ ...user('a'), tools }).promptTokens).toBeGreaterThanOrEqual(1_000);
    expect(read({ ...user('a'), system: [{ type: 'text', text }] }).promptTokens).toBeGreaterThanOrEqual(1_000);
    expect(read({ model: 'm', input: 'a', instructions: text }).promptTokens).toBeGreaterThanOrEqual(1_000);
  });
  test('arguments and results of tool calls count, whatever their keys are named', () => {
    const call = { role: 'assistant', tool_calls: [{ id: 'x', function: { name: 'f', arguments: { data: text } } }] };
    expect(read({ model: 'm', messages: [call] }).promptTokens).toBeGreaterThanOrEqual(1_000);
    const used = [{ type: 'tool_use', id: 'x', name: 'f', input: { type: text } }];
    expect(read(user(used)).promptTokens).toBeGreaterThanOrEqual(1_000);
    expect(read(user([{ type: 'tool_result', tool_use_id: 'x', content: text }])).promptTokens).toBeGreaterThanOrEqual(
      1_000,
    );
  });
  test('token numbers count one by one', () => {
    expect(read({ model: 'm', prompt: [1, 2, 3] }, { endpoint: 'completions' }).promptTokens).toBe(3);
    expect(read({ model: 'm', input: [[1, 2], [3]] }, { endpoint: 'embeddings' }).promptTokens).toBe(3);
  });
  test('the estimate never exceeds what the body could hold', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ role: fc.string(), content: fc.string() })), (messages) => {
        const body = { messages };
        const bytes = Buffer.byteLength(JSON.stringify(body));
        expect(read(body, { bodyBytes: bytes }).promptTokens).toBeLessThanOrEqual(Math.ceil(bytes / 4));
      }),
    );
  });
});

describe('how many inputs there are', () => {
  test.each([
    ['completions', { prompt: ['a', 'b'] }, 2],
    ['completions', { prompt: [1, 2, 3] }, 1],
    ['completions', { prompt: [[1], [2], [3]] }, 3],
    ['embeddings', { input: ['a', 'b', 'c'] }, 3],
    ['embeddings', { input: [] }, 1],
    ['rerank', { documents: ['a', 'b'] }, 2],
    ['ollama_embed', { input: ['a', 'b'] }, 2],
    ['chat', { messages: [{}, {}] }, 1],
  ] as const)('%s %j holds %i', (endpoint, body, count) => {
    expect(read(body, { endpoint }).batchSize).toBe(count);
  });
});

describe('simple facts', () => {
  test('a stream is asked for, but is the default on the native Ollama endpoints', () => {
    expect(read({ stream: true }).isStream).toBe(true);
    expect(read({}).isStream).toBe(false);
    expect(read({}, { endpoint: 'ollama_chat' }).isStream).toBe(true);
    expect(read({ stream: false }, { endpoint: 'ollama_generate' }).isStream).toBe(false);
  });
  test('the model is as written, absent when empty, and a string or an error', () => {
    expect(read({ model: ' A b ' }).model).toBe(' A b ');
    expect(read({ model: '' }).model).toBeNull();
    expect(read({ model: null }).model).toBeNull();
    expect(() => read({ model: 7 })).toThrowError(expect.objectContaining({ code: 'invalid_request', param: 'model' }));
  });
  test('an upload names its model in the form', () => {
    expect(
      read(null, { endpoint: 'audio_transcriptions', form: { model: 'whisper-1', stream: 'true' } }),
    ).toMatchObject({
      model: 'whisper-1',
      isStream: true,
      needs: ['transcription'],
    });
  });
  test('pin and capability come from headers, trimmed, the first of several', () => {
    const headers = { 'x-provider': ' vllm ', 'x-capability': ['code', 'chat'] };
    expect(read({}, { headers })).toMatchObject({ pin: 'vllm', capabilityHint: 'code' });
    expect(read({}, { headers: { 'x-provider': '  ' } }).pin).toBeNull();
  });
  test.each([
    [{ max_completion_tokens: 5, max_tokens: 7 }, 5],
    [{ max_tokens: 7 }, 7],
    [{ max_output_tokens: 9 }, 9],
    [{ options: { num_predict: 11 } }, 11],
    [{ options: { num_predict: -1 } }, null],
    [{ max_tokens: 'many' }, null],
    [{}, null],
  ])('%j allows %s tokens', (body, expected) => {
    expect(read(body).maxTokens).toBe(expected);
  });
});

describe('the conversation', () => {
  const turn = (...rest: readonly unknown[]) => ({
    messages: [{ role: 'system', content: 'be kind' }, { role: 'user', content: 'hello' }, ...rest],
  });
  test('all turns of one conversation have one key, another conversation another', () => {
    const first = read(turn()).conversationKey;
    const later = read(turn({ role: 'assistant', content: 'hi' }, { role: 'user', content: 'more' })).conversationKey;
    const other = read({ messages: [{ role: 'user', content: 'hello there' }] }).conversationKey;
    expect(first).toMatch(/^[0-9a-f]{32}$/);
    expect(later).toBe(first);
    expect(other).not.toBe(first);
  });
  test('two installations do not share keys', () => {
    expect(read(turn(), { conversationSecret: 'other' }).conversationKey).not.toBe(read(turn()).conversationKey);
  });
  test('the client may name it, and is believed', () => {
    expect(read({ ...turn(), prompt_cache_key: 'mine' }).conversationKey).toBe('mine');
    expect(read(turn(), { headers: { 'x-session-id': 's1' } }).conversationKey).toBe('s1');
    expect(read({ prompt_cache_key: 'k'.repeat(1000) }).conversationKey).toHaveLength(200);
  });
  test('a body without a conversation has none', () => {
    expect(read({ input: ['a'] }, { endpoint: 'embeddings' }).conversationKey).toBeNull();
  });
  test('long texts that differ at either end are told apart', () => {
    const long = (head: string, tail: string) => read(user(`${head}${'x'.repeat(10_000)}${tail}`)).conversationKey;
    expect(new Set([long('a', 'a'), long('b', 'a'), long('a', 'b')]).size).toBe(3);
  });
});

describe('the fields of the gateway', () => {
  test('all are read', () => {
    const body = {
      model: 'gpt-4',
      fallbacks: ['a', { 'gpt-4': ['b'], other: ['c'], '*': ['d'] }],
      context_window_fallbacks: [{ 'gpt-4': ['long'] }],
      num_retries: 3,
      max_fallbacks: 0,
      timeout: 1.5,
      disable_fallbacks: true,
      cache: { 'no-cache': true, ttl: 1.5, 's-maxage': 60, namespace: 'mine' },
      mock_testing_fallbacks: true,
      mock_testing_rate_limit_error: true,
    };
    expect(read(body).overrides).toEqual({
      fallbacks: ['a', 'b', 'd'],
      contextWindowFallbacks: ['long'],
      contentPolicyFallbacks: null,
      numRetries: 3,
      maxFallbacks: 0,
      timeoutMs: 1500,
      isFallbackDisabled: true,
      cache: {
        isReadForbidden: true,
        isStoreForbidden: false,
        isWanted: false,
        ttlMs: 1500,
        maxAgeMs: 60_000,
        namespace: 'mine',
      },
      mockTesting: ['fallbacks', 'rate_limit_error'],
    });
  });
  test('null counts as absent', () => {
    expect(read({ fallbacks: null, timeout: null, num_retries: null }).overrides).toEqual(read({}).overrides);
  });
  test.each([
    [{ fallbacks: 'a' }, 'fallbacks'],
    [{ fallbacks: ['a', 7] }, 'fallbacks[1]'],
    [{ fallbacks: [{ a: 'b' }] }, 'fallbacks[0]["a"]'],
    [{ fallbacks: [{ a: ['b', 1] }] }, 'fallbacks[0]["a"][1]'],
    [{ context_window_fallbacks: {} }, 'context_window_fallbacks'],
    [{ num_retries: -1 }, 'num_retries'],
    [{ num_retries: 1.5 }, 'num_retries'],
    [{ max_fallbacks: '2' }, 'max_fallbacks'],
    [{ timeout: 0 }, 'timeout'],
    [{ timeout: '30' }, 'timeout'],
    [{ disable_fallbacks: 'yes' }, 'disable_fallbacks'],
    [{ mock_testing_fallbacks: 1 }, 'mock_testing_fallbacks'],
  ])('%j is refused naming %s', (body, param) => {
    expect(() => read(body)).toThrowError(expect.objectContaining({ code: 'invalid_request', status: 400, param }));
  });
});

test('any JSON at all gives facts or an error that names a field, and never fails otherwise', () => {
  const keys = fc.constantFrom(
    'model',
    'messages',
    'prompt',
    'input',
    'tools',
    'content',
    'type',
    'images',
    'timeout',
    'fallbacks',
    'options',
    'format',
  );
  const json = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.string(),
      fc.integer(),
      fc.constantFrom(null, true, 'image_url', 'text'),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(keys, tie('value'), { maxKeys: 5 }),
    ),
  })).value;
  const endpoints = fc.constantFrom<Endpoint>(
    'chat',
    'completions',
    'embeddings',
    'responses',
    'messages',
    'ollama_chat',
    'rerank',
  );
  fc.assert(
    fc.property(json, endpoints, (body, endpoint) => {
      try {
        const facts = read(body, { endpoint });
        expect(facts.promptTokens).toBeGreaterThanOrEqual(0);
        expect(facts.batchSize).toBeGreaterThanOrEqual(1);
        expect(facts.conversationKey === null || typeof facts.conversationKey === 'string').toBe(true);
      } catch (error) {
        expect(error).toBeInstanceOf(GatewayError);
        expect((error as GatewayError).param).not.toBeNull();
      }
    }),
    { numRuns: 500 },
  );
});

test('a body nested as deep as the stack is walked without failing', () => {
  let content: unknown = 'x';
  for (let depth = 0; depth < 3_000; depth += 1) content = [content];
  expect(read({ messages: [{ role: 'user', content }] }, { bodyBytes: 10_000 }).promptTokens).toBeGreaterThanOrEqual(0);
});

test('a client that still names the model of /api/show as it once was called is understood', () => {
  expect(read({ name: 'tiny' }, { endpoint: 'ollama_show', protocol: 'ollama' }).model).toBe('tiny');
  expect(read({ name: 'tiny' }).model).toBeNull();
});
