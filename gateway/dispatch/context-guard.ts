// Whether a provider cut the prompt and did not say so: the count it reports is the only sign.

import type { ProviderAdapter } from '../providers/provider.ts';
import type { Endpoint, ModelFacts, Usage } from '../types.ts';

/** In the record, and for a JSON answer in `x-switchyard-warning`. */
export const PROMPT_TRUNCATED = 'prompt_truncated';

/** Vectors of a prompt that was cut come from one token less than the context (measured: ollama 0.17.4, 2,047 of 2,048). */
const EMBEDDING_SLACK = 1;

export interface AnsweredPrompt {
  readonly adapter: ProviderAdapter;
  readonly endpoint: Endpoint;
  readonly isStream: boolean;
  readonly model: ModelFacts | null;
  /** The body that was sent; null for a form. */
  readonly json: unknown;
  readonly usage: Usage | null;
}

/** True: as many tokens were read as the context holds, by a kind that cuts what is longer. */
export function wasPromptCut({ adapter, endpoint, isStream, model, json, usage }: AnsweredPrompt): boolean {
  const promptTokens = usage?.promptTokens ?? null;
  if (promptTokens === null || usage?.isEstimated === true || !adapter.cutsLongPrompts(endpoint, isStream))
    return false;
  const context = requestedContext(json) ?? model?.contextLoaded ?? null;
  if (context === null) return false;
  const isEmbedding = endpoint === 'embeddings' || endpoint === 'ollama_embed' || endpoint === 'ollama_embeddings';
  return promptTokens >= context - (isEmbedding ? EMBEDDING_SLACK : 0);
}

/** Ollama's native requests may name the context to load the model with. */
function requestedContext(json: unknown): number | null {
  if (typeof json !== 'object' || json === null) return null;
  const { options } = json as { readonly options?: unknown };
  if (typeof options !== 'object' || options === null) return null;
  const { num_ctx: context } = options as { readonly num_ctx?: unknown };
  return typeof context === 'number' && context > 0 ? context : null;
}
