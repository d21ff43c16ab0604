// Random rules, fleets, requests and states for property tests: small alphabets, so that things meet.

import fc from 'fast-check';
import type { StrategyName } from '../../gateway/config/settings.ts';
import { literalNaming, type Naming } from '../../gateway/routing/naming.ts';
import { noOverrides } from '../../gateway/routing/overrides.ts';
import { type Blocked, deploymentId, freshState, type RouteState } from '../../gateway/routing/question.ts';
import { route } from '../../gateway/routing/route.ts';
import type { Capability, Decision, Endpoint, RequestFacts, Snapshot } from '../../gateway/types.ts';
import {
  capability,
  deployment,
  exact,
  facts,
  fallbackTo,
  fleet,
  metadata,
  model,
  pattern,
  position,
  provider,
  type RoutingSketch,
  rules,
  seeded,
  sizeRule,
} from './worlds.ts';

const PROVIDERS = ['ollama', 'vllm', 'llama_cpp', 'far', 'ghost'] as const;
const NAMES = [
  'llama3:8b',
  'LLAMA3:8b',
  'qwen',
  'tiny.gguf',
  'embed',
  'group',
  'team/x',
  'auto',
  'code',
  'unknown',
] as const;
const STRATEGIES: readonly StrategyName[] = [
  'shuffle',
  'round_robin',
  'least_busy',
  'latency',
  'usage',
  'usage_based',
  'cost',
  'most_capacity',
  'predicted',
];

const aProvider = fc.constantFrom(...PROVIDERS);
const aName = fc.constantFrom(...NAMES);
const aStrategy = fc.constantFrom(null, ...STRATEGIES);
const aFallback = fc.oneof(
  fc.constant({ kind: 'default' as const }),
  fc.constant({ kind: 'none' as const }),
  fc
    .array(fc.constantFrom(...PROVIDERS, 'group', 'default', 'nowhere'), { maxLength: 3 })
    .map((names) => fallbackTo(...names)),
);
const aCondition = fc.constantFrom(
  'always',
  'stream',
  'header.x-priority == "high"',
  'model_size >= "8B"',
  'ollama_unavailable',
  'prompt_tokens > 100',
  'broken ==',
);

const capabilities: readonly Capability[] = ['completion', 'vision', 'tools', 'embedding'];

const aModel = fc.record({
  id: aName,
  size: fc.constantFrom(null, 1e9, 8e9, 70e9),
  contextLoaded: fc.constantFrom(null, 50, 100_000),
  capabilities: fc.oneof(
    fc.constant(null),
    fc.subarray([...capabilities]).map((list) => new Set(list)),
  ),
  isLoaded: fc.constantFrom(null, true, false),
  remoteHost: fc.constantFrom(null, null, null, 'https://vendor.example'),
  aliases: fc.subarray(['qwen', 'unknown'], { maxLength: 1 }),
});

const endpoints: readonly Endpoint[] = ['chat', 'embeddings', 'messages'];

export const aFleet: fc.Arbitrary<Snapshot> = fc
  .array(
    fc.record({
      name: fc.constantFrom('ollama', 'vllm', 'llama_cpp', 'far'),
      models: fc.array(aModel, { maxLength: 4 }),
      place: fc.constantFrom('local', 'lan', 'cloud' as const),
      observed: fc.constantFrom('ready', 'ready', 'down', 'auth', 'pending', 'warming' as const),
      isEnabled: fc.boolean(),
      isDraining: fc.boolean(),
      isCallable: fc.constantFrom(true, true, false),
      isListStale: fc.boolean(),
      isSingleModel: fc.boolean(),
      defaultModel: fc.constantFrom(null, 'qwen'),
      maxParallelRequests: fc.constantFrom(null, 1),
      inFlight: fc.nat(1),
      endpoints: fc.subarray([...endpoints], { minLength: 1 }).map((list) => new Set(list)),
      loadsOnDemand: fc.boolean(),
      priority: fc.nat(2),
    }),
    { maxLength: 4 },
  )
  .map((sketches) =>
    fleet(
      ...sketches.map(({ name, models, inFlight, ...rest }) =>
        provider(name, {
          ...rest,
          models: models.map(({ id, ...more }) => model(id, more)),
          load: { inFlight, queued: 0 },
        }),
      ),
    ),
  );

const common = fc.record({ fallback: aFallback, routingStrategy: aStrategy, requiresWarm: fc.boolean() });

const aSketch: fc.Arbitrary<RoutingSketch> = fc
  .record({
    exact: fc.array(fc.tuple(aName, aProvider, common, fc.constantFrom(null, 'qwen')), { maxLength: 4 }),
    patterns: fc.array(fc.tuple(fc.constantFrom('^llama', 'qwen|tiny', '.*', '('), aProvider, common), {
      maxLength: 3,
    }),
    groups: fc.dictionary(
      fc.constantFrom('group', 'qwen', 'team/*', '*'),
      fc.array(fc.tuple(aProvider, fc.constantFrom(...NAMES, '*')), { maxLength: 3 }),
      { maxKeys: 3 },
    ),
    capabilities: fc.array(
      fc.tuple(
        fc.constantFrom('code', 'qwen'),
        fc.subarray([...NAMES], { maxLength: 2 }),
        fc.subarray([...PROVIDERS], { maxLength: 2 }),
        fc.constantFrom(null, 8e9),
        common,
      ),
      { maxLength: 2 },
    ),
    metadataRules: fc.array(fc.tuple(aCondition, aProvider, fc.boolean(), common), { maxLength: 3 }),
    sizes: fc.array(fc.tuple(fc.constantFrom(0, 2e9, 13e9), aProvider), { maxLength: 2 }),
    chains: fc.dictionary(
      fc.constantFrom('default', 'code'),
      fc.array(fc.record({ provider: aProvider, condition: aCondition }), { maxLength: 3 }),
      { maxKeys: 2 },
    ),
    aliases: fc.array(fc.tuple(aName, fc.array(aName, { minLength: 1, maxLength: 3 })), { maxLength: 2 }),
    defaultProvider: fc.option(aProvider, { nil: null }),
    strategy: aStrategy,
    mode: fc.constantFrom(
      { is: 'rules' as const },
      { is: 'order' as const },
      { is: 'fastest' as const },
      { is: 'pin' as const, provider: 'vllm' },
    ),
  })
  .map((raw) => ({
    exact: raw.exact.map(([name, to, rest, upstreamModel]) => exact(name, to, { ...rest, upstreamModel })),
    patterns: raw.patterns.map(([text, to, rest]) => pattern(text, to, rest)),
    groups: Object.fromEntries(
      Object.entries(raw.groups).map(([name, list]) => [name, list.map(([to, id]) => deployment(to, id))]),
    ),
    capabilities: raw.capabilities.map(([name, preferredModels, providers, minModelSize, rest]) =>
      capability(name, { ...rest, preferredModels, providers, minModelSize }),
    ),
    metadataRules: raw.metadataRules.map(([condition, to, isStrict, rest], index) =>
      metadata(`rule${index}`, condition, to, { ...rest, isStrict }),
    ),
    sizeRules: raw.sizes.map(([size, to]) =>
      sizeRule(`> ${size}`, { min: { size, isIncluded: false }, max: null }, to),
    ),
    chains: raw.chains,
    aliases: new Map(
      raw.aliases.map(([name, targets]) => [
        name,
        { name, targets, isGroup: targets.length > 1, isHidden: false, position },
      ]),
    ),
    defaultProvider: raw.defaultProvider,
    strategy: raw.strategy,
    mode: raw.mode,
  }));

export const aRequest: fc.Arbitrary<RequestFacts> = fc
  .record({
    model: fc.option(aName, { nil: null }),
    endpoint: fc.constantFrom(...endpoints),
    isStream: fc.boolean(),
    pin: fc.constantFrom(null, null, 'vllm', 'ghost'),
    capabilityHint: fc.constantFrom(null, null, 'code', 'nothing'),
    needs: fc.subarray<Capability>(['vision', 'tools']),
    promptTokens: fc.constantFrom(10, 1000),
    maxTokens: fc.constantFrom(null, 90),
    headers: fc.constantFrom({}, { 'x-priority': 'high' }),
    overrides: fc.constantFrom(
      noOverrides,
      { ...noOverrides, isFallbackDisabled: true },
      { ...noOverrides, fallbacks: ['llama_cpp', 'qwen'] },
    ),
  })
  .map((changes) => facts(changes));

const aState: fc.Arbitrary<RouteState> = fc
  .record({
    blocked: fc.dictionary(
      aProvider,
      fc.constantFrom<Blocked>(
        { reason: 'cooling_down', remainingMs: 10, isByRequest: false },
        { reason: 'rate_limited', remainingMs: 5_000, isByRequest: true },
      ),
      { maxKeys: 2 },
    ),
    failed: fc.subarray([...PROVIDERS], { maxLength: 1 }),
    turn: fc.option(fc.nat(50), { nil: null }),
  })
  .map(({ blocked, failed, turn }) => ({
    ...freshState,
    failed: new Map(failed.map((name) => [deploymentId(name, 'qwen'), 'server_error' as const])),
    blocked: ({ provider }: { readonly provider: string }) => blocked[provider] ?? null,
    turn: () => turn,
  }));

/** Spelling without regard to case, and a family by the first letters. */
export const naming: Naming = {
  ...literalNaming,
  isSameName: (_kind, a, b) => a.toLowerCase() === b.toLowerCase(),
  identify: (name, known) => ({
    ...literalNaming.identify(name, known),
    family: name.toLowerCase().startsWith('llama') ? 'llama' : null,
  }),
  likeness: () => 'same',
  nearestNames: (_name, known) => [...known].slice(0, 3),
};

export const world = fc.tuple(aSketch, aFleet, aRequest, aState, fc.nat());

export function decideIn([sketch, snapshot, asked, state, seed]: readonly [
  RoutingSketch,
  Snapshot,
  RequestFacts,
  RouteState,
  number,
]): Decision {
  return route(asked, rules(sketch, naming), snapshot, seeded(seed), state);
}
