import { describe, expect, test } from 'vitest';
import { commands, helpText, parseCommandLine, UsageError } from '../../gateway/cli/arguments.ts';
import { durationText } from '../../gateway/cli/columns.ts';
import { statusText } from '../../gateway/cli/status-text.ts';
import type { AdminProvider, AdminStatus } from '../../gateway/contract.ts';

describe('a command line', () => {
  test('is a command with its flags, in any order', () => {
    const args = ['--data', 'd', 'start', '--config', 'a.yaml', '--port=0', '--config', 'b.yaml', '--host', '0.0.0.0'];
    expect(parseCommandLine(args)).toEqual({
      is: 'command',
      name: 'start',
      input: {
        config: ['a.yaml', 'b.yaml'],
        data: 'd',
        port: 0,
        host: '0.0.0.0',
        isStrict: false,
        isJson: false,
        isToOpen: false,
        files: [],
        asked: { model: null, headers: [], body: null, down: [], endpoint: null },
      },
    });
    expect(parseCommandLine(['check', '--strict', 'a', 'b'])).toMatchObject({
      input: { isStrict: true, files: ['a', 'b'] },
    });
  });

  test('of every command says by --config, --data and --port what gateway is meant', () => {
    for (const name of Object.keys(commands)) {
      expect(parseCommandLine([name, '--config', 'c', '--data', 'd', '--port', '1'])).toMatchObject({
        name,
        input: { config: ['c'], data: 'd', port: 1 },
      });
    }
  });

  test('asks for help or the version wherever the flag stands', () => {
    expect(parseCommandLine(['start', '--help'])).toEqual({ is: 'help' });
    expect(parseCommandLine(['-h'])).toEqual({ is: 'help' });
    expect(parseCommandLine(['--version'])).toEqual({ is: 'version' });
    for (const name of Object.keys(commands)) expect(helpText).toContain(`\n  ${name}`);
  });

  test.each([
    [[], 'no command'],
    [['stat'], 'did you mean "start"?'],
    [['start', '--prot', '1'], 'there is no flag --prot; did you mean "--port"?'],
    [['start', '--port', 'x'], 'expected a number from 0 to 65535'],
    [['start', '--port', '65536'], 'expected a number'],
    [['start', '--port', '-1'], '--port'],
    [['start', '--port'], '--port'],
    [['start', '--json'], 'start takes no --json'],
    [['status', '--model', 'm'], 'status takes no --model'],
    [['explain', 'm'], 'explain takes no "m"'],
    [['status', '--strict'], 'status takes no --strict'],
    [['check', '--host', 'h'], 'check takes no --host'],
    [['start', 'file.yaml'], 'start takes no "file.yaml"'],
    [['toString'], 'there is no command'],
  ])('%j makes no sense: %s', (args, words) => {
    expect(() => parseCommandLine(args)).toThrow(UsageError);
    expect(() => parseCommandLine(args)).toThrow(words);
  });
});

describe('the status page', () => {
  const provider: AdminProvider = {
    name: 'ollama',
    kind: 'ollama',
    baseUrl: 'http://127.0.0.1:11434',
    place: 'local',
    isEnabled: true,
    snoozedUntil: null,
    isDraining: false,
    isDiscovered: false,
    observed: 'down',
    cause: { class: 'refused', message: 'refuses\u001b[31m connections' },
    version: null,
    probedAtMs: null,
    inFlight: 2,
    queued: 1,
    maxParallelRequests: null,
    slots: null,
    busy: null,
    modelControl: { is: 'able' },
    isListStale: true,
    models: [],
  };
  const status: AdminStatus = {
    product: 'switchyard',
    version: '1.2.3',
    instance: 'i',
    startedAtMs: 0,
    url: 'http://127.0.0.1:4000',
    isDraining: false,
    config: {
      files: ['/etc/a.yaml'],
      isCurrent: false,
      problems: [
        {
          file: '/etc/a.yaml',
          line: 3,
          column: 5,
          severity: 'error',
          code: 'unknown_key',
          message: 'no such key',
          path: 'x',
        },
      ],
    },
    dataFolder: '/data',
    history: { is: 'degraded', because: 'the disk is full', rowsLost: 3 },
    providers: [provider, { ...provider, name: 'b', isEnabled: false, cause: null, queued: 0 }],
    inFlight: 2,
    traffic: {
      cooldowns: [],
      queues: [],
      rateWindows: [],
      cache: { is: 'off', hits: 0, misses: 0, stored: 0, bytes: 0, entries: 0 },
      sharing: { is: 'off', sinceMs: 0, because: null },
      timeLimits: [],
    },
  };

  test('tells state, causes and problems, in columns', () => {
    expect(statusText(status, 3_725_000)).toBe(`Switchyard 1.2.3 at http://127.0.0.1:4000, up 1 h 2 min
configuration  /etc/a.yaml (has errors: the last good one is in force)
data           /data
history        degraded: the disk is full (3 requests not kept)
requests       2 running
providers
  ollama  ollama  down  0 models (last known)  2 running, 1 waiting  http://127.0.0.1:11434
  b       ollama  off   0 models (last known)  2 running             http://127.0.0.1:11434
  ollama: refuses?[31m connections
/etc/a.yaml:3:5 error unknown_key no such key`);
  });

  test('tells what is taken out, limited, learned, kept and shared, and nothing of what is not', () => {
    const quiet = statusText(status, 0);
    for (const word of ['taken out', 'limits', 'learned', 'cache', 'shar']) expect(quiet).not.toContain(word);
    const busy = statusText(
      {
        ...status,
        traffic: {
          cooldowns: [
            {
              ...{ provider: 'ollama', model: 'qwen3', is: 'cooling_down', untilMs: 25_000 },
              ...{ because: 'server_error', message: 'it answered 500' },
            },
            {
              ...{ provider: 'b', model: null, is: 'half_open', untilMs: null },
              ...{ because: 'unreachable', message: 'refused' },
            },
          ],
          queues: [
            {
              ...{ provider: 'ollama', used: 2, limit: 2, waiting: 1 },
              longestWaitMs: { high: null, normal: 4_000, low: 12_000 },
            },
          ],
          rateWindows: [{ scope: 'gateway', limits: 'requests', used: 3, limit: 60 }],
          cache: { is: 'memory', hits: 1, misses: 2, stored: 2, bytes: 2_000, entries: 2 },
          sharing: { is: 'away', sinceMs: 0, because: 'localhost:6379: refused' },
          timeLimits: [
            {
              ...{ provider: 'ollama', model: 'qwen3', isConfigured: false, isDegraded: true },
              firstContentLimitMs: { stream: 42_000, json: 180_000 },
              ...{ loadMs: 8_000, prefillTokensPerSecond: 800.4, tokensPerSecond: 40, answerMs: 900 },
            },
            {
              ...{ provider: 'b', model: 'unheard', isConfigured: false, isDegraded: false },
              firstContentLimitMs: { stream: 80_000, json: 600_000 },
              ...{ loadMs: null, prefillTokensPerSecond: null, tokensPerSecond: null, answerMs: null },
            },
          ],
        },
      },
      5_000,
    );
    expect(busy).toContain('2 running, 1 waiting, the longest for 12 s');
    expect(busy).toContain(`taken out of use
  ollama/qwen3  cooling_down  for 20 s more              server_error: it answered 500
  all of b      half_open     tried by the next request  unreachable: refused
limits per minute
  gateway  3 of 60 requests
learned
  ollama/qwen3  first content within 42 s, JSON within 180 s  loads in 8 s, reads 800 tokens/s, writes 40 tokens/s, fails often: counts half
cache in memory: 1 answered from it, 2 not, 2 taken in; 2 kept in 2 kB
sharing: Redis is away for 5 s, this gateway carries on alone (localhost:6379: refused)`);
    expect(busy).not.toContain('unheard');
  });

  test('tells times in the two largest units', () => {
    expect([8_000, 720_000, 15_120_000, 273_600_000, -5].map(durationText)).toEqual([
      '8 s',
      '12 min',
      '4 h 12 min',
      '3 d 4 h',
      '0 s',
    ]);
  });
});
