// What the resilience tests share: servers that misbehave on command, a gateway in front of them whose time can be pushed
// forward, and what a client gets to see of it all.

import type { FailureKind, Outcome } from '../../gateway/types.ts';
import type { StandIn } from '../backends/core/server.ts';
import { type OpenAiOptions, startOpenAi } from '../backends/openai.ts';
import { eventually } from '../faults/support.ts';
import { type TestGateway, type TestGatewayOptions, testGateway } from '../support/gateway.ts';
import { type HttpAnswer, type SendOptions, send } from '../support/http.ts';
import { MovableClock } from '../support/movable-clock.ts';

export const MODEL = 'llama3.1:8b';

/** One request; a chat without a stream if it says nothing else. */
export interface Ask {
  readonly model?: string;
  readonly content?: string;
  readonly stream?: boolean;
  /** More fields of the body. */
  readonly body?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly path?: string;
  readonly signal?: AbortSignal;
}

/** What a client sees. */
export interface Seen {
  readonly status: number;
  /** The words of the answer; null when there is none. */
  readonly words: string | null;
  /** `error.code`. */
  readonly code: string | null;
  readonly provider: string | null;
  readonly rule: string | null;
  readonly attempts: number;
  /** Seconds. */
  readonly retryAfter: number | null;
  readonly id: string;
  readonly answer: HttpAnswer;
}

/** A gateway and its servers by name; closing it closes all of them. */
export interface World<Name extends string> extends AsyncDisposable {
  readonly clock: MovableClock;
  readonly gateway: TestGateway;
  readonly servers: Readonly<Record<Name, StandIn>>;
  ask(asked?: Ask): Promise<Seen>;
  /** The same, pushing the time forward whenever no server is at work, so that no wait is sat out. */
  askThroughTime(asked?: Ask): Promise<Seen>;
  outcomeOf(seen: Seen): Promise<Outcome>;
  /** Each attempt as `PROVIDER FAILURE`, `PROVIDER ok` for the one that answered. */
  attemptsOf(seen: Seen): Promise<readonly string[]>;
  /** Why a candidate was passed over when that request was decided, by provider. */
  reasonsOf(seen: Seen): Promise<Readonly<Record<string, string | null>>>;
  /** How many requests to generate a server got. */
  asked(name: Name): number;
}

export interface WorldOptions<Name extends string> extends Pick<TestGatewayOptions, 'dispatchLimits' | 'env'> {
  /** More keys of a provider, as in `max_parallel_requests: 2`. */
  readonly keys?: Partial<Readonly<Record<Name, string>>>;
  /** Everything after `providers:`. Without it the providers are asked in the order they are given. */
  readonly yaml?: string;
}

/** A server of OpenAI's API that answers with its name. */
export function named(name: string, options: OpenAiOptions = {}): Promise<StandIn> {
  return startOpenAi({ models: [MODEL], answer: [name], ...options });
}

/**
 * A gateway in front of these servers. Each provider has a higher priority than the next, connections have a minute and
 * probes are rare and patient: a push of the clock must not look like a slow network.
 */
export async function worldOf<Name extends string>(
  servers: Readonly<Record<Name, StandIn>>,
  options: WorldOptions<Name> = {},
): Promise<World<Name>> {
  const { keys = {}, yaml = 'routing_mode: order', ...gatewayOptions } = options;
  const names = Object.keys(servers) as Name[];
  const entries = names.map((name, index) => {
    const { kind, url } = servers[name];
    const extra = (keys as Partial<Record<Name, string>>)[name];
    const probe = 'probe: { interval: 1h, timeout: 1m }';
    const times = extra?.includes('timeouts') ? '' : ', timeouts: { connect: 1m }';
    return `  ${name}: { kind: ${kind}, base_url: "${url}", priority: ${names.length - index}, ${probe}${times}${extra === undefined ? '' : `, ${extra}`} }`;
  });
  return worldOn(`providers:\n${entries.join('\n')}\n${yaml}\n`, servers, gatewayOptions);
}

/** The same on a configuration of the caller's. */
export async function worldOn<Name extends string>(
  yaml: string,
  servers: Readonly<Record<Name, StandIn>>,
  options: Pick<TestGatewayOptions, 'dispatchLimits' | 'env'> = {},
): Promise<World<Name>> {
  const clock = new MovableClock();
  const gateway = await testGateway(yaml, { ...options, clock });
  const all: readonly StandIn[] = Object.values(servers);
  const ask = (asked: Ask = {}) => askOf(gateway.url, asked);
  const outcomeOf = (seen: Seen) => outcomeIn(gateway, seen);
  return {
    clock,
    gateway,
    servers,
    ask,
    askThroughTime: (asked) => clock.advanceUntil(ask(asked), () => all.every(({ inFlight }) => inFlight === 0)),
    outcomeOf,
    attemptsOf: async (seen) => attemptsIn(await outcomeOf(seen)),
    reasonsOf: async (seen) => {
      const { decision } = await outcomeOf(seen);
      return Object.fromEntries((decision?.candidates ?? []).map(({ provider, reason }) => [provider, reason]));
    },
    asked: (name) => generationsOf(servers[name]),
    [Symbol.asyncDispose]: async () => {
      await gateway.close();
      await Promise.all(all.map((server) => server.close()));
    },
  };
}

/** Each attempt as `PROVIDER FAILURE`. */
export function attemptsIn({ attempts }: Outcome): readonly string[] {
  return attempts.map(({ provider, failure }) => `${provider} ${failure?.kind ?? ('ok' satisfies string)}`);
}

/** As `attemptsIn` writes them. */
export function failing(provider: string, kind: FailureKind, times = 1): readonly string[] {
  return Array.from({ length: times }, () => `${provider} ${kind}`);
}

/** It is recorded right after the answer has ended, which the client may see a moment earlier. */
async function outcomeIn(gateway: TestGateway, { id }: Seen): Promise<Outcome> {
  let found: Outcome | null = null;
  await eventually(
    async () => {
      found = await gateway.outcome(id).catch(() => null);
      return found;
    },
    (outcome) => outcome !== null,
  );
  if (found === null) throw new Error(`no outcome of ${id}`);
  return found;
}

/** How many requests to generate a server got. */
export function generationsOf(server: StandIn): number {
  return server.requests.filter(({ method, path }) => method === 'POST' && path !== '/api/show').length;
}

async function askOf(url: string, asked: Ask): Promise<Seen> {
  const { model = MODEL, content = 'Hi', stream = false, body = {}, path = '/v1/chat/completions' } = asked;
  const options: SendOptions = {
    method: 'POST',
    body: { model, messages: [{ role: 'user', content }], ...(stream ? { stream } : {}), ...body },
    ...(asked.headers === undefined ? {} : { headers: asked.headers }),
    ...(asked.signal === undefined ? {} : { signal: asked.signal }),
  };
  return seenIn(await send(url + path, options));
}

interface AnyAnswer {
  readonly choices?: readonly {
    readonly text?: string;
    readonly message?: { readonly content?: string };
    readonly delta?: { readonly content?: string };
  }[];
  readonly message?: { readonly content?: string };
  readonly error?: { readonly code?: string } | string;
}

function seenIn(answer: HttpAnswer): Seen {
  const header = (name: string): string | null => {
    const value = answer.headers[name];
    return typeof value === 'string' ? value : null;
  };
  const parts = partsOf(answer);
  const words = parts.map(wordsIn).filter((part) => part !== null);
  const errors = parts.flatMap(({ error }) => (typeof error === 'object' && error !== null ? [error.code] : []));
  const retryAfter = header('retry-after');
  return {
    status: answer.status,
    words: answer.status === 200 && words.length > 0 ? words.join('') : null,
    code: errors[0] ?? null,
    provider: header('x-switchyard-provider'),
    rule: header('x-switchyard-rule'),
    attempts: Number(header('x-switchyard-attempts')),
    retryAfter: retryAfter === null ? null : Number(retryAfter),
    id: header('x-request-id') ?? '',
    answer,
  };
}

/** The JSON body, or the events of a stream. */
function partsOf({ json, text }: HttpAnswer): readonly AnyAnswer[] {
  if (typeof json === 'object' && json !== null) return [json];
  const events = text.split('\n').filter((line) => line.startsWith('data: {') || line.startsWith('{'));
  return events.map((line) => JSON.parse(line.replace(/^data: /, '')) as AnyAnswer);
}

function wordsIn({ choices, message }: AnyAnswer): string | null {
  const [choice] = choices ?? [];
  return choice?.text ?? choice?.message?.content ?? choice?.delta?.content ?? message?.content ?? null;
}
