// The routes of vLLM that count, cut and measure: tokenizing, embedding, ranking.

import { type Fields, list, readAsked } from '../core/asked.ts';
import type { StandInModel } from '../core/models.ts';
import { embeddings, rerank, score } from './pooling.ts';

/** What a request that generates nothing is told. */
export function help(path: string, fields: Fields, model: StandInModel): unknown {
  const asked = readAsked(fields);
  const tokens = Array.from({ length: asked.promptTokens }, (_none, index) => 263 + index);
  switch (path) {
    case '/tokenize':
      return { count: tokens.length, max_model_len: model.contextLoaded, tokens, token_strs: null };
    case '/detokenize':
      return { prompt: String.fromCharCode(...list(fields.tokens).map((token) => (Number(token) % 90) + 32)) };
    case '/v1/messages/count_tokens':
      return { input_tokens: asked.promptTokens, context_management: { original_input_tokens: asked.promptTokens } };
    case '/v1/embeddings':
      return embeddings(fields, model);
    case '/score':
    case '/v1/score':
      return score(fields, model);
    default:
      return rerank(fields, model);
  }
}
