import Anthropic from '@anthropic-ai/sdk';
import { Ollama } from 'ollama';
import OpenAI from 'openai';
import { describe, expect, test, vi } from 'vitest';
import { type ErrorCode, errorCatalogue, GatewayError } from '../../gateway/errors.ts';
import { endpointTraits } from '../../gateway/protocols/endpoints.ts';
import { renderError, renderStreamError, streamComment, streamFiller } from '../../gateway/protocols/errors.ts';
import type { Endpoint, Protocol } from '../../gateway/types.ts';
import { observeText } from './observing.ts';
import { recorded } from './recordings.ts';

const gone = new GatewayError('provider_broke_off', 'vllm broke off its answer: "connection" reset\nat once');
const endpoints = Object.keys(endpointTraits) as Endpoint[];

/** A fetch that answers every request the same and counts them. */
function answering(body: string, contentType: string, status = 200, headers: Record<string, string> = {}) {
  return vi.fn(async () => new Response(body, { status, headers: { 'content-type': contentType, ...headers } }));
}

async function textsOf<Item>(
  stream: AsyncIterable<Item>,
  textOf: (item: Item) => string | undefined,
): Promise<string[]> {
  const texts: string[] = [];
  for await (const item of stream) texts.push(textOf(item) ?? '');
  return texts;
}

async function readChat(body: string): Promise<string[]> {
  const client = new OpenAI({ apiKey: 'x', logLevel: 'off', fetch: answering(body, 'text/event-stream') });
  const stream = await client.chat.completions.create({ model: 'm', messages: [], stream: true });
  return textsOf(stream, (chunk) => chunk.choices[0]?.delta.content ?? '');
}

async function readResponses(body: string): Promise<string[]> {
  const client = new OpenAI({ apiKey: 'x', logLevel: 'off', fetch: answering(body, 'text/event-stream') });
  return textsOf(await client.responses.create({ model: 'm', input: 'x', stream: true }), ({ type }) => type);
}

async function readMessages(body: string): Promise<string[]> {
  const client = new Anthropic({ apiKey: 'x', logLevel: 'off', fetch: answering(body, 'text/event-stream') });
  const stream = await client.messages.create({ model: 'm', max_tokens: 5, messages: [], stream: true });
  return textsOf(stream, ({ type }) => type);
}

async function readOllama(body: string): Promise<string[]> {
  const client = new Ollama({ fetch: answering(body, 'application/x-ndjson') });
  return textsOf(await client.chat({ model: 'm', messages: [], stream: true }), ({ message }) => message.content);
}

const readers = [
  ['chat', 'ollama/runner-killed-mid-stream-v1', readChat],
  ['responses', 'ollama/responses-stream', readResponses],
  ['messages', 'ollama/runner-killed-mid-stream-messages', readMessages],
  ['ollama_chat', 'ollama/server-sigkill-mid-stream', readOllama],
] as const;

describe('an error at the end of a stream', () => {
  test.each(readers)('%s: the official client reads what came and then raises it', async (endpoint, name, read) => {
    const begun = recorded(name).bytes.toString();
    const whole = endpoint === 'responses' ? begun.slice(0, begun.indexOf('event: response.completed')) : begun;
    // Ollama's client alone notices by itself that an end is missing.
    if (endpoint !== 'ollama_chat') expect((await read(whole)).length).toBeGreaterThan(1);
    await expect(read(whole + renderStreamError(endpoint, gone, 'r1'))).rejects.toThrow('broke off its answer');
  });

  test.each(readers.slice(0, 3))(
    '%s: an event cut off anywhere before it does not swallow it',
    async (endpoint, name, read) => {
      const begun = recorded(name).bytes.toString();
      const start = begun.lastIndexOf('\n\n', begun.length - 400) + 2;
      for (let cut = start; cut < start + 60; cut += 1) {
        await expect(read(begun.slice(0, cut) + renderStreamError(endpoint, gone, 'r1'))).rejects.toThrow();
      }
    },
  );

  test.each(endpoints)('%s: our own observer sees it, or there is none where a stream has no events', (endpoint) => {
    const text = renderStreamError(endpoint, gone, 'r1');
    if (endpointTraits[endpoint].framing === 'none') expect(text).toBe('');
    else
      expect(observeText(endpoint, text)).toMatchObject({
        error: { message: gone.message },
        garbage: null,
        boundary: text.length,
      });
  });

  test('carries a string code, and the request id for Anthropic', () => {
    expect(JSON.parse(renderStreamError('chat', gone, 'r1').trim().slice('data: '.length))).toEqual({
      error: { message: gone.message, type: 'server_error', param: null, code: 'provider_broke_off' },
    });
    expect(renderStreamError('messages', gone, 'r1')).toContain('"request_id":"r1"');
    const failed = JSON.parse(renderStreamError('responses', gone, 'r1').split('data: ')[1] ?? '');
    expect(failed).toMatchObject({
      type: 'response.failed',
      response: { status: 'failed', error: { code: 'provider_broke_off' } },
    });
  });
});

describe('fillers and comments', () => {
  test.each(readers.slice(0, 3))(
    '%s: the official client and our observer pass over them',
    async (endpoint, name, read) => {
      const rest = recorded(name).bytes.toString();
      const filler = (streamFiller(endpoint) ?? '') + (streamComment(endpoint, 'switchyard rule=x') ?? '');
      expect(filler).not.toBe('');
      expect(await read(filler + filler + rest)).toEqual(await read(rest));
      expect(observeText(endpoint, filler)).toMatchObject({
        hasContent: false,
        garbage: null,
        boundary: filler.length,
      });
    },
  );

  test('there are none in NDJSON and in bytes', () => {
    for (const endpoint of ['ollama_chat', 'ollama_generate', 'audio_speech', 'embeddings'] as const) {
      expect([streamFiller(endpoint), streamComment(endpoint, 'x')]).toEqual([null, null]);
    }
  });

  test('a comment stays on one line, whatever is in its text', () => {
    expect(streamComment('chat', 'a\r\ndata: {}\n\n\u2028b\u0000\u0085c ü\n')).toBe(': a data: {} b c ü\n\n');
  });
});

describe('an error as a whole answer', () => {
  const rendered = (protocol: Protocol, error: GatewayError) => renderError(protocol, error, 'r1');

  test('has each protocol its own shape', () => {
    const error = new GatewayError('context_length_exceeded', 'too long', { param: 'messages' });
    expect(JSON.parse(rendered('openai', error).body)).toEqual({
      error: { message: 'too long', type: 'invalid_request_error', param: 'messages', code: 'context_length_exceeded' },
    });
    expect(JSON.parse(rendered('anthropic', error).body)).toEqual({
      type: 'error',
      error: { type: 'invalid_request_error', message: 'too long' },
      request_id: 'r1',
    });
    expect(JSON.parse(rendered('ollama', error).body)).toEqual({ error: 'too long' });
    expect(rendered('anthropic', error).headers['request-id']).toBe('r1');
  });

  test('tells when to come back, in whole seconds, and when not to', () => {
    const busy = new GatewayError('all_busy', 'busy', { retryAfterSeconds: 1.2 });
    expect(rendered('openai', busy)).toMatchObject({ status: 503, headers: { 'retry-after': '2' } });
    expect(rendered('openai', busy).headers['x-should-retry']).toBeUndefined();
    const final = new GatewayError('all_attempts_failed', 'wrong key', { isRetryable: false });
    expect(rendered('openai', final).headers).toMatchObject({ 'x-should-retry': 'false' });
    expect(rendered('openai', final).headers['retry-after']).toBeUndefined();
  });

  test.each(Object.keys(errorCatalogue) as ErrorCode[])(
    '%s is what the official clients raise, without repeating it in vain',
    async (code) => {
      const error = new GatewayError(code, `about ${code}`, { isRetryable: false });
      for (const protocol of ['openai', 'anthropic', 'ollama'] as const) {
        const { status, headers, body } = renderError(protocol, error, 'r1');
        const fetch = answering(body, 'application/json', status, { ...headers });
        const ask = {
          openai: () => new OpenAI({ apiKey: 'x', fetch }).chat.completions.create({ model: 'm', messages: [] }),
          anthropic: () =>
            new Anthropic({ apiKey: 'x', fetch }).messages.create({ model: 'm', max_tokens: 5, messages: [] }),
          ollama: () => new Ollama({ fetch }).chat({ model: 'm', messages: [] }),
        }[protocol];
        await expect(ask()).rejects.toMatchObject(
          protocol === 'openai'
            ? { status, code, requestID: null }
            : protocol === 'anthropic'
              ? { status, requestID: 'r1' }
              : { status_code: status },
        );
        await expect(ask()).rejects.toThrow(`about ${code}`);
        expect(fetch).toHaveBeenCalledTimes(2);
      }
    },
  );
});
