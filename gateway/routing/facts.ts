// What a request asks for, read once from its headers and its parsed body. The only place that looks into a body to decide.

import { GatewayError } from '../errors.ts';
import type { Capability, Endpoint, Protocol, RequestFacts, RequestHeaders, RequestOverrides } from '../types.ts';
import { type BodyTally, emptyTally, isObject, walkBody } from './body-walk.ts';
import { hashConversation, namedConversation } from './conversation.ts';
import { noOverrides, readOverrides } from './overrides.ts';

type JsonObject = Readonly<Record<string, unknown>>;

export interface FactsInput {
  readonly id: string;
  /** Epoch ms. */
  readonly receivedAtMs: number;
  readonly endpoint: Endpoint;
  readonly protocol: Protocol;
  readonly headers: RequestHeaders;
  /** The parsed JSON, or null for a form or an empty body. */
  readonly body: unknown;
  /** Unpacked. */
  readonly bodyBytes: number;
  /** The text fields of an upload. */
  readonly form?: Readonly<Record<string, string | undefined>> | undefined;
  /** API key name, else the product token of the User-Agent. */
  readonly client: string;
  /** Secret of this installation for the conversation key. */
  readonly conversationSecret: string;
  /** Learned for the model; 4 where nothing was learned. */
  readonly charactersPerToken: number;
}

const IMAGE_TOKENS = 1_000;
const NO_NEEDS: readonly Capability[] = Object.freeze([]);
const DEFAULT_CHARACTERS_PER_TOKEN = 4;

/** What an endpoint needs by itself. Chat and completion need nothing beyond what the body says. */
const ENDPOINT_NEEDS: Readonly<Partial<Record<Endpoint, Capability>>> = {
  embeddings: 'embedding',
  ollama_embed: 'embedding',
  ollama_embeddings: 'embedding',
  rerank: 'rerank',
  audio_speech: 'speech',
  audio_transcriptions: 'transcription',
  audio_translations: 'transcription',
  images_generations: 'image_generation',
  images_edits: 'image_generation',
  images_variations: 'image_generation',
};

/**
 * Reads every fact a rule can ask about. `conversationKey` is computed when it is first read, and then kept.
 * @throws GatewayError `invalid_request` naming the JSON path, when the model or one of the gateway's own fields has a wrong type
 */
export function readFacts(input: FactsInput): RequestFacts {
  return new ReadFacts(input);
}

/** A class for the sake of its one accessor: in an object literal it would make each of them a slow dictionary. */
class ReadFacts implements RequestFacts {
  readonly id: string;
  readonly receivedAtMs: number;
  readonly endpoint: Endpoint;
  readonly protocol: Protocol;
  readonly model: string | null;
  readonly isStream: boolean;
  readonly batchSize: number;
  readonly headers: RequestHeaders;
  readonly pin: string | null;
  readonly capabilityHint: string | null;
  readonly needs: readonly Capability[];
  readonly promptTokens: number;
  readonly maxTokens: number | null;
  readonly client: string;
  readonly overrides: RequestOverrides;
  readonly #body: JsonObject | null;
  readonly #conversationSecret: string;
  #conversation: string | null | undefined;

  constructor(input: FactsInput) {
    const { headers, endpoint } = input;
    const body = isObject(input.body) ? input.body : null;
    const tally = emptyTally();
    if (body) walkBody(body, tally);
    this.id = input.id;
    this.receivedAtMs = input.receivedAtMs;
    this.endpoint = endpoint;
    this.protocol = input.protocol;
    this.model = readModel(endpoint, body, input.form);
    this.isStream = readStream(endpoint, body, input.form);
    this.batchSize = body ? readBatchSize(endpoint, body) : 1;
    this.headers = headers;
    this.pin = readHeader(headers['x-provider']);
    this.capabilityHint = readHeader(headers['x-capability']);
    this.needs = readNeeds(endpoint, body, tally);
    this.promptTokens = countTokens(tally, input.bodyBytes, input.charactersPerToken);
    this.maxTokens = body ? readMaxTokens(body) : null;
    this.client = input.client;
    this.overrides = body ? readOverrides(body) : noOverrides;
    this.#body = body;
    this.#conversationSecret = input.conversationSecret;
  }

  get conversationKey(): string | null {
    if (this.#conversation === undefined) this.#conversation = this.#findConversation();
    return this.#conversation;
  }

  #findConversation(): string | null {
    const body = this.#body;
    return namedConversation(body, this.headers) ?? (body ? hashConversation(body, this.#conversationSecret) : null);
  }
}

function readModel(endpoint: Endpoint, body: JsonObject | null, form: FactsInput['form']): string | null {
  // Ollama still takes the former name of the field here (api/types.go, ShowRequest).
  const former = endpoint === 'ollama_show' ? body?.name : undefined;
  const model = body ? (body.model ?? former) : form?.model;
  if (model === undefined || model === null || model === '') return null;
  if (typeof model === 'string') return model;
  throw new GatewayError('invalid_request', 'model must be a string', { param: 'model' });
}

function readStream(endpoint: Endpoint, body: JsonObject | null, form: FactsInput['form']): boolean {
  if (!body) return form?.stream === 'true';
  // Ollama's native endpoints stream unless told not to.
  if (endpoint === 'ollama_chat' || endpoint === 'ollama_generate') return body.stream !== false;
  return body.stream === true;
}

/** Prompts or inputs in one request; a list of token numbers is one prompt. */
function readBatchSize(endpoint: Endpoint, body: JsonObject): number {
  switch (endpoint) {
    case 'completions':
      return listLength(body.prompt);
    case 'embeddings':
    case 'ollama_embed':
      return listLength(body.input);
    case 'rerank':
      return listLength(body.documents);
    default:
      return 1;
  }
}

function listLength(value: unknown): number {
  return Array.isArray(value) && typeof value[0] !== 'number' ? Math.max(1, value.length) : 1;
}

/** The first value of a header, trimmed; null when there is none. */
function readHeader(value: string | readonly string[] | undefined): string | null {
  if (value === undefined) return null;
  const text = (typeof value === 'string' ? value : (value[0] ?? '')).trim();
  return text === '' ? null : text;
}

function readNeeds(endpoint: Endpoint, body: JsonObject | null, tally: BodyTally): readonly Capability[] {
  const endpointNeed = ENDPOINT_NEEDS[endpoint];
  if (endpointNeed) return [endpointNeed];
  if (!body || endpoint === 'ollama_show' || endpoint === 'messages_count_tokens') return NO_NEEDS;
  let needs: Capability[] | null = null;
  if (tally.images > 0) needs = add(needs, 'vision');
  if (tally.hasAudio) needs = add(needs, 'audio');
  if (isFilledList(body.tools) || isFilledList(body.functions)) needs = add(needs, 'tools');
  if (wantsSchema(body)) needs = add(needs, 'structured_output');
  if (wantsReasoning(body)) needs = add(needs, 'reasoning');
  if (typeof body.suffix === 'string' && body.suffix !== '') needs = add(needs, 'fim');
  return needs ?? NO_NEEDS;
}

function add(needs: Capability[] | null, need: Capability): Capability[] {
  if (!needs) return [need];
  needs.push(need);
  return needs;
}

function isFilledList(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0;
}

/** An answer held to a JSON schema: `response_format`, Responses' `text.format`, Anthropic's `output_config.format`, Ollama's `format`. */
function wantsSchema(body: JsonObject): boolean {
  return (
    isSchemaFormat(body.response_format) ||
    (isObject(body.text) && isSchemaFormat(body.text.format)) ||
    (isObject(body.output_config) && isSchemaFormat(body.output_config.format)) ||
    isObject(body.format)
  );
}

function isSchemaFormat(format: unknown): boolean {
  return isObject(format) && format.type === 'json_schema';
}

/** Reasoning asked for by name: `reasoning_effort`, `reasoning.effort`, Anthropic's `thinking`, Ollama's `think`. */
function wantsReasoning(body: JsonObject): boolean {
  if (isEffort(body.reasoning_effort)) return true;
  if (isObject(body.reasoning) && isEffort(body.reasoning.effort)) return true;
  if (isObject(body.thinking) && (body.thinking.type === 'enabled' || body.thinking.type === 'adaptive')) return true;
  return body.think === true || isEffort(body.think);
}

function isEffort(value: unknown): boolean {
  return typeof value === 'string' && value !== '' && value !== 'none';
}

/** No body has more characters than bytes, so what the walk guessed around each entry never exceeds them. */
function countTokens(tally: BodyTally, bodyBytes: number, charactersPerToken: number): number {
  const ratio = charactersPerToken > 0 ? charactersPerToken : DEFAULT_CHARACTERS_PER_TOKEN;
  return Math.ceil(Math.min(tally.characters, bodyBytes) / ratio) + tally.tokens + tally.images * IMAGE_TOKENS;
}

/** The largest answer the client allows, under any of its names; what is not a positive number is left to the provider. */
function readMaxTokens(body: JsonObject): number | null {
  const options = body.options;
  return (
    positive(body.max_completion_tokens) ??
    positive(body.max_tokens) ??
    positive(body.max_output_tokens) ??
    (isObject(options) ? positive(options.num_predict) : null)
  );
}

function positive(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : null;
}
