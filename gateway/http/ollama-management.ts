// Pulling, making and deleting models through the gateway: refused unless allowed, then passed through as bytes.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { Dispatcher } from 'undici';
import { didYouMean } from '../config/nearest.ts';
import { passHeaders } from '../dispatch/reply-head.ts';
import { GatewayError } from '../errors.ts';
import type { HttpDependencies } from './dependencies.ts';
import { type OllamaProvider, ollamaProviders } from './ollama-lists.ts';
import { askUpstream } from './upstream.ts';

type ManagementDependencies = Pick<HttpDependencies, 'catalog' | 'clock' | 'instance' | 'poolFor' | 'settings'>;

/** The one such provider, or the one that `X-Provider` names. */
function chosenProvider(deps: ManagementDependencies, pin: string | null): OllamaProvider {
  const providers = ollamaProviders(deps);
  const names = providers.map(({ snapshot }) => snapshot.name);
  if (pin !== null) {
    const pinned = providers.find(({ snapshot }) => snapshot.name === pin);
    if (pinned) return pinned;
    throw new GatewayError(
      'unknown_provider',
      `X-Provider names ${JSON.stringify(pin.slice(0, 200))}, which is no enabled provider of Ollama's protocol${didYouMean(pin, names)}`,
    );
  }
  const [only, ...others] = providers;
  if (only === undefined)
    throw new GatewayError(
      'no_available_deployment',
      "No enabled provider speaks Ollama's protocol: nothing can manage models.",
    );
  if (others.length > 0)
    throw new GatewayError(
      'invalid_request',
      `Several providers could do this (${names.join(', ')}): say which with the header X-Provider.`,
    );
  return only;
}

/** Passes one request of model management on and its answer back, of any size and length, both with back-pressure. */
export async function manageModels(
  deps: ManagementDependencies,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (!deps.settings().server.isModelManagementAllowed) {
    throw new GatewayError(
      'model_management_disabled',
      'Models are not pulled, made or deleted through this gateway: set server.allow_model_management to true, or ask the Ollama server itself.',
    );
  }
  const pin = request.headers['x-provider'];
  const { settings, snapshot } = chosenProvider(deps, typeof pin === 'string' ? pin : null);
  const left = new AbortController();
  response.once('close', () => left.abort());
  const hasBody = request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined;
  let answer: Dispatcher.ResponseData;
  try {
    answer = await askUpstream(deps, settings, {
      method: (request.method ?? 'GET') as Dispatcher.HttpMethod,
      path: request.url ?? '/',
      headers: request.headers,
      body: hasBody ? request : null,
      signal: left.signal,
    });
  } catch (cause) {
    throw new GatewayError('all_attempts_failed', `${snapshot.name} did not answer: ${messageOf(cause)}`, { cause });
  }
  const headers: string[] = ['x-switchyard-provider', snapshot.name];
  passHeaders(headers, answer.headers);
  if (typeof answer.headers['content-length'] === 'string')
    headers.push('content-length', answer.headers['content-length']);
  response.writeHead(answer.statusCode, headers);
  // Either side leaving ends the other; there is nothing left to tell anybody then.
  await pipeline(answer.body, response).catch(() => response.destroy());
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
