// The list of everything that is counted: name, help, labels. `/metrics` shows exactly these and the gauges of gauges.ts.

import { counters, histograms } from './series.ts';

const secondsToAnswer = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];
const secondsToFirstToken = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
const secondsToDecide = [0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.001, 0.01];
const secondsInQueue = [0.01, 0.1, 0.5, 1, 5, 15, 60];

export type Families = ReturnType<typeof createFamilies>;

/** New and empty ones. */
export function createFamilies() {
  const deployment = ['provider', 'model'];
  return {
    requests: counters('switchyard_requests_total', 'Requests by who answered and how they ended.', [
      ...deployment,
      'endpoint',
      'result',
    ]),
    duration: histograms(
      'switchyard_request_duration_seconds',
      'Time from receipt to the end of the answer.',
      [...deployment, 'endpoint'],
      secondsToAnswer,
    ),
    firstToken: histograms(
      'switchyard_time_to_first_token_seconds',
      'Time from receipt to the first content; start says whether the model was loaded (warm) when it was asked.',
      [...deployment, 'start'],
      secondsToFirstToken,
    ),
    queued: histograms('switchyard_queue_seconds', 'Time spent waiting for a free place, if any.', [], secondsInQueue),
    decision: histograms('switchyard_decision_seconds', 'Time one routing decision took.', [], secondsToDecide),
    tokens: counters('switchyard_tokens_total', 'Tokens by type: prompt, completion, cached.', [...deployment, 'type']),
    errors: counters('switchyard_errors_total', 'Requests that ended in an error of the catalogue.', ['code']),
    attempts: counters('switchyard_attempts_total', 'Tries on one deployment by result: ok or the kind of failure.', [
      ...deployment,
      'result',
    ]),
    fallbacks: counters('switchyard_fallbacks_total', 'Times a request went on from one deployment to another.', [
      'from',
      'to',
    ]),
    retries: counters('switchyard_retries_total', 'Times the same deployment was asked again.', ['provider']),
    passedOver: counters(
      'switchyard_candidates_passed_over_total',
      'Candidates skipped for a state that passes: cooling_down, breaker_open, rate_limited, at_capacity, down, auth.',
      ['provider', 'reason'],
    ),
    decisions: counters('switchyard_decisions_total', 'Decisions by the step that decided.', ['step']),
    fallenBack: counters(
      'switchyard_requests_with_fallback_total',
      'Requests that needed more than the first deployment.',
    ),
    answers: counters('switchyard_answers_total', 'Requests answered, by provider.', ['provider']),
    variantRequests: counters(
      'switchyard_variant_requests_total',
      'Requests by the variant (metadata.variant) of the deployment that answered, or failed last.',
      ['model', 'variant', 'result'],
    ),
    variantAttempts: counters(
      'switchyard_variant_attempts_total',
      'Tries on deployments of a variant by result: ok or the kind of failure.',
      ['variant', 'result'],
    ),
    variantDuration: histograms(
      'switchyard_variant_request_duration_seconds',
      'Time from receipt to the end of the answer, by variant.',
      ['variant'],
      secondsToAnswer,
    ),
    cooldowns: counters(
      'switchyard_cooldowns_total',
      'Times a deployment (or a provider as a whole) was taken out of use, by the failure that did it.',
      ['provider', 'because'],
    ),
    cacheLookups: counters('switchyard_cache_lookups_total', 'Times the cache of answers was asked: hit or miss.', [
      'result',
    ]),
    cacheStored: counters('switchyard_cache_stored_total', 'Answers the cache has taken in.'),
    savedCost: counters(
      'switchyard_saved_cost_total',
      'Cost saved against the dearest candidate that could have been asked, in the currency of the prices.',
      ['provider'],
    ),
    litellmRequests: counters('litellm_requests_total', 'Requests by model and provider.', ['model', 'provider']),
    litellmErrors: counters('litellm_errors_total', 'Failed requests by model and provider.', ['model', 'provider']),
    litellmCost: counters('litellm_cost_total', 'Cost by model and provider, from the configured prices.', [
      'model',
      'provider',
    ]),
  };
}
