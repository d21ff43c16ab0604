// The switches `mock_testing_*` of a request: the group that was asked for fails on purpose, without anybody being asked,
// so that the configured fallbacks can be seen at work. Pure.

import type { Attempt, Candidate, Decision, Failure, FailureKind, RequestOverrides } from '../types.ts';

type MockSwitch = RequestOverrides['mockTesting'][number];

/** What each switch makes of the first group (LiteLLM, "fallbacks: test fallbacks"). */
const FAILURES: Readonly<
  Record<MockSwitch, { readonly kind: FailureKind; readonly status: number; readonly field: string }>
> = {
  fallbacks: { kind: 'server_error', status: 500, field: 'mock_testing_fallbacks' },
  context_fallbacks: { kind: 'context_exceeded', status: 400, field: 'mock_testing_context_fallbacks' },
  content_policy_fallbacks: { kind: 'content_filtered', status: 400, field: 'mock_testing_content_policy_fallbacks' },
  rate_limit_error: { kind: 'rate_limited', status: 429, field: 'mock_testing_rate_limit_error' },
};

/** In the record of a request whose switches were not obeyed. */
export const MOCK_TESTING_IGNORED = 'mock_testing_ignored';

export interface MockedFailure {
  readonly failure: Failure;
  /** The candidates that fail: all but the fallbacks. */
  readonly candidates: readonly Candidate[];
}

/** Null: the decision has nobody that could fail. */
export function mockFailure(switches: readonly MockSwitch[], decision: Decision): MockedFailure | null {
  const [first] = switches;
  const candidates = decision.candidates.filter((candidate) => candidate.kept && !isFallback(candidate));
  if (first === undefined || candidates.length === 0) return null;
  const { kind, status, field } = FAILURES[first];
  const message = `${field} made it fail; nothing was sent`;
  return { failure: { kind, message, status, retryAfterMs: null }, candidates };
}

/** The attempt that was not made. */
export function mockedAttempt(
  first: Candidate,
  failure: Failure,
  variant: string | null,
  startedAtMs: number,
): Attempt {
  return {
    provider: first.provider,
    model: first.model,
    via: first.via,
    because: null,
    variant,
    startedAtMs,
    failure,
    status: null,
    headersAfterMs: null,
    contentAfterMs: null,
    endedAfterMs: 0,
    isCold: false,
    changes: [],
  };
}

function isFallback({ via }: Candidate): boolean {
  return via.startsWith('fallback:') || via.startsWith('chain:');
}
