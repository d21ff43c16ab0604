// The end of a request in one record.

import type { GatewayError } from '../errors.ts';
import type { Attempt, Decision, Outcome, OutcomeResult, RequestFacts, Usage } from '../types.ts';
import type { AttemptResult } from './attempt-contract.ts';
import type { IncomingExchange } from './exchange.ts';

/** What is known when a request has ended. */
export interface EndOfRequest {
  readonly exchange: IncomingExchange;
  readonly facts: RequestFacts | null;
  readonly decision: Decision | null;
  readonly decisionMs: number;
  readonly queuedMs: number;
  readonly attempts: readonly Attempt[];
  readonly last: AttemptResult | null;
  readonly error: GatewayError | null;
  readonly isGone: boolean;
  readonly status: number | null;
  readonly bytesOut: number;
  readonly isOpenedEarly: boolean;
  readonly durationMs: number;
  readonly warnings: readonly string[];
}

const CHARACTERS_PER_TOKEN = 4;
const CLIENT_LEFT = 499;

function resultOf({ attempts, last, isGone, error }: EndOfRequest): OutcomeResult {
  if (error?.code === 'request_cancelled') return 'cancelled';
  if (last !== null && last.ended !== 'failed') return last.ended;
  if (isGone) return 'cancelled';
  return attempts.length === 0 ? 'rejected' : 'failed';
}

/** What the provider reported; else an estimate, marked as one. */
function usageOf(result: OutcomeResult, last: AttemptResult | null, facts: RequestFacts | null): Usage {
  if (last?.usage) return last.usage;
  const hasContent = last !== null && last.contentCharacters > 0;
  const wasServed = result === 'complete' || hasContent;
  return {
    promptTokens: wasServed && facts !== null ? facts.promptTokens : null,
    completionTokens: hasContent ? Math.ceil(last.contentCharacters / CHARACTERS_PER_TOKEN) : null,
    cachedTokens: null,
    isEstimated: true,
  };
}

export function summarize(end: EndOfRequest): Outcome {
  const { exchange, facts, attempts, last, error } = end;
  const result = resultOf(end);
  const isAnswered = last !== null && last.ended !== 'failed';
  const answered = isAnswered ? attempts.at(-1) : undefined;
  const failure = isAnswered ? last.failure : null;
  const status = result === 'cancelled' && end.status === null ? CLIENT_LEFT : (end.status ?? error?.status ?? 500);
  return {
    id: exchange.id,
    receivedAtMs: exchange.receivedAtMs,
    durationMs: end.durationMs,
    endpoint: exchange.endpoint,
    protocol: exchange.protocol,
    isStream: facts?.isStream ?? false,
    client: facts?.client ?? exchange.apiKeyName ?? '',
    requestedModel: facts?.model ?? null,
    rule: end.decision?.rule ?? null,
    provider: answered?.provider ?? null,
    model: answered?.model ?? null,
    result,
    status,
    errorCode: error?.code ?? failure?.kind ?? null,
    errorMessage: error?.message ?? failure?.message ?? null,
    attempts,
    decisionMs: end.decisionMs,
    queuedMs: end.queuedMs,
    firstContentMs:
      answered !== undefined && last?.contentAfterMs != null
        ? answered.startedAtMs - exchange.receivedAtMs + last.contentAfterMs
        : null,
    usage: usageOf(result, last, facts),
    bytesIn: exchange.body.length,
    bytesOut: end.bytesOut,
    isOpenedEarly: end.isOpenedEarly,
    variant: (answered ?? attempts.at(-1))?.variant ?? null,
    cache: null,
    warnings: end.warnings,
    decision: end.decision,
  };
}
