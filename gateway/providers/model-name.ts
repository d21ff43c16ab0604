// What the name of a model says: size, quantisation, family, fine-tune. Names are foreign text: linear time, no surprises.

import type { Capability } from '../types.ts';
import { joinQuantizations, quantizationAt } from './quantization.ts';

/** Facts read from a name alone. Null: the name does not tell. */
export interface ParsedModelName {
  /** Parameters in total, as a plain number (`8x7B` is 56e9). */
  readonly size: number | null;
  /** Parameters active per token (`30B-A3B` is 3e9); null for models that use all of them. */
  readonly activeSize: number | null;
  /** In one spelling for all servers (`Q4_K_M`, `F16`, `AWQ`, `4BIT`). */
  readonly quantization: string | null;
  /** Tokens of context (`128k` is 131072), which must not be taken for a size. */
  readonly context: number | null;
  /** The name without vendor, size, quantisation, context, file format and fine-tune: `llama3.1`, `qwen2.5-coder`. */
  readonly family: string | null;
  /** `instruct`, `base`, or others joined by `-`; empty when the name tells none. */
  readonly fineTune: string;
}

const longestName = 1_024;
const units: Readonly<Record<string, number>> = { k: 1e3, m: 1e6, b: 1e9, t: 1e12 };
/** `1m` to `10m` in a name are a million tokens of context; no model with so few parameters is served. */
const contextMillions = new Set(['1m', '2m', '4m', '5m', '10m']);
const smallestMillions = 14;
const formatWords = new Set([
  ...['gguf', 'ggml', 'safetensors', 'bin', 'pth', 'mlx', 'hf', 'imat', 'imatrix', 'i1', 'ud', 'dynamic', 'of'],
  ...['latest', 'cloud', 'local', 'models', 'model', 'quantized', 'uncased', 'cased', 'fp'],
]);
const fineTunes: ReadonlyMap<string, string> = new Map([
  ...['instruct', 'it', 'chat', 'inst'].map((word) => [word, 'instruct'] as const),
  ...['base', 'text', 'pt', 'pretrain', 'pretrained'].map((word) => [word, 'base'] as const),
  ...['dpo', 'sft', 'rlhf', 'abliterated', 'uncensored', 'heretic'].map((word) => [word, word] as const),
]);
const vendors = new Set(['meta', 'google', 'microsoft', 'ibm', 'nvidia', 'openai']);

/**
 * Reads a model's name, alias, repository or file path (`qwen:13b`, `TheBloke/Llama-2-13B-chat-GGUF`,
 * `/models/Qwen3-30B-A3B-Q4_K_M.gguf`). Where the last part of a path tells no size, the folders above it are asked.
 */
export function parseModelName(name: string): ParsedModelName {
  const parts = name.slice(0, longestName).split(/[/\\]+/);
  const own = parsePart(parts.at(-1) ?? '');
  if (own.size !== null || own.activeSize !== null) return own;
  for (let at = parts.length - 2; at >= 0; at -= 1) {
    const above = parsePart(parts[at] ?? '');
    if (above.size === null && above.activeSize === null) continue;
    return { ...above, quantization: own.quantization ?? above.quantization, context: own.context ?? above.context };
  }
  return own;
}

/** `8.2B`, `824.32M`, `150K` (Ollama's `parameter_size`), `8.19 B` (Docker Model Runner) as a number; null otherwise. */
export function parseParameterSize(text: string | null): number | null {
  const match = text === null || text.length > 32 ? null : /^\s*(\d{1,6}(?:\.\d{1,6})?)\s*([kmbt])\s*$/i.exec(text);
  const unit = units[match?.[2]?.toLowerCase() ?? ''];
  const size = unit === undefined ? 0 : Math.round(Number(match?.[1]) * unit);
  return size > 0 ? size : null;
}

/** What a model of that name is for, where the name leaves no doubt (embeddings, rerank, speech); null otherwise. */
export function purposeFromName(name: string): Capability | null {
  const words = wordsOf(name.slice(0, longestName).toLowerCase());
  if (words.some((word) => word.startsWith('rerank'))) return 'rerank';
  if (words.some((word) => word.startsWith('embed') || embeddingWords.has(word))) return 'embedding';
  if (words.includes('whisper')) return 'transcription';
  if (words.includes('tts') || words.includes('kokoro')) return 'speech';
  if (words.some((word) => word === 'sdxl' || word === 'dall' || word === 'diffusion')) return 'image_generation';
  return null;
}

const embeddingWords = new Set(['bge', 'gte', 'e5', 'minilm']);

/** Cuts at everything but letters, digits and the point inside a number. */
function wordsOf(text: string): string[] {
  const words: string[] = [];
  let start = -1;
  for (let at = 0; at <= text.length; at += 1) {
    const isPointInNumber = text[at] === '.' && isDigit(text.charCodeAt(at - 1)) && isDigit(text.charCodeAt(at + 1));
    if (isPointInNumber || isLetterOrDigit(text.charCodeAt(at))) {
      if (start === -1) start = at;
    } else if (start !== -1) {
      words.push(text.slice(start, at));
      start = -1;
    }
  }
  return words;
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

function isLetterOrDigit(code: number): boolean {
  return isDigit(code) || (code >= 97 && code <= 122) || code > 127;
}

/** What has been read of one part of a name, word by word. */
interface Reading {
  /** In billions and trillions: beats `millions`, which are rarely meant beside them. */
  billions: number | null;
  millions: number | null;
  activeSize: number | null;
  context: number | null;
  quantizations: NonNullable<ReturnType<typeof quantizationAt>>[];
  family: string[];
  fineTunes: Set<string>;
}

function parsePart(part: string): ParsedModelName {
  const words = wordsOf(part.toLowerCase());
  const reading: Reading = {
    billions: null,
    millions: null,
    activeSize: null,
    context: null,
    quantizations: [],
    family: [],
    fineTunes: new Set(),
  };
  for (let at = 0; at < words.length; ) at += readWord(reading, words, at);
  const size = reading.billions ?? reading.millions;
  const isActiveLess = size === null || (reading.activeSize !== null && reading.activeSize < size);
  return {
    size,
    activeSize: isActiveLess ? reading.activeSize : null,
    quantization: joinQuantizations(reading.quantizations),
    context: reading.context,
    family: joinFamily(reading.family),
    fineTune: [...reading.fineTunes].sort().join('-'),
  };
}

/** Takes the word at `at` for whatever it is; how many words that was. */
function readWord(reading: Reading, words: readonly string[], at: number): number {
  const word = words[at] ?? '';
  const quantization = quantizationAt(words, at);
  if (quantization !== null) {
    reading.quantizations.push(quantization);
    return quantization.words;
  }
  if (readContext(reading, word)) return 1;
  const experts = /^\d{1,3}e$/.test(words[at + 1] ?? '');
  if (experts && /^\d{1,4}b$/.test(word)) {
    // `17B-16E` names the active parameters and the number of experts, not the total.
    reading.activeSize ??= sizeOf(word.slice(0, -1), 'b');
    return 2;
  }
  if (readSize(reading, word)) return 1;
  const fineTune = fineTunes.get(word);
  if (fineTune !== undefined) reading.fineTunes.add(fineTune);
  else if (!formatWords.has(word) && !/^\d{5,}$/.test(word)) reading.family.push(word);
  return 1;
}

function readContext(reading: Reading, word: string): boolean {
  if (contextMillions.has(word)) {
    reading.context ??= Number.parseInt(word, 10) * 1_048_576;
    return true;
  }
  if (!/^\d{1,4}k$/.test(word)) return false;
  reading.context ??= Number.parseInt(word, 10) * 1_024;
  return true;
}

const sizeWord = /^([a-z]*?)(?:(\d{1,3})x)?(\d{1,4}(?:\.\d{1,3})?)([bmt])(\d?)$/;

function readSize(reading: Reading, word: string): boolean {
  if (word.length > 32) return false;
  const [, prefix = '', experts = '1', digits = '', unit = '', tenth = ''] = sizeWord.exec(word) ?? [];
  if (digits === '') return false;
  // `1b5` and `7b1` are old spellings of 1.5B and 7.1B.
  if (tenth !== '' && (unit !== 'b' || digits.includes('.') || prefix !== '')) return false;
  const size = sizeOf(tenth === '' ? digits : `${digits}.${tenth}`, unit);
  if (size === null) return false;
  if (prefix === 'a') {
    if (reading.billions === null && reading.millions === null) return false;
    reading.activeSize ??= size;
    return true;
  }
  // `e4b` (effective) and `r7b` are sizes; with longer words before it (`llama7b`) only billions are.
  if (prefix !== '' && prefix !== 'e' && prefix !== 'r' && (prefix.length < 3 || unit !== 'b')) return false;
  if (unit === 'm') reading.millions ??= size * Number(experts);
  else reading.billions ??= size * Number(experts);
  if (prefix.length >= 3) reading.family.push(prefix);
  return true;
}

/** Sizes that models have; other numbers before such a letter mean something else. */
function sizeOf(digits: string, unit: string): number | null {
  const value = Number(digits);
  const isPlausible =
    unit === 'b' ? value > 0 && value <= 5_000 : unit === 'm' ? value >= smallestMillions : value > 0 && value <= 20;
  return isPlausible ? Math.round(value * (units[unit] ?? 1)) : null;
}

/** `Llama-3.1` and `llama3.1` are one family: a version joins the word before it. */
function joinFamily(words: readonly string[]): string | null {
  const kept = words.length > 1 && vendors.has(words[0] ?? '') ? words.slice(1) : words;
  let family = '';
  for (const word of kept) {
    const isVersion = /^\d{1,3}(?:\.\d{1,3})*[a-z]?$/.test(word);
    family += family === '' || (isVersion && !isDigit(family.charCodeAt(family.length - 1))) ? word : `-${word}`;
  }
  return family === '' ? null : family.slice(0, 128);
}
