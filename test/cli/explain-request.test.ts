import { describe, expect, test } from 'vitest';
import { parseCommandLine, UsageError } from '../../gateway/cli/arguments.ts';
import { explainRequest } from '../../gateway/cli/explain-request.ts';

function request(args: readonly string[], body: string | null = null) {
  const parsed = parseCommandLine(['explain', ...args]);
  if (parsed.is !== 'command') throw new Error('it is a command');
  return explainRequest(parsed.input.asked, body === null ? null : Buffer.from(body));
}

describe('a request on the command line', () => {
  test('has a model, headers, an endpoint and providers that are down', () => {
    const args = ['--model', 'm', '--header', 'X-Provider:  vllm ', '--header', 'x-a: b: c', '--down', 'a', '--down=b'];
    expect(request([...args, '--endpoint', '/v1/messages'])).toEqual({
      endpoint: 'messages',
      headers: { 'x-provider': 'vllm', 'x-a': 'b: c' },
      body: { model: 'm' },
      down: ['a', 'b'],
    });
  });

  test('has the body of a file, in which --model counts more', () => {
    const body = '{"model": "a", "stream": true}';
    expect(request(['--body', 'f'], body).body).toEqual({ model: 'a', stream: true });
    expect(request(['--body', 'f', '--model', 'b'], body).body).toEqual({ model: 'b', stream: true });
  });

  test.each<readonly [readonly string[], string | null, string]>([
    [[], null, 'explain needs a request'],
    [['--model', 'm', '--header', 'nonsense'], null, '--header "nonsense": expected \'NAME: VALUE\''],
    [['--model', 'm', '--header', 'a b: c'], null, 'expected'],
    [['--model', 'm', '--header', 'a: b\r\nc: d'], null, 'expected'],
    [['--model', 'm', '--endpoint', 'chta'], null, 'did you mean "chat"?'],
    [['--body', 'f.json'], '{"a": ', '--body f.json: The request body ends too soon at line 1, column 7'],
    [['--body', 'f.json'], '[]', 'not an object'],
  ])('%j with the body %j is refused in words', (args, body, words) => {
    expect(() => request(args, body)).toThrow(UsageError);
    expect(() => request(args, body)).toThrow(words);
  });
});
