import { describe, expect, test } from 'vitest';
import { readDryQuestion, readReplayQuestion } from '../../gateway/dry-run/question.ts';
import { GatewayError } from '../../gateway/errors.ts';

const call = { headers: { 'user-agent': 'curl/8', 'x-provider': 'vllm' }, query: new URLSearchParams() };

function refusal(read: () => unknown): { readonly param: string | null; readonly message: string } {
  try {
    read();
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'invalid_request') return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('a question to be explained', () => {
  test('in an envelope has everything in its place, header names in lower case', () => {
    const json = {
      endpoint: 'messages',
      headers: { 'X-Provider': 'ollama' },
      body: { model: 'm' },
      client: 'laptop',
      down: ['vllm'],
      rules: 'patterns: []',
    };
    expect(readDryQuestion(json, call)).toEqual({
      ...json,
      headers: { 'x-provider': 'ollama' },
      bodyPath: 'body.',
    });
  });

  test('without an envelope is the request itself: the headers of the call, switches in the query', () => {
    const query = new URLSearchParams('endpoint=embeddings&down=a&down=b');
    expect(readDryQuestion({ model: 'm', input: 'x' }, { ...call, query })).toMatchObject({
      endpoint: 'embeddings',
      headers: call.headers,
      body: { model: 'm', input: 'x' },
      down: ['a', 'b'],
      rules: null,
      bodyPath: '',
    });
  });

  test('takes an endpoint by its path, and chat for none', () => {
    expect(readDryQuestion({ endpoint: '/v1/messages', body: {} }, call).endpoint).toBe('messages');
    expect(readDryQuestion({}, call).endpoint).toBe('chat');
  });

  test.each<readonly [Record<string, unknown>, string, string]>([
    [{ body: [] }, 'body', 'expected an object'],
    [{ body: 'x' }, 'body', 'expected an object'],
    [{ body: {}, headers: { a: 1 } }, 'headers.a', 'expected a text, not 1'],
    [{ body: {}, down: 'ollama' }, 'down', 'expected a list'],
    [{ body: {}, down: ['a', 2] }, 'down[1]', 'expected a text, not 2'],
    [{ body: {}, endpoint: 'chatt' }, 'endpoint', 'did you mean "chat"?'],
    [{ body: {}, rules: {} }, 'rules', 'expected a text'],
    [{ body: {}, header: {} }, 'header', 'did you mean "headers"?'],
  ])('%j is refused at its path', (json, param, words) => {
    const { param: at, message } = refusal(() => readDryQuestion(json, call));
    expect(at).toBe(param);
    expect(message).toContain(words);
  });

  test('is refused for a parameter of the query that nobody reads', () => {
    const query = new URLSearchParams('donw=a');
    expect(refusal(() => readDryQuestion({ model: 'm' }, { ...call, query })).message).toContain('"down"');
  });
});

describe('a question for a replay', () => {
  test('has a limit and rules, or the usual ones', () => {
    expect(readReplayQuestion({ limit: 5, rules: 'x' })).toEqual({ limit: 5, rules: 'x' });
    expect(readReplayQuestion({})).toEqual({ limit: 1000, rules: null });
  });
  test.each([0, -1, 1.5, '5', 10_001, null])('of %j requests is refused', (limit) => {
    expect(refusal(() => readReplayQuestion({ limit })).param).toBe('limit');
  });
});
