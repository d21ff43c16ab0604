import { describe, expect, test } from 'vitest';
import { observeText, verdict } from './observing.ts';

const sse = (...events: unknown[]) =>
  events.map((event) => `data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`).join('');
const named = (...events: { type: string }[]) =>
  events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('');
const choice = (index: number, delta: unknown, finish_reason: string | null = null) => ({
  choices: [{ index, delta, finish_reason }],
});

describe('chat', () => {
  test.each([
    ['text', { content: 'hi' }, 2],
    ['text in parts', { content: [{ type: 'text', text: 'hi' }] }, 2],
    ['reasoning_content', { reasoning_content: 'so' }, 2],
    ['reasoning', { reasoning: 'so', reasoning_content: 'so' }, 2],
    ['a refusal', { refusal: 'no' }, 2],
    ['a tool call', { tool_calls: [{ index: 0, function: { name: 'f', arguments: '{}' } }] }, 3],
    ['a custom tool call', { tool_calls: [{ index: 0, custom: { name: 'f', input: 'x' } }] }, 2],
    ['a call under both names', { function_call: { name: 'f' }, tool_calls: [{ function: { name: 'f' } }] }, 1],
    ['a former function call', { function_call: { name: 'f', arguments: '' } }, 1],
    ['audio', { audio: { data: 'AAAA' } }, 0],
  ])('%s is content', (_name, delta, characters) => {
    const observer = observeText('chat', sse(choice(0, delta)));
    expect([observer.hasContent, observer.contentCharacters]).toEqual([true, characters]);
  });

  test('every choice has to finish before [DONE]', () => {
    const both = sse(choice(0, { content: 'a' }), choice(1, { content: 'b' }), choice(1, {}, 'stop'));
    expect(observeText('chat', `${both}${sse('[DONE]')}`)).toMatchObject({
      isComplete: false,
      falseEndAt: both.length,
    });
    expect(observeText('chat', both + sse(choice(0, {}, 'length'), '[DONE]'))).toMatchObject({
      isComplete: true,
      finishReasons: ['length', 'stop'],
    });
  });

  test('a proper end without content is complete', () => {
    expect(observeText('chat', sse(choice(0, { content: '' }, 'stop'), '[DONE]'))).toMatchObject({
      isComplete: true,
      hasContent: false,
    });
  });

  test('finish reasons without [DONE], and [DONE] without any choice, are incomplete', () => {
    expect(observeText('chat', sse(choice(0, { content: 'a' }, 'stop'))).isComplete).toBe(false);
    expect(observeText('chat', sse('[DONE]'))).toMatchObject({ isComplete: false, falseEndAt: 0 });
  });

  test.each(['abort', 'error'])('the finish reason %s is no completion', (reason) => {
    expect(observeText('chat', sse(choice(0, { content: 'a' }, reason), '[DONE]')).isComplete).toBe(false);
  });

  test('an error after all finish reasons still spoils the answer', () => {
    const observer = observeText(
      'chat',
      sse(choice(0, {}, 'stop'), { error: { message: 'x', code: '503' } }, '[DONE]'),
    );
    expect(observer).toMatchObject({ isComplete: false, error: { message: 'x', status: 503 } });
  });

  test('usage is the last that is not zero; timings stand in where none is reported', () => {
    const usage = { prompt_tokens: 9, completion_tokens: 2, prompt_tokens_details: { cached_tokens: 4 } };
    const zero = { prompt_tokens: 0, completion_tokens: 0 };
    expect(
      observeText('chat', sse({ choices: [], usage: zero }, { choices: [], usage }, { choices: [], usage: zero }))
        .usage,
    ).toEqual({
      promptTokens: 9,
      completionTokens: 2,
      cachedTokens: 4,
      isEstimated: false,
    });
    const timings = { cache_n: 3, prompt_n: 4, predicted_n: 5 };
    expect(
      observeText(
        'chat',
        sse({ ...choice(0, {}, 'stop'), timings }, { ...choice(1, {}, 'stop'), timings }, { choices: [] }),
      ).usage,
    ).toMatchObject({ promptTokens: 7, completionTokens: 10, cachedTokens: 3 });
  });
});

test('completions: text is content', () => {
  const text = sse(
    { model: 'm', choices: [{ index: 0, text: 'ab', finish_reason: null }] },
    { choices: [{ index: 0, text: '', finish_reason: 'stop' }] },
    '[DONE]',
  );
  expect(observeText('completions', text)).toMatchObject({ isComplete: true, contentCharacters: 2, model: 'm' });
});

describe('responses', () => {
  const created = { type: 'response.created', response: { model: 'm', status: 'in_progress' } };

  test.each([
    ['response.output_text.delta', 'ab', 2],
    ['response.reasoning_text.delta', 'ab', 2],
    ['response.reasoning_summary_text.delta', 'ab', 2],
    ['response.function_call_arguments.delta', '{}', 2],
    ['response.audio.delta', 'AAAA', 0],
  ])('%s is content', (type, delta, characters) => {
    expect(observeText('responses', named({ type, delta } as { type: string }))).toMatchObject({
      hasContent: true,
      contentCharacters: characters,
    });
  });

  test('items and parts without text are no content; a called function is', () => {
    const item = (item: unknown) => named({ type: 'response.output_item.added', item } as { type: string });
    expect(observeText('responses', named(created) + item({ type: 'message', content: [] })).hasContent).toBe(false);
    expect(observeText('responses', item({ type: 'function_call', name: 'f', arguments: '' })).hasContent).toBe(true);
  });

  test('a server without deltas shows its content when an item is done', () => {
    const item = { type: 'message', content: [{ type: 'output_text', text: 'abc' }] };
    const done = { type: 'response.output_item.done', item };
    expect(observeText('responses', named(done)).contentCharacters).toBe(3);
    const delta = { type: 'response.output_text.delta', delta: 'abc' };
    expect(observeText('responses', named(delta, done)).contentCharacters).toBe(3);
  });

  test.each([
    ['response.completed', {}, ['completed']],
    ['response.incomplete', { incomplete_details: { reason: 'max_output_tokens' } }, ['max_output_tokens']],
  ])('%s ends it', (type, fields, finishReasons) => {
    const response = {
      model: 'm',
      usage: { input_tokens: 3, output_tokens: 2, input_tokens_details: { cached_tokens: 1 } },
      ...fields,
    };
    expect(observeText('responses', named(created, { type, response } as { type: string }))).toMatchObject({
      isComplete: true,
      finishReasons,
      model: 'm',
      usage: { promptTokens: 3, completionTokens: 2, cachedTokens: 1 },
    });
  });

  test.each([
    ['response.failed', { type: 'response.failed', response: { error: { code: 'server_error', message: 'x' } } }],
    ['error', { type: 'error', code: 'server_error', message: 'x' }],
  ])('%s is an error', (_type, event) => {
    expect(observeText('responses', named(event))).toMatchObject({ isComplete: false, error: { message: 'x' } });
  });

  test('[DONE] alone is a false end', () => {
    expect(observeText('responses', sse('[DONE]'))).toMatchObject({ isComplete: false, falseEndAt: 0 });
  });
});

describe('messages', () => {
  const start = {
    type: 'message_start',
    message: { model: 'm', usage: { input_tokens: 5, cache_read_input_tokens: 20, output_tokens: 1 } },
  };
  const block = (delta: unknown) => ({ type: 'content_block_delta', index: 0, delta });
  const end = [
    { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 12 } },
    { type: 'message_stop' },
  ];

  test('complete with stop reason and message_stop; usage is added up over its events', () => {
    expect(
      verdict(observeText('messages', named(start, block({ type: 'text_delta', text: 'hey' }), ...end))),
    ).toMatchObject({
      isComplete: true,
      contentCharacters: 3,
      model: 'm',
      finishReasons: ['end_turn'],
      usage: { promptTokens: 25, completionTokens: 12, cachedTokens: 20, isEstimated: false },
    });
  });

  test.each([
    ['thinking', block({ type: 'thinking_delta', thinking: 'so' }), true],
    ['tool input', block({ type: 'input_json_delta', partial_json: '{' }), true],
    ['a tool', { type: 'content_block_start', content_block: { type: 'tool_use', name: 'f', input: {} } }, true],
    ['a signature', block({ type: 'signature_delta', signature: 'gw' }), false],
    ['empty input', block({ type: 'input_json_delta', partial_json: '' }), false],
    ['an empty block', { type: 'content_block_start', content_block: { type: 'text', text: '' } }, false],
    ['a ping', { type: 'ping' }, false],
    ['the start', start, false],
  ])('%s: is it content?', (_name, event, hasContent) => {
    expect(observeText('messages', named(event)).hasContent).toBe(hasContent);
  });

  test('message_stop without a stop reason is a false end', () => {
    const begun = named(start, block({ type: 'text_delta', text: 'hey' }));
    expect(observeText('messages', begun + named({ type: 'message_stop' }))).toMatchObject({
      isComplete: false,
      falseEndAt: begun.length,
    });
  });

  test('an error event tells the status its type stands for', () => {
    const event = { type: 'error', error: { type: 'overloaded_error', message: 'busy' } };
    expect(observeText('messages', named(event)).error).toMatchObject({ message: 'busy', status: 529 });
  });
});

describe("Ollama's own streams", () => {
  const lines = (...events: unknown[]) => events.map((event) => `${JSON.stringify(event)}\n`).join('');

  test.each([
    ['ollama_chat', { message: { content: 'ab' } }, 2],
    ['ollama_chat', { message: { content: '', thinking: 'ab' } }, 2],
    ['ollama_chat', { message: { content: '', tool_calls: [{ function: { name: 'f', arguments: {} } }] } }, 3],
    ['ollama_generate', { response: 'ab' }, 2],
    ['ollama_generate', { response: '', thinking: 'ab' }, 2],
  ] as const)('%s: %j is content', (endpoint, event, characters) => {
    expect(observeText(endpoint, lines({ ...event, done: false }))).toMatchObject({
      hasContent: true,
      contentCharacters: characters,
    });
  });

  test('done ends it, also when it only loaded the model, and tells the counts', () => {
    expect(
      observeText('ollama_generate', lines({ model: 'm', response: '', done: true, done_reason: 'load' })),
    ).toMatchObject({
      isComplete: true,
      hasContent: false,
      finishReasons: ['load'],
    });
    expect(
      observeText('ollama_chat', lines({ message: {}, done: true, prompt_eval_count: 3, eval_count: 4 })).usage,
    ).toEqual({
      promptTokens: 3,
      completionTokens: 4,
      cachedTokens: null,
      isEstimated: false,
    });
  });

  test('an error line is an error', () => {
    expect(
      observeText('ollama_chat', lines({ message: { content: 'a' }, done: false }, { error: 'gone' })),
    ).toMatchObject({
      isComplete: false,
      error: { message: 'gone', status: null },
    });
  });
});

describe('transcripts and images', () => {
  test('typed events', () => {
    const text = named({ type: 'transcript.text.delta', delta: 'ab' } as { type: string });
    expect(observeText('audio_transcriptions', text)).toMatchObject({ hasContent: true, isComplete: false });
    expect(observeText('audio_transcriptions', text + named({ type: 'transcript.text.done' })).isComplete).toBe(true);
    const image = { type: 'image_generation.completed', b64_json: 'AAAA' };
    expect(observeText('images_generations', named(image))).toMatchObject({ hasContent: true, isComplete: true });
  });

  test('chat-like chunks, as vLLM streams transcripts', () => {
    const text = sse(choice(0, { content: 'ab' }), choice(0, {}, 'stop'), '[DONE]');
    expect(observeText('audio_transcriptions', text)).toMatchObject({ isComplete: true, contentCharacters: 2 });
  });

  test('an error event', () => {
    expect(observeText('images_generations', sse({ error: { message: 'x' } })).error?.message).toBe('x');
  });
});
