// A whole JSON answer: is it one of this endpoint, did every choice end, or is it an error in disguise?

import type { Endpoint, Usage } from '../types.ts';
import { anthropicBlockLength, chatLength, outputItemLength, plus } from './content.ts';
import { embeddedError, protocolError } from './embedded-error.ts';
import { isProperFinish } from './findings.ts';
import { isObject, type JsonObject, objectOf, textOf } from './json-values.ts';
import type { AnswerInspection } from './protocol.ts';
import { AnthropicUsage, ollamaUsage, openaiUsage, timingsUsage } from './usage.ts';

type Reading = Pick<AnswerInspection, 'isProtocol' | 'isComplete'> & Partial<AnswerInspection>;

const FOREIGN: Reading = { isProtocol: false, isComplete: false };

/**
 * Reads an answer that came with a success status.
 *
 * @param endpoint that was asked
 * @param body the answer as `JSON.parse` read it
 */
export function inspectAnswer(endpoint: Endpoint, body: unknown): AnswerInspection {
  const error = isObject(body) ? answerError(endpoint, body) : null;
  const reading = error === null ? read(endpoint, body) : FOREIGN;
  return {
    error,
    usage: null,
    model: isObject(body) ? textOf(body.model) : null,
    contentCharacters: 0,
    finishReasons: [],
    ...reading,
  };
}

function answerError(endpoint: Endpoint, body: JsonObject): AnswerInspection['error'] {
  if (endpoint === 'responses' && body.status === 'failed') return protocolError(body.error, body);
  return embeddedError(body);
}

function read(endpoint: Endpoint, body: unknown): Reading {
  // Text Embeddings Inference answers a bare list of scores.
  if (endpoint === 'rerank' && Array.isArray(body)) return whole(body.every(isObject), null);
  if (!isObject(body)) return FOREIGN;
  switch (endpoint) {
    case 'chat':
    case 'completions':
      return choices(endpoint, body);
    case 'responses':
      return response(body);
    case 'messages':
      return message(body);
    case 'ollama_chat':
    case 'ollama_generate':
      return ollama(endpoint, body);
    default:
      return whole(hasShape(endpoint, body), answerUsage(endpoint, body));
  }
}

/** An answer that is complete whenever it is one at all. */
function whole(isProtocol: boolean, usage: Usage | null): Reading {
  return { isProtocol, isComplete: isProtocol, usage };
}

type PlainEndpoint = Exclude<
  Endpoint,
  'chat' | 'completions' | 'responses' | 'messages' | 'ollama_chat' | 'ollama_generate'
>;

function hasShape(endpoint: PlainEndpoint, body: JsonObject): boolean {
  switch (endpoint) {
    case 'embeddings':
      return Array.isArray(body.data) && body.data.every((item) => isObject(item) && isVector(item.embedding));
    case 'rerank':
      return Array.isArray(body.results) || Array.isArray(body.data);
    case 'images_generations':
    case 'images_edits':
    case 'images_variations':
      return Array.isArray(body.data) && body.data.every(isObject);
    case 'audio_transcriptions':
    case 'audio_translations':
      return typeof body.text === 'string';
    case 'messages_count_tokens':
      return typeof body.input_tokens === 'number';
    case 'ollama_embed':
      return Array.isArray(body.embeddings) && body.embeddings.every(Array.isArray);
    case 'ollama_embeddings':
      return Array.isArray(body.embedding);
    case 'ollama_show':
      return isObject(body.details) || isObject(body.model_info) || typeof body.modelfile === 'string';
    case 'audio_speech':
      return false;
  }
}

/** Numbers, a list of vectors (llama-cpp-python without pooling), or base64. */
function isVector(value: unknown): boolean {
  return Array.isArray(value) || textOf(value) !== null;
}

function answerUsage(endpoint: PlainEndpoint, body: JsonObject): Usage | null {
  return endpoint.startsWith('ollama_') ? ollamaUsage(body) : openaiUsage(body.usage);
}

function choices(endpoint: 'chat' | 'completions', body: JsonObject): Reading {
  const list = Array.isArray(body.choices) ? body.choices : null;
  if (list === null) return FOREIGN;
  const finishReasons: string[] = [];
  let contentCharacters = 0;
  for (const choice of list) {
    if (!isObject(choice)) return FOREIGN;
    const length = endpoint === 'chat' ? chatChoiceLength(choice) : textChoiceLength(choice);
    if (length === 'foreign') return FOREIGN;
    contentCharacters += length;
    const reason = textOf(choice.finish_reason);
    if (reason !== null) finishReasons.push(reason);
  }
  return {
    isProtocol: true,
    isComplete: list.length > 0 && finishReasons.length === list.length && finishReasons.every(isProperFinish),
    usage: openaiUsage(body.usage) ?? timingsUsage(body.timings),
    contentCharacters,
    finishReasons,
  };
}

function chatChoiceLength(choice: JsonObject): number | 'foreign' {
  return isObject(choice.message) ? (chatLength(choice.message) ?? 0) : 'foreign';
}

function textChoiceLength(choice: JsonObject): number | 'foreign' {
  return typeof choice.text === 'string' ? choice.text.length : 'foreign';
}

function response(body: JsonObject): Reading {
  const status = textOf(body.status);
  if (body.object !== 'response' || status === null || !Array.isArray(body.output)) return FOREIGN;
  const reason = textOf(objectOf(body.incomplete_details).reason);
  const hasEnded = status === 'completed' || status === 'incomplete';
  // A background request is answered at once; its work is asked for later.
  const isTakenOn = body.background === true && (status === 'queued' || status === 'in_progress');
  let length: number | null = null;
  for (const item of body.output) length = plus(length, outputItemLength(objectOf(item)));
  return {
    isProtocol: true,
    isComplete: hasEnded || isTakenOn,
    usage: openaiUsage(body.usage),
    contentCharacters: length ?? 0,
    finishReasons: hasEnded ? [reason ?? status] : [],
  };
}

function message(body: JsonObject): Reading {
  if (body.type !== 'message' || !Array.isArray(body.content)) return FOREIGN;
  const reason = textOf(body.stop_reason);
  const usage = new AnthropicUsage();
  usage.add(body.usage);
  let length: number | null = null;
  for (const block of body.content) length = plus(length, anthropicBlockLength(objectOf(block)));
  return {
    isProtocol: true,
    isComplete: reason !== null && isProperFinish(reason),
    usage: usage.total,
    contentCharacters: length ?? 0,
    finishReasons: reason === null ? [] : [reason],
  };
}

function ollama(endpoint: 'ollama_chat' | 'ollama_generate', body: JsonObject): Reading {
  const isChat = endpoint === 'ollama_chat';
  if (isChat ? !isObject(body.message) : typeof body.response !== 'string' && textOf(body.image) === null) {
    return FOREIGN;
  }
  const hasEnded = body.done === true;
  const reason = textOf(body.done_reason) ?? 'stop';
  const length = isChat
    ? chatLength(objectOf(body.message))
    : plus(textOf(body.response)?.length ?? null, textOf(body.thinking)?.length ?? null);
  return {
    isProtocol: true,
    isComplete: hasEnded && isProperFinish(reason),
    usage: ollamaUsage(body),
    contentCharacters: length ?? 0,
    finishReasons: hasEnded ? [reason] : [],
  };
}
