// What the `model` of a `model_list` entry names: a server of one of our kinds, or a vendor somewhere else.

import type { ProviderKind } from '../../types.ts';
import type { LitellmParamsValues } from '../schema/litellm.ts';

export interface Upstream {
  readonly kind: ProviderKind;
  /** Null for the kinds of server. */
  readonly vendor: string | null;
  /** As the provider knows it. */
  readonly model: string;
  /** Where it is when the entry gives no address; null: an address is needed, or the vendor is called elsewhere. */
  readonly defaultAddress: string | null;
}

/** Bare names that LiteLLM's built-in list of models gives to a vendor other than OpenAI. */
const bareNames: readonly { readonly begins: RegExp; readonly vendor: string }[] = [
  { begins: /^claude/, vendor: 'anthropic' },
  { begins: /^gemini/, vendor: 'vertex_ai' },
  { begins: /^command-/, vendor: 'cohere' },
];

/** Reads prefix, address and environment as LiteLLM does (its documentation of the providers, version 1.103). */
export function upstreamOf(
  params: LitellmParamsValues,
  address: string | null,
  env: Readonly<Record<string, string | undefined>>,
): Upstream {
  const { prefix, model } = splitModel(params);
  switch (prefix) {
    case 'ollama':
    case 'ollama_chat':
      return server('ollama', model, env.OLLAMA_API_BASE || 'http://127.0.0.1:11434');
    case 'hosted_vllm':
      return server('vllm', model, env.HOSTED_VLLM_API_BASE || null);
    case 'openai':
      return address === null ? cloud('openai', model) : server('openai', model, null);
    case null: {
      const vendor = bareNames.find(({ begins }) => begins.test(model))?.vendor ?? 'openai';
      return address !== null && vendor === 'openai' ? server('openai', model, null) : cloud(vendor, model);
    }
    default:
      return cloud(prefix, model);
  }
}

function splitModel({ model, custom_llm_provider: given }: LitellmParamsValues): {
  readonly prefix: string | null;
  readonly model: string;
} {
  const slash = model.indexOf('/');
  if (given) return { prefix: given, model: model.startsWith(`${given}/`) ? model.slice(given.length + 1) : model };
  return slash < 0 ? { prefix: null, model } : { prefix: model.slice(0, slash), model: model.slice(slash + 1) };
}

function server(kind: ProviderKind, model: string, defaultAddress: string | null): Upstream {
  return { kind, vendor: null, model, defaultAddress };
}

function cloud(vendor: string, model: string): Upstream {
  return { kind: 'cloud', vendor, model, defaultAddress: null };
}
