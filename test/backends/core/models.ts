// What a stand-in says about a model: believable facts, from a name alone if need be.

import { createHash } from 'node:crypto';

type ModelCapability = 'completion' | 'embedding' | 'tools' | 'vision' | 'thinking' | 'insert' | 'rerank';

/** Everything any of the real servers tells about a model. */
export interface StandInModel {
  readonly name: string;
  readonly aliases: readonly string[];
  /** Parameters as a plain number. */
  readonly parameters: number;
  /** As in file names: `Q4_K_M`, `F16`. */
  readonly quantization: string;
  readonly contextTrained: number;
  /** Tokens one request can use once it is loaded. */
  readonly contextLoaded: number;
  readonly family: string;
  readonly fileBytes: number;
  readonly digest: string;
  readonly embeddingLength: number;
  readonly capabilities: readonly ModelCapability[];
  /** The machine that really answers, for Ollama's cloud stubs. */
  readonly remoteHost: string | null;
}

export type ModelInput = string | (Partial<StandInModel> & { readonly name: string });

/** Bits per weight, near enough for a file size. */
const BITS: Readonly<Record<string, number>> = {
  F16: 16,
  BF16: 16,
  F32: 32,
  Q8_0: 8.5,
  Q6_K: 6.6,
  Q5_K_M: 5.7,
  Q4_K_M: 4.8,
  Q4_0: 4.5,
};

const FAMILIES = ['llama', 'qwen3', 'qwen2', 'mistral', 'gemma3', 'phi3', 'nomic-bert', 'bert'] as const;

function parametersOf(name: string): number {
  const match = /(\d+(?:\.\d+)?)\s*([bm])\b/i.exec(name);
  if (!match) return name.includes('embed') ? 137e6 : 8e9;
  return Number(match[1]) * (match[2]?.toLowerCase() === 'm' ? 1e6 : 1e9);
}

function familyOf(name: string): string {
  if (name.includes('embed')) return 'nomic-bert';
  return FAMILIES.find((family) => name.includes(family)) ?? 'llama';
}

function capabilitiesOf(name: string): ModelCapability[] {
  if (name.includes('embed')) return ['embedding'];
  if (name.includes('rerank')) return ['rerank'];
  const all: ModelCapability[] = ['completion', 'tools'];
  if (/vl|vision|llava/.test(name)) all.push('vision');
  return all;
}

/** Fills in what was not said, from the name: size, quantisation, family and capabilities. */
export function describeModel(input: ModelInput): StandInModel {
  const given: Partial<StandInModel> & { readonly name: string } = typeof input === 'string' ? { name: input } : input;
  const lower = given.name.toLowerCase();
  const parameters = given.parameters ?? parametersOf(lower);
  const quantization =
    given.quantization ?? /(b?f16|f32|q\d_(?:k(?:_[sml])?|[01]))/i.exec(given.name)?.[1]?.toUpperCase() ?? 'Q4_K_M';
  const contextTrained = given.contextTrained ?? (lower.includes('embed') ? 2048 : 8192);
  return {
    name: given.name,
    aliases: given.aliases ?? [],
    parameters,
    quantization,
    contextTrained,
    contextLoaded: given.contextLoaded ?? Math.min(contextTrained, 4096),
    family: given.family ?? familyOf(lower),
    fileBytes: given.fileBytes ?? Math.round((parameters * (BITS[quantization] ?? 4.8)) / 8),
    digest: given.digest ?? createHash('sha256').update(given.name).digest('hex'),
    embeddingLength: given.embeddingLength ?? 64,
    capabilities: given.capabilities ?? capabilitiesOf(lower),
    remoteHost: given.remoteHost ?? null,
  };
}

/** `8.2B`, `137M`, `150K`: how Ollama writes a size (one decimal for billions, two for millions, none if whole). */
export function sizeInWords(parameters: number): string {
  const trim = (value: number, digits: number) => String(Number(value.toFixed(digits)));
  if (parameters >= 1e9) return `${trim(parameters / 1e9, 1)}B`;
  if (parameters >= 1e6) return `${trim(parameters / 1e6, 2)}M`;
  return `${Math.round(parameters / 1e3)}K`;
}
