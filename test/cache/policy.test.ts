import { describe, expect, test } from 'vitest';
import { type AnswerEnd, cachePolicy, isWorthKeeping, mayAnswer } from '../../gateway/cache/policy.ts';
import { candidate, type QuestionChanges, question, settings } from './support.ts';

const policy = (changes: QuestionChanges = {}, set: Partial<typeof settings> = {}) =>
  cachePolicy(question(changes), { ...settings, ...set });

describe('which requests the cache has to do with', () => {
  test('none while it is off', () => {
    expect(policy({}, { isEnabled: false })).toBeNull();
    expect(policy({ wish: { isWanted: true } }, { isEnabled: false })).toBeNull();
  });

  test('all that can be once it is on; in mode default_off those that ask for it', () => {
    expect(policy()).toMatchObject({ canRead: true, canStore: true, ttlMs: 3_600_000, maxAgeMs: null });
    expect(policy({}, { isOnByDefault: false })).toBeNull();
    expect(policy({ wish: { ttlMs: 5 } }, { isOnByDefault: false })).toBeNull();
    expect(policy({ wish: { isWanted: true } }, { isOnByDefault: false })).toMatchObject({ canRead: true });
  });

  test('a request can forbid to read, to store, or both', () => {
    expect(policy({ wish: { isReadForbidden: true } })).toMatchObject({ canRead: false, canStore: true });
    expect(policy({ wish: { isStoreForbidden: true } })).toMatchObject({ canRead: true, canStore: false });
    expect(policy({ wish: { isReadForbidden: true, isStoreForbidden: true } })).toBeNull();
  });

  test('a request has its own time, age and namespace before the configured ones; no time means not kept', () => {
    expect(policy({ wish: { ttlMs: 5, maxAgeMs: 7, namespace: 'n' } }, { namespace: 'team' })).toMatchObject({
      ttlMs: 5,
      maxAgeMs: 7,
      namespace: 'n',
    });
    expect(policy({}, { namespace: 'team' })).toMatchObject({ namespace: 'team' });
    expect(policy({ wish: { ttlMs: 0 } })).toMatchObject({ canRead: true, canStore: false });
  });

  test.each<[string, QuestionChanges]>([
    ['a question about a model', { endpoint: 'ollama_show', body: { model: 'tiny' } }],
    ['a count of tokens', { endpoint: 'messages_count_tokens' }],
    ['a test of fallbacks', { overrides: { mockTesting: ['fallbacks'] } }],
    ['a response the provider keeps', { endpoint: 'responses', body: { model: 'tiny', input: 'x' } }],
    ['a response that is asked to be kept', { endpoint: 'responses', body: { input: 'x', store: true } }],
    [
      'a response that goes on from another',
      { endpoint: 'responses', body: { store: false, previous_response_id: 'a' } },
    ],
    ['a response in a conversation', { endpoint: 'responses', body: { store: false, conversation: 'c' } }],
    ['loading a model by a prompt', { endpoint: 'ollama_generate', body: { model: 'tiny' } }],
    ['unloading a model', { endpoint: 'ollama_generate', body: { model: 'tiny', prompt: '', keep_alive: 0 } }],
    ['loading a model by a chat', { endpoint: 'ollama_chat', body: { model: 'tiny', messages: [] } }],
    ['loading a model by an embedding', { endpoint: 'ollama_embed', body: { model: 'tiny', input: '' } }],
    ['a body of more than 1 MB', { body: { model: 'tiny', prompt: 'x'.repeat(1024 * 1024) } }],
  ])('never %s', (_, changes) => {
    expect(policy(changes)).toBeNull();
  });

  test('never a form', () => {
    expect(cachePolicy({ ...question({ endpoint: 'audio_transcriptions' }), json: null }, settings)).toBeNull();
  });

  test.each<[string, QuestionChanges]>([
    ['embeddings', { endpoint: 'embeddings', body: { model: 'tiny', input: ['a'] } }],
    ['a response that nobody keeps', { endpoint: 'responses', body: { input: 'x', store: false } }],
    ['a prompt to Ollama', { endpoint: 'ollama_generate', body: { model: 'tiny', prompt: 'x' } }],
    ['messages', { endpoint: 'messages' }],
  ])('%s: yes', (_, changes) => {
    expect(policy(changes)).not.toBeNull();
  });
});

describe('which answers are worth keeping', () => {
  const whole: AnswerEnd = { result: 'complete', status: 200, via: 'catalog', warnings: [] };

  test.each<[string, Partial<AnswerEnd>, boolean]>([
    ['a complete one', {}, true],
    ['a broken one', { result: 'broken' }, false],
    ['one whose client left', { result: 'cancelled' }, false],
    ['a failure', { result: 'failed' }, false],
    ['another status', { status: 202 }, false],
    ['one of a prompt that was cut', { warnings: ['prompt_truncated'] }, false],
    ['one of a fallback', { via: 'fallback:vllm' }, false],
    ['one of a chain', { via: 'chain:default:2' }, false],
    ['one of a model whose name begins like that', { via: 'exact:fallback:1b' }, true],
  ])('%s', (_, changes, expected) => {
    expect(isWorthKeeping({ ...whole, ...changes })).toBe(expected);
  });
});

describe('who may answer by what it once said', () => {
  test('a deployment that is a candidate, also while it is down, busy or cooling down', () => {
    for (const reason of ['down', 'at_capacity', 'cooling_down', 'rate_limited', 'lost_on_score'] as const) {
      expect(mayAnswer([{ ...candidate, kept: false, reason }], candidate)).toBe(true);
    }
  });

  test('not one that the rules or the user have since ruled out, nor one nobody considered', () => {
    for (const reason of ['excluded_by_rule', 'disabled', 'pinned_elsewhere', 'cloud', 'model_missing'] as const) {
      expect(mayAnswer([{ ...candidate, kept: false, reason }], candidate)).toBe(false);
    }
    expect(mayAnswer([candidate], { provider: 'p1', model: 'other' })).toBe(false);
    expect(mayAnswer([candidate], { provider: 'p2', model: 'tiny' })).toBe(false);
    expect(mayAnswer([], candidate)).toBe(false);
  });
});
