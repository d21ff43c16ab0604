// What the native routes do besides generating: load, unload, manage, and refuse what is malformed.

import { type Fields, isFields, text } from '../core/asked.ts';
import { goTime } from '../core/clock-text.ts';
import type { Exchange } from '../core/exchange.ts';
import { findModel, generate, lease, type OllamaState, readOllamaAsked } from './generation.ts';
import { answerGin, answerNotFound, answerPlainJson, goHeaders } from './go-http.ts';
import { chatWords, generateWords } from './native-words.ts';
import { readKeepAlive } from './scheduler.ts';

/** The JSON error of Go's decoder for a body that does not parse. */
export function decodeError(body: string): string {
  try {
    JSON.parse(body);
    return 'json: cannot unmarshal array into Go value of type api.ChatRequest';
  } catch (error) {
    const message = error instanceof Error ? error.message : '';
    if (/end of JSON/.test(message)) return 'unexpected EOF';
    const sign = /Unexpected token '(.)'/.exec(message)?.[1] ?? '}';
    return `invalid character '${sign}' looking for beginning of value`;
  }
}

/** The body as fields, or an answer and null. */
export function readNativeFields(exchange: Exchange): Fields | null {
  if (exchange.body.length === 0) {
    answerGin(exchange, 400, { error: 'missing request body' });
    return null;
  }
  const { fields } = exchange;
  if (!fields) answerGin(exchange, 400, { error: decodeError(exchange.body.toString()) });
  return fields ?? null;
}

function wrongField(fields: Fields): string | null {
  if (fields.messages !== undefined && !Array.isArray(fields.messages)) {
    return 'json: cannot unmarshal string into Go struct field ChatRequest.messages of type []api.Message';
  }
  const keepAlive = readKeepAlive(fields.keep_alive);
  return keepAlive === undefined ? `time: invalid duration "${String(fields.keep_alive)}"` : null;
}

/** No prompt and no messages: the request is about the model itself. */
async function loadOrUnload(state: OllamaState, exchange: Exchange, fields: Fields, isChat: boolean): Promise<void> {
  const model = findModel(state, text(fields.model));
  const fail = (status: number, message: string) => answerGin(exchange, status, { error: message });
  if (!model) return fail(404, `model '${text(fields.model) ?? ''}' not found`);
  const isUnload = readKeepAlive(fields.keep_alive) === 0;
  if (isUnload) state.scheduler.unload(model);
  else {
    const held = await lease(state, exchange, model, fields, fail);
    if (!held) return;
    held.release();
  }
  const held = isChat ? { message: { role: 'assistant', content: '' } } : { response: '' };
  const reason = isUnload ? 'unload' : 'load';
  answerGin(exchange, 200, { model: fields.model, created_at: goTime(), ...held, done: true, done_reason: reason });
}

/** `/api/chat` and `/api/generate`. */
export async function nativeGeneration(state: OllamaState, exchange: Exchange): Promise<void> {
  const fields = readNativeFields(exchange);
  if (!fields) return;
  const isChat = exchange.path === '/api/chat';
  const wrong = wrongField(fields);
  if (wrong) return answerGin(exchange, 400, { error: wrong });
  if (text(fields.model) === null) return answerGin(exchange, 400, { error: 'model is required' });
  const isEmpty = isChat ? !Array.isArray(fields.messages) || fields.messages.length === 0 : !fields.prompt;
  if (isEmpty) return loadOrUnload(state, exchange, fields, isChat);
  const asked = readOllamaAsked(fields, true);
  return generate(state, exchange, asked, (isChat ? chatWords : generateWords)(exchange, asked));
}

/** Pulling, pushing and the like: just enough to be refused by a gateway, or to be seen to work. */
export function manage(state: OllamaState, exchange: Exchange): void {
  const fields = isFields(exchange.fields) ? exchange.fields : {};
  const name = text(fields.model) ?? text(fields.name) ?? text(fields.source) ?? '';
  const isKnown = findModel(state, name) !== null;
  switch (exchange.path) {
    case '/api/pull':
      if (isKnown) answerGin(exchange, 200, { status: 'success' });
      else {
        const reason = `Get "https://registry.ollama.ai/v2/library/${name}/manifests/latest": dial tcp: lookup registry.ollama.ai: no such host`;
        answerSmall(exchange, 500, { error: `pull model manifest: ${reason}` });
      }
      break;
    case '/api/delete':
    case '/api/copy':
      if (isKnown) exchange.answer(200, goHeaders(exchange, [], 0), '');
      else answerGin(exchange, 404, { error: `model '${name}' not found` });
      break;
    case '/api/push':
    case '/api/create':
      answerPlainJson(exchange, 200, { status: 'success' });
      break;
    default:
      answerNotFound(exchange);
  }
}

function answerSmall(exchange: Exchange, status: number, value: unknown): void {
  const body = JSON.stringify(value);
  exchange.answer(status, goHeaders(exchange, [['Content-Type', 'application/json']], Buffer.byteLength(body)), body);
}
