import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseModelName, parseParameterSize, purposeFromName } from '../../gateway/providers/model-name.ts';
import { normalizeQuantization } from '../../gateway/providers/quantization.ts';

describe('the size in a name', () => {
  test.each<[string, number | null]>([
    ['llama3.1:70b', 70e9],
    ['llama-7b', 7e9],
    ['llama-2-13b-chat', 13e9],
    ['qwen:13b', 13e9],
    ['qwen2.5:0.5b', 0.5e9],
    ['smollm:350M', 350e6],
    ['all-minilm:22m', 22e6],
    ['8x7B', 56e9],
    ['mixtral:8x7b-instruct-v0.1-q4_0', 56e9],
    ['Mixtral-8x22B', 176e9],
    ['Qwen3-30B-A3B', 30e9],
    ['gemma3n:e4b', 4e9],
    ['gemma-3-4b-it', 4e9],
    ['command-r7b-12-2024', 7e9],
    ['codellama13b', 13e9],
    ['RWKV-4-World-1B5', 1.5e9],
    ['bloomz-7b1', 7.1e9],
    ['kimi-k2:1t-cloud', 1e12],
    ['tinyllama-1.1b-chat-v1.0.Q4_K_M.gguf', 1.1e9],
    ['hf.co/bartowski/Llama-3.2-3B-Instruct-GGUF:Q4_K_M', 3e9],
    ['deepseek-ai/DeepSeek-R1-Distill-Llama-70B', 70e9],
    ['Qwen2.5-7B-Instruct-1M', 7e9],
    ['yi-34b-200k', 34e9],
    ['Llama-3-8B-Instruct-4bit-128g', 8e9],
    ['/models/Llama-2-13B/ggml-model-q4_0.gguf', 13e9],
    ['C:\\models\\Qwen3-14B-Q8_0.gguf', 14e9],
    ['Qwen3-Coder-480B-A35B-Instruct-FP8-00001-of-00049.gguf', 480e9],
    // Active parameters and a number of experts: the total is not told.
    ['Llama-4-Scout-17B-16E-Instruct', null],
    ['mistral-v2', null],
    ['claude-3-5-sonnet-20241022', null],
    ['qwen-max-2024-09-19', null],
    ['gpt-4o', null],
    ['gemma-3-4bit', null],
    ['phi-3-mini-4k-instruct', null],
    ['phi-3-mini-128k-instruct', null],
    ['mpt-32k', null],
    ['glm-4-chat-1m', null],
    ['model-a3b', null],
    ['model-v7b', null],
    ['stories15m', null],
    ['tinystories-3m', null],
    ['', null],
  ])('%s', (name, size) => {
    expect(parseModelName(name).size).toBe(size);
  });

  test.each<[string, number | null]>([
    ['Qwen3-30B-A3B', 3e9],
    ['granite-3.0-3b-a800m-instruct', 800e6],
    ['Llama-4-Scout-17B-16E', 17e9],
    ['Qwen3-235B-A22B-Instruct-2507', 22e9],
    ['llama3.1:8b', null],
    ['mixtral:8x7b', null],
  ])('%s has %s parameters active', (name, activeSize) => {
    expect(parseModelName(name).activeSize).toBe(activeSize);
  });

  test('any size is read back in any spelling', () => {
    const name = fc.constantFrom('llama', 'Qwen2.5', 'my-model', 'org/model', 'x');
    const separator = fc.constantFrom('-', ':', '_', ' ');
    const tail = fc.constantFrom('', '-instruct', '-v0.3', '-Q4_K_M.gguf', '-4bit', '-128k', '-2024-09-19');
    const tenths = fc.integer({ min: 1, max: 9_999 });
    fc.assert(
      fc.property(name, separator, tenths, fc.boolean(), tail, (stem, between, tenth, isUpper, end) => {
        const size = tenth % 10 === 0 ? String(tenth / 10) : (tenth / 10).toFixed(1);
        const text = `${stem}${between}${size}${isUpper ? 'B' : 'b'}${end}`;
        expect([text, parseModelName(text).size]).toEqual([text, tenth * 1e8]);
      }),
    );
  });

  test('versions, dates, bits and contexts alone are never taken for a size', () => {
    const word = fc.oneof(
      fc.integer({ min: 0, max: 99 }).map((n) => `v${n}`),
      fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 9 })).map(([a, b]) => `v${a}.${b}`),
      fc
        .date({ min: new Date('2020-01-01'), max: new Date('2029-12-31'), noInvalidDate: true })
        .map((d) => d.toISOString().slice(0, 10)),
      fc.integer({ min: 1, max: 16 }).map((n) => `${n}bit`),
      fc.integer({ min: 1, max: 2_048 }).map((n) => `${n}k`),
      fc.constantFrom('1m', 'Q4_K_M', 'IQ2_XXS', 'fp8', 'w4a16', 'instruct', 'gguf', '0324', '2507'),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 6 }), (words) => {
        expect(parseModelName(['model', ...words].join('-')).size).toBeNull();
      }),
    );
  });
});

test.each<[string, number]>([
  ['phi-3-mini-128k-instruct', 131_072],
  ['mpt-32k', 32_768],
  ['Qwen2.5-7B-Instruct-1M', 1_048_576],
])('the context in %s is %i', (name, context) => {
  expect(parseModelName(name).context).toBe(context);
});

describe('the quantisation in a name', () => {
  test.each<[string, string | null]>([
    ['llama-7b.Q4_K_M.gguf', 'Q4_K_M'],
    ['llama3.1:8b-instruct-q4_K_M', 'Q4_K_M'],
    ['Qwen3-8B-UD-Q3_K_XL.gguf', 'Q3_K_XL'],
    ['model-IQ2_XXS', 'IQ2_XXS'],
    ['model-IQ4_NL', 'IQ4_NL'],
    ['model-Q8_0', 'Q8_0'],
    ['model-Q4_0_4_8', 'Q4_0_4_8'],
    ['model-TQ1_0', 'TQ1_0'],
    ['model-fp16', 'F16'],
    ['model-BF16', 'BF16'],
    ['gpt-oss-20b-mxfp4', 'MXFP4'],
    ['Meta-Llama-3.1-8B-Instruct-AWQ-INT4', 'AWQ-INT4'],
    ['Qwen3-8B-FP8-dynamic', 'FP8'],
    ['Qwen3-8B-NVFP4', 'NVFP4'],
    ['Qwen3-8B-quantized.w4a16', 'W4A16'],
    ['gemma-3-4bit', '4BIT'],
    ['gemma-3-4-bit', '4BIT'],
    ['llama-exl2-5.0bpw', 'EXL2-5.0BPW'],
    ['Llama-3-8B-q4f16_1-MLC', 'Q4F16_1'],
    ['llama3.1:8b', null],
  ])('%s', (name, quantization) => {
    expect(parseModelName(name).quantization).toBe(quantization);
  });

  test.each<[string | null, string | null]>([
    ['Q4_K - Medium', 'Q4_K_M'],
    ['Q3_K - Small', 'Q3_K_S'],
    ['Q2_K - Medium', 'Q2_K'],
    ['IQ3_S mix - 3.66 bpw', 'IQ3_M'],
    ['IQ2_XXS - 2.0625 bpw', 'IQ2_XXS'],
    ['all F32', 'F32'],
    ['F16', 'F16'],
    ['q4_K_M', 'Q4_K_M'],
    ['MXFP4 MoE', 'MXFP4'],
    ['Q9_Z', 'Q9'],
    ['weird', 'WEIRD'],
    ['unknown', null],
    ['', null],
    [null, null],
  ])('reported as %j', (reported, quantization) => {
    expect(normalizeQuantization(reported)).toBe(quantization);
  });
});

describe('the family and fine-tune in a name', () => {
  test.each<[string, string | null, string]>([
    ['llama3.1:8b', 'llama3.1', ''],
    ['Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf', 'llama3.1', 'instruct'],
    ['meta-llama/Llama-3.1-8B', 'llama3.1', ''],
    ['qwen2.5-coder:7b-instruct', 'qwen2.5-coder', 'instruct'],
    ['Qwen/Qwen2.5-Coder-7B-Instruct-AWQ', 'qwen2.5-coder', 'instruct'],
    ['google/gemma-3-4b-it', 'gemma3', 'instruct'],
    ['gemma3:4b', 'gemma3', ''],
    ['gemma-3-4b-pt', 'gemma3', 'base'],
    ['deepseek-r1-distill-qwen-7b', 'deepseek-r1-distill-qwen', ''],
    ['7b', null, ''],
  ])('%s', (name, family, fineTune) => {
    const parsed = parseModelName(name);
    expect([parsed.family, parsed.fineTune]).toEqual([family, fineTune]);
  });
});

test.each<[string | null, number | null]>([
  ['8.2B', 8.2e9],
  ['824.32M', 824.32e6],
  ['150K', 150e3],
  ['8.19 B', 8.19e9],
  ['1T', 1e12],
  ['', null],
  ['8', null],
  ['0B', null],
  ['B', null],
  [null, null],
])('a reported parameter size of %j', (text, size) => {
  expect(parseParameterSize(text)).toBe(size);
});

test.each<[string, string | null]>([
  ['nomic-embed-text:latest', 'embedding'],
  ['text-embedding-3-small', 'embedding'],
  ['BAAI/bge-m3', 'embedding'],
  ['bge-reranker-v2-m3', 'rerank'],
  ['Qwen3-Reranker-0.6B', 'rerank'],
  ['whisper-large-v3', 'transcription'],
  ['tts-1', 'speech'],
  ['dall-e-3', 'image_generation'],
  ['llama3.1:8b', null],
  ['gemma3:4b', null],
])('what %s is for', (name, purpose) => {
  expect(purposeFromName(name)).toBe(purpose);
});

test('no name throws, and what is read is a size that can be', () => {
  const word = fc.constantFrom(
    '8x7b',
    'a3b',
    'e4b',
    '30b',
    '0b',
    '999999b',
    'q4',
    'k',
    'm',
    '-',
    ':',
    '/',
    '\\',
    '.',
    '1m',
    '16e',
    '💡',
    'é',
  );
  const name = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 600 }),
    fc.array(word, { maxLength: 60 }).map((words) => words.join('')),
  );
  fc.assert(
    fc.property(name, (text) => {
      const { size, activeSize, context } = parseModelName(text);
      for (const value of [size, activeSize, context]) {
        expect(value === null || (Number.isFinite(value) && value > 0)).toBe(true);
      }
      if (size !== null && activeSize !== null) expect(activeSize).toBeLessThan(size);
      purposeFromName(text);
      normalizeQuantization(text);
    }),
    { numRuns: 1_000 },
  );
});

test('the longest names are read in no time, whatever they repeat', () => {
  for (const word of ['a', '1', '8x', '7b-', 'q4_k_', '1.', '/', '-', '999', 'a3b', 'b7']) {
    const name = word.repeat(100_000 / word.length);
    const startedAt = performance.now();
    parseModelName(name);
    purposeFromName(name);
    expect(performance.now() - startedAt).toBeLessThan(500);
  }
});
