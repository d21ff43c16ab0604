import OpenAI from 'openai';
import { expect, test } from 'vitest';
import { encodeEmbeddingsBase64 } from '../../gateway/protocols/embeddings.ts';
import { recorded } from './recordings.ts';

function encoded(text: string): string | null {
  return encodeEmbeddingsBase64(Buffer.from(text), JSON.parse(text))?.toString() ?? null;
}

test('only the lists of numbers change, and the official client reads the numbers back', async () => {
  const text =
    '{ "data" : [{"embedding": [0.5, -1.25,3e2], "index":0},{"index":1,"embedding":[1]}],"usage":{"prompt_tokens":12345678901234567890}}';
  const answer = encoded(text) ?? '';
  expect(answer.replace(/"[A-Za-z0-9+/=]{16}"/, '[0.5, -1.25,3e2]').replace(/"[A-Za-z0-9+/=]{8}"/, '[1]')).toBe(text);
  const client = new OpenAI({
    apiKey: 'x',
    fetch: async () => new Response(answer, { headers: { 'content-type': 'application/json' } }),
  });
  const { data } = await client.embeddings.create({ model: 'm', input: 'x' });
  expect(data.map(({ embedding }) => [...embedding])).toEqual([[0.5, -1.25, 300], [1]]);
});

test('base64 that Ollama wrote itself is what we would have written', () => {
  const { data } = JSON.parse(recorded('ollama/v1-emb-float').bytes.toString()) as { data: { embedding: number[] }[] };
  const base64 = JSON.parse(recorded('ollama/v1-emb-base64').bytes.toString()) as { data: { embedding: string }[] };
  const ours = JSON.parse(encoded(JSON.stringify({ data })) ?? '') as typeof base64;
  expect(ours.data[0]?.embedding).toBe(base64.data[0]?.embedding);
});

test('base64, lists of vectors and foreign shapes are left alone', () => {
  for (const name of ['ollama/v1-emb-base64', 'llama-cpp-python/emb-base64']) {
    expect(encoded(recorded(name).bytes.toString())).toBeNull();
  }
  for (const text of ['{}', '[]', '{"data":5}', '{"data":[{"embedding":[]},{"embedding":[null]},7]}'])
    expect(encoded(text)).toBeNull();
});
