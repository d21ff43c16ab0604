// Embeddings, scores and ranks of a vLLM that serves a pooling model. (From its documentation: no recording has one.)

import { inputsOf, vectorInBase64, vectorOf } from '../core/answer.ts';
import { countTokens, type Fields, isFields, list, number, text } from '../core/asked.ts';
import { epochSeconds, hex } from '../core/clock-text.ts';
import type { StandInModel } from '../core/models.ts';

export const POOLING_PATHS = [
  '/v1/embeddings',
  '/pooling',
  '/classify',
  '/score',
  '/v1/score',
  '/rerank',
  '/v1/rerank',
  '/v2/rerank',
];

export function embeddings(fields: Fields, model: StandInModel): unknown {
  const inputs = inputsOf(fields.input ?? '');
  const tokens = inputs.reduce((sum, input) => sum + countTokens(input), 0);
  const isBase64 = fields.encoding_format === 'base64';
  return {
    id: `embd-${hex(8)}`,
    object: 'list',
    created: epochSeconds(),
    model: model.name,
    data: inputs.map((input, index) => {
      const vector = vectorOf(input, model.embeddingLength);
      return { index, object: 'embedding', embedding: isBase64 ? vectorInBase64(vector) : vector };
    }),
    usage: { prompt_tokens: tokens, total_tokens: tokens, completion_tokens: 0, prompt_tokens_details: null },
  };
}

function overlap(query: string, document: string): number {
  const words = query.toLowerCase().split(/\W+/).filter(Boolean);
  const hits = words.filter((word) => document.toLowerCase().includes(word)).length;
  return words.length === 0 ? 0 : hits / words.length;
}

/** Best first, with the documents, scores from 0 to 1. */
export function rerank(fields: Fields, model: StandInModel): unknown {
  const query = text(fields.query) ?? '';
  const scored = list(fields.documents).map((document, index) => {
    const own = isFields(document) ? (text(document.text) ?? '') : String(document);
    return { index, document: { text: own, multi_modal: null }, relevance_score: overlap(query, own) };
  });
  const limit = number(fields.top_n) || scored.length;
  const tokens = countTokens(JSON.stringify(fields));
  return {
    id: `score-${hex(8)}`,
    model: model.name,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
    results: scored.sort((a, b) => b.relevance_score - a.relevance_score).slice(0, limit),
  };
}

export function score(fields: Fields, model: StandInModel): unknown {
  const first = inputsOf(fields.text_1 ?? fields.queries ?? '')[0] ?? '';
  const others = inputsOf(fields.text_2 ?? fields.documents ?? '');
  return {
    id: `score-${hex(8)}`,
    object: 'list',
    created: epochSeconds(),
    model: model.name,
    data: others.map((other, index) => ({ index, object: 'score', score: overlap(first, other) })),
    usage: { prompt_tokens: 1, total_tokens: 1, completion_tokens: 0, prompt_tokens_details: null },
  };
}
