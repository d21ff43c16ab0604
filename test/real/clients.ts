// The official client in front of a gateway, set to one of the real servers, and what the gateway says of them.

import { setTimeout as pause } from 'node:timers/promises';
import OpenAI from 'openai';
import type { AdminProvider, AdminStatus } from '../../gateway/contract.ts';
import type { Outcome } from '../../gateway/types.ts';
import type { TestGateway } from '../support/gateway.ts';
import type { RealServer } from './servers.ts';

export const QUESTION = [{ role: 'user' as const, content: 'Say hello.' }];

/** A client whose every request is pinned to that server. */
export function openai(gateway: TestGateway, server: RealServer): OpenAI {
  const defaultHeaders = { 'x-provider': server.name };
  return new OpenAI({ apiKey: 'none', baseURL: `${gateway.url}/v1`, maxRetries: 0, defaultHeaders });
}

export async function providersOf(gateway: TestGateway): Promise<readonly AdminProvider[]> {
  const status = (await (await gateway.admin('/admin/status')).json()) as AdminStatus;
  return status.providers;
}

export async function providerOf(gateway: TestGateway, server: RealServer): Promise<AdminProvider> {
  const provider = (await providersOf(gateway)).find(({ name }) => name === server.name);
  if (provider === undefined) throw new Error(`the gateway has no provider ${server.name}`);
  return provider;
}

/** The provider's entry once it is ready: right after the start of a gateway its first probe is still under way. */
async function readyProvider(gateway: TestGateway, name: string): Promise<AdminProvider> {
  const until = Date.now() + 15_000;
  for (;;) {
    const found = (await providersOf(gateway)).find((provider) => provider.name === name);
    if (found?.observed === 'ready') return found;
    if (Date.now() > until) throw new Error(`${name} is ${found?.observed ?? 'unknown'}: ${found?.cause?.message}`);
    await pause(100);
  }
}

/** The first model that the server itself lists and that chats. */
export async function modelOf(gateway: TestGateway, server: Pick<RealServer, 'name'>): Promise<string> {
  const ids = (await readyProvider(gateway, server.name)).models.map(({ id }) => id);
  const model = ids.find((id) => /^tiny(?!-tools)/.test(id)) ?? ids[0];
  if (model === undefined) throw new Error(`${server.name} lists no model`);
  return model;
}

/** The record of a request: kept a moment after the client has its last byte. */
export async function outcomeOf(gateway: TestGateway, requestId: string): Promise<Outcome> {
  const until = Date.now() + 5_000;
  for (;;) {
    try {
      return await gateway.outcome(requestId);
    } catch (error) {
      if (Date.now() > until) throw error;
      await pause(20);
    }
  }
}

/** What a streamed chat came to. */
export interface StreamedChat {
  readonly text: string;
  /** Chunks with text. */
  readonly pieces: number;
  /** The last finish reason; null when none came. */
  readonly finish: string | null;
  /** What the client raised in mid-stream, else null. */
  readonly error: unknown;
  readonly requestId: string;
}

export interface StreamOptions {
  readonly maxTokens: number;
  readonly question?: string;
  /** Called at each piece of text with their count. */
  readonly onPiece?: (pieces: number) => void;
}

/** Reads a streamed chat to its end or its error. Rejects when the request itself is refused. */
export async function streamChat(client: OpenAI, model: string, options: StreamOptions): Promise<StreamedChat> {
  const messages = options.question === undefined ? QUESTION : [{ role: 'user' as const, content: options.question }];
  const { data, response } = await client.chat.completions
    .create({ model, messages, max_tokens: options.maxTokens, stream: true })
    .withResponse();
  let text = '';
  let pieces = 0;
  let finish: string | null = null;
  let error: unknown = null;
  try {
    for await (const chunk of data) {
      const content = chunk.choices[0]?.delta.content;
      finish = chunk.choices[0]?.finish_reason ?? finish;
      if (!content) continue;
      text += content;
      pieces += 1;
      options.onPiece?.(pieces);
    }
  } catch (raised) {
    error = raised;
  }
  // Who answered is in the record: a stream that was opened while it waited has no header that could tell.
  return { text, pieces, finish, error, requestId: response.headers.get('x-request-id') ?? '' };
}
