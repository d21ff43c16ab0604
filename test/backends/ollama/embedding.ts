// Ollama's three ways to ask for vectors.

import { inputsOf, vectorInBase64, vectorOf } from '../core/answer.ts';
import { countTokens, type Fields, text } from '../core/asked.ts';
import type { Exchange } from '../core/exchange.ts';
import type { StandInModel } from '../core/models.ts';
import { findModel, lease, type OllamaState } from './generation.ts';
import { answerCompatible, answerGin } from './go-http.ts';
import type { Words } from './words.ts';

function failFor(exchange: Exchange): Words['fail'] {
  return (status, message) => {
    if (exchange.path.startsWith('/api/')) answerGin(exchange, status, { error: message });
    else answerCompatible(exchange, status, { error: { message, type: 'api_error', param: null, code: null } });
  };
}

/** Tokens really used: an input over the context is cut to it, one short (measured: `v1-emb-too-long`). */
const tokensOf = (inputs: readonly string[], model: StandInModel) =>
  inputs.reduce((sum, input) => sum + Math.min(countTokens(input) + 3, model.contextLoaded - 1), 0);

function answerVectors(exchange: Exchange, fields: Fields, model: StandInModel, inputs: readonly string[]): void {
  const vectors = inputs.map((input) => vectorOf(input, model.embeddingLength));
  const tokens = tokensOf(inputs, model);
  const isBase64 = fields.encoding_format === 'base64';
  switch (exchange.path) {
    case '/api/embeddings':
      answerGin(exchange, 200, { embedding: vectors[0] ?? [] });
      break;
    case '/api/embed': {
      const figures = { total_duration: 3_380_493, load_duration: 1_739_252, prompt_eval_count: tokens };
      answerGin(exchange, 200, { model: fields.model, embeddings: vectors, ...figures });
      break;
    }
    default:
      answerCompatible(exchange, 200, {
        object: 'list',
        data: vectors.map((vector, index) => ({
          object: 'embedding',
          embedding: isBase64 ? vectorInBase64(vector) : vector,
          index,
        })),
        model: fields.model,
        usage: { prompt_tokens: tokens, total_tokens: tokens },
      });
  }
}

/** `/api/embed`, `/api/embeddings`, `/v1/embeddings`. */
export async function embed(state: OllamaState, exchange: Exchange, fields: Fields): Promise<void> {
  const fail = failFor(exchange);
  const name = text(fields.model);
  const model = findModel(state, name);
  if (!model) return fail(404, `model "${name ?? ''}" not found, try pulling it first`, 'core');
  const inputs = inputsOf(fields.input ?? fields.prompt ?? []);
  const isTooLong = inputs.some((input) => countTokens(input) > model.contextLoaded);
  if (isTooLong && fields.truncate === false) return fail(400, 'the input length exceeds the context length', 'core');
  const held = await lease(state, exchange, model, fields, fail);
  if (!held) return;
  try {
    if (await held.begin(exchange.gone)) answerVectors(exchange, fields, model, inputs);
  } finally {
    held.release();
  }
}
