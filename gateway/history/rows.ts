// Outcomes as rows of `requests` and `attempts`, and back.

import type { Attempt, Decision, Outcome } from '../types.ts';
import type { UnpackedOutcome } from './unpack.ts';

/** Columns of `requests` in the order in which they are written. */
export const requestColumns = [
  'id',
  'received_at_ms',
  'duration_ms',
  'endpoint',
  'protocol',
  'is_stream',
  'client',
  'requested_model',
  'rule',
  'provider',
  'model',
  'result',
  'status',
  'error_code',
  'error_message',
  'decision_ms',
  'queued_ms',
  'first_content_ms',
  'prompt_tokens',
  'completion_tokens',
  'cached_tokens',
  'is_estimated',
  'bytes_in',
  'bytes_out',
  'is_opened_early',
  'warnings',
  'decision_block',
  'decision_line',
  'snapshot',
  'rule_set',
  'facts_block',
  'facts_line',
  'variant',
  'cache',
] as const;

export type Column = string | number | null;
/** Sketches are stored as bytes. */
export type Value = Column | Uint8Array;

export interface RequestRow {
  readonly seq: number;
  readonly id: string;
  readonly received_at_ms: number;
  readonly duration_ms: number;
  readonly endpoint: Outcome['endpoint'];
  readonly protocol: Outcome['protocol'];
  readonly is_stream: number;
  readonly client: string;
  readonly requested_model: string | null;
  readonly rule: string | null;
  readonly provider: string | null;
  readonly model: string | null;
  readonly result: Outcome['result'];
  readonly status: number;
  readonly error_code: string | null;
  readonly error_message: string | null;
  readonly decision_ms: number;
  readonly queued_ms: number;
  readonly first_content_ms: number | null;
  readonly prompt_tokens: number | null;
  readonly completion_tokens: number | null;
  readonly cached_tokens: number | null;
  readonly is_estimated: number;
  readonly bytes_in: number;
  readonly bytes_out: number;
  readonly is_opened_early: number;
  readonly warnings: string;
  readonly decision_block: number;
  readonly decision_line: number;
  readonly snapshot: number;
  readonly rule_set: number;
  readonly facts_block: number;
  readonly facts_line: number;
  readonly variant: string | null;
  readonly cache: Outcome['cache'];
}

export interface AttemptRow {
  readonly provider: string;
  readonly model: string;
  readonly started_at_ms: number;
  readonly status: number | null;
  readonly headers_after_ms: number | null;
  readonly content_after_ms: number | null;
  readonly ended_after_ms: number;
  readonly is_cold: number;
  readonly changes: string;
  readonly failure_kind: NonNullable<Attempt['failure']>['kind'] | null;
  readonly failure_message: string | null;
  readonly failure_status: number | null;
  readonly retry_after_ms: number | null;
  readonly via: string;
  readonly because: string | null;
  readonly variant: string | null;
}

/** Where what it takes to decide a request again is in the database; 0: it is not kept. */
export interface StoredBasis {
  readonly snapshot: number;
  readonly ruleSet: number;
  readonly factsBlock: number;
  readonly factsLine: number;
}

/** Values for `requestColumns`. `block`: where the batch's decisions are. */
export function requestValues(outcome: UnpackedOutcome, block: number, basis: StoredBasis): Column[] {
  const { usage } = outcome;
  return [
    outcome.id,
    outcome.receivedAtMs,
    outcome.durationMs,
    outcome.endpoint,
    outcome.protocol,
    outcome.isStream ? 1 : 0,
    outcome.client,
    outcome.requestedModel,
    outcome.rule,
    outcome.provider,
    outcome.model,
    outcome.result,
    outcome.status,
    outcome.errorCode,
    outcome.errorMessage,
    outcome.decisionMs,
    outcome.queuedMs,
    outcome.firstContentMs,
    usage.promptTokens,
    usage.completionTokens,
    usage.cachedTokens,
    usage.isEstimated ? 1 : 0,
    outcome.bytesIn,
    outcome.bytesOut,
    outcome.isOpenedEarly ? 1 : 0,
    listToText(outcome.warnings),
    outcome.decisionLine < 0 ? 0 : block,
    outcome.decisionLine,
    basis.snapshot,
    basis.ruleSet,
    basis.factsBlock,
    basis.factsLine,
    outcome.variant,
    outcome.cache,
  ];
}

export const attemptColumns = [
  'request',
  'position',
  'provider',
  'model',
  'started_at_ms',
  'status',
  'headers_after_ms',
  'content_after_ms',
  'ended_after_ms',
  'is_cold',
  'changes',
  'failure_kind',
  'failure_message',
  'failure_status',
  'retry_after_ms',
  'via',
  'because',
  'variant',
] as const;

/** Values for `attemptColumns`. `request` is the row's `seq`, `position` counts from 0. */
export function attemptValues(request: number | bigint, position: number, attempt: Attempt): (Column | bigint)[] {
  const { failure } = attempt;
  return [
    request,
    position,
    attempt.provider,
    attempt.model,
    attempt.startedAtMs,
    attempt.status,
    attempt.headersAfterMs,
    attempt.contentAfterMs,
    attempt.endedAfterMs,
    attempt.isCold ? 1 : 0,
    listToText(attempt.changes),
    failure?.kind ?? null,
    failure?.message ?? null,
    failure?.status ?? null,
    failure?.retryAfterMs ?? null,
    attempt.via,
    attempt.because,
    attempt.variant,
  ];
}

export function outcomeOf(row: RequestRow, attempts: readonly AttemptRow[], decision: Decision | null): Outcome {
  return {
    id: row.id,
    receivedAtMs: row.received_at_ms,
    durationMs: row.duration_ms,
    endpoint: row.endpoint,
    protocol: row.protocol,
    isStream: row.is_stream === 1,
    client: row.client,
    requestedModel: row.requested_model,
    rule: row.rule,
    provider: row.provider,
    model: row.model,
    result: row.result,
    status: row.status,
    errorCode: row.error_code,
    errorMessage: row.error_message,
    attempts: attempts.map(attemptOf),
    decisionMs: row.decision_ms,
    queuedMs: row.queued_ms,
    firstContentMs: row.first_content_ms,
    usage: {
      promptTokens: row.prompt_tokens,
      completionTokens: row.completion_tokens,
      cachedTokens: row.cached_tokens,
      isEstimated: row.is_estimated === 1,
    },
    bytesIn: row.bytes_in,
    bytesOut: row.bytes_out,
    isOpenedEarly: row.is_opened_early === 1,
    variant: row.variant,
    cache: row.cache,
    warnings: listFromText(row.warnings),
    decision,
  };
}

function attemptOf(row: AttemptRow): Attempt {
  const kind = row.failure_kind;
  const failure = kind && {
    kind,
    message: row.failure_message ?? '',
    status: row.failure_status,
    retryAfterMs: row.retry_after_ms,
  };
  return {
    provider: row.provider,
    model: row.model,
    via: row.via,
    because: row.because,
    variant: row.variant,
    startedAtMs: row.started_at_ms,
    failure,
    status: row.status,
    headersAfterMs: row.headers_after_ms,
    contentAfterMs: row.content_after_ms,
    endedAfterMs: row.ended_after_ms,
    isCold: row.is_cold === 1,
    changes: listFromText(row.changes),
  };
}

function listToText(texts: readonly string[]): string {
  return texts.length === 0 ? '[]' : JSON.stringify(texts);
}

function listFromText(text: string): string[] {
  return text === '[]' ? [] : (JSON.parse(text) as string[]);
}
