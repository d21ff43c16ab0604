import { describe, expect, test } from 'vitest';
import { inspectAnswer } from '../../gateway/protocols/inspect.ts';
import type { Endpoint } from '../../gateway/types.ts';
import { recorded, recordedAnswers } from './recordings.ts';

/** 200 answers that are no completion: vLLM gave up on them. */
const aborted = ['vllm/killed_api_term_devmode_nonstream', 'vllm/killed_api_term_toolparser_nonstream'];

/** Long bodies of which the recorder kept only the beginning. */
const cutByRecorder = ['llama-cpp-python/chat-no-max-tokens', 'llama-cpp-python/emb-too-long', 'ollama/show-verbose'];

const jsonAnswers = recordedAnswers.filter(
  ({ status, contentType, isWhole, bytes }) =>
    status === 200 && isWhole && contentType.startsWith('application/json') && bytes.length > 0,
);

describe('recorded answers', () => {
  const good = jsonAnswers.filter(({ name }) => !aborted.includes(name) && !cutByRecorder.includes(name));

  test('are many, of nearly every JSON endpoint', () => {
    expect(good.length).toBeGreaterThan(100);
    expect(new Set(good.map(({ endpoint }) => endpoint)).size).toBeGreaterThan(8);
  });

  test.each(good)('$name ($endpoint) is complete', ({ endpoint, bytes }) => {
    const answer = JSON.parse(bytes.toString());
    const inspection = inspectAnswer(endpoint, answer);
    expect(inspection).toMatchObject({ isProtocol: true, isComplete: true, error: null });
    if (endpoint === 'chat') {
      expect(inspection.model).toBe(answer.model);
      expect(inspection.usage?.completionTokens ?? 0).toBe(answer.usage.completion_tokens);
      expect(inspection.finishReasons).toHaveLength(answer.choices.length);
    }
  });

  test.each(aborted)('%s is an answer that did not finish', (name) => {
    const { endpoint, bytes } = recorded(name);
    expect(inspectAnswer(endpoint, JSON.parse(bytes.toString()))).toMatchObject({
      isProtocol: true,
      isComplete: false,
      error: null,
      finishReasons: ['abort'],
    });
  });

  const refusals = recordedAnswers.filter(
    ({ status, contentType }) => status >= 400 && contentType.startsWith('application/json'),
  );

  test.each(refusals)('the refusal $name would not pass for an answer even under status 200', ({ endpoint, bytes }) => {
    const inspection = inspectAnswer(endpoint, JSON.parse(bytes.toString()));
    expect([inspection.isProtocol, inspection.isComplete]).toEqual([false, false]);
    // FastAPI's detail is no error object; its shape alone gives it away.
    if (!bytes.toString().startsWith('{"detail"')) expect(inspection.error?.message).toEqual(expect.any(String));
  });
});

describe('whole answers', () => {
  const choice = (fields: unknown, finish_reason: string | null = 'stop') => ({
    choices: [{ index: 0, ...(fields as object), finish_reason }],
  });

  test.each<[Endpoint, unknown]>([
    ['chat', choice({ message: { content: '' } })],
    ['completions', choice({ text: '' })],
    ['rerank', { results: [{ index: 0, relevance_score: 1 }] }],
    ['rerank', [{ index: 0, score: 1 }]],
    ['embeddings', { data: [{ embedding: [[1], [2]] }] }],
    ['images_generations', { created: 1, data: [{ b64_json: 'AAAA' }] }],
    ['audio_transcriptions', { text: '' }],
    ['messages', { type: 'message', content: [], stop_reason: 'end_turn' }],
    ['responses', { object: 'response', status: 'queued', background: true, output: [] }],
    ['ollama_generate', { response: '', done: true, done_reason: 'load' }],
    ['ollama_embed', { embeddings: [[1]] }],
    ['ollama_show', { details: {} }],
  ])('%s: %j is complete', (endpoint, body) => {
    expect(inspectAnswer(endpoint, body)).toMatchObject({ isProtocol: true, isComplete: true, error: null });
  });

  test.each<[Endpoint, unknown]>([
    ['chat', { choices: [] }],
    ['chat', choice({ message: { content: 'a' } }, null)],
    ['chat', choice({ message: { content: 'a' } }, '')],
    ['chat', choice({ message: { content: 'a' } }, 'error')],
    ['responses', { object: 'response', status: 'in_progress', output: [] }],
    ['messages', { type: 'message', content: [], stop_reason: null }],
    ['ollama_chat', { message: { content: 'a' }, done: false }],
  ])('%s: %j has the shape but is not complete', (endpoint, body) => {
    expect(inspectAnswer(endpoint, body)).toMatchObject({ isProtocol: true, isComplete: false, error: null });
  });

  test.each<[Endpoint, unknown]>([
    ['chat', choice({ text: 'a' })],
    ['chat', { choices: 'x' }],
    ['chat', {}],
    ['chat', []],
    ['chat', null],
    ['chat', 'x'],
    ['chat', { detail: 'Not Found' }],
    ['completions', choice({ message: { content: 'a' } })],
    ['embeddings', { data: [{}] }],
    ['embeddings', { data: [{ embedding: null }] }],
    ['rerank', {}],
    ['responses', { status: 'completed' }],
    ['messages', choice({ message: { content: 'a' } })],
    ['messages_count_tokens', {}],
    ['ollama_chat', { response: 'a', done: true }],
    ['ollama_generate', { message: {}, done: true }],
    ['ollama_embed', { embeddings: [1] }],
    ['ollama_embeddings', {}],
    ['ollama_show', {}],
    ['audio_speech', {}],
    ['audio_transcriptions', {}],
    ['images_edits', { data: ['x'] }],
  ])('%s: %j is nothing of this endpoint', (endpoint, body) => {
    expect(inspectAnswer(endpoint, body)).toMatchObject({ isProtocol: false, isComplete: false, error: null });
  });

  test.each<[Endpoint, unknown, string, number | null]>([
    ['chat', { error: 'text' }, 'text', null],
    ['chat', { error: { message: 'x', code: 429 } }, 'x', 429],
    ['chat', { object: 'error', message: 'x', code: 400 }, 'x', 400],
    ['chat', { ...choice({ message: { content: 'a' } }), error: { message: 'x', code: 'y' } }, 'x', null],
    ['messages', { type: 'error', error: { type: 'rate_limit_error', message: 'x' } }, 'x', 429],
    [
      'responses',
      { object: 'response', status: 'failed', output: [], error: { code: 'server_error', message: 'x' } },
      'x',
      null,
    ],
    ['ollama_chat', { error: {} }, '{}', null],
  ])('%s: %j is an error under status 200', (endpoint, body, message, status) => {
    expect(inspectAnswer(endpoint, body)).toMatchObject({
      isProtocol: false,
      isComplete: false,
      error: { message, status, raw: body },
    });
  });

  test('characters, usage and cached tokens are counted in each protocol', () => {
    const calls = [{ function: { name: 'f', arguments: '{}' } }];
    const count = (endpoint: Endpoint, body: unknown) => {
      const { contentCharacters, usage } = inspectAnswer(endpoint, body);
      return [contentCharacters, usage?.promptTokens, usage?.completionTokens, usage?.cachedTokens];
    };
    expect(
      count('chat', {
        ...choice({ message: { content: 'ab', reasoning: 'c', tool_calls: calls } }),
        usage: { prompt_tokens: 5, completion_tokens: 2, prompt_tokens_details: { cached_tokens: 1 } },
      }),
    ).toEqual([6, 5, 2, 1]);
    expect(
      count('messages', {
        type: 'message',
        content: [
          { type: 'text', text: 'ab' },
          { type: 'tool_use', name: 'f', input: { a: 1 } },
        ],
        stop_reason: 'tool_use',
        usage: { input_tokens: 5, cache_creation_input_tokens: 3, cache_read_input_tokens: 20, output_tokens: 2 },
      }),
    ).toEqual([10, 28, 2, 20]);
    expect(
      count('responses', {
        object: 'response',
        status: 'completed',
        output: [{ type: 'message', content: [{ type: 'output_text', text: 'abc' }] }],
        usage: { input_tokens: 4, output_tokens: 2, input_tokens_details: { cached_tokens: 0 } },
      }),
    ).toEqual([3, 4, 2, 0]);
    expect(
      count('ollama_generate', { response: 'ab', thinking: 'c', done: true, prompt_eval_count: 4, eval_count: 2 }),
    ).toEqual([3, 4, 2, null]);
    expect(count('embeddings', { data: [], usage: { prompt_tokens: 7, total_tokens: 7 } })).toEqual([0, 7, null, null]);
    expect(count('ollama_embed', { embeddings: [], prompt_eval_count: 7 })).toEqual([0, 7, null, null]);
  });
});
