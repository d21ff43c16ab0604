// Spellings of quantisations, from names of models and files and from what servers report, brought to one.

/** A quantisation found in a list of lower-case words, and how many of them it took. */
interface Found {
  readonly text: string;
  readonly words: number;
  readonly isGguf: boolean;
}

const plain: ReadonlyMap<string, string> = new Map([
  ...['f16', 'bf16', 'f32', 'fp8', 'fp4', 'mxfp4', 'mxfp8', 'nvfp4', 'nf4', 'int4', 'int8'].map(same),
  ...['awq', 'gptq', 'exl2', 'exl3', 'hqq', 'aqlm', 'bnb'].map(same),
  ['fp16', 'F16'],
  ['fp32', 'F32'],
]);

/** llama.cpp prints `Q4_K - Medium` for what its files call `Q4_K_M` (`llama_model_ftype_name`). */
const sizes: ReadonlyMap<string, string> = new Map([
  ['small', 'S'],
  ['medium', 'M'],
  ['large', 'L'],
]);
const ggufParts = new Set(['k', 's', 'm', 'l', 'xs', 'xxs', 'xl', 'nl', 'p', '0', '1', '4', '8', ...sizes.keys()]);

function same(word: string): readonly [string, string] {
  return [word, word.toUpperCase()];
}

/** The quantisation that begins at `words[at]`, if one does. */
export function quantizationAt(words: readonly string[], at: number): Found | null {
  const word = words[at] ?? '';
  if (/^(?:i?q|tq)\d$/.test(word)) return ggufAt(words, at);
  if (/^q\d(?:f|bf)(?:16|32)$/.test(word)) {
    const isNumbered = words[at + 1] === '1' || words[at + 1] === '0';
    const text = isNumbered ? `${word}_${words[at + 1]}` : word;
    return { text: text.toUpperCase(), words: isNumbered ? 2 : 1, isGguf: false };
  }
  const spelled = plain.get(word);
  if (spelled !== undefined) return { text: spelled, words: 1, isGguf: false };
  if (/^w\d{1,2}a\d{1,2}$/.test(word)) return { text: word.toUpperCase(), words: 1, isGguf: false };
  if (/^\d{1,2}(?:\.\d{1,3})?bpw$/.test(word)) return { text: word.toUpperCase(), words: 1, isGguf: false };
  if (/^\d{1,2}bits?$/.test(word)) return { text: `${Number.parseInt(word, 10)}BIT`, words: 1, isGguf: false };
  const next = words[at + 1];
  if (/^\d{1,2}$/.test(word) && (next === 'bit' || next === 'bits'))
    return { text: `${word}BIT`, words: 2, isGguf: false };
  return null;
}

function ggufAt(words: readonly string[], at: number): Found {
  const parts = [(words[at] ?? '').toUpperCase()];
  let next = at + 1;
  for (let word = words[next]; word !== undefined && parts.length < 4 && ggufParts.has(word); word = words[++next]) {
    parts.push(sizes.get(word) ?? word.toUpperCase());
  }
  let text = parts.join('_');
  // `IQ3_S mix` is how llama.cpp prints IQ3_M, and `Q2_K - Medium` is plain Q2_K.
  if (words[next] === 'mix' && text.endsWith('_S')) {
    text = `${text.slice(0, -1)}M`;
    next += 1;
  }
  if (text === 'Q2_K_M') text = 'Q2_K';
  return { text, words: next - at, isGguf: true };
}

/** One name for all quantisations found in a model's name: a GGUF one alone, else all of them (`GPTQ-INT4`). */
export function joinQuantizations(found: readonly Found[]): string | null {
  const gguf = found.find((entry) => entry.isGguf);
  if (gguf !== undefined) return gguf.text;
  return found.length === 0 ? null : [...new Set(found.map((entry) => entry.text))].join('-');
}

/**
 * What a server reports as quantisation (`Q4_K - Medium`, `q4_K_M`, `MXFP4 MoE`, `all F32`) in the common spelling.
 * An unknown word is kept, in capitals; `unknown` and the empty string are null.
 */
export function normalizeQuantization(reported: string | null): string | null {
  const text = reported?.trim().slice(0, 64) ?? '';
  if (text === '' || text.toLowerCase() === 'unknown') return null;
  const words = text.toLowerCase().split(/[^a-z0-9.]+/);
  const found: Found[] = [];
  for (let at = 0; at < words.length; ) {
    const hit = quantizationAt(words, at);
    if (hit !== null) found.push(hit);
    at += hit?.words ?? 1;
  }
  return joinQuantizations(found) ?? text.toUpperCase();
}
