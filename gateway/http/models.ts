// The lists of models in OpenAI's and Anthropic's shapes. Built from memory: no provider is asked.

import type { IncomingHttpHeaders } from 'node:http';
import { GatewayError } from '../errors.ts';
import { type MergedFacts, mergedFacts, type NamedModel } from './known-models.ts';

/** Anthropic's clients name their version or send their own kind of key; OpenAI's do neither. */
export function wantsAnthropicShape(headers: IncomingHttpHeaders): boolean {
  return headers['anthropic-version'] !== undefined || headers['x-api-key'] !== undefined;
}

/** Facts as extra fields, null where unknown: the same names in every list of ours. */
function factFields(facts: MergedFacts): Record<string, unknown> {
  return {
    context_length: facts.contextLength,
    size: facts.size,
    active_size: facts.activeSize,
    quantization: facts.quantization,
    capabilities: facts.capabilities,
    loaded: facts.isLoaded,
    providers: facts.providers,
  };
}

/**
 * One entry of `/v1/models`. Times are seconds since the epoch and stable; 0 stands for "not known" (Anthropic's
 * reference says to send an epoch value then). `isHybrid` adds Anthropic's fields beside OpenAI's.
 */
export function modelEntry(model: NamedModel, isHybrid: boolean): Record<string, unknown> {
  const facts = mergedFacts(model);
  const createdAtSeconds = Math.trunc(facts.createdAtSeconds ?? 0);
  return {
    id: model.name,
    object: 'model',
    created: createdAtSeconds,
    owned_by: facts.providers[0] ?? 'switchyard',
    ...factFields(facts),
    ...(isHybrid
      ? {
          type: 'model',
          display_name: model.name,
          created_at: new Date(createdAtSeconds * 1_000).toISOString(),
          max_input_tokens: facts.contextLength,
        }
      : {}),
  };
}

/** The whole answer of `GET /v1/models`. */
export function modelList(models: readonly NamedModel[], isHybrid: boolean): Record<string, unknown> {
  const data = models.map((model) => modelEntry(model, isHybrid));
  if (!isHybrid) return { object: 'list', data };
  return { object: 'list', data, has_more: false, first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null };
}

/** The error of a name that nothing answers to; `nearest` are names that look like it. */
export function unknownModel(name: string, nearest: readonly string[]): GatewayError {
  const hint = nearest.length === 0 ? 'GET /v1/models lists those there are' : `did you mean ${nearest.join(' or ')}?`;
  return new GatewayError('model_not_found', `No provider or rule knows the model ${JSON.stringify(name)}: ${hint}`, {
    param: 'model',
  });
}
