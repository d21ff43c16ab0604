import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { adapters } from '../../gateway/providers/index.ts';
import type { ProviderAdapter, Refusal } from '../../gateway/providers/provider.ts';
import { presentable, type RefusalKind, readRefusal } from '../../gateway/providers/refusal.ts';
import { recordedBlame } from './recorded-blame.ts';
import { parsed, type RecordedServer, recorded, recordedRefusal, recordingNames } from './recordings.ts';

const adapterOf: Readonly<Record<RecordedServer, ProviderAdapter>> = {
  ollama: adapters.ollama,
  vllm: adapters.vllm,
  'llama-server': adapters.llama_cpp,
  'llama-cpp-python': adapters.llama_cpp_python,
};
const servers = Object.keys(recordedBlame) as RecordedServer[];

/** An error inside a stream as its observer hands it over: the parsed object, and the status it names. */
function errorEvent(text: string): Refusal | null {
  const line = /^(?:data: ?)?(\{"error".*)$/m.exec(text)?.[1];
  const json = line === undefined ? undefined : parsed(line);
  if (typeof json !== 'object' || json === null || !('error' in json)) return null;
  const { error } = json;
  const hasCode = typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'number';
  return { endpoint: 'chat', status: hasCode ? Number(error.code) : 500, headers: {}, text: line ?? '', json };
}

function refusalOf(name: string): Refusal | null {
  const { status, text } = recorded(name);
  if (status === null) return null;
  return status >= 400 ? recordedRefusal(name) : errorEvent(text);
}

function refusal(status: number, body: unknown): Refusal {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return { endpoint: 'chat', status, headers: {}, text, json: parsed(text) };
}

describe.each(servers)('what %s was recorded to refuse', (server) => {
  const blame = Object.entries(recordedBlame[server]) as [RefusalKind, readonly string[]][];

  test.each(blame)('%s', (kind, names) => {
    for (const name of names) {
      const given = refusalOf(`${server}/${name}`);
      expect([name, given === null ? null : adapterOf[server].classify(given).kind]).toEqual([name, kind]);
    }
  });

  test('every recorded refusal stands in the table', () => {
    const known = blame.flatMap(([, names]) => names).sort();
    const refused = recordingNames(server).filter((name) => refusalOf(`${server}/${name}`) !== null);
    expect(refused).toEqual(known);
  });
});

const anyAdapter = Object.values(adapters) as ProviderAdapter[];

describe('a context that is too small is recognised in all its shapes', () => {
  test('an empty stream of llama-cpp-python means that the prompt was too long', () => {
    expect(recorded('llama-cpp-python/err-prompt-too-long-stream').text).toBe('');
    expect(adapters.llama_cpp_python.classify(refusal(200, '')).kind).toBe('context_exceeded');
  });

  test('an empty stream of any other kind is a bad answer', () => {
    for (const adapter of anyAdapter) {
      if (adapter.kind === 'llama_cpp_python') continue;
      expect([adapter.kind, adapter.classify(refusal(200, '')).kind]).toEqual([adapter.kind, 'bad_answer']);
    }
  });

  test.each([
    [
      400,
      { error: { message: "This model's maximum context length is 8192 tokens.", code: 'context_length_exceeded' } },
    ],
    [400, { error: { message: 'anything', type: 'invalid_request_error', code: 'context_length_exceeded' } }],
    [
      400,
      { type: 'error', error: { type: 'invalid_request_error', message: 'prompt is too long: 9 tokens > 8 maximum' } },
    ],
    [
      422,
      { error: 'Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096', error_type: 'validation' },
    ],
    [400, { error: 'the prompt is longer than the context length currently available to the model; shorten it' }],
    [400, { detail: 'prompt exceeds context window' }],
    [
      500,
      { error: { message: 'Requested tokens (2048) exceed context window of 512', type: 'internal_server_error' } },
    ],
    [400, { object: 'error', message: "The input (9000 tokens) is longer than the model's context length", code: 400 }],
  ])('%s %j, whatever the kind', (status, body) => {
    for (const adapter of anyAdapter) {
      expect([adapter.kind, adapter.classify(refusal(status, body)).kind]).toEqual([adapter.kind, 'context_exceeded']);
    }
  });
});

describe('what servers other than the recorded ones say', () => {
  test.each<[string, number, unknown, RefusalKind]>([
    ['no credit', 402, { error: { message: 'Insufficient credits' } }, 'auth'],
    ['a rate limit', 429, { error: { message: 'Rate limit reached', code: 'rate_limit_exceeded' } }, 'rate_limited'],
    ['a plan', 403, { error: { message: 'The maximum context length of your plan is 8k' } }, 'auth'],
    ['a cache', 503, { error: { message: 'busy: maximum context length is in use' } }, 'overloaded'],
    ['TGI at its limit', 429, { error: 'Model is overloaded', error_type: 'overloaded' }, 'overloaded'],
    ['TGI failing', 424, { error: 'Request failed during generation', error_type: 'generation' }, 'server_error'],
    [
      'Anthropic at its limit',
      529,
      { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } },
      'overloaded',
    ],
    ['SGLang at its limit', 503, { object: 'error', message: 'The request queue is full.', code: 503 }, 'overloaded'],
    ['LocalAI loading', 503, { error: { code: 'model_loading', message: 'wait' } }, 'loading'],
    [
      'KoboldCpp busy',
      503,
      { detail: { msg: 'Server is busy; please try again later.', type: 'service_unavailable' } },
      'overloaded',
    ],
    ['KoboldCpp locked', 401, { detail: { error: 'Unauthorized', msg: 'no', type: 'unauthorized' } }, 'auth'],
    ['MLX without the model', 404, { error: 'model not found' }, 'model_missing'],
    ['LM Studio without the path', 500, { error: 'Unexpected endpoint or method. (POST /v1/rerank)' }, 'unsupported'],
    ['a filter', 400, { error: { message: 'no', code: 'content_filter' } }, 'content_filtered'],
    ['a policy', 400, { error: { message: 'no', code: 'content_policy_violation' } }, 'content_filtered'],
    ['FastAPI', 422, { detail: [{ loc: ['body', 'n'], msg: 'field required', type: 'value_error' }] }, 'bad_request'],
    ['a body that is too large', 413, 'Payload Too Large', 'unsupported'],
    ['a proxy before it', 502, '<html><head><title>502 Bad Gateway</title></head></html>', 'server_error'],
    ['a proxy that waited', 504, '', 'server_error'],
    [
      'OpenAI without the model',
      404,
      { error: { message: 'The model `x` does not exist', code: 'model_not_found' } },
      'model_missing',
    ],
    ['a list of errors (Google)', 400, [{ error: { code: 400, message: 'Invalid value' } }], 'bad_request'],
  ])('%s', (_what, status, body, kind) => {
    expect(adapters.openai.classify(refusal(status, body)).kind).toBe(kind);
  });
});

describe('what llama.cpp says in words of its own', () => {
  test.each<[number, unknown, RefusalKind]>([
    [500, 'proxy error: Failed to read connection', 'server_error'],
    [500, { error: { code: 500, message: 'model name=big failed to load', type: 'server_error' } }, 'server_error'],
    [
      500,
      { error: { code: 500, message: 'model limit reached, try again later', type: 'server_error' } },
      'overloaded',
    ],
    [500, { error: { code: 500, message: "'messages' is required", type: 'server_error' } }, 'bad_request'],
    [
      500,
      { error: { code: 500, message: 'Jinja Exception: Conversation roles must alternate', type: 'server_error' } },
      'unsupported',
    ],
    [500, { error: { code: 500, message: 'Compute error.', type: 'server_error' } }, 'server_error'],
    [403, { error: { code: 403, message: 'this feature is disabled', type: 'feature_disabled' } }, 'unsupported'],
    [
      400,
      { error: { code: 400, message: 'Failed to initialize samplers: std::exception', type: 'invalid_request_error' } },
      'unsupported',
    ],
    // On /v1/messages an error event has no envelope.
    [500, { code: 500, message: 'Context size has been exceeded.', type: 'server_error' }, 'overloaded'],
  ])('%s %j', (status, body, kind) => {
    expect(adapters.llama_cpp.classify(refusal(status, body)).kind).toBe(kind);
  });
});

describe('the words passed on', () => {
  test('are the provider’s, on one line', () => {
    const { message } = adapters.llama_cpp_python.classify(recordedRefusal('llama-cpp-python/err-max-tokens-string'));
    expect(message).toMatch(/^1 validation error: \{'type': 'int_parsing'.*'input': 'five'\}$/);
  });

  test('of an HTML page are its title', () => {
    expect(presentable(readRefusal(refusal(502, '<!doctype html><title>Bad\nGateway</title><p>long')).message)).toBe(
      'an HTML page: Bad Gateway',
    );
  });

  test('of an empty body say that there were none', () => {
    expect(adapters.openai.classify(refusal(500, '')).message).toBe('status 500 without a word of explanation');
  });

  test('of FastAPI are all its problems', () => {
    const body = { detail: [{ msg: 'field required' }, { msg: 'not a number' }] };
    expect(readRefusal(refusal(422, body)).message).toBe('field required; not a number');
  });

  test.each(['sk-proj-abcdefghij', 'hf_abcdefghijklmn', 'Bearer abcdef123456'])('mask the secret %s', (secret) => {
    const { message } = adapters.openai.classify(
      refusal(401, { error: { message: `Incorrect key: ${secret} (see your account)` } }),
    );
    expect(message).toBe('Incorrect key: *** (see your account)');
  });
});

test('no answer whatsoever makes a classification throw, and its words stay short and printable', () => {
  const body = fc.oneof(fc.string({ unit: 'binary', maxLength: 3_000 }), fc.json({ maxDepth: 4 }));
  fc.assert(
    fc.property(fc.constantFrom(...anyAdapter), fc.integer({ min: 100, max: 999 }), body, (adapter, status, text) => {
      const { kind, message } = adapter.classify({ endpoint: 'chat', status, headers: {}, text, json: parsed(text) });
      expect(kind).not.toBe('');
      expect(message.length).toBeGreaterThan(0);
      expect(message.length).toBeLessThanOrEqual(500);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there
      expect(message).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
    }),
    { numRuns: 500 },
  );
});

test('64 kB of any words do not hold a classification up', () => {
  for (const text of ['model ', 'Bearer ', 'sk-', 'not ', '<title>', '\n\n  ', 'exceeds the ', 'does not '].map(
    (word) => word.repeat(64_000 / word.length),
  )) {
    const startedAt = performance.now();
    for (const adapter of anyAdapter) adapter.classify(refusal(400, text));
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  }
});
