// Seeded requests in front of three servers of which any two misbehave, phase by phase: who was asked, and what came of it.

import type { Outcome } from '../../gateway/types.ts';
import type { BehaviourOptions } from '../backends/core/behaviour.ts';
import type { FaultKind, FaultRule } from '../backends/core/faults.ts';
import type { StandIn } from '../backends/core/server.ts';
import { startLlamaServer } from '../backends/llama-server.ts';
import { startOllama } from '../backends/ollama.ts';
import { startOpenAi } from '../backends/openai.ts';
import { startVllm } from '../backends/vllm.ts';
import { eventually, pick, seededRandom, statusOf } from '../faults/support.ts';
import { MODEL, type Seen, type World, worldOf } from './support.ts';

export const PROVIDERS = ['p0', 'p1', 'p2'] as const;
export type Provider = (typeof PROVIDERS)[number];

const CLIENTS = 24;
const PHASE = 40;
/** Of the requests that reach a faulty server, so many are spared. */
const SPARED_SHARE = 0.25;

const STARTS: readonly ((options: BehaviourOptions) => Promise<StandIn>)[] = [
  startOpenAi,
  startVllm,
  startLlamaServer,
  (options) => startOllama({ ...options, warm: [MODEL], numParallel: 8 }),
];

const BEFORE_CONTENT: readonly FaultKind[] = [
  'refuse',
  'reset',
  'close',
  'hang',
  'hang_after_headers',
  'unauthorized',
  'not_found',
  'rate_limited',
  'server_error',
  'bad_gateway',
  'loading',
  'overloaded',
  'cut_json',
  'error_event_first',
  'empty',
  'html',
  'redirect',
  'length_too_long',
  'close_on_reuse',
];
/** What a stream cannot hide once its beginning was seen; a JSON answer can. */
export const AFTER_CONTENT: readonly FaultKind[] = [
  'drop',
  'drop_reset',
  'error_event',
  'hang_mid_stream',
  'truncated_sse',
  'no_done',
  'no_finish',
  'finish_abort',
];

/** The server says nothing until somebody gives up. */
const SILENT: ReadonlySet<FaultKind> = new Set<FaultKind>(['hang', 'hang_after_headers', 'hang_mid_stream']);

/** A name or header and the providers that may serve it. */
interface Route {
  readonly name: string;
  readonly model: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly allowed: readonly Provider[];
}

const ROUTES: readonly Route[] = [
  { name: 'catalog', model: MODEL, headers: {}, allowed: PROVIDERS },
  { name: 'pool', model: 'pool', headers: {}, allowed: PROVIDERS },
  { name: 'chained', model: 'chained', headers: {}, allowed: PROVIDERS },
  { name: 'tiered', model: 'tiered', headers: {}, allowed: PROVIDERS },
  { name: 'capability', model: 'auto', headers: { 'x-capability': 'duo' }, allowed: ['p0', 'p1'] },
  { name: 'strict', model: MODEL, headers: { 'x-only': 'p1' }, allowed: ['p1'] },
  { name: 'pin', model: MODEL, headers: { 'x-provider': 'p2' }, allowed: ['p2'] },
];

/** One request of the storm with everything that is to be judged. */
export interface Stormed {
  readonly token: string;
  readonly route: Route;
  readonly stream: boolean;
  /** The faults in force while it ran. */
  readonly faults: ReadonlyMap<Provider, FaultKind>;
  readonly seen: Seen;
  readonly outcome: Outcome;
}

export interface Storm extends AsyncDisposable {
  readonly world: World<Provider>;
  /** Sends so many requests, and says what came of each. */
  run(requests: number): Promise<readonly Stormed[]>;
}

function settings(servers: Readonly<Record<Provider, StandIn>>): string {
  const entry = (name: string, provider: Provider) => {
    const { kind, url } = servers[provider];
    const vendor = kind === 'ollama' ? 'ollama_chat' : kind === 'vllm' ? 'hosted_vllm' : 'openai';
    return `  - { model_name: ${name}, litellm_params: { model: "${vendor}/${MODEL}", api_base: "${url}" } }`;
  };
  return `
model_list:
${PROVIDERS.map((provider) => entry('pool', provider)).join('\n')}
${PROVIDERS.map((provider, tier) => entry(tier === 0 ? 'tiered' : `tier${tier}`, provider)).join('\n')}
capabilities:
  duo: { providers: [p0, p1], preferred_models: ["${MODEL}"], fallback: none }
request_metadata_routing:
  only: { provider: p1, condition: header.x-only == "p1", strict: true }
exact_matches:
  chained: { provider: p1, model: "${MODEL}", fallback: rest }
fallback_chains:
  rest: { chain: [{ primary: p0, preferred_model: "${MODEL}" }, { secondary: p2, preferred_model: "${MODEL}", condition: always }] }
router_settings:
  num_retries: 1
  cooldown_time: 10
  fallbacks: [{ tiered: [tier1, tier2] }]
`;
}

/** Starts servers of kinds that the seed chooses and a gateway that has queues, chains, fallbacks and cooldowns. */
export async function startStorm(seed: number): Promise<Storm> {
  const random = seededRandom(seed);
  const options: BehaviourOptions = {
    models: [MODEL],
    answer: ({ promptText }) => ['The answer ', 'to ', promptText.trim()],
    // Long enough for a line to form.
    prefillDelayMs: 5,
  };
  const start = () => pick(random, STARTS)(options);
  const servers = { p0: await start(), p1: await start(), p2: await start() };
  const key = 'max_parallel_requests: 3, max_queue: 1000, timeouts: { connect: 1m, first_byte: 10s, idle: 10s }';
  const world = await worldOf(servers, { keys: { p0: key, p1: key, p2: key }, yaml: settings(servers) });
  let sent = 0;
  const run = async (requests: number): Promise<readonly Stormed[]> => {
    const all: Stormed[] = [];
    const until = sent + requests;
    while (sent < until) {
      const count = Math.min(PHASE, until - sent);
      const faults = await nextFaults(world, random);
      const tokens = Array.from({ length: count }, (_none, index) => `q${sent + index}-${letters(random)}`);
      sent += count;
      all.push(...(await phase(world, random, tokens, faults)));
      for (const server of Object.values(servers)) server.forgetRequests();
    }
    return all;
  };
  return { world, run, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

function hangingIn(requests: StandIn['requests']): number {
  return requests.filter(({ endedAtMs, body }) => endedAtMs === null && isMeant(body)).length;
}

function letters(random: () => number): string {
  return Math.floor(random() * 1e9).toString(36);
}

function isSpared(token: string): boolean {
  let mixed = 7;
  for (let index = 0; index < token.length; index += 1) mixed = (mixed * 31 + token.charCodeAt(index)) % 1_000_003;
  return mixed % 100 < SPARED_SHARE * 100;
}

/** Whether a fault is for the request of that body. */
function isMeant(body: Buffer): boolean {
  const token = /q\d+-[a-z0-9]+/.exec(body.toString('latin1'))?.[0];
  return token !== undefined && !isSpared(token);
}

/** Faults on any two of the three (now and then on fewer), after some time has gone by. */
async function nextFaults(world: World<Provider>, random: () => number): Promise<ReadonlyMap<Provider, FaultKind>> {
  const healthy = pick(random, PROVIDERS);
  const bad = PROVIDERS.filter((name) => name !== healthy && random() < 0.9);
  // One that asked to be left alone, or whose key was refused, is not asked in a panic either: these have to pass first.
  for (const name of PROVIDERS) await world.servers[name].setFault(null);
  world.clock.advance(pick(random, [12_000, 12_000, 70_000]));
  await eventually(
    () => statusOf(world.gateway),
    ({ providers }) => {
      const isWell = providers.every(
        ({ name, observed }) => name !== healthy || (observed !== 'auth' && observed !== 'off'),
      );
      if (!isWell) world.clock.advance(5_000);
      return isWell;
    },
  );
  const faults = new Map<Provider, FaultKind>();
  for (const name of bad) {
    const kind = pick(random, random() < 0.65 ? BEFORE_CONTENT : AFTER_CONTENT);
    faults.set(name, kind);
    const rule: FaultRule = { kind, when: ({ body }) => isMeant(body) };
    await world.servers[name].setFault(rule);
  }
  return faults;
}

async function phase(
  world: World<Provider>,
  random: () => number,
  tokens: readonly string[],
  faults: ReadonlyMap<Provider, FaultKind>,
): Promise<readonly Stormed[]> {
  const plans = tokens.map((token) => ({
    token,
    route: pick(random, ROUTES),
    stream: random() < 0.5,
    isChat: random() < 0.7,
    priority: pick(random, ['high', 'normal', 'low']),
    client: `client-${Math.floor(random() * CLIENTS)}`,
  }));
  const line = plans.values();
  const all: Stormed[] = [];
  const work = async () => {
    for (const { token, route, stream, isChat, priority, client } of line) {
      const seen = await world.ask({
        model: route.model,
        stream,
        content: token,
        ...(isChat ? {} : { path: '/v1/completions', body: { prompt: token, messages: undefined } }),
        headers: { 'user-agent': client, 'x-priority': priority, ...route.headers },
      });
      const outcome = await world.outcomeOf(seen);
      all.push({ token, route, stream, faults, seen, outcome });
    }
  };
  // Neither waits between two attempts nor silence is sat out; while a server is at work time goes as it goes.
  const isIdle = () =>
    PROVIDERS.every((name) => {
      const { inFlight, requests } = world.servers[name];
      return inFlight === 0 || (SILENT.has(faults.get(name) ?? 'drop') && inFlight === hangingIn(requests));
    });
  await world.clock.advanceUntil(Promise.all(Array.from({ length: CLIENTS }, work)), isIdle, 250);
  return all;
}
