// What llama-server tells of its models: one of its own, or in router mode a list of those it can start.

import type { Capability, ModelFacts } from '../types.ts';
import { asObject, asPositive, asText, type JsonObject, textsOf } from './lenient.ts';
import { purposeFromName } from './model-name.ts';
import { factsFromPath, factsOf, type ListedModel } from './openai-models.ts';
import { normalizeQuantization } from './quantization.ts';

/** What `/props` of a server with one model tells. */
export interface LlamaProps {
  readonly isRouter: boolean;
  readonly isAsleep: boolean;
  readonly slots: number | null;
  readonly hasMetrics: boolean;
  readonly hasSlots: boolean;
  readonly build: string | null;
  readonly props: JsonObject;
}

/** The answer of `/props`; null when it is none. */
export function readProps(body: unknown): LlamaProps | null {
  const props = asObject(body);
  if (props === null) return null;
  return {
    isRouter: props.role === 'router',
    isAsleep: props.is_sleeping === true,
    slots: asPositive(props.total_slots),
    hasMetrics: props.endpoint_metrics === true,
    hasSlots: props.endpoint_slots !== false,
    build: asText(props.build_info),
    props,
  };
}

/**
 * The one model of a server that is no router.
 * Whether it was started for embeddings, reranking or infill is told nowhere, so these count as possible (it answers 501).
 */
export function singleFacts(model: ListedModel, props: LlamaProps | null): ModelFacts {
  const { id, entry } = model;
  const known = props?.props ?? {};
  const settings = asObject(known.default_generation_settings);
  const modalities = asObject(known.modalities);
  const isAsleep = props?.isAsleep ?? false;
  return factsOf(id, {
    ...factsFromPath(id, asText(known.model_path)),
    ...metaFacts(entry, asText(known.model_ftype)),
    aliases: textsOf(entry.aliases).filter((alias) => alias !== id),
    contextLoaded: asPositive(settings?.n_ctx) ?? asPositive(asObject(entry.meta)?.n_ctx),
    capabilities: possibleCapabilities(id, {
      vision: modalities?.vision === true || modalities?.video === true,
      audio: modalities?.audio === true,
      tools: usesTools(asObject(known.chat_template_caps)),
      reasoning: reasons(known),
    }),
    isLoaded: !isAsleep,
    loadedUntilMs: isAsleep ? null : Number.POSITIVE_INFINITY,
  });
}

/** A model of a router: its facts in full only while it runs. */
export function routedFacts(model: ListedModel): ModelFacts {
  const { id, entry } = model;
  const status = asObject(entry.status);
  const value = asText(status?.value);
  const inputs = textsOf(asObject(entry.architecture)?.input_modalities);
  const isLoaded = value === null ? null : value === 'loaded';
  return factsOf(id, {
    ...metaFacts(entry, null),
    aliases: textsOf(entry.aliases).filter((alias) => alias !== id),
    contextLoaded: asPositive(asObject(entry.meta)?.n_ctx) ?? contextOfArguments(textsOf(status?.args)),
    capabilities: possibleCapabilities(id, {
      vision: inputs.length === 0 || inputs.includes('image') || inputs.includes('video'),
      audio: inputs.length === 0 || inputs.includes('audio'),
      tools: true,
      reasoning: true,
    }),
    isLoaded,
    // When the least used one has to make room, or not at all: nothing tells.
    loadedUntilMs: null,
  });
}

/** Models that are still being downloaded are listed, but cannot be asked. */
export function isAskable(model: ListedModel): boolean {
  const value = asObject(model.entry.status)?.value;
  return value !== 'downloading';
}

/** Whether the router runs this model now: its own `/slots` and `/metrics` may be asked. */
export function isRunning(model: ListedModel): boolean {
  return asObject(model.entry.status)?.value === 'loaded';
}

/** A list as only a router gives it. */
export function looksRouted(models: readonly ListedModel[]): boolean {
  return models.some((model) => asObject(model.entry.status) !== null);
}

function metaFacts(entry: JsonObject, fileType: string | null): Partial<ModelFacts> {
  const meta = asObject(entry.meta) ?? {};
  const size = asPositive(meta.n_params);
  const quantization = normalizeQuantization(asText(meta.ftype) ?? fileType);
  return {
    ...(size === null ? {} : { size }),
    ...(quantization === null ? {} : { quantization }),
    contextTrained: asPositive(meta.n_ctx_train),
    fileBytes: asPositive(meta.size),
  };
}

interface Abilities {
  readonly vision: boolean;
  readonly audio: boolean;
  readonly tools: boolean;
  readonly reasoning: boolean;
}

/** All that cannot be ruled out: a capability missing here excludes the model. */
function possibleCapabilities(id: string, abilities: Abilities): ReadonlySet<Capability> {
  const purpose = purposeFromName(id);
  if (purpose === 'embedding' || purpose === 'rerank') return new Set([purpose]);
  const possible: Capability[] = ['completion', 'structured_output', 'fim', 'embedding', 'rerank'];
  if (abilities.vision) possible.push('vision');
  if (abilities.audio) possible.push('audio', 'transcription');
  if (abilities.tools) possible.push('tools');
  if (abilities.reasoning) possible.push('reasoning');
  return new Set(possible);
}

/** With a template that has no place for tools they are dropped without a word (measured: llama-server 0.5.0-dev). */
function usesTools(abilities: JsonObject | null): boolean {
  return abilities === null || abilities.supports_tools === true || abilities.supports_tool_calls === true;
}

function reasons(props: JsonObject): boolean {
  const abilities = asObject(props.chat_template_caps);
  if (abilities === null) return true;
  if (abilities.supports_reasoning_effort === true || abilities.supports_preserve_reasoning === true) return true;
  const template = asText(props.chat_template) ?? '';
  return /<\|?think|enable_thinking|reasoning|<\|channel\|>/.test(template);
}

/** `--ctx-size` of a model that will be started, shared out where `--parallel` says so (measured: -c / N per slot). */
function contextOfArguments(args: readonly string[]): number | null {
  const size = argument(args, '--ctx-size') ?? argument(args, '-c');
  const parallel = argument(args, '--parallel') ?? argument(args, '-np') ?? 1;
  return size === null ? null : asPositive(Math.floor(size / parallel));
}

function argument(args: readonly string[], name: string): number | null {
  const at = args.indexOf(name);
  return at === -1 ? null : asPositive(Number(args[at + 1]));
}
