import { describe, expect, test } from 'vitest';
import { prospectAfter } from '../../gateway/dispatch/after-failure.ts';
import { type FailedAttempt, finalError } from '../../gateway/dispatch/final-error.ts';
import type { Failure, FailureKind } from '../../gateway/types.ts';

function failed(kind: FailureKind, extra: Partial<Failure> = {}, words: string | null = null): FailedAttempt {
  const failure: Failure = { kind, message: `${kind} happened`, status: null, retryAfterMs: null, ...extra };
  const refusal = words === null ? null : { status: failure.status ?? 500, text: words, json: undefined };
  return { provider: 'box', model: 'm', failure, refusal };
}

function own(attempts: FailedAttempt[]) {
  const final = finalError(attempts);
  if (final.say !== 'own') throw new Error('expected an error of our own');
  return final.error;
}

describe('when all attempts failed', () => {
  test.each([
    [['timeout_first_byte', 'timeout_connect'], 'all_timed_out', 504],
    [['rate_limited', 'rate_limited'], 'rate_limited', 429],
    [['rate_limited', 'overloaded'], 'all_busy', 503],
    [['loading'], 'all_busy', 503],
    [['unreachable', 'timeout_first_byte'], 'all_attempts_failed', 502],
    [['auth'], 'all_attempts_failed', 502],
  ] satisfies [FailureKind[], string, number][])('%j sum up to %s', (kinds, code, status) => {
    const error = own(kinds.map((kind) => failed(kind)));
    expect([error.code, error.status]).toEqual([code, status]);
    for (const kind of kinds) expect(error.message).toContain(`${kind} happened`);
  });

  test('Retry-After is the shortest time any provider asked for', () => {
    expect(
      own([failed('rate_limited', { retryAfterMs: 9_000 }), failed('rate_limited', { retryAfterMs: 2_500 })])
        .retryAfterSeconds,
    ).toBe(3);
    expect(own([failed('unreachable')]).retryAfterSeconds).toBeNull();
  });

  test('a refused key is not worth repeating', () => {
    expect(own([failed('auth', { status: 401 })]).isRetryable).toBe(false);
    expect(own([failed('server_error')]).isRetryable).toBe(true);
  });

  test('words that blame the request are passed on, a 5xx for it as 400', () => {
    const final = finalError([failed('bad_request', { status: 500 }, 'parse error')]);
    expect(final).toMatchObject({ say: 'provider_words', status: 400 });
    expect(finalError([failed('unsupported', { status: 501 }, 'no embeddings')])).toMatchObject({ status: 501 });
    expect(finalError([failed('context_exceeded', { status: 400 }, 'too long'), failed('unreachable')])).toMatchObject({
      status: 400,
    });
  });

  test('a missing model is the mistake of the request only if it is missing everywhere', () => {
    const missing = failed('model_missing', { status: 404 }, 'no such model');
    expect(finalError([missing, missing])).toMatchObject({ say: 'provider_words', status: 404 });
    expect(finalError([missing, failed('unreachable')]).say).toBe('own');
  });

  test('a prompt that is too long is called so even where the provider said nothing', () => {
    expect(own([failed('context_exceeded')])).toMatchObject({ code: 'context_length_exceeded', status: 400 });
  });
});

describe('after one failure', () => {
  test('what every provider would refuse, and what nobody waits for, is asked of nobody else', () => {
    for (const kind of ['bad_request', 'cancelled', 'broken'] as const) expect(prospectAfter(kind)).toBe('stop');
  });

  test('what this deployment will never do is asked of others only', () => {
    for (const kind of ['auth', 'model_missing', 'context_exceeded', 'content_filtered', 'unsupported'] as const) {
      expect(prospectAfter(kind)).toBe('elsewhere');
    }
  });

  test('everything else may pass', () => {
    for (const kind of ['unreachable', 'timeout_total', 'rate_limited', 'overloaded', 'bad_answer'] as const) {
      expect(prospectAfter(kind)).toBe('may_pass');
    }
    expect(prospectAfter('loading')).toBe('loading');
  });
});
