// One decision with 1,000 rules of all kinds and 1,000 models: `node bench/decision.ts`. Most requests ask for a few names, as
// clients do, one in ten for any name a rule or list knows, one in 500 for a name never seen. Health changes every 500 requests,
// a list of models every 3,000 (a probe in 15 s at 200 requests/s).

import { emptySettings } from '../gateway/config/defaults.ts';
import type { FilePosition, Settings } from '../gateway/config/settings.ts';
import { naming } from '../gateway/naming.ts';
import { readFacts } from '../gateway/routing/facts.ts';
import { PatternMatcher } from '../gateway/routing/match.ts';
import { route } from '../gateway/routing/route.ts';
import { compileRules } from '../gateway/routing/rules.ts';
import type { Endpoint, ModelFacts, ProviderSnapshot, RequestFacts, Snapshot } from '../gateway/types.ts';

export interface DecisionFigures {
  readonly p50Microseconds: number;
  readonly p99Microseconds: number;
  /** Of the names that no request asked for before. */
  readonly newNameP50Microseconds: number;
  readonly newNameP99Microseconds: number;
}

const ROUNDS = 3;
const WARM_UP = 20_000;
const MEASURED = 40_000;
const REQUESTS_PER_LIST = 3_000;
const REQUESTS_PER_HEALTH = 500;
const NEW_NAME_EVERY = 500;
const ANY_NAME_EVERY = 10;
const FAVOURITES = 40;
const PROVIDERS = 10;
const MODELS_EACH = 100;
const FAMILIES = [
  'llama3.1',
  'qwen2.5',
  'mistral',
  'gemma2',
  'phi4',
  'deepseek-r1',
  'yi',
  'granite3',
  'command-r',
  'falcon',
];

const position: FilePosition = { file: 'bench.yaml', line: 1, column: 1 };

/** Best of several rounds: what a busy machine adds is no property of the decision. */
export function measureDecision(): DecisionFigures {
  const rounds = Array.from({ length: ROUNDS }, (_, round) => measureRound(round));
  const best = (figure: keyof DecisionFigures) => Math.min(...rounds.map((one) => one[figure]));
  return {
    p50Microseconds: best('p50Microseconds'),
    p99Microseconds: best('p99Microseconds'),
    newNameP50Microseconds: best('newNameP50Microseconds'),
    newNameP99Microseconds: best('newNameP99Microseconds'),
  };
}

/** Decides many requests one by one and reads the clock around each. */
function measureRound(round: number): DecisionFigures {
  const rules = compileRules(settings(), naming);
  const names = askedNames();
  const known: number[] = [];
  const unknown: number[] = [];
  let snapshot = fleet(0);
  for (let count = 0; count < WARM_UP + MEASURED; count += 1) {
    if (count % REQUESTS_PER_HEALTH === 0) snapshot = fleet(count);
    const isNew = count % NEW_NAME_EVERY === 0;
    const facts = request(isNew ? `some-model-${round}-${count}:8b-q4` : nameFor(count, names), count);
    const startedAt = process.hrtime.bigint();
    route(facts, rules, snapshot, Math.random);
    const microseconds = Number(process.hrtime.bigint() - startedAt) / 1_000;
    if (count >= WARM_UP) (isNew ? unknown : known).push(microseconds);
  }
  return {
    p50Microseconds: quantile([...known, ...unknown], 0.5),
    p99Microseconds: quantile([...known, ...unknown], 0.99),
    newNameP50Microseconds: quantile(unknown, 0.5),
    newNameP99Microseconds: quantile(unknown, 0.99),
  };
}

export interface PatternFigures {
  /** Matching 1,000 patterns against a name of 412 characters that was not seen before. */
  readonly newNameMicroseconds: number;
  readonly knownNameMicroseconds: number;
}

/** What patterns alone cost: the middle of 60 names. */
export function measurePatterns(): PatternFigures {
  const words = ['meta', 'mistral', 'qwen', 'llama', 'phi'];
  const sources = Array.from({ length: 1_000 }, (_, index) => {
    const word = `${words[index % words.length]}${index}`;
    return [`^${word}/.*`, `.*:${index}[bB]$`, `.*-${word}\\.gguf$`, `^(?:${word}|x)-\\d+b`][index % 4] ?? word;
  });
  const matcher = new PatternMatcher(sources);
  const time = (name: string): number => {
    const startedAt = process.hrtime.bigint();
    matcher.matches(name);
    return Number(process.hrtime.bigint() - startedAt) / 1_000;
  };
  const each = (work: (index: number) => number) =>
    quantile(
      Array.from({ length: 60 }, (_, index) => work(index)),
      0.5,
    );
  return {
    newNameMicroseconds: each((index) => time(`new-model-${index}:${'8'.repeat(400)}b`)),
    knownNameMicroseconds: each(() => time(`new-model-1:${'8'.repeat(400)}b`)),
  };
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length * share)] ?? Number.NaN;
}

function request(model: string, count: number): RequestFacts {
  const body = {
    model,
    stream: true,
    max_tokens: 512,
    messages: [{ role: 'user', content: 'Hello there, how are you?' }],
  };
  return readFacts({
    id: `req_${count}`,
    receivedAtMs: 0,
    endpoint: 'chat',
    protocol: 'openai',
    headers: { 'user-agent': 'bench', 'x-priority': count % 7 === 0 ? 'high' : 'normal' },
    body,
    bodyBytes: 150,
    client: 'bench',
    conversationSecret: 'secret',
    charactersPerToken: 4,
  });
}

function modelName(provider: number, index: number): string {
  return `${FAMILIES[index % FAMILIES.length]}-v${Math.floor(index / FAMILIES.length)}p${provider % 5}:${1 + (index % 70)}b`;
}

function nameFor(count: number, names: readonly string[]): string {
  const place = count % ANY_NAME_EVERY === 0 ? count * 7 : (count % FAVOURITES) * 11;
  return names[place % names.length] ?? '';
}

/** What clients ask for: listed names, names of rules, names only a pattern matches, and wrong ones. */
function askedNames(): readonly string[] {
  const names: string[] = [];
  for (let index = 0; index < 100; index += 1) {
    const listed = [0, 1, 2, 3, 4].map((step) => modelName((index + step) % PROVIDERS, (index * step) % MODELS_EACH));
    names.push(...listed, `exact-${index}`, `group-${index % 150}`, `vendor-${index - (index % 4)}/model`);
    if (index % 4 === 0) names.push(`nobody-${index % 50}`);
  }
  return names;
}

/** 400 exact rules, 400 patterns, 150 groups, 30 size rules, 20 metadata rules. */
function settings(): Settings {
  const empty = emptySettings();
  const common = {
    fallback: { kind: 'default' as const },
    routingStrategy: null,
    requiresWarm: false,
    timeouts: null,
    description: null,
    position,
  };
  const provider = (index: number) => `provider-${index % PROVIDERS}`;
  const range = (count: number) => Array.from({ length: count }, (_, index) => index);
  return {
    ...empty,
    routing: {
      ...empty.routing,
      defaultProvider: 'provider-0',
      exactMatches: new Map(
        range(400).map((index) => [
          `exact-${index}`,
          {
            ...common,
            model: `exact-${index}`,
            provider: provider(index),
            upstreamModel: modelName(index % PROVIDERS, index % MODELS_EACH),
            label: null,
          },
        ]),
      ),
      patterns: range(400).map((index) => ({
        ...common,
        pattern:
          [`^vendor-${index}/.*`, `.*-${index}\\.gguf$`, `.*:${index}[bB]$`, `^(?:alpha|beta)-${index}-\\d+b`][
            index % 4
          ] ?? '',
        provider: provider(index),
        upstreamModel: index % 4 === 0 ? modelName(index % PROVIDERS, index % MODELS_EACH) : null,
      })),
      groups: new Map(
        range(150).map((index) => {
          const name = `group-${index}`;
          const deployments = [0, 1, 2].map((offset) => ({
            provider: provider(index + offset),
            model: modelName((index + offset) % PROVIDERS, index % MODELS_EACH),
            weight: offset + 1,
            rpm: null,
            tpm: null,
            priority: null,
            order: null,
            variant: null,
            maxParallelRequests: null,
            timeouts: null,
            answerTimeoutMs: null,
            streamTimeoutMs: null,
            numRetries: null,
            cooldownMs: null,
            position,
          }));
          return [name, { name, isWildcard: false, deployments }];
        }),
      ),
      sizeRules: range(30).map((index) => ({
        ...common,
        text: `> ${100 + index}B`,
        min: { size: (100 + index) * 1e9, isIncluded: false },
        max: null,
        provider: provider(index),
        upstreamModel: null,
      })),
      metadataRules: range(20).map((index) => ({
        ...common,
        name: `rule-${index}`,
        condition: { text: `header.x-priority == "level-${index}" && batch_size > ${index}`, position },
        provider: provider(index),
        upstreamModel: null,
        isStrict: false,
      })),
    },
  };
}

/** 10 providers with 100 models each; now and then one of them has a new list. */
function fleet(count: number): Snapshot {
  const changed = count % REQUESTS_PER_LIST === 0 ? (count / REQUESTS_PER_LIST) % PROVIDERS : -1;
  const providers = Array.from({ length: PROVIDERS }, (_, index) => ({
    ...emptyProvider(`provider-${index}`),
    models: index === changed ? models(index) : (lists.get(index) ?? models(index)),
  }));
  return { atMs: 0, version: count + 1, providers: new Map(providers.map((one) => [one.name, one])) };
}

const lists = new Map<number, ReadonlyMap<string, ModelFacts>>();

function models(provider: number): ReadonlyMap<string, ModelFacts> {
  const list = new Map<string, ModelFacts>();
  for (let index = 0; index < MODELS_EACH; index += 1) {
    const id = modelName(provider, index);
    list.set(id, {
      id,
      aliases: [],
      size: (1 + (index % 70)) * 1e9,
      activeSize: null,
      quantization: 'Q4_K_M',
      contextTrained: 131_072,
      contextLoaded: 8_192,
      capabilities: new Set(['completion', 'tools']),
      isLoaded: index < 3,
      loadedUntilMs: null,
      vramBytes: null,
      fileBytes: null,
      family: 'llama',
      digest: null,
      createdAtSeconds: null,
      remoteHost: null,
    });
  }
  lists.set(provider, list);
  return list;
}

function emptyProvider(name: string): Omit<ProviderSnapshot, 'models'> {
  return {
    name,
    kind: 'ollama',
    place: 'local',
    isCallable: true,
    isEnabled: true,
    isDraining: false,
    observed: 'ready',
    cause: null,
    isListStale: false,
    isSingleModel: false,
    defaultModel: null,
    priority: 0,
    weight: 1,
    maxParallelRequests: null,
    loadsOnDemand: true,
    endpoints: new Set<Endpoint>(['chat']),
    load: { inFlight: 0, queued: 0 },
    busy: null,
  };
}

if (import.meta.main) {
  const print = (title: string, figures: object): void => {
    console.log(title);
    for (const [name, value] of Object.entries(figures)) console.log(`  ${name.padEnd(24)} ${value.toFixed(1)}`);
  };
  print('one decision, 1,000 rules and 1,000 models', measureDecision());
  print('1,000 patterns', measurePatterns());
}
