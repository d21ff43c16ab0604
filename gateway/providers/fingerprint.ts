// What server listens on a port, told by the shape of its answers. GETs only, none of which loads, generates or interrupts.

import type { ProviderKind } from '../types.ts';
import { asObject, asText, type JsonObject } from './lenient.ts';
import { readProps } from './llama-cpp-models.ts';
import { readOpenApi } from './llama-cpp-python.ts';
import { listedModels } from './openai-models.ts';
import { type ProbeAnswer, ProbeError } from './provider.ts';

/** A server that can be a provider. */
export interface RecognisedServer {
  readonly kind: Exclude<ProviderKind, 'cloud'>;
  /** The product's name (`vLLM`, `LM Studio`), for people. */
  readonly product: string;
  readonly version: string | null;
  /** It wants a key before it tells more. */
  readonly needsKey: boolean;
  /** What told it, for people. */
  readonly evidence: string;
}

/** A server that is never adopted, and why. */
export interface ForeignServer {
  readonly notOurs: string;
}

export type Fingerprint = RecognisedServer | ForeignServer;

type Get = (path: string) => Promise<ProbeAnswer>;

/** One thing to look for. Null: it is not that. */
type Check = (ask: Asker, port: number) => Promise<Fingerprint | null>;

/** Asks each path once; null when no answer came or it is not a success (except through `any`). */
class Asker {
  readonly #get: Get;
  readonly #answers = new Map<string, Promise<ProbeAnswer | null>>();
  /** Headers of the first answer: a product tells itself there on any path. */
  firstHeaders: Readonly<Record<string, string>> = {};

  constructor(get: Get) {
    this.#get = get;
  }

  any(path: string): Promise<ProbeAnswer | null> {
    const former = this.#answers.get(path);
    if (former !== undefined) return former;
    const answer = this.#ask(path);
    this.#answers.set(path, answer);
    return answer;
  }

  async json(path: string): Promise<JsonObject | null> {
    const answer = await this.any(path);
    return answer?.status === 200 ? asObject(answer.json) : null;
  }

  async text(path: string): Promise<string> {
    const answer = await this.any(path);
    return answer?.status === 200 ? answer.text.slice(0, 200) : '';
  }

  async #ask(path: string): Promise<ProbeAnswer | null> {
    try {
      const answer = await this.#get(path);
      if (this.#answers.size <= 1) this.firstHeaders = answer.headers;
      return answer;
    } catch (error) {
      if (error instanceof ProbeError) return null;
      throw error;
    }
  }
}

/**
 * Identifies the server behind `get`.
 * @param get asks a path below the server's address; it may reject with `ProbeError`.
 * @param port the port asked: children of other servers listen on ephemeral ones.
 * @returns null when nothing answers, or nothing that we know how to use.
 */
export async function fingerprint(get: Get, port: number): Promise<Fingerprint | null> {
  const ask = new Asker(get);
  // The one page that llama-cpp-python answers without stopping a running stream; until it is ruled out, nothing else is asked.
  const page = await ask.any('/openapi.json');
  if (page === null) return null;
  for (const check of checks) {
    const found = await check(ask, port);
    if (found !== null) return found;
  }
  return null;
}

function found(
  kind: RecognisedServer['kind'],
  product: string,
  evidence: string,
  version: string | null = null,
): RecognisedServer {
  return { kind, product, version, needsKey: false, evidence };
}

/** In the order of certainty: the first that applies is the answer. Imitators of Ollama come before Ollama. */
const checks: readonly Check[] = [
  llamaCppPythonServer,
  gateways,
  appsWithApis,
  lmStudio,
  serviceInfo,
  koboldCpp,
  llamaServer,
  textGenerationInference,
  localAi,
  lemonade,
  rootTexts,
  modelList,
];

async function llamaCppPythonServer(ask: Asker): Promise<Fingerprint | null> {
  const page = await ask.any('/openapi.json');
  const told = page === null ? null : readOpenApi(page);
  return told === null
    ? null
    : found('llama_cpp_python', 'llama-cpp-python', 'the title of /openapi.json', told.version);
}

/** Titles of OpenAPI pages of programs that put themselves before the servers we look for. */
const foreignTitles: ReadonlyMap<string, string> = new Map([
  ['litellm', 'a LiteLLM gateway'],
  ['open webui', 'Open WebUI, which uses model servers itself'],
  ['olla', 'an Olla gateway'],
]);

async function gateways(ask: Asker): Promise<Fingerprint | null> {
  const readiness = await ask.any('/health/readiness');
  const state = asObject(readiness?.json);
  const headers = [...Object.keys(ask.firstHeaders), ...Object.keys(readiness?.headers ?? {})];
  if (state?.product === 'switchyard' || headers.some((name) => name.startsWith('x-switchyard-'))) {
    return { notOurs: 'a gateway of our own kind' };
  }
  if (state?.litellm_version !== undefined) return { notOurs: 'a LiteLLM gateway' };
  if (headers.some((name) => name.startsWith('x-litellm-'))) return { notOurs: 'a LiteLLM gateway' };
  if (headers.some((name) => name.startsWith('x-olla-'))) return { notOurs: 'an Olla gateway' };
  const title = asText(asObject((await ask.json('/openapi.json'))?.info)?.title)?.toLowerCase() ?? '';
  for (const [start, what] of foreignTitles) if (title.startsWith(start)) return { notOurs: what };
  const running = (await ask.json('/running'))?.running;
  if (Array.isArray(running)) return { notOurs: 'a llama-swap gateway' };
  if (asText((await ask.json('/version'))?.name)?.toLowerCase() === 'olla') return { notOurs: 'an Olla gateway' };
  if (/^AI Gateway says hey/i.test(await ask.text('/'))) return { notOurs: 'a Portkey gateway' };
  return null;
}

/** Servers whose OpenAPI page has a title of its own. */
async function appsWithApis(ask: Asker): Promise<Fingerprint | null> {
  const title = asText(asObject((await ask.json('/openapi.json'))?.info)?.title) ?? '';
  if (/^xinference/i.test(title)) return found('openai', 'Xinference', 'the title of /openapi.json');
  return null;
}

/** It answers 200 to every path, so only this one counts. */
async function lmStudio(ask: Asker): Promise<Fingerprint | null> {
  const greeting = await ask.json('/lmstudio-greeting');
  return greeting?.lmstudio === true ? found('openai', 'LM Studio', '/lmstudio-greeting') : null;
}

async function serviceInfo(ask: Asker): Promise<Fingerprint | null> {
  const software = asObject((await ask.json('/.well-known/serviceinfo'))?.software);
  const name = asText(software?.name);
  return name === null
    ? null
    : found('openai', name.slice(0, 100), '/.well-known/serviceinfo', asText(software?.version));
}

async function koboldCpp(ask: Asker): Promise<Fingerprint | null> {
  const version = await ask.json('/api/extra/version');
  if (version?.result !== 'KoboldCpp') return null;
  return found('openai', 'KoboldCpp', '/api/extra/version', asText(version.version));
}

/** Files that Ollama runs lie in its store under their digest. */
const ollamaFile = /[/\\]blobs[/\\]sha256[-:]/;
const firstEphemeralPort = 32_768;

/** llama.cpp says its name in a header of every answer, a refusal included; `/props` tells whose child it is. */
async function llamaServer(ask: Asker, port: number): Promise<Fingerprint | null> {
  const answer = await ask.any('/props');
  const isNamed = ask.firstHeaders.server === 'llama.cpp' || answer?.headers.server === 'llama.cpp';
  const props = answer?.status === 200 ? readProps(answer.json) : null;
  const settings = asObject(props?.props.default_generation_settings);
  if (!isNamed && (settings === null || props?.build === null)) return null;
  const file = `${asText(props?.props.model_path) ?? ''} ${asText(props?.props.model_alias) ?? ''}`;
  if (ollamaFile.test(file)) return { notOurs: 'a llama-server that Ollama started for itself' };
  if (props?.props.ui === false && port >= firstEphemeralPort)
    return { notOurs: 'a llama-server that another program started' };
  const evidence = isNamed ? 'the header Server: llama.cpp' : '/props';
  const product = props?.isRouter === true ? 'llama.cpp (router)' : 'llama.cpp';
  const needsKey = answer?.status === 401;
  return { ...found('llama_cpp', product, evidence, props?.build ?? null), needsKey };
}

async function textGenerationInference(ask: Asker): Promise<Fingerprint | null> {
  const info = await ask.json('/info');
  const isTgi =
    info?.router === 'text-generation-router' || (info?.model_id !== undefined && info.max_total_tokens !== undefined);
  return isTgi ? found('openai', 'Text Generation Inference', '/info', asText(info.version)) : null;
}

/** The page maps names to its endpoints; any other JSON there is no evidence. */
async function localAi(ask: Asker): Promise<Fingerprint | null> {
  const map = await ask.json('/.well-known/localai.json');
  const text = map === null ? '' : ((await ask.any('/.well-known/localai.json'))?.text ?? '');
  if (!/"\/(?:v1|models|system|backend)\b/.test(text)) return null;
  return found('openai', 'LocalAI', '/.well-known/localai.json', asText(map?.version));
}

async function lemonade(ask: Asker): Promise<Fingerprint | null> {
  const health = await ask.json('/v1/health');
  if (!Array.isArray(health?.all_models_loaded)) return null;
  return found('openai', 'Lemonade', '/v1/health', asText(health.version));
}

/** Ollama and Docker Model Runner say at `/` that they are running. */
async function rootTexts(ask: Asker): Promise<Fingerprint | null> {
  const root = await ask.text('/');
  if (root.startsWith('Docker Model Runner is running')) return found('openai', 'Docker Model Runner', 'the text of /');
  if (root.startsWith('Ollama is running')) {
    const version = asText((await ask.json('/api/version'))?.version);
    return version === null ? null : found('ollama', 'Ollama', 'the text of / and /api/version', version);
  }
  return null;
}

/** Products by the owner they put into their lists. */
const owners: ReadonlyMap<string, string> = new Map([
  ['sglang', 'SGLang'],
  ['koboldcpp', 'KoboldCpp'],
  ['docker', 'Docker Model Runner'],
  ['llama-cpp-python', "llama-cpp-python's example server"],
]);

async function modelList(ask: Asker): Promise<Fingerprint | null> {
  const answer = await ask.any('/v1/models');
  const list = answer?.status === 200 ? listedModels(answer.json) : null;
  if (list === null) return answer === null ? null : lockedServer(ask, answer);
  // A list of nothing is too little to know anybody by, unless it says that it is one.
  if (list.length === 0 && asObject(answer?.json)?.object !== 'list') return null;
  const owner = asText(list[0]?.entry.owned_by) ?? '';
  if (owner === 'llama-swap') return { notOurs: 'a llama-swap gateway' };
  if (owner === 'vllm') {
    const version = asText((await ask.json('/version'))?.version);
    return found('vllm', 'vLLM', 'owned_by in /v1/models', version);
  }
  if (owner === 'llamacpp') return found('llama_cpp', 'llama.cpp', 'owned_by in /v1/models');
  return found('openai', owners.get(owner) ?? 'OpenAI-compatible server', '/v1/models');
}

/** A list that is locked: vLLM's 401 has a string where others have an object, and its `/version` needs no key. */
async function lockedServer(ask: Asker, answer: ProbeAnswer): Promise<Fingerprint | null> {
  if (answer.status !== 401) return null;
  const isVllmShaped = asObject(answer.json)?.error === 'Unauthorized';
  const version = isVllmShaped ? asText((await ask.json('/version'))?.version) : null;
  if (version !== null) return { ...found('vllm', 'vLLM', 'its 401 and /version', version), needsKey: true };
  // A program that refuses every path, this one included, tells nothing.
  const isOpenElsewhere = (await ask.any('/lmstudio-greeting'))?.status === 404;
  if (!isOpenElsewhere || asObject(answer.json) === null) return null;
  return { ...found('openai', 'OpenAI-compatible server', 'a 401 at /v1/models'), needsKey: true };
}
