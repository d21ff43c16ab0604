import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Endpoint } from '../../gateway/types.ts';
import { observe, observeText, verdict } from './observing.ts';

const delta = (content: string) => JSON.stringify({ choices: [{ index: 0, delta: { content }, finish_reason: null }] });
const finish = JSON.stringify({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
const hello = `data: ${delta('hello')}\n\ndata: ${finish}\n\ndata: [DONE]\n\n`;

/** One piece of a stream as it might be written, with the characters of content in it. */
const event = fc.oneof(
  fc
    .record({ content: fc.string({ unit: 'grapheme', maxLength: 12 }), space: fc.constantFrom('', ' ') })
    .map(({ content, space }) => ({ lines: [`data:${space}${delta(content)}`], characters: content.length })),
  fc.string({ unit: 'grapheme', maxLength: 12 }).map((content) => {
    const [head = '', ...rest] = JSON.stringify(JSON.parse(delta(content)), null, 1).split('\n');
    return { lines: [`data: ${head}`, ...rest.map((line) => `data: ${line}`)], characters: content.length };
  }),
  fc.constantFrom(': keep-alive', ':', 'id: 7', 'retry: 10', 'data', 'data:', 'x-note: ignored').map((line) => ({
    lines: [line],
    characters: 0,
  })),
);

describe('server-sent events', () => {
  test('LF, CRLF, CR, comments, data over several lines, BOM and cuts anywhere give the same findings', () => {
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 8 }),
        fc.constantFrom('\n', '\r\n', '\r'),
        fc.boolean(),
        fc.array(fc.nat(), { maxLength: 12 }),
        (events, lineEnd, hasMark, wishes) => {
          const lines = [...events, { lines: [`data: ${finish}`] }, { lines: ['data: [DONE]'] }].flatMap(
            ({ lines }) => [...lines, ''],
          );
          const text = (hasMark ? '\ufeff' : '') + lines.map((line) => line + lineEnd).join('');
          const bytes = Buffer.from(text);
          const cuts = wishes.map((wish) => wish % (bytes.length + 1)).sort((a, b) => a - b);
          expect(verdict(observe('chat', bytes, cuts))).toMatchObject({
            isComplete: true,
            isGarbage: false,
            error: null,
            boundary: bytes.length,
            contentCharacters: events.reduce((sum, { characters }) => sum + characters, 0),
          });
        },
      ),
      { numRuns: 300 },
    );
  });

  test('the boundary lies behind whole events and comments only, counted in bytes', () => {
    const first = `data: ${delta('größe €')}\r\n\r\n`;
    const start = Buffer.byteLength(first);
    expect(observe('chat', Buffer.from(first)).boundary).toBe(start);
    expect(observe('chat', Buffer.from(`${first}data: ${delta('x')}\r\n`)).boundary).toBe(start);
    expect(observe('chat', Buffer.from(`${first}: waiting\r\n`)).boundary).toBe(start + 11);
    expect(observe('chat', Buffer.from(`${first}event: x\r\n: inside\r\n`)).boundary).toBe(start);
    // The LF of a CRLF belongs to the line although the CR alone would end it.
    expect(observe('chat', Buffer.from(first), [start - 1]).boundary).toBe(start);
  });

  test('pings, comments, role-only, empty and null deltas are no content, and each push with content counts once', () => {
    const observer = observeText(
      'chat',
      `: ping\n\ndata: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\ndata: {"choices":[{"index":0,"delta":{"content":null,"tool_calls":[]}}]}\n\ndata: {"choices":[]}\n\ndata: \n\n`,
    );
    expect([observer.hasContent, observer.contentCount]).toEqual([false, 0]);
    observer.push(Buffer.from(`data: ${delta('a')}\n\ndata: ${delta('b')}\n\n`));
    observer.push(Buffer.from(`data: ${delta('c')}\n`));
    expect([observer.hasContent, observer.contentCount, observer.contentCharacters]).toEqual([true, 1, 2]);
    observer.push(Buffer.from('\n'));
    expect(observer.contentCount).toBe(2);
  });

  test.each([
    ['an HTML page', '<!DOCTYPE html>\n<html><body>Bad Gateway</body></html>'],
    ['raw text', 'Internal Server Error'],
    ['raw text with a colon', 'upstream error: connection reset\n'],
    ['JSON without a field', '{"error":{"message":"no"}}'],
    ["llama.cpp's former error field", 'error: {"code":500}\n\n'],
    ['data that is no JSON', 'data: oops\n\n'],
    ['data that is no object', 'data: "text"\n\n'],
    ['an error that the client would pass over', 'data: {"choices":[],"error":{"message":"x"}}\n\n', 'messages'],
  ] as const)('%s is garbage, and nothing behind it counts', (_name, text, endpoint: Endpoint = 'chat') => {
    const observer = observeText(endpoint, `${text}\n\n${hello}`);
    expect(observer.garbage).toContain(
      text
        .trim()
        .replace(/^data: /, '')
        .slice(0, 20),
    );
    expect(verdict(observer)).toMatchObject({ isComplete: false, hasContent: false, boundary: 0 });
    expect(observeText(endpoint, text).isComplete).toBe(false);
  });

  test('garbage is shown with 500 characters at most', () => {
    expect(observeText('chat', `<html>${'x'.repeat(5_000)}`).garbage).toHaveLength(500);
  });

  test('a line or an event of more than 16 MB is garbage, not memory', () => {
    const piece = Buffer.alloc(1024 * 1024, 'x');
    const line = observe('chat', Buffer.from('data: "'), [], false);
    for (let i = 0; i < 18; i += 1) line.push(piece);
    expect(line.garbage).toContain('more than 16777216 bytes');
    const lines = observe('chat', Buffer.from(''), [], false);
    for (let i = 0; i < 18; i += 1) lines.push(Buffer.concat([Buffer.from('data: '), piece, Buffer.from('\n')]));
    expect(lines.garbage).toContain('more than 16777216 characters');
  });

  test('an unterminated [DONE] counts, any other unterminated event does not: clients drop it', () => {
    expect(observeText('chat', hello.trimEnd()).isComplete).toBe(true);
    expect(observeText('chat', `${hello.trimEnd()}\n`).isComplete).toBe(true);
    const stop =
      'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}\n\nevent: message_stop\ndata: {"type":"message_stop"}';
    expect(observeText('messages', stop).isComplete).toBe(false);
    expect(observeText('messages', `${stop}\n\n`).isComplete).toBe(true);
    const error = observeText('chat', 'data: {"error":{"message":"x"}}');
    expect([error.error, error.garbage, error.isComplete]).toEqual([null, null, false]);
  });

  test('a field name or an event cut off in the middle is incomplete, not garbage', () => {
    for (const tail of ['d', 'dat', 'data', 'data: {"cho', 'event', ': pi']) {
      expect(observeText('chat', `data: ${delta('a')}\n\n${tail}`).garbage).toBeNull();
    }
  });

  test('what follows the end counts for nothing, since no client reads it', () => {
    const observer = observeText('chat', `${hello}data: {"error":{"message":"late"}}\n\nrubbish here\n\n`);
    expect(verdict(observer)).toMatchObject({ isComplete: true, error: null, isGarbage: false });
  });
});

describe('newline-delimited JSON', () => {
  const line = '{"model":"m","message":{"role":"assistant","content":"hé"},"done":false}\n';
  const last = '{"model":"m","message":{"content":""},"done":true,"done_reason":"stop"}';

  test('each line is an event, CRLF and blank lines do no harm, and cuts change nothing', () => {
    const bytes = Buffer.from(`${line.replace('\n', '\r\n')}\n${line}${last}\n`);
    const expected = verdict(observe('ollama_chat', bytes));
    expect(expected).toMatchObject({ isComplete: true, contentCharacters: 4, boundary: bytes.length });
    for (let cut = 0; cut <= bytes.length; cut += 1)
      expect(verdict(observe('ollama_chat', bytes, [cut]))).toEqual(expected);
  });

  test('a whole last line without its line break ends the answer; half a line does not and is no garbage', () => {
    expect(observeText('ollama_chat', line + last).isComplete).toBe(true);
    const cut = observeText('ollama_chat', line + last.slice(0, -5));
    expect(verdict(cut)).toMatchObject({ isComplete: false, isGarbage: false, boundary: Buffer.byteLength(line) });
  });

  test('a line that is no JSON object is garbage', () => {
    expect(observeText('ollama_chat', `${line}<html>\n`).garbage).toBe('<html>');
    expect(observeText('ollama_chat', '[1]\n').garbage).toBe('[1]');
    expect(observeText('ollama_chat', 'gone').garbage).toBe('gone');
  });
});

test('bytes without events are content from the first one on, and end when HTTP says so', () => {
  const observer = observe('audio_speech', Buffer.from(''), [], false);
  expect(observer.hasContent).toBe(false);
  observer.push(Buffer.from([1, 2, 3]));
  expect(verdict(observer)).toMatchObject({ hasContent: true, isComplete: false, boundary: 3 });
  observer.end();
  expect(observer.isComplete).toBe(true);
});
