import { describe, expect, test } from 'vitest';
import { defaultReliability } from '../../gateway/config/defaults.ts';
import type { FallbackChain, ReliabilitySettings } from '../../gateway/config/settings.ts';
import { type FailedDeployment, planRetry, type RetrySituation } from '../../gateway/dispatch/retry-plan.ts';
import type { FailureKind } from '../../gateway/types.ts';

const NOW = 100_000;

function failed(kind: FailureKind, more: Partial<FailedDeployment> = {}): FailedDeployment {
  return {
    id: 'box\u0000m',
    name: 'box/m',
    provider: 'box',
    model: 'm',
    kind,
    via: 'catalog',
    atMs: NOW,
    retryAfterMs: null,
    numRetries: null,
    loadingUntilMs: null,
    ...more,
  };
}

function plan(failures: readonly FailedDeployment[], more: Partial<RetrySituation> = {}) {
  return planRetry({
    failed: failures,
    reliability: defaultReliability,
    names: ['m'],
    requestRetries: null,
    chain: null,
    chainRounds: 0,
    retries: 0,
    nowMs: NOW,
    dice: () => 0,
    ...more,
  });
}

function chain(more: Partial<FallbackChain> = {}): FallbackChain {
  const position = { file: 'f', line: 1, column: 1 };
  return { name: 'default', links: [], retryAttempts: 2, retryDelayMs: 1_000, description: null, position, ...more };
}

const reliability = (more: Partial<ReliabilitySettings>): ReliabilitySettings => ({ ...defaultReliability, ...more });

describe('a deployment is asked again', () => {
  test.each(['unreachable', 'timeout_first_byte', 'rate_limited', 'overloaded', 'bad_answer', 'server_error'] as const)(
    'after %s',
    (kind) => {
      expect(plan([failed(kind)])).toMatchObject({ is: 'retry', again: new Set(['box\u0000m']) });
    },
  );

  test.each(['auth', 'model_missing', 'context_exceeded', 'content_filtered', 'unsupported', 'bad_request'] as const)(
    'never after %s',
    (kind) => {
      expect(plan([failed(kind)])).toBeNull();
    },
  );

  test('twice when nothing says otherwise', () => {
    expect(plan([failed('server_error')], { retries: 1 })?.because).toContain('retry 2 of 2');
    expect(plan([failed('server_error')], { retries: 2 })).toBeNull();
  });

  test('not if the server wants more than a minute of peace', () => {
    expect(plan([failed('rate_limited', { retryAfterMs: 60_000 })])?.waitMs).toBe(60_000);
    expect(plan([failed('rate_limited', { retryAfterMs: 60_001 })])).toBeNull();
  });
});

describe('how often', () => {
  const policy = new Map([['rate_limited', 5] as const]);
  test.each([
    ['the request first', { requestRetries: 7 }, { numRetries: 6 }, 7],
    ['then the entry', {}, { numRetries: 6 }, 6],
    ["then the group's policy", { reliability: reliability({ groupRetryPolicies: new Map([['m', policy]]) }) }, {}, 5],
    ['then the policy for all', { reliability: reliability({ retryPolicy: new Map([['rate_limited', 4]]) }) }, {}, 4],
    ['then its default class', { reliability: reliability({ retryPolicy: new Map([['default', 3]]) }) }, {}, 3],
    ['then the number for all', { reliability: reliability({ numRetries: 1 }) }, {}, 1],
  ] as const)('%s', (_title, more, entry, expected) => {
    expect(plan([failed('rate_limited', entry)], more)?.because).toContain(`of ${expected} `);
  });

  test('zero means never', () => {
    expect(plan([failed('server_error')], { requestRetries: 0 })).toBeNull();
  });

  test('a 503 counts among the errors of servers where the policy does not name it', () => {
    const retryPolicy = new Map([['server_error', 4] as const]);
    expect(plan([failed('overloaded')], { reliability: reliability({ retryPolicy }) })?.because).toContain('of 4 ');
  });
});

describe('the wait', () => {
  test('doubles from half a second to eight', () => {
    const waits = [0, 1, 2, 3, 4, 5].map((retries) => plan([failed('server_error')], { retries, requestRetries: 9 }));
    expect(waits.map((one) => one?.waitMs)).toEqual([500, 1_000, 2_000, 4_000, 8_000, 8_000]);
  });

  test('is longer by chance, so that many do not come back as one', () => {
    expect(plan([failed('server_error')], { dice: () => 0.999 })?.waitMs).toBeCloseTo(624.9, 0);
    expect(plan([failed('server_error')], { dice: () => 0.999, retries: 9, requestRetries: 10 })?.waitMs).toBe(8_000);
  });

  test('is at least `retry_after`', () => {
    expect(plan([failed('server_error')], { reliability: reliability({ retryAfterMs: 3_000 }) })?.waitMs).toBe(3_000);
  });

  test('is what the server asked for, less what has passed of it', () => {
    const limited = failed('rate_limited', { retryAfterMs: 9_000, atMs: NOW - 2_000 });
    expect(plan([limited])?.waitMs).toBe(7_000);
  });

  test('is for the first of several that may be asked; who wants longer is left alone', () => {
    const soon = failed('overloaded', { id: 'soon', retryAfterMs: 2_000 });
    const late = failed('rate_limited', { id: 'late', retryAfterMs: 20_000 });
    expect(plan([soon, late])).toMatchObject({ waitMs: 2_000, again: new Set(['soon']) });
  });
});

describe('a loading model', () => {
  const loading = (until: number) => failed('loading', { loadingUntilMs: until });

  test('is asked again each second, however many retries are left', () => {
    expect(plan([loading(NOW + 60_000)], { requestRetries: 0, retries: 5 })).toMatchObject({
      is: 'loading',
      waitMs: 1_000,
    });
  });

  test('until the time to its first content is up', () => {
    expect(plan([loading(NOW + 1_000)])).not.toBeNull();
    expect(plan([loading(NOW + 999)])).toBeNull();
  });
});

describe('a chain with `retry_attempts`', () => {
  test('is walked with the links that were asked by the rule itself already', () => {
    const position = { file: 'f', line: 1, column: 1 };
    const link = (provider: string, preferredModel: string | null = null) => ({
      role: 'primary' as const,
      provider,
      preferredModel,
      condition: null,
      position,
    });
    const own = failed('unreachable', { id: 'own', via: 'exact:m' });
    const other = failed('unreachable', { id: 'other', provider: 'rack', via: 'chain:default:2' });
    const walked = (links: FallbackChain['links'], failures = [own, other]) =>
      plan(failures, { chain: chain({ links }) })?.again;
    expect(walked([link('box'), link('rack')])).toEqual(new Set(['own', 'other']));
    expect(walked([link('box', 'm'), link('rack')])).toEqual(new Set(['own', 'other']));
    expect(walked([link('box', 'another'), link('rack')])).toEqual(new Set(['other']));
    expect(walked([link('shelf'), link('rack')])).toEqual(new Set(['other']));
    // The link brought another model of the same provider: that one is walked.
    const brought = failed('unreachable', { id: 'brought', model: 'n', via: 'chain:default:1' });
    expect(walked([link('box'), link('rack')], [own, brought, other])).toEqual(new Set(['brought', 'other']));
    // Whether its condition holds is not known here, and it was not asked as a link.
    const text = 'stream == true';
    const condition = { text, position };
    expect(walked([{ ...link('box'), condition }, link('rack')])).toEqual(new Set(['other']));
  });

  test('is walked again as often as it says, with its own delay', () => {
    const link = failed('server_error', { via: 'chain:default:1' });
    const again = plan([link], { chain: chain() });
    expect(again).toMatchObject({ is: 'chain', waitMs: 1_000 });
    expect(again?.because).toContain('round 2 of the chain default');
    expect(plan([link], { chain: chain(), chainRounds: 2 })).toBeNull();
  });

  test('asks its own links again, and nobody before it', () => {
    const failures = [
      failed('server_error', { id: 'before' }),
      failed('unreachable', { id: 'link', via: 'chain:default:2' }),
    ];
    expect(plan(failures, { chain: chain() })?.again).toEqual(new Set(['link']));
    expect(plan([failed('server_error')], { chain: chain() })).toBeNull();
  });

  test('asks nobody again who will never answer', () => {
    expect(plan([failed('auth', { via: 'chain:default:1' })], { chain: chain() })).toBeNull();
    const both = [
      failed('auth', { id: 'locked', via: 'chain:default:1' }),
      failed('unreachable', { id: 'gone', via: 'chain:default:2' }),
    ];
    expect(plan(both, { chain: chain() })?.again).toEqual(new Set(['gone']));
  });

  test('without it leaves retrying to the general rules', () => {
    expect(plan([failed('server_error')], { chain: chain({ retryAttempts: 0 }) })?.is).toBe('retry');
  });
});
