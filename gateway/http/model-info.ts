// `/model/info` in LiteLLM's shape, one entry per deployment, for the scripts that read it. No key or header is in it.

import { withoutCredentials } from '../catalog/admin-view.ts';
import type { ProviderSettings } from '../config/settings.ts';
import type { Capability, DeploymentKey } from '../types.ts';
import type { NamedDeployment, NamedModel } from './known-models.ts';

export interface ModelInfoSources {
  providerSettings(name: string): ProviderSettings | undefined;
  requestCount(key: DeploymentKey): number;
}

/** LiteLLM's `mode`; null where nothing is known. */
function modeOf(capabilities: ReadonlySet<Capability> | null): string | null {
  if (capabilities === null) return null;
  if (capabilities.has('rerank')) return 'rerank';
  if (capabilities.has('embedding') && !capabilities.has('completion')) return 'embedding';
  if (capabilities.has('transcription')) return 'audio_transcription';
  if (capabilities.has('speech')) return 'audio_speech';
  if (capabilities.has('image_generation')) return 'image_generation';
  return 'chat';
}

function entry(name: string, deployment: NamedDeployment, sources: ModelInfoSources): Record<string, unknown> {
  const { provider, model, facts } = deployment;
  const declared = sources.providerSettings(provider.name)?.models.get(model);
  const capabilities = facts?.capabilities ?? null;
  const supports = (capability: Capability): boolean | null => capabilities?.has(capability) ?? null;
  const context = facts === null ? null : (facts.contextLoaded ?? facts.contextTrained);
  return {
    model_name: name,
    litellm_params: {
      model: `${provider.kind}/${model}`,
      api_base: withoutCredentials(sources.providerSettings(provider.name)?.baseUrl ?? ''),
    },
    model_info: {
      id: `${provider.name}/${model}`,
      db_model: false,
      key: model,
      mode: modeOf(capabilities),
      litellm_provider: provider.kind,
      max_tokens: context,
      max_input_tokens: context,
      max_output_tokens: null,
      input_cost_per_token: declared?.inputCostPerToken ?? 0,
      output_cost_per_token: declared?.outputCostPerToken ?? 0,
      supports_function_calling: supports('tools'),
      supports_vision: supports('vision'),
      supports_audio_input: supports('audio'),
      supports_reasoning: supports('reasoning'),
      supports_response_schema: supports('structured_output'),
      size: facts?.size ?? null,
      active_size: facts?.activeSize ?? null,
      quantization: facts?.quantization ?? null,
      loaded: facts?.isLoaded ?? null,
    },
    num_requests: sources.requestCount({ provider: provider.name, model }),
  };
}

/** The whole answer of `GET /model/info`. */
export function modelInfo(models: readonly NamedModel[], sources: ModelInfoSources): Record<string, unknown> {
  const data = models.flatMap((model) => model.deployments.map((deployment) => entry(model.name, deployment, sources)));
  return { data };
}
