import fc from 'fast-check';
import { expect, test } from 'vitest';
import { packAnswer, sizeInMemory, unpackAnswer } from '../../gateway/cache/cached-answer.ts';
import { answer } from './support.ts';

test('an answer comes out of its packed form as it went in', () => {
  const texts = fc.array(fc.tuple(fc.string(), fc.string({ unit: 'grapheme' })), { maxLength: 4 });
  fc.assert(
    fc.property(texts, fc.uint8Array(), fc.string({ unit: 'grapheme' }), (headers, bytes, model) => {
      const kept = answer({ headers: headers.flat(), body: Buffer.from(bytes), model });
      expect(unpackAnswer(packAnswer(kept))).toEqual(kept);
    }),
  );
});

test('bytes that are no packed answer are none: never an error, never half an answer', () => {
  const packed = packAnswer(answer());
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      expect(unpackAnswer(Buffer.from(bytes))).toBeNull();
    }),
  );
  for (let length = 0; length < packed.length; length += 1) expect(unpackAnswer(packed.subarray(0, length))).toBeNull();
  const otherForm = Buffer.from(packed);
  otherForm[0] = 2;
  expect(unpackAnswer(otherForm)).toBeNull();
});

test.each([
  ['status', '200'],
  ['headers', ['content-type']],
  ['headers', [1, 2]],
  ['headers', null],
  ['provider', 7],
  ['model', null],
  ['usage', null],
  ['usage', { promptTokens: '3', completionTokens: null, cachedTokens: null, isEstimated: false }],
  ['usage', { promptTokens: 3, completionTokens: null, cachedTokens: null }],
  ['contentCharacters', undefined],
  ['storedAtMs', 'now'],
])('a head whose %s is %j is none', (name, value) => {
  const { body, ...head } = answer();
  const headBytes = Buffer.from(JSON.stringify({ ...head, [name]: value }));
  const front = Buffer.alloc(9, 1);
  front.writeUInt32BE(headBytes.length, 1);
  front.writeUInt32BE(body.length, 5);
  expect(unpackAnswer(Buffer.concat([front, headBytes, body]))).toBeNull();
});

test('the size counts the bytes, the headers and the key', () => {
  const size = sizeInMemory('key', answer());
  expect(sizeInMemory('key', answer({ body: Buffer.alloc(1_014) }))).toBe(size + 1_000);
  expect(sizeInMemory('key', answer({ headers: ['content-type', 'application/jsonx'] }))).toBe(size + 2);
  expect(sizeInMemory('keys', answer())).toBe(size + 2);
});
