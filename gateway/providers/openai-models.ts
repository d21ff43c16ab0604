// `GET /v1/models` as many servers answer it: entries with only an `id`, or with facts in fields of their own.

import type { Capability, ModelFacts } from '../types.ts';
import { asArray, asCount, asObject, asPositive, asText, type JsonObject, textsOf } from './lenient.ts';
import { parseModelName, parseParameterSize, purposeFromName } from './model-name.ts';
import { normalizeQuantization } from './quantization.ts';

/** More entries than this are no list of models but a mistake. */
const mostModels = 10_000;
/** The gateway refuses longer names in requests. */
const longestId = 512;

/** One entry of a list. */
export interface ListedModel {
  readonly id: string;
  readonly entry: JsonObject;
}

/** The entries that have an id, each id once; null when the body is no such list. `data: null` is an empty one (Ollama). */
export function listedModels(body: unknown): readonly ListedModel[] | null {
  const list = asObject(body);
  const isList = list !== null && (Array.isArray(list.data) || (list.data === null && list.object === 'list'));
  if (list === null || !isList) return null;
  const models = new Map<string, ListedModel>();
  for (const value of asArray(list.data).slice(0, mostModels)) {
    const entry = asObject(value);
    const id = asText(entry?.id);
    if (entry !== null && id !== null && id.length <= longestId && !models.has(id)) models.set(id, { id, entry });
  }
  return [...models.values()];
}

/** Facts of a model of which nothing is known but what `known` says. The catalog adds what the name tells. */
export function factsOf(id: string, known: Partial<Omit<ModelFacts, 'id'>>): ModelFacts {
  return {
    aliases: [],
    size: null,
    activeSize: null,
    quantization: null,
    contextTrained: null,
    contextLoaded: null,
    capabilities: null,
    isLoaded: null,
    loadedUntilMs: null,
    vramBytes: null,
    fileBytes: null,
    family: null,
    digest: null,
    createdAtSeconds: null,
    remoteHost: null,
    ...known,
    id,
  };
}

/**
 * What the name of the file or repository behind an id tells (`root` at vLLM, `model_path` at llama.cpp). Nothing of it
 * where the id tells a size itself: an adapter's name may differ from its base model's.
 */
export function factsFromPath(id: string, path: string | null): Partial<ModelFacts> {
  if (path === null || path === id) return {};
  const named = parseModelName(id);
  if (named.size !== null || named.activeSize !== null) return {};
  const { size, activeSize, quantization, family } = parseModelName(path);
  if (size === null && activeSize === null) return { quantization };
  return { size, activeSize, quantization, family };
}

/** What a name leaves no doubt about, as capabilities; null otherwise (and then nothing is excluded). */
export function capabilitiesFromName(id: string): ReadonlySet<Capability> | null {
  const purpose = purposeFromName(id);
  return purpose === null ? null : new Set([purpose]);
}

/**
 * Facts of an entry of any compatible server: context as `max_model_len` (vLLM, SGLang), `context_length` (llama-swap,
 * OpenRouter), `context_window`, `loaded_context_length`, `meta.n_ctx`; Docker Model Runner's `dmr`; LM Studio's `state`.
 */
export function genericFacts(model: ListedModel, nowMs: number): ModelFacts {
  const { id, entry } = model;
  const meta = asObject(entry.meta) ?? asObject(entry.dmr) ?? {};
  const window = firstPositive(entry, ['max_model_len', 'context_length', 'context_window', 'max_context_length']);
  const state = asText(entry.state) ?? asText(asObject(entry.status)?.value);
  const quantization = asText(entry.quantization) ?? asText(meta.quantization) ?? asText(meta.ftype);
  return factsOf(id, {
    aliases: textsOf(entry.aliases).filter((alias) => alias !== id),
    size: asPositive(meta.n_params) ?? parseParameterSize(asText(meta.parameters)),
    quantization: normalizeQuantization(quantization),
    contextTrained: asPositive(meta.n_ctx_train) ?? asPositive(entry.max_context_length),
    contextLoaded:
      asPositive(entry.loaded_context_length) ?? firstPositive(meta, ['n_ctx', 'context_window']) ?? window,
    capabilities: reportedCapabilities(entry) ?? capabilitiesFromName(id),
    isLoaded: state === null ? null : state === 'loaded' || state === 'ready',
    createdAtSeconds: stableCreation(entry.created, nowMs),
  });
}

function firstPositive(entry: JsonObject, names: readonly string[]): number | null {
  for (const name of names) {
    const value = asPositive(entry[name]);
    if (value !== null) return value;
  }
  return null;
}

/** Many servers print the time of the request as `created`: only one that is past for an hour can be the model's. */
function stableCreation(created: unknown, nowMs: number): number | null {
  const seconds = asCount(created);
  return seconds !== null && seconds > 0 && seconds < nowMs / 1_000 - 3_600 ? Math.floor(seconds) : null;
}

const reported: ReadonlyMap<string, Capability> = new Map([
  ...(['completion', 'embedding', 'rerank', 'vision', 'audio', 'tools', 'reasoning', 'fim'] as const).map(
    (capability) => [capability, capability] as const,
  ),
  ...['chat', 'text-generation', 'text_generation', 'generate'].map((word) => [word, 'completion'] as const),
  ...['embeddings', 'embed', 'feature-extraction'].map((word) => [word, 'embedding'] as const),
  ...['tool_use', 'tool_calling', 'function_calling', 'tool-calling'].map((word) => [word, 'tools'] as const),
  ...['multimodal', 'image', 'image-input'].map((word) => [word, 'vision'] as const),
  ...['thinking'].map((word) => [word, 'reasoning'] as const),
  ...['reranking', 'reranker'].map((word) => [word, 'rerank'] as const),
  ...['insert'].map((word) => [word, 'fim'] as const),
  ...['tts', 'text-to-speech', 'speech'].map((word) => [word, 'speech'] as const),
  ...['transcript', 'transcription', 'transcribe', 'asr'].map((word) => [word, 'transcription'] as const),
  ...['image-generation', 'image_generation', 'text-to-image'].map((word) => [word, 'image_generation'] as const),
]);

/** The words servers use for what a model can do (Ollama, LM Studio, LocalAI), as ours; unknown words are left out. */
export function capabilitiesOf(words: readonly string[]): ReadonlySet<Capability> {
  const capabilities = new Set<Capability>();
  for (const text of words) {
    const capability = reported.get(text.toLowerCase());
    if (capability !== undefined) capabilities.add(capability);
  }
  // Every server we know that generates text can also be held to a grammar, whether it says so or not.
  if (capabilities.has('completion')) capabilities.add('structured_output');
  return capabilities;
}

/** A list that names neither completion nor embedding tells extras only (LM Studio: `["tool_use"]`): nothing to exclude by. */
function reportedCapabilities(entry: JsonObject): ReadonlySet<Capability> | null {
  const capabilities = capabilitiesOf(textsOf(entry.capabilities));
  const isWhole = capabilities.has('completion') || capabilities.has('embedding') || capabilities.has('rerank');
  return isWhole ? capabilities : null;
}
