// What the fault tests share: seeded dice, waiting for something to become true, and the text of an answer as the official client reads it.

import OpenAI from 'openai';
import type { AdminProvider, AdminStatus } from '../../gateway/contract.ts';
import type { TestGateway } from '../support/gateway.ts';

/** Numbers from 0 up to 1, the same ones for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** One of them; the list must not be empty. */
export function pick<T>(random: () => number, all: readonly T[]): T {
  const chosen = all[Math.floor(random() * all.length)];
  if (chosen === undefined) throw new Error('there is nothing to pick from');
  return chosen;
}

/** Looks again and again until it holds; throws with what was seen last when it never does. */
export async function eventually<T>(
  look: () => T | Promise<T>,
  holds: (seen: T) => boolean,
  withinMs = 10_000,
): Promise<T> {
  const giveUpAt = performance.now() + withinMs;
  for (;;) {
    const seen = await look();
    if (holds(seen)) return seen;
    if (performance.now() > giveUpAt) throw new Error(`never came true; at last: ${JSON.stringify(seen)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** The official client in front of that gateway, without its own retries. */
export function officialClient(url: string): OpenAI {
  return new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 });
}

/** What the official client makes of an answer. */
export interface ReadAnswer {
  readonly text: string;
  readonly finishReason: string | null;
  readonly requestId: string;
  readonly attempts: number;
  readonly provider: string;
}

/** Asks for a chat answer and reads it to its end. Throws whatever the client throws. */
export async function readChat(client: OpenAI, model: string, prompt: string, stream: boolean): Promise<ReadAnswer> {
  const body = { model, messages: [{ role: 'user' as const, content: prompt }] };
  if (!stream) {
    const { data, response } = await client.chat.completions.create(body).withResponse();
    const choice = data.choices[0];
    return { ...headersOf(response), text: choice?.message.content ?? '', finishReason: choice?.finish_reason ?? null };
  }
  const { data, response } = await client.chat.completions.create({ ...body, stream: true }).withResponse();
  let text = '';
  let finishReason: string | null = null;
  for await (const chunk of data) {
    text += chunk.choices[0]?.delta.content ?? '';
    finishReason = chunk.choices[0]?.finish_reason ?? finishReason;
  }
  return { ...headersOf(response), text, finishReason };
}

function headersOf(response: Response): Pick<ReadAnswer, 'requestId' | 'attempts' | 'provider'> {
  return {
    requestId: response.headers.get('x-request-id') ?? '',
    attempts: Number(response.headers.get('x-switchyard-attempts')),
    provider: response.headers.get('x-switchyard-provider') ?? '',
  };
}

/** What `GET /admin/status` answers. */
export async function statusOf(gateway: TestGateway): Promise<AdminStatus> {
  return (await (await gateway.admin('/admin/status')).json()) as AdminStatus;
}

/** One provider in it; throws when there is none of that name. */
export async function providerOf(gateway: TestGateway, name: string): Promise<AdminProvider> {
  const provider = (await statusOf(gateway)).providers.find((other) => other.name === name);
  if (provider === undefined) throw new Error(`the gateway has no provider ${name}`);
  return provider;
}

/** Waits until the gateway has found each of these providers well, so that a fault meets a provider in use. */
export async function whenReady(gateway: TestGateway, ...names: readonly string[]): Promise<void> {
  await eventually(
    () => statusOf(gateway),
    ({ providers }) =>
      names.every((name) => providers.some((provider) => provider.name === name && provider.observed === 'ready')),
  );
}
