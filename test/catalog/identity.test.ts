import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { identify, nearestNames, sameModel } from '../../gateway/catalog/identity.ts';
import { factsOf } from '../../gateway/providers/openai-models.ts';

describe('the same model under another name', () => {
  test.each([
    ['qwen3:8b', 'Qwen/Qwen3-8B', 'same'],
    ['llama3.1:8b-instruct-q4_K_M', 'Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf', 'same'],
    ['llama3.1:8b-instruct-q4_K_M', '/models/Meta-Llama-3.1-8B-Instruct-Q8_0.gguf', 'near'],
    ['llama3.1:8b', 'meta-llama/Llama-3.1-8B-Instruct', 'near'],
    ['llama3.1:8b-text', 'meta-llama/Llama-3.1-8B-Instruct', 'different'],
    ['qwen3:8b', 'qwen3:14b', 'different'],
    ['qwen3:32b', 'Qwen/Qwen3-30B-A3B', 'different'],
    ['qwen3:30b', 'Qwen/Qwen3-30B-A3B', 'different'],
    ['qwen3:30b-a3b', 'Qwen/Qwen3-30B-A3B', 'same'],
    ['qwen2.5:7b', 'qwen2.5-coder:7b', 'different'],
    ['llama3.1:8b', 'llama3.2:8b', 'different'],
    ['mistral', 'mistral-large', 'different'],
    ['Mistral', 'mistral', 'same'],
    ['', '8b', 'different'],
  ] as const)('%s and %s: %s', (a, b, likeness) => {
    expect(sameModel(a, b)).toBe(likeness);
    expect(sameModel(b, a)).toBe(likeness);
  });

  test('a reported size stands in for one that the name does not tell, within its rounding', () => {
    const latest = identify('qwen2.5:latest', { ...factsOf('qwen2.5:latest', {}), size: 7.6e9 });
    expect(sameModel(latest, 'Qwen/Qwen2.5-7B')).toBe('same');
    expect(sameModel(latest, 'Qwen/Qwen2.5-14B')).toBe('different');
  });

  test('a reported quantisation that differs makes it near', () => {
    const served = identify('qwen3:8b', { ...factsOf('qwen3:8b', {}), quantization: 'Q4_K_M' });
    expect(sameModel(served, 'Qwen/Qwen3-8B')).toBe('near');
    expect(sameModel(served, 'Qwen3-8B-Q4_K_M.gguf')).toBe('same');
  });

  test('without a size two names of one family are not taken for the same', () => {
    expect(sameModel('mistral:latest', 'mistral-instruct')).toBe('different');
  });

  test('every name is the same as itself, whatever it is, and the order does not matter', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (a, b) => {
        expect(sameModel(a, a)).toBe('same');
        expect(sameModel(a, b)).toBe(sameModel(b, a));
      }),
    );
  });
});

describe('names near one that nobody serves', () => {
  const names = ['llama3.1:8b', 'llama3.1:70b', 'qwen3:8b', 'qwen3:32b', 'nomic-embed-text', 'gpt-oss:20b'];

  test.each([
    ['llama3.1-8b', ['llama3.1:8b', 'llama3.1:70b']],
    ['lama3.1:8b', ['llama3.1:8b', 'llama3.1:70b']],
    ['qwen3', ['qwen3:8b', 'qwen3:32b']],
    ['nomic-embed-text:latest', ['nomic-embed-text']],
    ['someone/gpt-oss-20b', ['gpt-oss:20b']],
    ['claude-opus', []],
    ['', []],
    ['x'.repeat(512), []],
  ])('%s', (name, near) => {
    expect(nearestNames(name, names)).toEqual(near);
  });

  test('as many as asked for, each once', () => {
    expect(nearestNames('qwen3', ['qwen3:8b', 'qwen3:8b', 'qwen3:14b', 'qwen3:32b'], 2)).toEqual([
      'qwen3:8b',
      'qwen3:14b',
    ]);
  });

  test('a thousand long names are compared quickly', () => {
    const many = Array.from({ length: 1_000 }, (_, index) => `${'model-with-a-long-name-'.repeat(5)}${index}`);
    const startedAt = performance.now();
    nearestNames('y'.repeat(512), many);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });
});
