import fc from 'fast-check';
import { RE2JS } from 're2js';
import { describe, expect, test } from 'vitest';
import { isOwnAddress, parseBaseUrl, placeOf } from '../../gateway/config/address.ts';
import { durationMs, parameters, sizeBounds } from '../../gateway/config/amounts.ts';
import { didYouMean, listing, nearest } from '../../gateway/config/nearest.ts';
import { pathText } from '../../gateway/config/problems.ts';
import { patternFault } from '../../gateway/config/regex.ts';
import { machine } from './support.ts';

function parsed(text: string) {
  const url = parseBaseUrl(text);
  if (typeof url === 'string') throw new Error(url);
  return url;
}

describe('base URLs', () => {
  const spellings: readonly (readonly [string, string])[] = [
    ['http://127.0.0.1:11434', 'http://127.0.0.1:11434'],
    ['http://127.0.0.1:11434/', 'http://127.0.0.1:11434'],
    ['http://127.0.0.1:8001/v1', 'http://127.0.0.1:8001'],
    ['http://127.0.0.1:8001/v1//', 'http://127.0.0.1:8001'],
    ['HTTP://Box:80/api/v1', 'http://box/api'],
    ['https://box/v1beta', 'https://box/v1beta'],
    ['http://[::1]:8080/v1', 'http://[::1]:8080'],
  ];
  for (const [written, meant] of spellings)
    test(`${written} is ${meant}`, () => expect(parsed(written).baseUrl).toBe(meant));

  for (const wrong of [
    '',
    'box',
    'box:80',
    '127.0.0.1:1',
    'ftp://box',
    'http://',
    'http://a b',
    'http://x?y=1',
    'http://x#y',
    'http://u@x',
  ])
    test(`${JSON.stringify(wrong)} is told to be none`, () => expect(typeof parseBaseUrl(wrong)).toBe('string'));
});

describe('places', () => {
  const places: Readonly<Record<string, readonly string[]>> = {
    local: [
      '127.0.0.1',
      '127.9.9.9',
      'localhost',
      'x.localhost',
      '[::1]',
      '0.0.0.0',
      'host.docker.internal',
      'workbench',
      '192.168.1.20',
    ],
    lan: [
      '10.1.2.3',
      '172.16.0.1',
      '172.31.255.1',
      '192.168.1.21',
      '169.254.1.1',
      '100.64.0.1',
      '[fd00::1]',
      '[fe80::1]',
      'box',
      'box.local',
      'gpu.lan',
      'nas.home.arpa',
      '[::ffff:10.0.0.1]',
    ],
    cloud: ['8.8.8.8', '172.32.0.1', 'api.openai.com', '[2001:db8::1]', '100.128.0.1', 'mylocal.example'],
  };
  for (const [place, hosts] of Object.entries(places))
    for (const host of hosts)
      test(`${host} is ${place}`, () => expect(placeOf(parsed(`http://${host}:1`).host, machine)).toBe(place));
});

describe('our own address', () => {
  const own = (url: string, host = '127.0.0.1', port = 4000) => isOwnAddress(parsed(url), { host, port }, machine);
  test('is found under every loopback name', () => {
    for (const host of ['127.0.0.1', 'localhost', '[::1]', '0.0.0.0', '127.1.2.3', 'workbench'])
      expect([host, own(`http://${host}:4000/v1`)]).toEqual([host, true]);
  });
  test('needs the same port, and port 0 is nobody yet', () => {
    expect(own('http://127.0.0.1:4001')).toBe(false);
    expect(own('http://127.0.0.1:4000', '127.0.0.1', 0)).toBe(false);
  });
  test('is an address of the network only when we listen there', () => {
    expect(own('http://192.168.1.20:4000')).toBe(false);
    expect(own('http://192.168.1.20:4000', '0.0.0.0')).toBe(true);
    expect(own('http://192.168.1.20:4000', '192.168.1.20')).toBe(true);
    expect(own('http://127.0.0.1:4000', '192.168.1.20')).toBe(false);
    expect(own('http://192.168.1.99:4000', '0.0.0.0')).toBe(false);
  });
});

test('times have units, and the key decides that of a plain number', () => {
  expect(['500ms', '3s', '2m', '1h', '1.5s', '30'].map((text) => durationMs(text, 's'))).toEqual([
    500, 3000, 120_000, 3_600_000, 1500, 30_000,
  ]);
  expect([durationMs(2, 's'), durationMs(2, 'ms'), durationMs('2', 'ms'), durationMs('2s', 'ms')]).toEqual([
    2000, 2, 2, 2000,
  ]);
});

test('sizes are numbers of parameters', () => {
  expect(['13B', '0.5b', '350M', '0.35B', '1.5T', '7 B'].map(parameters)).toEqual([
    13e9, 5e8, 350e6, 350e6, 1.5e12, 7e9,
  ]);
  expect(parameters(8.2e9)).toBe(8.2e9);
});

test('ranges of sizes include their bounds where they say so', () => {
  expect(sizeBounds('< 8B')).toEqual({ min: null, max: { size: 8e9, isIncluded: false } });
  expect(sizeBounds('<=350M')).toEqual({ min: null, max: { size: 350e6, isIncluded: true } });
  expect(sizeBounds('>= 0.5B')).toEqual({ min: { size: 5e8, isIncluded: true }, max: null });
  expect(sizeBounds('8B - 13B')).toEqual({
    min: { size: 8e9, isIncluded: true },
    max: { size: 13e9, isIncluded: true },
  });
});

describe('the nearest word', () => {
  test('is found through slips of the pen', () => {
    const keys = ['base_url', 'kind', 'api_key', 'priority'];
    for (const [typed, meant] of [
      ['bse_url', 'base_url'],
      ['baseUrl', 'base_url'],
      ['knid', 'kind'],
      ['apikey', 'api_key'],
      ['pritority', 'priority'],
    ])
      expect([typed, nearest(typed ?? '', keys)]).toEqual([typed, meant]);
  });
  test('is nothing when none is near', () => {
    expect(nearest('anything', ['supports_function_calling', 'mode'])).toBeNull();
    expect(nearest('', ['a'])).toBeNull();
    expect(nearest('x'.repeat(5000), ['x'.repeat(4999)])).toBeNull();
    expect(didYouMean('zzz', ['kind'])).toBe('');
  });
  test('is the word itself for a known word, and never throws', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), fc.string({ minLength: 1 }), (words, word) => {
        const near = nearest(word, [word, ...words]);
        return near === null || nearest(word, [near]) === near;
      }),
    );
  });
});

test('listings read as a sentence', () => {
  expect([listing([]), listing(['a']), listing(['a', 'b', 'c']), listing(['a', 'b', 'c'], 2)]).toEqual([
    'nothing',
    'a',
    'a, b or c',
    'a, b, ...',
  ]);
});

test('a path names keys, indexes and quoted names', () => {
  expect(pathText(['exact_matches', 'llama3.1:8b', 'fallback', 0])).toBe('exact_matches."llama3.1:8b".fallback[0]');
});

test('patterns are checked by the engine that will match them', () => {
  for (const pattern of ['^meta-llama/.*', '.*:\\d+[bB]$', '(?i)qwen', '\\p{L}+', '^(a+)+$'])
    expect(patternFault(pattern)).toBeNull();
  for (const pattern of ['(', '[z-a]', 'a{2', '(?=x)', '(?<!x)y', '(a)\\1', '*']) {
    const fault = patternFault(pattern);
    if (pattern !== 'a{2') expect([pattern, fault]).toEqual([pattern, expect.stringContaining('not a valid')]);
  }
});

test('a pattern is right exactly when the engine takes it, also where its form says so without the engine', () => {
  const part = fc.constantFrom(...'^$.*+?\\\\[](){}|ab1-_/:@ ,#%&=~!'.split(''), '.*', '.+', '\\.', '\\d');
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
      const pattern = parts.join('');
      let isTaken = true;
      try {
        RE2JS.compile(pattern);
      } catch {
        isTaken = false;
      }
      expect([pattern, patternFault(pattern) === null]).toEqual([pattern, isTaken]);
    }),
    { numRuns: 3_000 },
  );
});
