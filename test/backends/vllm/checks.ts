// What vLLM refuses before it generates, in its own words and in its own order.

import { type Asked, type Fields, list, number, text } from '../core/asked.ts';
import type { Exchange } from '../core/exchange.ts';
import type { StandInModel } from '../core/models.ts';
import { vllmError } from './http.ts';

export interface Refusal {
  readonly status: number;
  readonly value: unknown;
}

const refusal = (message: string, type: string, param: string | null, status = 400): Refusal => ({
  status,
  value: vllmError(message, type, param, status),
});

/** Found by the schema: the type has a blank in it. */
function schema(kind: string, place: string, said: string, input: string, context = ''): Refusal {
  const detail = `{'type': '${kind}', 'loc': '${place}', 'msg': '${said}', 'input': '${input}'${context}}`;
  return refusal(`1 validation error:\n  ${detail}`, 'Bad Request', place);
}

/** Found by vLLM itself. */
const value = (message: string, param: string | null) => refusal(message, 'BadRequestError', param);

/** The body as fields, or what is wrong with it. */
export type ReadBody =
  | { readonly fields: Fields; readonly refusal: null }
  | { readonly fields: null; readonly refusal: Refusal };

export function readBody(exchange: Exchange): ReadBody {
  const { fields } = exchange;
  const wrong = wrongBody(exchange);
  if (wrong) return { fields: null, refusal: wrong };
  return fields ? { fields, refusal: null } : { fields: null, refusal: NOT_AN_OBJECT };
}

const NOT_AN_OBJECT = schema(
  'model_attributes_type',
  'body',
  'Input should be a valid dictionary or object to extract fields from',
  '<list of 0 items>',
);

function wrongBody(exchange: Exchange): Refusal | null {
  const type = exchange.header('content-type')?.split(';', 1)[0];
  if (type !== 'application/json') {
    return refusal(
      "1 validation error:\n  Unsupported Media Type: Only 'application/json' is allowed",
      'Bad Request',
      null,
    );
  }
  const { length } = exchange.body;
  if (length === 0) return schema('missing', 'body', 'Field required', 'None');
  if (exchange.fields !== undefined) return null;
  const context = ", 'ctx': {'error': 'Expecting value'}";
  return schema('json_invalid', `body.${length}`, 'JSON decode error', '<dict of 0 items>', context);
}

function wrongTypes(fields: Fields, isChat: boolean): Refusal | null {
  const { messages, max_tokens: maxTokens } = fields;
  if (isChat && messages === undefined) {
    return schema('missing', 'body.messages', 'Field required', `<dict of ${Object.keys(fields).length} items>`);
  }
  if (isChat && !Array.isArray(messages))
    return schema('list_type', 'body.messages', 'Input should be a valid list', String(messages));
  if (typeof maxTokens !== 'string') return null;
  return schema(
    'int_parsing',
    'body.max_tokens',
    'Input should be a valid integer, unable to parse string as an integer',
    maxTokens,
  );
}

function wrongTools(asked: Asked, hasToolParser: boolean): Refusal | null {
  if (Array.isArray(asked.fields.tools) && asked.tools.length === 0)
    return value('`tools` must not be an empty array.', 'tools');
  if (asked.tools.length === 0 || asked.toolChoice === 'none' || hasToolParser) return null;
  if (asked.toolChoice === 'required')
    return value('tool_choice="required" requires --tool-call-parser to be set', null);
  if (asked.toolChoice === null || asked.toolChoice === 'auto') {
    return value('"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set', null);
  }
  return value(`tool_choice=function "${asked.toolChoice}" requires --tool-call-parser to be set`, null);
}

function wrongValues(asked: Asked, model: StandInModel, path: string): Refusal | null {
  const { fields } = asked;
  if (fields.stream_options !== undefined && !asked.isStream) {
    return value('Stream options can only be defined when `stream=True`. (parameter=stream_options)', 'stream_options');
  }
  const choices = number(fields.n);
  if (choices !== null && choices < 1) return value(`n must be at least 1, got ${choices}.`, null);
  const temperature = number(fields.temperature);
  if (temperature !== null && temperature < 0) {
    const shown = Number.isInteger(temperature) ? `${temperature}.0` : String(temperature);
    return value(
      `temperature must be non-negative, got ${shown}. (parameter=temperature, value=${shown})`,
      'temperature',
    );
  }
  const logprobs = number(fields.top_logprobs);
  if (logprobs !== null && logprobs > 20) {
    return value(
      `Requested sample logprobs of ${logprobs}, which is greater than max allowed: 20 (parameter=logprobs, value=${logprobs})`,
      'logprobs',
    );
  }
  return wrongLengths(asked, model, path);
}

function wrongLengths(asked: Asked, model: StandInModel, path: string): Refusal | null {
  const context = model.contextLoaded;
  const name = path === '/v1/messages' ? 'max_completion_tokens' : 'max_tokens';
  const { maxTokens } = asked;
  if (maxTokens !== null && maxTokens < 1) {
    return value(`${name} must be at least 1, got ${maxTokens}. (parameter=${name}, value=${maxTokens})`, name);
  }
  if (maxTokens !== null && maxTokens > context) {
    const said = `${name}=${maxTokens} cannot be greater than max_model_len=${context}. Please request fewer output tokens.`;
    return value(`${said} (parameter=${name}, value=${maxTokens})`, name);
  }
  if (asked.promptTokens <= context) return null;
  // It stops counting at the limit, so the number is always the limit and one.
  const said = `This model's maximum context length is ${context} tokens. However, your prompt contains at least ${context + 1} input tokens, which exceeds this limit even without any output tokens. Please reduce the length of the input prompt.`;
  return value(`${said} (parameter=input_tokens, value=${context + 1})`, 'input_tokens');
}

export function unknownModel(name: string, models: readonly StandInModel[]): Refusal {
  const valid = models.map((model) => model.name).join(', ');
  return refusal(`The model \`${name}\` does not exist. Valid aliases: ${valid}.`, 'NotFoundError', 'model', 404);
}

/** Everything that is wrong with a generation request, the first finding; null when nothing is. */
export function whyRefused(
  asked: Asked,
  models: readonly StandInModel[],
  path: string,
  hasToolParser: boolean,
): Refusal | null {
  const isChat = path !== '/v1/completions' && path !== '/v1/responses';
  const types = wrongTypes(asked.fields, isChat);
  if (types) return types;
  const [base] = models;
  const model =
    asked.model === null
      ? base
      : models.find((one) => one.name === asked.model || one.aliases.includes(asked.model ?? ''));
  if (!model) return unknownModel(text(asked.model) ?? '', models);
  const tools = wrongTools(asked, hasToolParser);
  if (tools) return tools;
  if (isChat && list(asked.fields.messages).length === 0) {
    return value('Cannot apply chat template to an empty conversation. Provide at least one message.', null);
  }
  if (asked.hasImages && !model.capabilities.includes('vision')) {
    return value(`${model.name} is not a multimodal model`, null);
  }
  return wrongValues(asked, model, path);
}
