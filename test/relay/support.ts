// Gateways in front of scripted providers, answers to play, and the official clients in front of it all.

import Anthropic from '@anthropic-ai/sdk';
import { Ollama } from 'ollama';
import OpenAI from 'openai';
import type { DispatchLimits } from '../../gateway/dispatch/limits.ts';
import { endpointTraits } from '../../gateway/protocols/endpoints.ts';
import type { Endpoint, Outcome } from '../../gateway/types.ts';
import { type TestGateway, testGateway } from '../support/gateway.ts';
import { MODEL, type Provider, type Script } from './provider.ts';

export interface FrontOptions {
  readonly dispatchLimits?: Partial<DispatchLimits>;
  /** `timeouts` of every provider, as YAML flow. */
  readonly timeouts?: string;
  /** Further YAML at the top level. */
  readonly rules?: string;
  /** Further lines of each provider's entry, by its place in the list. */
  readonly extra?: readonly string[];
}

/** What becomes of one attempt is seen best where nobody is asked twice and nobody is spared. */
const ONE_ATTEMPT = 'router_settings: { num_retries: 0, disable_cooldowns: true }';

/** A gateway in front of these providers: `p1` is asked first, then `p2`, and so on. */
export async function inFrontOf(providers: readonly Provider[], options: FrontOptions = {}): Promise<TestGateway> {
  const entries = providers.map(({ kind, url }, index) => {
    const timeouts = options.timeouts === undefined ? [] : [`    timeouts: ${options.timeouts}`];
    const extra = options.extra?.[index];
    return [
      `  p${index + 1}:`,
      `    kind: ${kind}`,
      `    base_url: ${url}`,
      `    priority: ${100 - index}`,
      ...timeouts,
      ...(extra === undefined ? [] : [`    ${extra}`]),
    ].join('\n');
  });
  const yaml = `providers:\n${entries.join('\n')}\nrouting_mode: order\n${ONE_ATTEMPT}\n${options.rules ?? ''}\n`;
  const { dispatchLimits } = options;
  const gateway = await testGateway(yaml, dispatchLimits === undefined ? {} : { dispatchLimits });
  await listed(gateway);
  return gateway;
}

/** A machine under load may take longer to look at all providers than a request waits for that. */
async function listed(gateway: TestGateway): Promise<void> {
  for (const giveUpAt = performance.now() + 20_000; performance.now() < giveUpAt; ) {
    const answer = await gateway.admin('/admin/status');
    const { providers } = (await answer.json()) as { providers: readonly { observed: string }[] };
    if (providers.every(({ observed }) => observed === 'ready')) return;
  }
  throw new Error('some provider never became ready');
}

/** The least request that endpoint accepts. */
export function requestFor(endpoint: Endpoint, isStream: boolean, model: string = MODEL): Record<string, unknown> {
  const messages = [{ role: 'user', content: 'hello' }];
  const common = { model, stream: isStream };
  switch (endpoint) {
    case 'chat':
    case 'ollama_chat':
      return { ...common, messages };
    case 'messages':
      return { ...common, max_tokens: 16, messages };
    case 'completions':
    case 'ollama_generate':
      return { ...common, prompt: 'hello' };
    case 'rerank':
      return { model, query: 'x', documents: ['a', 'b'] };
    case 'ollama_embeddings':
      return { model, prompt: 'hello' };
    case 'ollama_show':
      return { model };
    case 'messages_count_tokens':
      return { model, messages };
    default:
      return { ...(endpointTraits[endpoint].framing === 'none' ? { model } : common), input: 'hello' };
  }
}

export const sse = (...events: readonly (string | object)[]): string =>
  events.map((event) => `data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`).join('');

/** Chat chunks as most servers write them. */
export const chat = {
  role: { id: 'c1', model: MODEL, choices: [{ index: 0, delta: { role: 'assistant' }, finish_reason: null }] },
  text: (content: string) => ({
    id: 'c1',
    model: MODEL,
    choices: [{ index: 0, delta: { content }, finish_reason: null }],
  }),
  stop: { id: 'c1', model: MODEL, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
};

/** A whole chat stream that says `text`. */
export const chatStream = (text: string): string => sse(chat.role, chat.text(text), chat.stop, '[DONE]');

/** A whole JSON chat answer that says `text`. */
export const chatAnswer = (text: string): string =>
  JSON.stringify({
    id: 'c1',
    object: 'chat.completion',
    model: MODEL,
    choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
  });

const NDJSON = 'application/x-ndjson';
const EVENTS = 'text/event-stream';

const anthropicEvents = (text: string): string =>
  (
    [
      ['message_start', { message: { id: 'm1', type: 'message', role: 'assistant', content: [], model: MODEL } }],
      ['content_block_start', { index: 0, content_block: { type: 'text', text: '' } }],
      ['content_block_delta', { index: 0, delta: { type: 'text_delta', text } }],
      ['content_block_stop', { index: 0 }],
      ['message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 2 } }],
      ['message_stop', {}],
    ] as const
  )
    .map(([type, fields]) => `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`)
    .join('');

const anthropicMessage = (text: string): string =>
  JSON.stringify({
    id: 'm1',
    type: 'message',
    role: 'assistant',
    model: MODEL,
    content: [{ type: 'text', text }],
    stop_reason: 'end_turn',
    usage: { input_tokens: 3, output_tokens: 2 },
  });

const ollamaLine = (endpoint: Endpoint, text: string, isDone: boolean): string => {
  const said = endpoint === 'ollama_chat' ? { message: { role: 'assistant', content: text } } : { response: text };
  return `${JSON.stringify({ model: MODEL, ...said, done: isDone, ...(isDone ? { done_reason: 'stop' } : {}) })}\n`;
};

/** A proper answer of that endpoint which says `text`, with its content type. */
function healthyBody(endpoint: Endpoint, isStream: boolean, text: string): readonly [type: string, body: string] {
  switch (endpoint) {
    case 'messages':
      return isStream ? [EVENTS, anthropicEvents(text)] : ['application/json', anthropicMessage(text)];
    case 'ollama_chat':
    case 'ollama_generate':
      return isStream
        ? [NDJSON, ollamaLine(endpoint, text, false) + ollamaLine(endpoint, '', true)]
        : ['application/json', ollamaLine(endpoint, text, true)];
    default:
      return isStream ? [EVENTS, chatStream(text)] : ['application/json', chatAnswer(text)];
  }
}

/** Answers everything as a healthy server does. */
export function healthy(endpoint: Endpoint, text: string): Script {
  return ({ response, received }) => {
    const { stream } = JSON.parse(received.body.toString()) as { stream?: boolean };
    const isStream = stream ?? endpointTraits[endpoint].streamsByDefault;
    const [type, body] = healthyBody(endpoint, isStream, text);
    response.writeHead(200, { 'content-type': type });
    response.end(body);
  };
}

/** Sends these pieces as an event stream, each in an HTTP chunk of its own, and ends it. */
export function events(...pieces: readonly string[]): Script {
  return ({ response }) => {
    response.writeHead(200, { 'content-type': EVENTS });
    for (const piece of pieces) response.write(piece);
    response.end();
  };
}

/** Sends these pieces as an event stream and stays silent for good. */
export function eventsThenSilence(...pieces: readonly string[]): Script {
  return ({ response }) => {
    response.writeHead(200, { 'content-type': EVENTS });
    response.flushHeaders();
    for (const piece of pieces) response.write(piece);
  };
}

/** Sends this as a JSON answer. */
export function json(body: string, status = 200): Script {
  return ({ response }) => void response.writeHead(status, { 'content-type': 'application/json' }).end(body);
}

/** What an official client made of an answer. */
export interface Seen {
  /** What it read, also before it raised an error. */
  readonly text: string;
  readonly raised: Error | null;
  readonly requestId: string;
  readonly headers: Headers;
}

type Ask = (fetcher: typeof fetch, heard: (text: string | null | undefined) => void) => Promise<void>;

/** Asks through the official client of that endpoint, without repetitions. */
export async function askOfficially(
  url: string,
  endpoint: Endpoint,
  isStream: boolean,
  model: string = MODEL,
): Promise<Seen> {
  let headers = new Headers();
  let text = '';
  const fetcher: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    headers = response.headers;
    return response;
  };
  let raised: Error | null = null;
  try {
    await askBy({ url, endpoint, isStream, model })(fetcher, (part) => {
      text += part ?? '';
    });
  } catch (error) {
    raised = error instanceof Error ? error : new Error(String(error));
  }
  return { text, raised, requestId: headers.get('x-request-id') ?? '', headers };
}

interface Question {
  readonly url: string;
  readonly endpoint: Endpoint;
  readonly isStream: boolean;
  readonly model: string;
}

function askBy(question: Question): Ask {
  const { endpoint } = question;
  const { protocol } = endpointTraits[endpoint];
  if (protocol === 'anthropic') return askAnthropic(question);
  if (protocol === 'ollama') return askOllama(question);
  return endpoint === 'completions' ? askCompletions(question) : askChat(question);
}

const CLIENT = { apiKey: 'key-of-the-client', maxRetries: 0, logLevel: 'off' } as const;

function askChat({ url, isStream, model }: Question): Ask {
  return async (fetcher, heard) => {
    const client = new OpenAI({ ...CLIENT, baseURL: `${url}/v1`, fetch: fetcher });
    const body = { model, messages: [{ role: 'user' as const, content: 'hello' }] };
    if (!isStream) {
      const answer = await client.chat.completions.create(body);
      heard(answer.choices[0]?.message.content);
      return;
    }
    for await (const chunk of await client.chat.completions.create({ ...body, stream: true }))
      heard(chunk.choices[0]?.delta?.content);
  };
}

function askCompletions({ url, isStream, model }: Question): Ask {
  return async (fetcher, heard) => {
    const client = new OpenAI({ ...CLIENT, baseURL: `${url}/v1`, fetch: fetcher });
    const body = { model, prompt: 'hello' };
    if (!isStream) {
      heard((await client.completions.create(body)).choices[0]?.text);
      return;
    }
    for await (const chunk of await client.completions.create({ ...body, stream: true })) heard(chunk.choices[0]?.text);
  };
}

function askAnthropic({ url, isStream, model }: Question): Ask {
  return async (fetcher, heard) => {
    const client = new Anthropic({ ...CLIENT, baseURL: url, fetch: fetcher });
    const body = { model, max_tokens: 16, messages: [{ role: 'user' as const, content: 'hello' }] };
    if (!isStream) {
      const [block] = (await client.messages.create(body)).content;
      heard(block?.type === 'text' ? block.text : '');
      return;
    }
    for await (const event of await client.messages.create({ ...body, stream: true }))
      if (event.type === 'content_block_delta' && event.delta.type === 'text_delta') heard(event.delta.text);
  };
}

function askOllama({ url, endpoint, isStream, model }: Question): Ask {
  return async (fetcher, heard) => {
    const client = new Ollama({ host: url, fetch: fetcher });
    const messages = [{ role: 'user', content: 'hello' }];
    if (endpoint === 'ollama_generate') {
      const body = { model, prompt: 'hello' };
      if (!isStream) heard((await client.generate(body)).response);
      else for await (const part of await client.generate({ ...body, stream: true })) heard(part.response);
      return;
    }
    if (!isStream) heard((await client.chat({ model, messages })).message.content);
    else for await (const part of await client.chat({ model, messages, stream: true })) heard(part.message.content);
  };
}

/** The attempts of an outcome in short: who failed of what. */
export function failuresOf(outcome: Outcome): readonly string[] {
  return outcome.attempts.map(({ provider, failure }) => `${provider}: ${failure?.kind ?? 'ok'}`);
}

/** Runs `work` over all items, `atOnce` at a time. */
export async function inParallel<Item>(
  items: readonly Item[],
  atOnce: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const left = items.values();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const item of left) await work(item);
    }),
  );
}
