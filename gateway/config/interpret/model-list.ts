// `model_list`: groups of deployments, what is known of their models, and limits for model names.

import type { Capability } from '../../types.ts';
import { emptyModel } from '../defaults.ts';
import type { DocumentPath } from '../problems.ts';
import type { LitellmParamsValues, ModelEntryValues, ModelInfoValues } from '../schema/litellm.ts';
import type {
  DeclaredModel,
  GroupDeployment,
  ModelGroup,
  ModelNameLimits,
  ProbeSettings,
  ProviderSettings,
} from '../settings.ts';
import { DerivedProviders } from './deployments.ts';
import { entryAt, type Reading, secondsMs } from './reading.ts';

export interface ModelList {
  readonly groups: ReadonlyMap<string, ModelGroup>;
  readonly modelLimits: ReadonlyMap<string, ModelNameLimits>;
}

/** Reads `model_list`; the providers it stands for are added to `providers`, with what is declared of their models. */
export function readModelList(
  reading: Reading,
  providers: Map<string, ProviderSettings>,
  probe: ProbeSettings,
): ModelList {
  const derived = new DerivedProviders(reading, providers, probe);
  const groups = new Map<string, GroupDeployment[]>();
  const modelLimits = new Map<string, ModelNameLimits>();
  const declared = new Map<string, Map<string, DeclaredModel>>();
  for (const [index, entry] of (reading.values.model_list ?? []).entries()) {
    const path = ['model_list', index];
    const { model_name: name, litellm_params: params } = entry;
    if (!params) {
      modelLimits.set(name, withEarlier(modelLimits.get(name), readLimits(reading, entry, path)));
      continue;
    }
    const found = derived.find(params, [...path, 'litellm_params']);
    if (!found) continue;
    const deployments = groups.get(name) ?? [];
    groups.set(name, deployments);
    deployments.push({ ...found, ...readDeployment(entry, params), position: entryAt(reading, path) });
    if (!found.model.includes('*')) declareModel(declared, found, entry, params);
  }
  addDeclared(providers, declared);
  return { groups: namedGroups(groups), modelLimits };
}

function namedGroups(groups: ReadonlyMap<string, readonly GroupDeployment[]>): ReadonlyMap<string, ModelGroup> {
  const named = new Map<string, ModelGroup>();
  for (const [name, deployments] of groups) named.set(name, { name, isWildcard: name.includes('*'), deployments });
  return named;
}

type Limits = Pick<GroupDeployment, 'weight' | 'rpm' | 'tpm' | 'priority' | 'order' | 'maxParallelRequests'>;

/** Limits are read inside `litellm_params` and beside it; inside counts, as in LiteLLM. */
function limitsOf(entry: ModelEntryValues, params: LitellmParamsValues | null): Limits {
  return {
    weight: params?.weight ?? entry.weight ?? null,
    rpm: params?.rpm ?? entry.rpm ?? null,
    tpm: params?.tpm ?? entry.tpm ?? null,
    priority: params?.priority ?? entry.priority ?? null,
    order: params?.order ?? entry.order ?? null,
    maxParallelRequests: params?.max_parallel_requests ?? entry.max_parallel_requests ?? null,
  };
}

function readLimits(reading: Reading, entry: ModelEntryValues, path: DocumentPath): ModelNameLimits {
  return { name: entry.model_name, ...limitsOf(entry, null), position: entryAt(reading, path) };
}

/** Several entries without `litellm_params` for one name: each adds what it says, the last one counting. */
function withEarlier(earlier: ModelNameLimits | undefined, later: ModelNameLimits): ModelNameLimits {
  if (!earlier) return later;
  return {
    ...later,
    weight: later.weight ?? earlier.weight,
    rpm: later.rpm ?? earlier.rpm,
    tpm: later.tpm ?? earlier.tpm,
    priority: later.priority ?? earlier.priority,
    order: later.order ?? earlier.order,
    maxParallelRequests: later.maxParallelRequests ?? earlier.maxParallelRequests,
  };
}

function readDeployment(
  entry: ModelEntryValues,
  params: LitellmParamsValues,
): Omit<GroupDeployment, 'provider' | 'model' | 'position'> {
  return {
    ...limitsOf(entry, params),
    variant: params.metadata?.variant ?? null,
    timeouts: null,
    answerTimeoutMs: secondsMs(params.timeout ?? params.request_timeout),
    streamTimeoutMs: secondsMs(params.stream_timeout),
    numRetries: params.num_retries ?? null,
    cooldownMs: secondsMs(params.cooldown_time),
  };
}

/** What each `supports_*` says about a model. */
const supports: readonly (readonly [key: keyof ModelInfoValues & string, capability: Capability])[] = [
  ['supports_vision', 'vision'],
  ['supports_function_calling', 'tools'],
  ['supports_tool_choice', 'tools'],
  ['supports_reasoning', 'reasoning'],
  ['supports_fim', 'fim'],
  ['supports_response_schema', 'structured_output'],
  ['supports_audio_input', 'audio'],
  ['supports_audio_output', 'speech'],
];

const modes: Readonly<Record<string, Capability>> = {
  chat: 'completion',
  completion: 'completion',
  responses: 'completion',
  embedding: 'embedding',
  rerank: 'rerank',
  audio_transcription: 'transcription',
  audio_speech: 'speech',
  image_generation: 'image_generation',
};

/** Facts, prices and limits of one deployment, from all entries that name it: the first that says something counts. */
function declareModel(
  declared: Map<string, Map<string, DeclaredModel>>,
  found: { readonly provider: string; readonly model: string },
  entry: ModelEntryValues,
  params: LitellmParamsValues,
): void {
  const models = declared.get(found.provider) ?? new Map<string, DeclaredModel>();
  declared.set(found.provider, models);
  const info = entry.model_info ?? {};
  const earlier = models.get(found.model) ?? emptyModel(found.model);
  const limits = limitsOf(entry, params);
  const said = supports.filter(([key]) => info[key] != null);
  const mode = info.mode == null ? undefined : modes[info.mode];
  const added = said.filter(([key]) => info[key] === true).map(([, capability]) => capability);
  const lacking = said.filter(([key]) => info[key] === false).map(([, capability]) => capability);
  models.set(found.model, {
    ...earlier,
    context: earlier.context ?? info.max_input_tokens ?? null,
    addedCapabilities: new Set([...earlier.addedCapabilities, ...(mode ? [mode] : []), ...added]),
    // `supports_tool_choice: false` beside `supports_function_calling: true` takes nothing away.
    lackingCapabilities: new Set([...earlier.lackingCapabilities, ...lacking.filter((one) => !added.includes(one))]),
    rpm: earlier.rpm ?? limits.rpm,
    tpm: earlier.tpm ?? limits.tpm,
    maxParallelRequests: earlier.maxParallelRequests ?? limits.maxParallelRequests,
    inputCostPerToken: earlier.inputCostPerToken ?? params.input_cost_per_token ?? info.input_cost_per_token ?? null,
    outputCostPerToken:
      earlier.outputCostPerToken ?? params.output_cost_per_token ?? info.output_cost_per_token ?? null,
  });
}

/** What `providers` says of a model counts before what `model_list` says. */
function addDeclared(
  providers: Map<string, ProviderSettings>,
  declared: ReadonlyMap<string, ReadonlyMap<string, DeclaredModel>>,
): void {
  for (const [name, models] of declared) {
    const provider = providers.get(name);
    if (!provider) continue;
    const merged = new Map(provider.models);
    for (const [id, model] of models) merged.set(id, withDeclared(merged.get(id), model));
    providers.set(name, { ...provider, models: merged });
  }
}

function withDeclared(own: DeclaredModel | undefined, listed: DeclaredModel): DeclaredModel {
  if (!own) return listed;
  return {
    ...own,
    context: own.context ?? listed.context,
    addedCapabilities: listed.addedCapabilities,
    lackingCapabilities: listed.lackingCapabilities,
    rpm: own.rpm ?? listed.rpm,
    tpm: own.tpm ?? listed.tpm,
    maxParallelRequests: own.maxParallelRequests ?? listed.maxParallelRequests,
    inputCostPerToken: own.inputCostPerToken ?? listed.inputCostPerToken,
    outputCostPerToken: own.outputCostPerToken ?? listed.outputCostPerToken,
  };
}
