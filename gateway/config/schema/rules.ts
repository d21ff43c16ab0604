// The rules of the gateway dialect, in the order of precedence.

import * as z from 'zod';
import {
  count,
  flag,
  fraction,
  key,
  milliseconds,
  number,
  oneOrMore,
  required,
  seconds,
  size,
  sizeRange,
  strategy,
  strategyWords,
  text,
  texts,
  timeouts,
} from './values.ts';

const remarks = {
  description: key(z.string(), 'For people; shown with the rule.'),
  reason: key(z.string(), 'For people; shown with the rule.'),
};

const options = {
  fallback: key(
    oneOrMore,
    'What is asked next: providers, chains or model groups; "none": not even the default chain.',
  ),
  routing_strategy: key(strategy, 'What orders the candidates.'),
  require_warm: key(flag, 'Only where the model is loaded (false).'),
  timeouts: key(timeouts, 'Time limits in place of those of the provider.'),
  ...remarks,
};

const upstream = {
  model: key(text, 'The model to ask the provider for.'),
  preferred_model: key(text, 'Another word for `model`.'),
};

export const exactMatch = z.strictObject({
  provider: required(text, 'The provider that gets this model name.'),
  priority: key(z.union([text, z.number()]), 'A label for people, such as `primary`.'),
  ...upstream,
  ...options,
});

export const pattern = z.strictObject({
  pattern: required(text, 'A regular expression (RE2), matched anywhere in the model name, case-sensitive.'),
  provider: required(text, 'The provider that gets the names that match.'),
  ...upstream,
  ...options,
});

export const capabilityRule = z.strictObject({
  preferred_models: key(texts, 'The models to use.'),
  provider: key(text, 'The provider to use.'),
  providers: key(texts, 'The providers to use.'),
  min_model_size: key(size, 'The least size, such as "13B".'),
  min_context: key(number, 'The least context, in tokens.'),
  ...options,
});

export const sizeRule = z.strictObject({
  size: required(sizeRange, 'The sizes it is for: "< 8B", "8B - 13B" (both included), "> 13B".'),
  provider: required(text, 'The provider that gets models of these sizes.'),
  ...upstream,
  ...options,
});

export const metadataRule = z.strictObject({
  condition: required(text, 'A condition over the request, such as header.x-priority == "high".'),
  provider: required(text, 'The provider that goes first when it holds.'),
  strict: key(flag, 'It is the only one then (false).'),
  ...upstream,
  ...options,
});

export const redundantModel = z.strictObject({
  providers: required(
    z.array(
      z.strictObject({
        provider: required(text, 'A provider that serves this model.'),
        weight: key(fraction, 'Its share.'),
        ...upstream,
      }),
    ),
    'The providers that serve this model, each under its own name for it.',
  ),
  routing_strategy: key(strategy, 'What orders them (by their weights).'),
  ...remarks,
});

const chainLink = z.strictObject({
  primary: key(text, 'The provider asked first.'),
  secondary: key(text, 'The provider asked next.'),
  tertiary: key(text, 'The provider asked after that.'),
  preferred_model: key(text, 'The model to ask it for.'),
  condition: key(text, 'When it is asked; always, when it is not set.'),
  retry_attempts: key(count, 'As beside `chain`.'),
  retry_delay_ms: key(milliseconds, 'As beside `chain`.'),
});

export const fallbackChain = z.strictObject({
  chain: required(z.array(chainLink), 'The providers in their order.'),
  retry_attempts: key(count, 'How often the whole chain is walked again (0).'),
  retry_delay_ms: key(milliseconds, 'The wait before that, in milliseconds (0).'),
  ...remarks,
});

const weights = z.strictObject({
  latency: key(fraction, 'Weight of speed (0.4).'),
  success_rate: key(fraction, 'Weight of success (0.4).'),
  cost: key(fraction, 'Weight of the price (0.2).'),
});

const strategyEntry = z
  .strictObject({
    applicable_to: key(texts, 'Capabilities or model groups it is for; all, when it is not set.'),
    weight_factors: key(
      z.union([weights, z.array(weights)], {
        error: 'expected weights such as {latency: 0.4, success_rate: 0.4, cost: 0.2}',
      }),
      'What `usage_based` weighs.',
    ),
    measure: key(z.enum(['time_to_first_token']), 'What `fastest_response` measures.'),
    ...remarks,
  })
  .nullable();

export const strategies = z.strictObject(
  Object.fromEntries(strategyWords.map((word) => [word, strategyEntry.optional()])),
);

export const firstRequest = z.strictObject({
  strategy: key(z.enum(['prefer_warm_providers']), 'What is preferred while a model is cold.'),
  enabled: key(flag, 'Whether it is on (true).'),
  warm_check_timeout_ms: key(milliseconds, 'How long asking who is warm may take, in milliseconds (100).'),
  ...remarks,
});

export const rateLimitedFallback = z.strictObject({
  enabled: key(flag, 'Whether a 429 pauses a deployment (true).'),
  fallback_duration_seconds: key(
    seconds,
    "How long, or as long as the provider says where that is longer (the cooldown's time).",
  ),
  ...remarks,
});

export const errorBased = z.strictObject({
  enabled: key(flag, 'Whether it is on (true).'),
  error_threshold: key(count, 'Failures in 60 s that may be before a candidate counts half (3).'),
  cooldown_seconds: key(seconds, 'For how long (300 s).'),
  ...remarks,
});

const modeError = { error: 'expected rules, order, fastest or "pin: NAME"' };

export const routingMode = z.union(
  [
    z.enum(['rules', 'order', 'fastest']),
    z.string().regex(/^pin:\s*\S/, modeError),
    z.strictObject({ pin: required(text, 'The only provider to use.') }),
  ],
  modeError,
);

export const routingMetric = z.enum([
  'routing_decision_time_ms',
  'exact_match_rate',
  'pattern_match_rate',
  'fallback_trigger_rate',
  'provider_distribution',
  'load_balance_effectiveness',
  'cache_hit_rate',
]);

export type RuleOptions = z.infer<z.ZodObject<typeof options>>;
export type UpstreamValues = z.infer<z.ZodObject<typeof upstream>>;
export type ChainLinkValues = z.infer<typeof chainLink>;
export type WeightValues = z.infer<typeof weights>;
