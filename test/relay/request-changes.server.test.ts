// The closed list of what the gateway changes in a request, and that nothing else ever changes: bytes and headers as
// the provider received them against those the client sent.

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ProviderKind } from '../../gateway/types.ts';
import type { TestGateway } from '../support/gateway.ts';
import { post } from '../support/http.ts';
import { MODEL, type Provider, type Script, startProvider } from './provider.ts';
import { chatAnswer, inFrontOf, json } from './support.ts';

const embeddings: Script = json(
  '{ "object":"list", "data":[ {"object":"embedding","index":0,"embedding":[0.5, -1.0]} ], "model":"tiny" }',
);

const kinds = ['openai', 'vllm', 'llama_cpp', 'llama_cpp_python', 'ollama'] as const satisfies readonly ProviderKind[];
type Kind = (typeof kinds)[number];

const worlds = new Map<Kind, { readonly provider: Provider; readonly gateway: TestGateway }>();

function world(kind: Kind) {
  const found = worlds.get(kind);
  if (found === undefined) throw new Error(`no world of ${kind}`);
  return found;
}

beforeAll(async () => {
  for (const kind of kinds) {
    const provider = await startProvider(json(chatAnswer('hi')), { kind });
    // `default_model` serves the names it does not have, under its own.
    const extra = [`default_model: ${MODEL}`];
    worlds.set(kind, { provider, gateway: await inFrontOf([provider], { extra, rules: 'default_provider: p1' }) });
  }
});

afterAll(async () => {
  for (const { gateway, provider } of worlds.values()) {
    await gateway.close();
    await provider.close();
  }
});

/** Sends this body; returns what the provider got, what the client got, and the changes named in the record. */
async function through(kind: Kind, body: string, path = '/v1/chat/completions') {
  const { gateway, provider } = world(kind);
  const answer = await post(gateway.url + path, body);
  expect([answer.status, answer.text]).toEqual([200, answer.text]);
  const outcome = await gateway.outcome(String(answer.headers['x-request-id']));
  return { sent: provider.last.body.toString(), answer, changes: outcome.attempts[0]?.changes };
}

const M = '"messages": [ {"role" : "user", "content":"hi\\u00e9 é"} ]';

/** [what, kind, body as sent, body as it must arrive, changes by name] */
const CLOSED_LIST: readonly (readonly [string, Kind, string, string, readonly string[]])[] = [
  ['nothing, when nothing has to be', 'openai', `{ "model": "tiny",  ${M} }\n`, `{ "model": "tiny",  ${M} }\n`, []],
  ['a model name is replaced', 'openai', `{"model" :\t"other", ${M}}`, `{"model" :\t"tiny", ${M}}`, ['model']],
  ['a missing model name is added', 'openai', `{${M}}`, `{"model":"tiny",${M}}`, ['model_added']],
  ...['fallbacks', 'context_window_fallbacks', 'content_policy_fallbacks'].map(
    (field) =>
      [
        `${field} is cut out`,
        'openai',
        `{"model":"tiny", "${field}": ["a"], ${M}, "x":1.0}`,
        `{"model":"tiny", ${M}, "x":1.0}`,
        [`cut_${field}`],
      ] as const,
  ),
  ...[
    ['num_retries', '0'],
    ['max_fallbacks', '1'],
    ['timeout', '30'],
    ['disable_fallbacks', 'true'],
    ['cache', '{"no-cache": true}'],
    ['mock_testing_fallbacks', 'false'],
    ['mock_testing_of_any_other_kind', 'false'],
  ].map(
    ([field, value]) =>
      [
        `${field} is cut out`,
        'openai',
        `{"model":"tiny",${M}, "${field}" : ${value}}`,
        `{"model":"tiny",${M}}`,
        [`cut_${field}`],
      ] as const,
  ),
  ...(['ollama', 'llama_cpp_python'] as const).flatMap((kind) => [
    [
      `max_completion_tokens is renamed for ${kind}`,
      kind,
      `{"model":"tiny", "max_completion_tokens" : 5, ${M}}`,
      `{"model":"tiny", "max_tokens" : 5, ${M}}`,
      ['max_completion_tokens'],
    ] as const,
    [
      `role developer becomes system for ${kind}`,
      kind,
      `{"model":"tiny","messages":[ {"role": "developer","content":"x"}, {"role":"user","content":"developer"} ]}`,
      `{"model":"tiny","messages":[ {"role": "system","content":"x"}, {"role":"user","content":"developer"} ]}`,
      ['role_developer'],
    ] as const,
  ]),
  [
    'lists of text parts are joined for llama_cpp_python',
    'llama_cpp_python',
    `{"model":"tiny","messages":[{"role":"user","content":[{"type":"text","text":"a"}, {"type":"text","text":"b"}]}]}`,
    `{"model":"tiny","messages":[{"role":"user","content":"a\\nb"}]}`,
    ['text_parts'],
  ],
  ...(['openai', 'vllm', 'llama_cpp'] as const).map((kind) => {
    const body =
      '{"model":"tiny","max_completion_tokens":5,"messages":[{"role":"developer","content":[{"type":"text","text":"a"}]}]}';
    return [`none of these for ${kind}`, kind, body, body, []] as const;
  }),
  [
    'text parts stay for ollama, which reads them',
    'ollama',
    `{"model":"tiny","messages":[{"role":"user","content":[{"type":"text","text":"a"}]}]}`,
    `{"model":"tiny","messages":[{"role":"user","content":[{"type":"text","text":"a"}]}]}`,
    [],
  ],
];

describe('what the gateway changes', () => {
  test.each(CLOSED_LIST)('%s', async (_what, kind, body, expected, changes) => {
    const result = await through(kind, body);
    expect(result.sent).toBe(expected);
    expect(result.changes).toEqual(changes);
    expect(result.answer.text).toBe(chatAnswer('hi'));
  });

  test('embeddings are encoded as base64 where they were asked for so and came as numbers', async () => {
    const { provider } = world('llama_cpp_python');
    provider.script = embeddings;
    const body = '{"model":"tiny","input":"x","encoding_format":"base64"}';
    const { sent, answer, changes } = await through('llama_cpp_python', body, '/v1/embeddings');
    expect(sent).toBe(body);
    const base64 = Buffer.from(new Float32Array([0.5, -1]).buffer).toString('base64');
    expect(answer.text).toBe(
      `{ "object":"list", "data":[ {"object":"embedding","index":0,"embedding":"${base64}"} ], "model":"tiny" }`,
    );
    expect(changes).toEqual(['embeddings_base64']);
    const plain = await through('llama_cpp_python', '{"model":"tiny","input":"x"}', '/v1/embeddings');
    expect(plain.answer.text).toContain('[0.5, -1.0]');
    provider.script = json(chatAnswer('hi'));
  });

  test('uploads keep every byte but the model name', async () => {
    const { gateway, provider } = world('openai');
    provider.script = json('{"text":"hi"}');
    const upload = (model: string) =>
      Buffer.concat([
        Buffer.from(`--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n`),
        Buffer.from([0, 255, 13, 10, 254, 128]),
        Buffer.from(`\r\n--b\r\nContent-Disposition: form-data; name="model"\r\n\r\n${model}\r\n--b--\r\n`),
      ]);
    for (const model of ['tiny', 'whisper-1']) {
      const headers = { 'content-type': 'multipart/form-data; boundary=b' };
      const answer = await post(`${gateway.url}/v1/audio/transcriptions`, upload(model), headers);
      expect(answer.text).toBe('{"text":"hi"}');
      expect(provider.last.body.equals(upload('tiny'))).toBe(true);
      expect(provider.last.headers['content-type']).toBe(headers['content-type']);
    }
    provider.script = json(chatAnswer('hi'));
  });
});

/** Blanks that JSON allows anywhere between its parts. */
const blank = fc.string({ unit: fc.constantFrom(' ', '\n', '\t', '\r'), maxLength: 3 });
/** Numbers, escapes and repeated names as no serialiser would write them. */
const oddText = fc.oneof(
  fc.constantFrom('1.0', '-0', '1E400', '12345678901234567890', '0.1e-2', '"\\ud800"', '"\\u0041\\/"', '"é\u2028"'),
  fc.json({ maxDepth: 2 }),
);
const oddField = fc.tuple(fc.string({ maxLength: 8 }), blank, oddText, blank).map(([name, before, value, after]) => {
  return `${before}${JSON.stringify(`x_${name}`)}${after}:${before}${value}${after}`;
});

test('nothing else changes, however odd the body', async () => {
  const body = fc.tuple(blank, fc.array(oddField, { maxLength: 5 }), fc.array(oddField, { maxLength: 3 }), blank);
  await fc.assert(
    fc.asyncProperty(body, fc.constantFrom(...kinds), async ([start, before, after, end], kind) => {
      const text = `${start}{${[...before, '"model":"tiny"', M, ...after].join(',')}}${end}`;
      const result = await through(kind, text);
      expect(result.sent).toBe(text);
      expect(result.changes).toEqual([]);
    }),
    { numRuns: 150, seed: 7 },
  );
});

describe('what a provider gets to see of a request besides its body', () => {
  const CLIENT_HEADERS = {
    accept: 'application/json',
    'user-agent': 'editor/1.2',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    'openai-beta': 'assistants=v2',
    'anthropic-version': '2023-06-01',
    'anthropic-beta': 'a,b',
    authorization: 'Bearer key-of-the-client',
    'x-api-key': 'key-of-the-client',
    cookie: 'session=1',
    'x-forwarded-for': '10.0.0.1',
    'x-forwarded-host': 'evil.example',
    forwarded: 'for=10.0.0.1',
    'x-conversation-id': 'c-1',
    'x-request-id': 'r-of-the-client',
    'x-stainless-lang': 'js',
    'accept-encoding': 'gzip, br',
    te: 'trailers',
    'x-priority': 'high',
    'x-provider': 'p1',
    expect: '100-continue',
  };

  test('is the allowed list and nothing more', async () => {
    const { gateway, provider } = world('openai');
    const body = `{"model":"tiny",${M}}`;
    await post(`${gateway.url}/v1/chat/completions`, body, CLIENT_HEADERS);
    const { 'x-request-id': id, 'x-switchyard-hop': hop, connection: _connection, ...rest } = provider.last.headers;
    expect(rest).toEqual({
      host: new URL(provider.url).host,
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(body)),
      'accept-encoding': 'identity',
      accept: 'application/json',
      'user-agent': 'editor/1.2',
      traceparent: CLIENT_HEADERS.traceparent,
      'openai-beta': 'assistants=v2',
      'anthropic-version': '2023-06-01',
      'anthropic-beta': 'a,b',
    });
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
    expect(hop).toMatch(/^[0-9a-f-]{36}$/);
    // Said once each.
    const names = provider.last.rawHeaders.filter((_value, index) => index % 2 === 0).map((name) => name.toLowerCase());
    expect(new Set(names).size).toBe(names.length);
  });

  test('a query goes with its path', async () => {
    const { gateway, provider } = world('openai');
    await post(`${gateway.url}/chat/completions?beta=true&x=%20`, `{"model":"tiny",${M}}`);
    expect(provider.last.path).toBe('/v1/chat/completions?beta=true&x=%20');
  });

  test('each attempt has an id of its own, which is not the client’s', async () => {
    await using first = await startProvider(json('{}', 500));
    await using second = await startProvider(json(chatAnswer('hi')));
    await using gateway = await inFrontOf([first, second]);
    const answer = await post(`${gateway.url}/v1/chat/completions`, `{"model":"tiny",${M}}`, {
      'x-request-id': 'mine',
    });
    const ids = [
      first.last.headers['x-request-id'],
      second.last.headers['x-request-id'],
      answer.headers['x-request-id'],
    ];
    expect(new Set([...ids, 'mine']).size).toBe(4);
    expect(first.last.headers['x-switchyard-hop']).toBe(second.last.headers['x-switchyard-hop']);
  });

  test('the provider’s own key and headers are added', async () => {
    await using provider = await startProvider(json(chatAnswer('hi')));
    await using gateway = await inFrontOf([provider], {
      extra: ['api_key: key-of-the-provider\n    headers: {X-Team: a}'],
    });
    await post(`${gateway.url}/v1/chat/completions`, `{"model":"tiny",${M}}`, { authorization: 'Bearer other' });
    expect(provider.last.headers).toMatchObject({ authorization: 'Bearer key-of-the-provider', 'x-team': 'a' });
  });
});
