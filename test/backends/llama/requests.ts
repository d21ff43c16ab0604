// The POST routes of llama.cpp, the same whether the model is the only one or one of a router's.

import { inputsOf, vectorInBase64, vectorOf } from '../core/answer.ts';
import { countTokens, type Fields, isFields, list, number, readAsked, text } from '../core/asked.ts';
import type { Exchange } from '../core/exchange.ts';
import type { Handled } from '../core/kind.ts';
import type { Engine } from './engine.ts';
import { type Framing, NOT_FOUND, serverError } from './http.ts';
import { messagesWords, responsesWords } from './other-words.ts';
import { chatWords, completionsWords, type LlamaWordsFor, nativeWords } from './words.ts';

/** What a server was started with. */
export interface Features {
  readonly hasEmbeddings: boolean;
  readonly hasReranking: boolean;
  /** The physical batch: an input longer than that cannot be embedded. */
  readonly batchTokens: number;
}

const GENERATORS: Readonly<Record<string, LlamaWordsFor>> = {
  '/v1/chat/completions': chatWords,
  '/chat/completions': chatWords,
  '/v1/completions': completionsWords,
  '/completion': nativeWords,
  '/completions': nativeWords,
  '/v1/messages': messagesWords,
  '/v1/responses': responsesWords,
  '/responses': responsesWords,
};

const EMBEDDERS = ['/v1/embeddings', '/embeddings', '/embedding'];
const RERANKERS = ['/v1/rerank', '/rerank', '/v1/reranking', '/reranking'];
const TOOLS = [
  '/tokenize',
  '/detokenize',
  '/apply-template',
  '/v1/messages/count_tokens',
  '/v1/chat/completions/input_tokens',
];

export function isGeneration(path: string): boolean {
  return Object.hasOwn(GENERATORS, path) || EMBEDDERS.includes(path) || RERANKERS.includes(path);
}

export function isPostRoute(path: string): boolean {
  return isGeneration(path) || TOOLS.includes(path);
}

/** The parser's words for a body that is not JSON: a 500, not a 400. */
export function parseError(body: string): unknown {
  const place = (column: number) => `[json.exception.parse_error.101] parse error at line 1, column ${column}: `;
  const message =
    body === ''
      ? `${place(1)}attempting to parse an empty input; check that your input string or stream contains the expected JSON`
      : `${place(body.length + 1)}syntax error while parsing value - unexpected end of input; expected '[', '{', or a literal`;
  return serverError(500, message, 'server_error');
}

const refuse = (message: string, status = 400) =>
  [serverError(status, message, status === 400 ? 'invalid_request_error' : 'server_error'), status] as const;

/** What the route itself finds wrong; null when nothing. */
function wrongField(fields: Fields, path: string, engine: Engine): readonly [unknown, number] | null {
  for (const name of ['max_tokens', 'temperature']) {
    if (typeof fields[name] === 'string') {
      return refuse(`Field '${name}': [json.exception.type_error.302] type must be number, but is string`);
    }
  }
  const maxTokens = number(fields.max_tokens);
  if (maxTokens !== null && maxTokens < -1) {
    return refuse(`Field 'max_tokens': Value must be between -1 <= value <= 2147483647, but got ${maxTokens}`);
  }
  if (!/chat\/completions$|messages$/.test(path)) return null;
  if (fields.messages === undefined) return refuse("'messages' is required");
  if (!Array.isArray(fields.messages)) return refuse("Expected 'messages' to be an array");
  if (readAsked(fields).hasImages && !engine.model.capabilities.includes('vision')) {
    return refuse(
      'image input is not supported - hint: if this is unexpected, you may need to provide the mmproj',
      500,
    );
  }
  return null;
}

/** Answers a POST for one engine. */
export function post(engine: Engine, features: Features, framing: Framing, exchange: Exchange): Handled {
  const { path } = exchange;
  const { fields } = exchange;
  if (fields === undefined || fields === null)
    return framing.error(exchange, parseError(exchange.body.toString()), 500);
  const wordsFor = GENERATORS[path];
  if (wordsFor) {
    const wrong = wrongField(fields, path, engine);
    if (wrong) return framing.error(exchange, ...wrong);
    return engine.generate(exchange, readAsked(fields), wordsFor, framing);
  }
  if (EMBEDDERS.includes(path)) return embed(engine, features, framing, exchange, fields);
  if (RERANKERS.includes(path)) return rerank(features, framing, exchange, fields);
  return help(framing, exchange, fields);
}

const missing = (what: string, flag: string) =>
  serverError(501, `This server does not support ${what}. Start it with \`--${flag}\``, 'not_supported_error');

function embed(engine: Engine, features: Features, framing: Framing, exchange: Exchange, fields: Fields): Handled {
  const { model } = engine;
  const inputs = inputsOf(fields.input ?? fields.content ?? '');
  const counts = inputs.map((input) => (input === '' ? 1 : countTokens(input) + 3));
  const longest = Math.max(...counts);
  if (!features.hasEmbeddings) return framing.error(exchange, missing('embeddings', 'embeddings'), 501);
  if (longest > features.batchTokens) {
    const message = `input (${longest} tokens) is too large to process. increase the physical batch size (current batch size: ${features.batchTokens})`;
    return framing.error(exchange, serverError(500, message, 'server_error'), 500);
  }
  const vectors = inputs.map((input) => vectorOf(input, model.embeddingLength));
  if (exchange.path === '/embedding') {
    return framing.json(
      exchange,
      200,
      vectors.map((vector, index) => ({ index, embedding: [vector] })),
    );
  }
  const tokens = counts.reduce((sum, count) => sum + count, 0);
  const isBase64 = fields.encoding_format === 'base64';
  framing.json(exchange, 200, {
    model: text(fields.model) ?? model.name,
    object: 'list',
    usage: { prompt_tokens: tokens, total_tokens: tokens },
    data: vectors.map((vector, index) =>
      isBase64
        ? { embedding: vectorInBase64(vector), index, object: 'embedding', encoding_format: 'base64' }
        : { embedding: vector, index, object: 'embedding' },
    ),
  });
}

/** Raw scores, best first, without the documents: the share of the query's words that a document has. */
function rerank(features: Features, framing: Framing, exchange: Exchange, fields: Fields): Handled {
  if (!features.hasReranking) return framing.error(exchange, missing('reranking', 'reranking'), 501);
  const words = (text(fields.query) ?? '').toLowerCase().split(/\W+/);
  const scored = list(fields.documents).map((document, index) => {
    const own = (isFields(document) ? (text(document.text) ?? '') : String(document)).toLowerCase();
    return { index, relevance_score: words.filter((word) => word !== '' && own.includes(word)).length * 2 - 3.25 };
  });
  const results = scored
    .sort((a, b) => b.relevance_score - a.relevance_score)
    .slice(0, number(fields.top_n) ?? scored.length);
  const tokens = countTokens(exchange.body.toString());
  framing.json(exchange, 200, {
    model: text(fields.model) ?? '',
    object: 'list',
    usage: { prompt_tokens: tokens, total_tokens: tokens },
    results,
  });
}

function help(framing: Framing, exchange: Exchange, fields: Fields): Handled {
  const asked = readAsked(fields);
  switch (exchange.path) {
    case '/tokenize': {
      const tokens = Array.from({ length: countTokens(text(fields.content) ?? '') + 2 }, (_none, index) => 345 + index);
      framing.json(exchange, 200, { tokens });
      break;
    }
    case '/detokenize':
      framing.json(exchange, 200, { content: list(fields.tokens).join(' ') });
      break;
    case '/apply-template':
      framing.json(exchange, 200, {
        prompt: `<|im_start|>user\n${asked.promptText}<|im_end|>\n<|im_start|>assistant\n`,
      });
      break;
    case '/v1/messages/count_tokens':
      framing.json(exchange, 200, { input_tokens: asked.promptTokens });
      break;
    case '/v1/chat/completions/input_tokens':
      framing.json(exchange, 200, { input_tokens: asked.promptTokens, object: 'response.input_tokens' });
      break;
    default:
      framing.error(exchange, NOT_FOUND, 404);
  }
}
