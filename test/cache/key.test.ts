import { describe, expect, test } from 'vitest';
import { cacheKey } from '../../gateway/cache/key.ts';
import { type QuestionChanges, question } from './support.ts';

const key = (changes: QuestionChanges = {}, namespace: string | null = null): string =>
  cacheKey(question(changes), namespace);
const messages = [{ role: 'user', content: 'hello' }];

describe('the key of a request', () => {
  test.each<[string, QuestionChanges]>([
    ['the endpoint', { endpoint: 'completions' }],
    ['the model group', { decision: { model: 'other' } }],
    ['the rule that decided', { decision: { rule: 'pattern:1' } }],
    ['the API key', { apiKeyName: 'alice' }],
    ['the pinned provider', { facts: { pin: 'p2' } }],
    ['the capability asked for', { facts: { capabilityHint: 'vision' } }],
    ['the query', { search: '?beta=true' }],
    ['a field of the body', { body: { model: 'tiny', messages, temperature: 0 } }],
    ['whether it streams', { body: { model: 'tiny', messages, stream: true } }],
    ['a beta feature', { facts: { headers: { 'anthropic-beta': 'x' } } }],
    ['another beta header', { facts: { headers: { 'openai-beta': 'assistants=v2' } } }],
    ['an answer of another type', { facts: { headers: { accept: 'audio/wav' } } }],
  ])('differs by %s', (_, changes) => {
    expect(key(changes)).not.toBe(key());
  });

  test.each<[string, QuestionChanges]>([
    ['how the client wrote the model', { body: { model: 'an alias', messages } }],
    [
      'the fields of the gateway',
      { body: { model: 'tiny', messages, cache: { ttl: 5 }, num_retries: 2, fallbacks: ['x'] } },
    ],
    ['the order of members', { body: { messages, model: 'tiny' } }],
    ['white space', { bytes: Buffer.from(JSON.stringify({ model: 'tiny', messages }, null, 2)) }],
    ['the usual types of answer', { facts: { headers: { accept: '*/*' } } }],
    [
      'headers no provider sees',
      { facts: { headers: { 'x-request-id': '7', 'user-agent': 'curl', traceparent: 't' } } },
    ],
    ['its id and its time', { facts: { id: 'r2', receivedAtMs: 5 } }],
  ])('is the same whatever %s', (_, changes) => {
    expect(key(changes)).toBe(key());
  });

  test('stands behind its namespace, and shows nothing of the request', () => {
    expect(key({}, 'team')).toBe(`team:${key()}`);
    expect(key()).toMatch(/^[\w-]{43}$/);
  });
});
