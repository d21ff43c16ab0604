// The one list of settings: validator, editor schema, nearest names and documentation all come from here.

import * as z from 'zod';
import { environmentVariables, generalSettings, litellmSettings, modelEntry, routerSettings } from './litellm.ts';
import { litellmOnlySections } from './litellm-keys.ts';
import { provider } from './providers.ts';
import {
  capabilityRule,
  errorBased,
  exactMatch,
  fallbackChain,
  firstRequest,
  metadataRule,
  pattern,
  rateLimitedFallback,
  redundantModel,
  routingMetric,
  routingMode,
  sizeRule,
  strategies,
} from './rules.ts';
import { history, server } from './server.ts';
import { flag, key, text, texts } from './values.ts';

const gatewayKeys = {
  include: key(texts, 'Further files, relative to this one. Lists append, maps merge by key, this file wins.'),
  providers: key(z.record(text, provider), 'The servers behind the gateway, by the name you give them.'),
  default_provider: key(text, 'The provider for everything no rule is for.'),
  server: key(server, 'How the gateway itself listens.'),
  history: key(history, 'How long what happened is kept.'),
  log_level: key(z.enum(['trace', 'debug', 'info', 'warn', 'error']), 'What is logged (info).'),
  routing_mode: key(routingMode, 'What chooses the order: rules, order, fastest or pin: NAME (rules).'),
  request_metadata_routing: key(
    z.record(text, metadataRule),
    'Providers put first by what the request says, in this order.',
  ),
  exact_matches: key(z.record(text, exactMatch), 'Model names and the provider each goes to.'),
  patterns: key(z.array(pattern), 'Regular expressions over model names, in this order.'),
  capabilities: key(z.record(text, capabilityRule), 'What clients can ask for in place of a model.'),
  model_size_routing: key(z.array(sizeRule), 'Providers by the size of the model, in this order.'),
  redundant_models: key(z.record(text, redundantModel), 'Models that several providers serve, with their shares.'),
  fallback_chains: key(
    z.record(text, fallbackChain),
    'Providers asked one after the other; `default` is the one for all.',
  ),
  strategies: key(strategies, 'Which strategy is for what, with its figures.'),
  first_request_routing: key(firstRequest, 'Prefer who is warm while a model is cold.'),
  rate_limited_fallback: key(rateLimitedFallback, 'What a 429 does to a deployment.'),
  error_based_routing: key(errorBased, 'Use a candidate less after failures.'),
  routing_metrics: key(z.array(routingMetric), 'The routing metrics to keep (all).'),
  debug: key(flag, 'Log level debug (false).'),
  debug_router: key(flag, 'Log level debug (false).'),
};

const litellmKeys = {
  model_list: key(z.array(modelEntry), "LiteLLM's list of deployments."),
  router_settings: key(routerSettings, "LiteLLM's settings of the router."),
  litellm_settings: key(litellmSettings, "LiteLLM's general settings of calls."),
  general_settings: key(generalSettings, "LiteLLM's settings of the proxy."),
  environment_variables: key(environmentVariables, 'Variables for os.environ/NAME in this file.'),
};

const unusedSections = Object.fromEntries(
  litellmOnlySections.map((section) => [
    section,
    z.unknown().optional().meta({ description: 'A section of LiteLLM that is not used here.' }),
  ]),
);

export const configSchema = z.strictObject({ ...gatewayKeys, ...litellmKeys, ...unusedSections });

const typed = z.strictObject({ ...gatewayKeys, ...litellmKeys });

/** A whole configuration, as it is written. */
export type ConfigValues = z.infer<typeof typed>;

/**
 * The JSON Schema (2020-12) of a configuration file, for completion and checks while typing
 * (`# yaml-language-server: $schema=...`). Made from the validator itself.
 */
export function configJsonSchema(): Record<string, unknown> {
  const { $schema, ...schema } = z.toJSONSchema(configSchema, { io: 'input', reused: 'inline' });
  return { $schema, title: 'Switchyard configuration', ...schema };
}
