// Ollama's lists read as facts: `/api/tags` (what there is), `/api/ps` (what is loaded), `/api/show` (what a model can do).

import type { Capability, ModelFacts } from '../types.ts';
import { asArray, asCount, asObject, asPositive, asText, type JsonObject, textsOf } from './lenient.ts';
import { parseModelName, parseParameterSize } from './model-name.ts';
import { capabilitiesOf, factsOf } from './openai-models.ts';
import { normalizeQuantization } from './quantization.ts';

const mostModels = 10_000;
const longestName = 512;
/** With `keep_alive: -1` a model expires in 292 years (measured: ollama 0.17.4 says 2319). */
const foreverMs = 50 * 365 * 24 * 3_600_000;

/** What a loaded model occupies, and until when. */
export interface LoadedModel {
  readonly untilMs: number | null;
  readonly vramBytes: number | null;
  readonly context: number | null;
}

/** What `/api/show` tells beyond the list. */
export interface ShownModel {
  readonly size: number | null;
  readonly contextTrained: number | null;
  /** `num_ctx` of its Modelfile: the context it will be loaded with. */
  readonly contextConfigured: number | null;
  readonly capabilities: ReadonlySet<Capability>;
}

/** Lower case, `:latest` added, the default registry left out: equal for all spellings of one model. */
export function canonicalName(name: string): string {
  let bare = name.toLowerCase();
  if (bare.startsWith('registry.ollama.ai/')) bare = bare.slice('registry.ollama.ai/'.length);
  if (bare.startsWith('library/')) bare = bare.slice('library/'.length);
  return bare.indexOf(':', bare.lastIndexOf('/') + 1) === -1 ? `${bare}:latest` : bare;
}

/** The entries of `/api/tags` or `/api/ps` by name; null when the body is no such list. */
export function listedByName(body: unknown): ReadonlyMap<string, JsonObject> | null {
  const list = asObject(body);
  if (list === null || !(Array.isArray(list.models) || list.models === null)) return null;
  const models = new Map<string, JsonObject>();
  for (const value of asArray(list.models).slice(0, mostModels)) {
    const entry = asObject(value);
    const name = asText(entry?.name) ?? asText(entry?.model);
    if (entry !== null && name !== null && name.length <= longestName && !models.has(name)) models.set(name, entry);
  }
  return models;
}

/** An entry of `/api/ps`. */
export function readLoaded(entry: JsonObject, nowMs: number): LoadedModel {
  const expiresAt = asText(entry.expires_at);
  const atMs = expiresAt === null ? Number.NaN : Date.parse(expiresAt);
  const untilMs = atMs - nowMs > foreverMs ? Number.POSITIVE_INFINITY : atMs;
  return {
    untilMs: Number.isNaN(untilMs) ? null : untilMs,
    vramBytes: asCount(entry.size_vram),
    context: asPositive(entry.context_length),
  };
}

/**
 * The answer of `/api/show`; null when it is none. Servers before 0.6.4 do not list capabilities: there they follow from
 * the metadata and the template, as Ollama itself derives them (`server/images.go`, `Capabilities`).
 */
export function readShown(body: unknown): ShownModel | null {
  const shown = asObject(body);
  const info = asObject(shown?.model_info);
  if (shown === null || (info === null && asObject(shown.details) === null)) return null;
  const architecture = asText(info?.['general.architecture']) ?? '';
  const listed = textsOf(shown.capabilities);
  return {
    size: asPositive(info?.['general.parameter_count']),
    contextTrained: asPositive(info?.[`${architecture}.context_length`]),
    contextConfigured: configuredContext(asText(shown.parameters)),
    capabilities: capabilitiesOf(listed.length > 0 ? listed : derivedCapabilities(shown, info ?? {}, architecture)),
  };
}

/** `parameters` is a text of `name value` lines. */
function configuredContext(parameters: string | null): number | null {
  for (const line of (parameters ?? '').split('\n', 1_000)) {
    const [name, value] = line.trim().split(/\s+/, 2);
    if (name === 'num_ctx') return asPositive(Number(value));
  }
  return null;
}

function derivedCapabilities(shown: JsonObject, info: JsonObject, architecture: string): readonly string[] {
  const template = asText(shown.template) ?? '';
  const capabilities = [info[`${architecture}.pooling_type`] === undefined ? 'completion' : 'embedding'];
  if (info[`${architecture}.vision.block_count`] !== undefined || asObject(shown.projector_info) !== null) {
    capabilities.push('vision');
  }
  if (template.includes('.Tools')) capabilities.push('tools');
  if (template.includes('.Suffix')) capabilities.push('insert');
  return capabilities;
}

/** The host that really answers for a stub of a cloud model, by its entry or its tag; null for models of this machine. */
export function remoteHostOf(name: string, entry: JsonObject): string | null {
  const named = asText(entry.remote_host);
  if (named !== null) return hostOf(named);
  if (asText(entry.remote_model) !== null) return 'ollama.com';
  const canonical = canonicalName(name);
  const tag = canonical.slice(canonical.lastIndexOf(':') + 1);
  return tag === 'cloud' || tag.endsWith('-cloud') ? 'ollama.com' : null;
}

/** `https://ollama.com:443` is shown as `ollama.com`. */
function hostOf(address: string): string {
  return URL.parse(address)?.hostname || address.slice(0, 255);
}

export interface OllamaModelSources {
  readonly entry: JsonObject;
  /** Null: not loaded; undefined: it was not told this time. */
  readonly loaded: LoadedModel | null | undefined;
  readonly shown: ShownModel | null;
  readonly former: ModelFacts | null;
}

/** Puts together what is known of one model. */
export function ollamaFacts(name: string, sources: OllamaModelSources): ModelFacts {
  const { entry, loaded, shown, former } = sources;
  const details = asObject(entry.details) ?? {};
  const listed = textsOf(entry.capabilities);
  const modifiedAtMs = Date.parse(asText(entry.modified_at) ?? '');
  // Without a new `show` the former answer for the same digest stands; what it was loaded with does not outlast a load.
  const configured =
    shown === null && former?.isLoaded === false ? former.contextLoaded : (shown?.contextConfigured ?? null);
  return factsOf(name, {
    ...(loaded === undefined ? formerLoad(former) : currentLoad(loaded, configured)),
    size: shown?.size ?? former?.size ?? parseParameterSize(asText(details.parameter_size)),
    quantization: normalizeQuantization(asText(details.quantization_level)),
    contextTrained: shown?.contextTrained ?? former?.contextTrained ?? asPositive(details.context_length),
    capabilities: shown?.capabilities ?? former?.capabilities ?? (listed.length > 0 ? capabilitiesOf(listed) : null),
    fileBytes: asPositive(entry.size),
    family: parseModelName(name).family ?? asText(details.family),
    digest: asText(entry.digest),
    createdAtSeconds: Number.isNaN(modifiedAtMs) ? null : Math.floor(modifiedAtMs / 1_000),
    remoteHost: remoteHostOf(name, entry),
  });
}

type LoadFacts = Pick<ModelFacts, 'isLoaded' | 'loadedUntilMs' | 'vramBytes' | 'contextLoaded'>;

function currentLoad(loaded: LoadedModel | null, configured: number | null): LoadFacts {
  if (loaded === null) return { isLoaded: false, loadedUntilMs: null, vramBytes: null, contextLoaded: configured };
  const { untilMs, vramBytes, context } = loaded;
  return { isLoaded: true, loadedUntilMs: untilMs, vramBytes, contextLoaded: context ?? configured };
}

function formerLoad(former: ModelFacts | null): LoadFacts {
  if (former === null) return { isLoaded: null, loadedUntilMs: null, vramBytes: null, contextLoaded: null };
  const { isLoaded, loadedUntilMs, vramBytes, contextLoaded } = former;
  return { isLoaded, loadedUntilMs, vramBytes, contextLoaded };
}
