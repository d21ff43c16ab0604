import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { describePosition, jsonErrorOffset } from '../../gateway/http/json-error.ts';
import { addressesOf } from '../../gateway/http/listen.ts';
import { challengeProof } from '../../gateway/http/management-token.ts';
import { humanNumber, mergeTags, oldestVersion, readEntries } from '../../gateway/http/ollama-shapes.ts';
import { areaOf, protocolOf, readTarget } from '../../gateway/http/paths.ts';
import { listeningInodes, parseLsof } from '../../gateway/http/port-holder.ts';

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe('the place where JSON goes wrong', () => {
  test.each([
    ['{"a":1,}', 7],
    ['{"a" 1}', 5],
    ['{a:1}', 1],
    ['[1,2', 4],
    ['[1,]', 3],
    ['{"a":tru}', 5],
    ['{"a":01}', 6],
    ['"a\nb"', 2],
    ['"a\\x"', 2],
    ['"unended', 8],
    ['{} {}', 3],
    ['', 0],
    ["{'a':1}", 1],
    ['{"a":1]', 6],
    ['-', 0],
    ['[1 2]', 3],
    ['\ufeff{}', 0],
  ])('%j is at %i', (text, offset) => {
    expect(jsonErrorOffset(text)).toBe(offset);
  });

  test('is nowhere exactly for what the parser takes', () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(), fc.string({ maxLength: 2 }), (text, at, inserted) => {
        const position = at % (text.length + 1);
        const changed = text.slice(0, position) + inserted + text.slice(position);
        expect(jsonErrorOffset(text)).toBe(-1);
        expect(jsonErrorOffset(changed) === -1).toBe(isJson(changed));
      }),
      { numRuns: 2_000 },
    );
  });

  test('is found in a string of many megabytes and below any depth', () => {
    expect(jsonErrorOffset(`{"a":"${'\\n'.repeat(4_000_000)}`)).toBe(8_000_006);
    expect(jsonErrorOffset('['.repeat(1_000_000))).toBe(1_000_000);
  });

  test('is told by line and column', () => {
    expect(describePosition('{\n  "a": x\n}', 9)).toBe('line 2, column 8 (character 10)');
  });
});

describe('a request target', () => {
  test.each([
    ['/v1/models?limit=3', { path: '/v1/models', query: '?limit=3', authority: null }],
    ['/v1/models#top', { path: '/v1/models', query: '', authority: null }],
    ['/a?b#c', { path: '/a', query: '?b', authority: null }],
    ['//v1/models', { path: '/v1/models', query: '', authority: null }],
    ['/v1/v1/models', { path: '/v1/models', query: '', authority: null }],
    ['http://localhost:1/v1/models?x=1', { path: '/v1/models', query: '?x=1', authority: 'localhost:1' }],
    ['http://localhost', { path: '/', query: '', authority: 'localhost' }],
    ['http://localhost?x', { path: '/', query: '?x', authority: 'localhost' }],
    ['*', null],
    ['localhost:80', null],
    ['ftp://localhost/', null],
  ])('%s is taken apart', (url, expected) => {
    expect(readTarget(url)).toEqual(expected);
  });

  test('belongs to the area whose rules hold for it', () => {
    const paths = ['/v1/x', '/admin', '/admin/', '/adminx', '/admin/challenge', '/ui', '/ui/x', '/uix', '/', '/health'];
    expect(paths.map(areaOf)).toEqual(['api', 'admin', 'admin', 'api', 'challenge', 'ui', 'ui', 'api', 'open', 'api']);
  });

  test('decides in whose shape errors are told', () => {
    expect(protocolOf('/api/x', {})).toBe('ollama');
    expect(protocolOf('/v1/messages/x', {})).toBe('anthropic');
    expect(protocolOf('/v1/models', { 'anthropic-version': '2023-06-01' })).toBe('anthropic');
    expect(protocolOf('/v1/models', {})).toBe('openai');
  });
});

describe("Ollama's lists", () => {
  test.each([
    [8.2e9, '8.2B'],
    [7e9, '7B'],
    [137_000_000, '137M'],
    [1_540_000, '1.54M'],
    [150_080, '150K'],
    [12, '12'],
  ])('%d parameters are %s', (count, text) => {
    expect(humanNumber(count)).toBe(text);
  });

  test('merge: the first server counts for a model that several have, the newest comes first', () => {
    const merged = mergeTags([
      [{ name: 'Tiny', modified_at: '2026-01-01T00:00:00Z', from: 'a' }],
      [
        { name: 'tiny:latest', modified_at: '2026-03-01T00:00:00Z', from: 'b' },
        { name: 'big:7b', modified_at: '2026-02-01T00:00:00Z', from: 'b' },
        { name: 'undated' },
      ],
    ]);
    expect(merged.map(({ name, from }) => [name, from])).toEqual([
      ['big:7b', 'b'],
      ['Tiny', 'a'],
      ['undated', undefined],
    ]);
  });

  test('are read leniently, and what is no list is none', () => {
    expect(readEntries({ models: [{ name: 'a' }, null, { model: 'x' }] })).toEqual([{ name: 'a' }]);
    expect([readEntries({ models: null }), readEntries({}), readEntries('x'), readEntries(null)]).toEqual([
      [],
      null,
      null,
      null,
    ]);
  });

  test('tell the oldest version, by number and not by letter', () => {
    expect(oldestVersion(['0.17.4', '0.9.0', '0.30.0-rc1', 'dev'])).toBe('0.9.0');
    expect(oldestVersion(['dev'])).toBeNull();
  });
});

describe('listening', () => {
  test('loopback means both addresses, any other host itself', () => {
    expect(['127.0.0.1', 'localhost', '::1', '[::1]', '0.0.0.0', '127.0.0.2'].map(addressesOf)).toEqual([
      ['127.0.0.1', '::1'],
      ['127.0.0.1', '::1'],
      ['127.0.0.1', '::1'],
      ['127.0.0.1', '::1'],
      ['0.0.0.0'],
      ['127.0.0.2'],
    ]);
  });

  test('the holder of a port is read from /proc and from lsof', () => {
    const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0FA0 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 0 100 0 0 10 0
   1: 0100007F:0FA0 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 99999 1 0 20 4 30 10 -1
   2: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 54321 1 0 100 0 0 10 0`;
    expect(listeningInodes(table, 4000)).toEqual(['12345']);
    expect(parseLsof('p842\ncnginx\nf6\n')).toEqual({ pid: 842, name: 'nginx' });
    expect(parseLsof('')).toBeNull();
  });
});

test('a proof holds for one listener and one nonce only', () => {
  const proofs = [
    challengeProof('token', 'nonce', '127.0.0.1', 4000),
    challengeProof('other', 'nonce', '127.0.0.1', 4000),
    challengeProof('token', 'nonce2', '127.0.0.1', 4000),
    challengeProof('token', 'nonce', '127.0.0.1', 4001),
    challengeProof('token', 'nonce', '::1', 4000),
  ];
  expect(new Set(proofs).size).toBe(5);
  expect(challengeProof('token', 'nonce', '::ffff:127.0.0.1', 4000)).toBe(proofs[0]);
});
