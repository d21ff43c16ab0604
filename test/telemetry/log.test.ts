import { stripVTControlCharacters } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { createLog, type LogControl, type LogOptions, maskSecrets } from '../../gateway/telemetry/log.ts';

interface Opened {
  readonly log: LogControl;
  readonly writes: string[];
  readonly text: () => string;
}

function open(changes: Partial<LogOptions> = {}): Opened {
  const writes: string[] = [];
  const destination = { write: (text: string) => void writes.push(text), flushNow() {}, close: async () => {} };
  const log = createLog({ level: 'info', isTerminal: false, destination, ...changes });
  const text = (): string => {
    log.flush();
    return writes.join('');
  };
  return { log, writes, text };
}

describe('lines for machines', () => {
  test('a line is one JSON object with level, time, message and the fields, with and without fields', () => {
    const { log, text } = open();
    log.info('listening', { url: 'http://127.0.0.1:4000' });
    log.warn('two\nlines');
    const [first, second, end] = text().split('\n');
    expect(JSON.parse(first ?? '')).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      message: 'listening',
      url: 'http://127.0.0.1:4000',
    });
    expect(JSON.parse(second ?? '')).toMatchObject({ level: 'warn', message: 'two\nlines' });
    expect(Object.keys(JSON.parse(second ?? ''))).toEqual(['level', 'time', 'message']);
    expect(end).toBe('');
  });

  test('an error shows its message and stack', () => {
    const { log, text } = open();
    log.error('failed', { error: new TypeError('wrong') });
    const { error } = JSON.parse(text());
    expect(error).toMatchObject({ type: 'TypeError', message: 'wrong' });
    expect(error.stack).toContain('log.test.ts');
  });

  test('what is below the level is not written, and the level can be changed while running', () => {
    const { log, text } = open();
    log.debug('hidden');
    log.debug('hidden', { a: 1 });
    log.setLevel('debug');
    log.debug('shown');
    log.setLevel('error');
    log.warn('hidden');
    expect(text().match(/"message":"\w+"/g)).toEqual(['"message":"shown"']);
  });
});

describe('writing', () => {
  test('lines of one turn are written together', async () => {
    const { log, writes } = open();
    for (let line = 0; line < 5; line++) log.info('short');
    expect(writes).toHaveLength(0);
    await new Promise((resolve) => setImmediate(resolve));
    expect(writes).toHaveLength(1);
    expect(writes[0]?.split('\n')).toHaveLength(6);
  });

  test('lines soon after a write wait for others, and then go out together', async () => {
    vi.useFakeTimers();
    try {
      const { log, writes } = open();
      log.info('first');
      await vi.advanceTimersByTimeAsync(1);
      log.info('second');
      await vi.advanceTimersByTimeAsync(20);
      log.info('third');
      expect(writes).toHaveLength(1);
      await vi.advanceTimersByTimeAsync(50);
      expect(writes).toHaveLength(2);
      expect(writes[1]).toMatch(/second.*third/s);
      await vi.advanceTimersByTimeAsync(50);
      log.info('after silence');
      await vi.advanceTimersByTimeAsync(1);
      expect(writes).toHaveLength(3);
    } finally {
      vi.useRealTimers();
    }
  });

  test('16 kB do not wait', () => {
    const { log, writes } = open();
    log.info('x'.repeat(16_384));
    expect(writes).toHaveLength(1);
  });

  test('closing writes what is left', async () => {
    const { log, writes } = open();
    log.info('last');
    await log.close();
    expect(writes.join('')).toContain('last');
  });
});

describe('lines for people', () => {
  test('time, level, message, key=value', () => {
    const { log, text } = open({ isTerminal: true });
    log.info('[ROUTER] Model: llama3.1:8b -> Provider: ollama (exact match)', { ms: 3, why: 'two words', id: 'a-1' });
    const plain = stripVTControlCharacters(text());
    expect(plain).toMatch(
      /^\d\d:\d\d:\d\d\.\d{3} INFO {2}\[ROUTER\] Model: llama3\.1:8b -> Provider: ollama \(exact match\) ms=3 why="two words" id=a-1\n$/,
    );
  });

  test('an escape sequence in a name does not reach the terminal', () => {
    const { log, text } = open({ isTerminal: true });
    log.info('model \x1b[2Jevil\r\n', { model: 'a\x07b' });
    const written = text();
    expect(written).toContain('model \\x1b[2Jevil\\x0d\\x0a');
    expect(written).toContain('model="a\\u0007b"');
    expect(written).not.toContain('\x1b[2J');
  });
});

describe('secrets', () => {
  test('fields that hold keys are never shown', () => {
    const { log, text } = open();
    log.info('asked', { apiKey: 'sk-1234567', headers: { authorization: 'Bearer abcdefg', accept: 'x' } });
    expect(text()).not.toMatch(/sk-1234567|abcdefg/);
    expect(text()).toContain('"accept":"x"');
  });

  test('a known secret is masked wherever it stands, with and without fields, also after a change', () => {
    const { log, text } = open({ redact: ['first-secret'] });
    log.info('key first-secret refused');
    log.info('refused', { words: 'first-secret' });
    log.setSecrets(['quote"inside']);
    log.info('key quote"inside refused');
    expect(text()).not.toMatch(/first-secret|quote/);
    for (const line of text().trim().split('\n')) JSON.parse(line);
  });

  test('no secret of four or more characters survives masking, in whatever form', () => {
    const secret = fc.string({ minLength: 4, maxLength: 20, unit: 'grapheme' }).filter((text) => !'***'.includes(text));
    fc.assert(
      fc.property(fc.string(), secret, fc.string(), (before, key, after) => {
        fc.pre(!`${before}***${after}`.includes(key));
        for (const form of [key, JSON.stringify(key).slice(1, -1), encodeURIComponent(key)]) {
          expect(maskSecrets(before + form + after, [key])).not.toContain(form);
        }
      }),
    );
  });

  test('the longer of two secrets goes first, and short ones are left', () => {
    expect(maskSecrets('abcd-efgh and abcd', ['abcd', 'abcd-efgh'])).toBe('*** and ***');
    expect(maskSecrets('a cab', ['a', ''])).toBe('a cab');
  });
});
