import { describe, expect, test } from 'vitest';
import { normaliseProviderError, type ProviderErrorInput } from '../../gateway/protocols/provider-errors.ts';
import type { Protocol } from '../../gateway/types.ts';
import { recorded, recordedAnswers } from './recordings.ts';

function said(text: string, options: Partial<ProviderErrorInput> = {}) {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  const input = {
    protocol: 'openai' as Protocol,
    status: 400,
    text,
    json,
    code: null,
    requestId: 'r1',
    mask: (words: string) => words,
  };
  const rendered = normaliseProviderError({ ...input, ...options });
  return { ...rendered, json: JSON.parse(rendered.body) };
}

const refusals = recordedAnswers.filter(({ status }) => status >= 400);

describe('recorded refusals', () => {
  test.each(refusals)('$name keeps its words in every protocol', ({ status, bytes }) => {
    const text = bytes.toString();
    for (const protocol of ['openai', 'anthropic', 'ollama'] as const) {
      const { json, headers } = said(text, { protocol, status });
      expect(headers['x-should-retry']).toBe('false');
      const message = protocol === 'ollama' ? json.error : json.error.message;
      expect(message.length).toBeGreaterThan(0);
      if (text.trim() !== '')
        expect(text.replaceAll('\\u003c', '<')).toContain(JSON.stringify(message).slice(1, 40).replace(/"$/, ''));
      if (protocol === 'openai') {
        expect(json.error).toMatchObject({ type: expect.any(String), code: expect.any(String) });
        expect([null, 'string']).toContain(json.error.param === null ? null : typeof json.error.param);
      }
    }
  });

  test('the numbers llama.cpp adds are kept', () => {
    const { json } = said(recorded('llama-server/err-prompt-too-long').bytes.toString(), {
      code: 'context_length_exceeded',
    });
    expect(json.error).toEqual({
      n_prompt_tokens: expect.any(Number),
      n_ctx: 1024,
      message: expect.stringContaining('exceeds the available context size'),
      type: 'exceed_context_size_error',
      param: null,
      code: 'context_length_exceeded',
    });
  });

  test("vLLM's names become Anthropic's", () => {
    const { json } = said(recorded('vllm/err_too_long_messages').bytes.toString(), { protocol: 'anthropic' });
    expect(json).toMatchObject({ type: 'error', error: { type: 'invalid_request_error' }, request_id: 'r1' });
  });
});

describe('shapes', () => {
  test.each([
    [
      '{"error":{"message":"m","type":"BadRequestError","param":"p","code":400}}',
      { message: 'm', type: 'BadRequestError', param: 'p', code: 'invalid_request' },
    ],
    [
      '{"error":{"message":"m","type":null,"code":"own_code"}}',
      { message: 'm', type: 'invalid_request_error', code: 'own_code' },
    ],
    ['{"error":"Unauthorized"}', { message: 'Unauthorized' }],
    ['{"detail":"Not Found"}', { message: 'Not Found' }],
    [
      '{"detail":[{"loc":["body","messages"],"msg":"field required"},{"msg":"bad"}]}',
      { message: 'body.messages: field required; bad' },
    ],
    ['{"type":"error","error":{"type":"not_found_error","message":"m"}}', { message: 'm', type: 'not_found_error' }],
    ['{"object":"error","message":"m","type":"NotFoundError","code":404}', { message: 'm', type: 'NotFoundError' }],
    ['404 page not found\n', { message: '404 page not found' }],
    ['', { message: 'the provider answered 400 without a word' }],
    ['<!DOCTYPE html><h1>no</h1>', { message: 'the provider answered 400 with a web page' }],
    ['{"error":{}}', { message: '{"error":{}}' }],
    ['[1]', { message: '[1]' }],
  ])('%s', (text, expected) => {
    expect(said(text).json.error).toMatchObject(expected);
  });

  test.each([
    [400, 'invalid_request_error', 'invalid_request', 'invalid_request_error'],
    [401, 'authentication_error', 'invalid_api_key', 'authentication_error'],
    [403, 'permission_error', 'permission_denied', 'permission_error'],
    [404, 'invalid_request_error', 'not_found', 'not_found_error'],
    [413, 'invalid_request_error', 'request_too_large', 'request_too_large'],
    [422, 'invalid_request_error', 'invalid_request', 'invalid_request_error'],
    [429, 'rate_limit_error', 'rate_limit_exceeded', 'rate_limit_error'],
    [500, 'server_error', 'provider_error', 'api_error'],
    [501, 'server_error', 'provider_error', 'api_error'],
    [503, 'server_error', 'provider_error', 'overloaded_error'],
  ])('without a name of its own, %i is called %s (%s), by Anthropic %s', (status, type, code, anthropic) => {
    expect(said('no', { status })).toMatchObject({ status, json: { error: { type, code } } });
    expect(said('no', { status, protocol: 'anthropic' }).json.error.type).toBe(anthropic);
  });

  test('secrets are masked before the words are cut to 500 characters, in every field', () => {
    const mask = (words: string) => words.replaceAll('sk-secret', '***');
    const text = JSON.stringify({
      error: { message: `${'x'.repeat(495)}sk-secret`, type: 'sk-secret', param: 'sk-secret', code: 'sk-secret' },
    });
    const { body, json } = said(text, { mask });
    expect(body).not.toContain('sk-');
    expect(json.error.message).toBe(`${'x'.repeat(495)}***`);
    expect(said('y'.repeat(900)).json.error.message).toHaveLength(500);
  });
});
