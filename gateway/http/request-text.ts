// A request that has ended, as lines for people: what was decided, what was tried and why, the cache's part, the end. Pure.

import { decisionToText } from '../routing/explain.ts';
import type { Attempt, Outcome } from '../types.ts';

/** For `Accept: text/plain`; as `decisionToText`, without a final line break. */
export function requestText(outcome: Outcome): string {
  const { id, attempts, decision, warnings } = outcome;
  return [
    `request ${id}`,
    ...(decision === null ? [] : [decisionToText(decision)]),
    attempts.length === 0 ? 'nobody was asked' : 'attempts',
    ...attempts.map(attemptLine),
    ...cacheLines(outcome),
    ...warnings.map((warning) => `warning: ${warning}`),
    endLine(outcome),
  ].join('\n');
}

function attemptLine(attempt: Attempt, index: number): string {
  const { provider, model, via, because, variant, isCold, changes } = attempt;
  const details = [
    via,
    ...(because === null ? [] : [`because of ${because}`]),
    ...(variant === null ? [] : [`variant ${variant}`]),
    ...(isCold ? ['not known to be loaded'] : []),
    ...(changes.length === 0 ? [] : [`changed ${changes.join(' ')}`]),
    howItEnded(attempt),
  ];
  return `  ${String(index + 1).padStart(2)}  ${provider}/${model}  (${details.join(', ')})`;
}

function howItEnded({ failure, contentAfterMs, endedAfterMs }: Attempt): string {
  const ended = `${Math.round(endedAfterMs)} ms`;
  if (failure !== null) return `${failure.kind} after ${ended}: ${failure.message}`;
  return contentAfterMs === null
    ? `answered in ${ended}`
    : `answered in ${ended}, first content after ${Math.round(contentAfterMs)} ms`;
}

function cacheLines({ cache, provider, model }: Outcome): readonly string[] {
  switch (cache) {
    case 'hit':
      return [`cache: answered by what ${provider}/${model} once said`];
    case 'stored':
      return ['cache: the answer was kept for whoever asks the same'];
    default:
      return [];
  }
}

function endLine({ result, status, errorCode, errorMessage, durationMs, queuedMs, usage }: Outcome): string {
  const { promptTokens, completionTokens } = usage;
  return [
    `${result} with ${status} in ${Math.round(durationMs)} ms`,
    ...(queuedMs > 0 ? [`${Math.round(queuedMs)} ms of it in line`] : []),
    ...(promptTokens === null ? [] : [`${promptTokens} tokens read`]),
    ...(completionTokens === null ? [] : [`${completionTokens} written`]),
    ...(errorCode === null ? [] : [`${errorCode}: ${errorMessage ?? ''}`]),
  ].join(', ');
}
