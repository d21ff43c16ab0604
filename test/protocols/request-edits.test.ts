import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { applyEdits } from '../../gateway/protocols/json-text.ts';
import { planRequestEdits, type RequestQuirks } from '../../gateway/protocols/request-edits.ts';
import type { Endpoint } from '../../gateway/types.ts';
import { jsonText, objectText, spaces } from './json-documents.ts';

const none: RequestQuirks = {
  needsMaxTokens: false,
  needsSystemRole: false,
  needsPlainTextContent: false,
  refuses: [],
};
const all: RequestQuirks = { needsMaxTokens: true, needsSystemRole: true, needsPlainTextContent: true, refuses: [] };

function sent(text: string, quirks: RequestQuirks = none, upstreamModel = 'm', endpoint: Endpoint = 'chat') {
  const bytes = Buffer.from(text);
  const { edits, changes } = planRequestEdits({
    endpoint,
    body: JSON.parse(text),
    upstreamModel,
    quirks,
    dropsRefused: true,
  });
  const result = applyEdits(bytes, edits);
  return { text: result.toString(), changes, isSame: result === bytes };
}

describe('the closed list of changes', () => {
  test('nothing to change: the very same bytes, for every endpoint and all quirks', () => {
    const text = '{"model":"m","messages":[{"role":"user","content":"hi"}],"max_tokens":5}';
    for (const endpoint of ['chat', 'responses', 'messages', 'embeddings', 'ollama_chat'] as const) {
      expect(sent(text, all, 'm', endpoint)).toEqual({ text, changes: [], isSame: true });
    }
  });

  test('the model is replaced, or added where there is none', () => {
    expect(sent('{"x":1.0,"model":"alias"}')).toMatchObject({ text: '{"x":1.0,"model":"m"}', changes: ['model'] });
    expect(sent('{"model":null}')).toMatchObject({ text: '{"model":"m"}', changes: ['model'] });
    expect(sent('{ "x":1 }')).toMatchObject({ text: '{"model":"m", "x":1 }', changes: ['model_added'] });
  });

  test.each([
    'fallbacks',
    'context_window_fallbacks',
    'content_policy_fallbacks',
    'num_retries',
    'max_fallbacks',
    'timeout',
    'disable_fallbacks',
    'cache',
    'mock_testing_fallbacks',
    'mock_testing_rate_limit_error',
  ])('the own field %s is cut out', (field) => {
    expect(sent(`{"model":"m","${field}":[{"a":1}],"top_p":1}`)).toMatchObject({
      text: '{"model":"m","top_p":1}',
      changes: [`cut_${field}`],
    });
  });

  test('an own field of the same name deeper down stays', () => {
    expect(sent('{"model":"m","metadata":{"timeout":5,"cache":1}}').isSame).toBe(true);
  });

  test('max_completion_tokens becomes max_tokens where it would be ignored, and wins over it', () => {
    const text = '{"model":"m","max_completion_tokens": 50}';
    expect(sent(text).isSame).toBe(true);
    expect(sent(text, all)).toMatchObject({
      text: '{"model":"m","max_tokens": 50}',
      changes: ['max_completion_tokens'],
    });
    expect(sent('{"model":"m","max_tokens":9,"max_completion_tokens":50}', all).text).toBe(
      '{"model":"m","max_tokens":50}',
    );
    expect(sent('{"model":"m","max_completion_tokens":null}', all).isSame).toBe(true);
    expect(sent(text, all, 'm', 'responses').isSame).toBe(true);
  });

  test('the role developer becomes system', () => {
    const text = '{"model":"m","messages":[{"role":"developer","content":"developer"},{"role":"user","content":"x"}]}';
    expect(sent(text).isSame).toBe(true);
    expect(sent(text, all)).toMatchObject({
      text: text.replace('"role":"developer"', '"role":"system"'),
      changes: ['role_developer'],
    });
  });

  test('lists of text parts are joined by a line break, lists with anything else stay', () => {
    const parts = '[{"type":"text","text":"a"},{"type":"text","text":"b\\n"}]';
    const image = '[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"x"}}]';
    const text = `{"model":"m","messages":[{"role":"user","content":${parts}},{"role":"user","content":${image}}]}`;
    expect(sent(text).isSame).toBe(true);
    expect(sent(text, all)).toMatchObject({ text: text.replace(parts, '"a\\nb\\n"'), changes: ['text_parts'] });
  });

  test('all at once', () => {
    const text =
      '{"timeout":5,"messages":[{"content":[{"type":"text","text":"ü"}],"role":"developer"}],"model":"a", "max_completion_tokens":1e2}';
    expect(sent(text, all)).toMatchObject({
      text: '{"messages":[{"content":"ü","role":"system"}],"model":"m", "max_tokens":1e2}',
      changes: ['model', 'cut_timeout', 'max_completion_tokens', 'role_developer', 'text_parts'],
    });
  });

  test('what is refused is dropped, byte for byte, where that is wanted and where it is refused', () => {
    const quirks: RequestQuirks = {
      ...none,
      refuses: [{ endpoint: 'chat', field: 'x', isRefused: ({ x }) => x !== null }],
    };
    const text = '{"model":"m", "x" : {"a":[1.0]} ,"y":1e2}';
    expect(sent(text, quirks)).toMatchObject({ text: '{"model":"m" ,"y":1e2}', changes: ['dropped:x'] });
    expect(sent(text, quirks, 'm', 'completions').isSame).toBe(true);
    expect(sent('{"model":"m","x":null}', quirks).isSame).toBe(true);
    expect(sent('{"model":"m","y":{"x":1}}', quirks).isSame).toBe(true);
    const input = { endpoint: 'chat', body: JSON.parse(text), upstreamModel: 'm', quirks } as const;
    expect(planRequestEdits({ ...input, dropsRefused: false })).toEqual({ edits: [], changes: [] });
  });

  test('what is no object is left alone', () => {
    for (const body of [null, [], 'x', 1]) {
      expect(
        planRequestEdits({ endpoint: 'chat', body, upstreamModel: 'm', quirks: all, dropsRefused: true }).edits,
      ).toEqual([]);
    }
  });
});

test('on any request: the intended value comes out, and nothing outside the list has changed', () => {
  const role = fc.constantFrom('"user"', '"developer"', '"d\\u0065veloper"', '"system"');
  const content = fc.oneof(jsonText, fc.constant('[{"type":"text","text":"a"},{"text":"b","type":"text"}]'));
  const message = fc.tuple(role, content, jsonText, spaces).map(([speaker, words, other, [a, b]]) =>
    objectText(
      [
        ['"role"', speaker],
        ['"name"', other],
        ['"content"', words],
      ],
      a,
      b,
    ),
  );
  const member = fc.oneof(
    fc.tuple(
      fc.constantFrom(
        '"model"',
        '"timeout"',
        '"cache"',
        '"mock_testing_x"',
        '"max_tokens"',
        '"max_completion_tokens"',
        '"seed"',
        '"\\u0073top"',
      ),
      jsonText,
    ),
    fc.tuple(
      fc.constant('"messages"'),
      fc.array(message, { maxLength: 3 }).map((messages) => `[${messages.join(' ,')}]`),
    ),
  );
  fc.assert(
    fc.property(fc.array(member, { maxLength: 8 }), spaces, (members, [a, b]) => {
      const text = objectText(members, a, b);
      const { text: result } = sent(text, all);
      expect(JSON.parse(result)).toEqual(intended(JSON.parse(text)));
      for (const [key, value] of members) {
        if (key === '"seed"' || key === '"\\u0073top"') expect(result).toContain(`${key}${a}:${b}${value}`);
      }
      // Made once, the changes need not be made again.
      expect(sent(result, all).isSame).toBe(true);
    }),
    { numRuns: 500 },
  );
});

/** The same changes made on the parsed value. */
function intended(body: Record<string, unknown>): Record<string, unknown> {
  const result: Record<string, unknown> = { ...body, model: 'm' };
  for (const field of ['timeout', 'cache', 'mock_testing_x']) delete result[field];
  if (result.max_completion_tokens !== undefined && result.max_completion_tokens !== null) {
    result.max_tokens = result.max_completion_tokens;
    delete result.max_completion_tokens;
  }
  if (Array.isArray(result.messages)) {
    result.messages = (result.messages as Record<string, unknown>[]).map((message) => ({
      ...message,
      role: message.role === 'developer' ? 'system' : message.role,
      content: joined(message.content),
    }));
  }
  return result;
}

function joined(content: unknown): unknown {
  if (!Array.isArray(content)) return content;
  const isText = content.every((part) => part?.type === 'text' && typeof part.text === 'string');
  return isText ? content.map((part) => part.text).join('\n') : content;
}
