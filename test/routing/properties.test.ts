// Properties of the decision over random rules, fleets and requests.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { StrategyName } from '../../gateway/config/settings.ts';
import { literalNaming, type Naming } from '../../gateway/routing/naming.ts';
import { noOverrides } from '../../gateway/routing/overrides.ts';
import { type Blocked, deploymentId, freshState, type RouteState } from '../../gateway/routing/question.ts';
import { route } from '../../gateway/routing/route.ts';
import { STEPS } from '../../gateway/routing/trace.ts';
import type { Capability, Decision, Endpoint, ProviderSnapshot, RequestFacts, Snapshot } from '../../gateway/types.ts';
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

const aFleet: fc.Arbitrary<Snapshot> = fc
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

const aRequest: fc.Arbitrary<RequestFacts> = fc
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
    failed: new Set(failed.map((name) => deploymentId(name, 'qwen'))),
    blocked: (name: string) => blocked[name] ?? null,
    turn: () => turn,
  }));

/** Spelling without regard to case, and a family by the first letters. */
const naming: Naming = {
  ...literalNaming,
  isSameName: (_kind, a, b) => a.toLowerCase() === b.toLowerCase(),
  identify: (name, known) => ({
    ...literalNaming.identify(name, known),
    family: name.toLowerCase().startsWith('llama') ? 'llama' : null,
  }),
  likeness: () => 'same',
  nearestNames: (_name, known) => [...known].slice(0, 3),
};

const world = fc.tuple(aSketch, aFleet, aRequest, aState, fc.nat());

function decideIn([sketch, snapshot, asked, state, seed]: readonly [
  RoutingSketch,
  Snapshot,
  RequestFacts,
  RouteState,
  number,
]): Decision {
  return route(asked, rules(sketch, naming), snapshot, seeded(seed), state);
}

const RUNS = { numRuns: 600 };

describe('for any rules, fleet and request, a decision', () => {
  test('is made without throwing, and ends in candidates or in an error, never in both or neither', () => {
    fc.assert(
      fc.property(world, (one) => {
        const { candidates, error } = decideIn(one);
        expect(candidates.some(({ kept }) => kept)).toBe(error === null);
        if (error) expect(error.message).not.toBe('');
      }),
      RUNS,
    );
  });

  test('is the same for the same rules, fleet, request, state and dice, remembered or not', () => {
    fc.assert(
      fc.property(world, aRequest, ([sketch, snapshot, asked, state, seed], other) => {
        const by = rules(sketch, naming);
        const fresh = route(asked, by, snapshot, seeded(seed), state);
        route(other, by, snapshot, seeded(seed), state);
        const copy: Snapshot = { ...snapshot, providers: new Map(snapshot.providers) };
        expect(route(asked, by, snapshot, seeded(seed), state)).toEqual(fresh);
        expect(route(asked, by, copy, seeded(seed), state)).toEqual(fresh);
        expect(route(asked, rules(sketch, naming), snapshot, seeded(seed), state)).toEqual(fresh);
      }),
      { numRuns: 300 },
    );
  });

  test('names each deployment once, kept ones first and numbered, all others with a reason', () => {
    fc.assert(
      fc.property(world, (one) => {
        const { candidates, considered } = decideIn(one);
        const ids = candidates.map((candidate) => deploymentId(candidate.provider, candidate.model));
        expect(new Set(ids).size).toBe(ids.length);
        const kept = candidates.filter((candidate) => candidate.kept);
        expect(candidates.slice(0, kept.length)).toEqual(kept);
        expect(kept.map(({ order }) => order)).toEqual(kept.map((_, index) => index + 1));
        for (const candidate of candidates) {
          if (!candidate.kept) expect(candidate).toMatchObject({ order: null, reason: expect.any(String) });
          if (candidate.order !== null && candidate.order > 1)
            expect(['lost_on_score', 'at_capacity']).toContain(candidate.reason);
        }
        expect(considered).toBeGreaterThanOrEqual(candidates.length);
      }),
      RUNS,
    );
  });

  test('tells every step once and in order', () => {
    fc.assert(
      fc.property(world, (one) => {
        const { steps } = decideIn(one);
        expect(steps.map(({ step }) => step)).toEqual([...STEPS]);
        for (const { result, why } of steps) expect(why === '').toBe(result === 'not_reached');
      }),
      RUNS,
    );
  });

  test('keeps nobody that must not be asked', () => {
    fc.assert(
      fc.property(world, (one) => {
        const [, snapshot, asked, state] = one;
        const { candidates, steps } = decideIn(one);
        const isPanic = steps.some(({ step, result }) => step === 'panic' && result === 'matched');
        for (const { provider: name, model: id, place, kept } of candidates) {
          if (!kept) continue;
          const there = snapshot.providers.get(name) as ProviderSnapshot;
          expect(there).toMatchObject({ isEnabled: true, isDraining: false, isCallable: true });
          expect(there.endpoints.has(asked.endpoint)).toBe(true);
          expect(there.observed).not.toBe('auth');
          expect(state.failed.has(deploymentId(name, id))).toBe(false);
          if (asked.pin !== null) expect(name).toBe(asked.pin);
          const known = there.models.get(id);
          if (known?.capabilities) for (const need of asked.needs) expect(known.capabilities.has(need)).toBe(true);
          if (known?.contextLoaded) expect(asked.promptTokens).toBeLessThanOrEqual(known.contextLoaded);
          if (known) expect(place === 'cloud').toBe(there.place === 'cloud' || known.remoteHost !== null);
          if (!isPanic) {
            expect(there.observed).not.toBe('down');
            expect(state.blocked(name, id)).toBeNull();
          }
        }
      }),
      RUNS,
    );
  });

  test('leaves this network only where a rule or the client named it', () => {
    fc.assert(
      fc.property(aFleet, aRequest, fc.nat(), (snapshot, asked, seed) => {
        const { candidates } = route(
          { ...asked, pin: null, overrides: noOverrides },
          rules({}, naming),
          snapshot,
          seeded(seed),
        );
        for (const { kept, place, model: id } of candidates) {
          if (kept && place === 'cloud') expect(id.toLowerCase()).toBe(asked.model?.toLowerCase());
        }
      }),
      RUNS,
    );
  });

  test('is not changed by reordering rules that have nothing to do with each other', () => {
    fc.assert(
      fc.property(world, ([sketch, snapshot, asked, state, seed]) => {
        const turned: RoutingSketch = {
          ...sketch,
          exact: [...new Map((sketch.exact ?? []).map((rule) => [rule.model, rule])).values()].reverse(),
          capabilities: [...new Map((sketch.capabilities ?? []).map((one) => [one.name, one])).values()].reverse(),
          chains: Object.fromEntries(Object.entries(sketch.chains ?? {}).reverse()),
          aliases: new Map([...(sketch.aliases ?? [])].reverse()),
        };
        const one = decideIn([sketch, snapshot, asked, state, seed]);
        const other = decideIn([turned, snapshot, asked, state, seed]);
        const withoutSuggestion = ({ steps, error, ...rest }: Decision) => ({
          ...rest,
          steps: steps.map(({ step, result }) => ({ step, result })),
          code: error?.code ?? null,
        });
        expect(withoutSuggestion(other)).toEqual(withoutSuggestion(one));
      }),
      { numRuns: 400 },
    );
  });

  test('is not changed by rules for other names', () => {
    fc.assert(
      fc.property(world, ([sketch, snapshot, asked, state, seed]) => {
        const more: RoutingSketch = {
          ...sketch,
          exact: [...(sketch.exact ?? []), exact('somebody-else', 'ollama')],
          patterns: [...(sketch.patterns ?? []), pattern('^somebody-else$', 'vllm')],
          capabilities: [...(sketch.capabilities ?? []), capability('something-else', { providers: ['far'] })],
        };
        const one = decideIn([sketch, snapshot, asked, state, seed]);
        const other = decideIn([more, snapshot, asked, state, seed]);
        expect(other.candidates).toEqual(one.candidates);
        expect(other.rule).toBe(one.rule);
        expect(other.error?.code).toBe(one.error?.code);
      }),
      { numRuns: 400 },
    );
  });
});

test('1,000 patterns cost at most a few milliseconds on a new name and next to nothing on a known one', () => {
  const words = ['meta', 'mistral', 'qwen', 'llama', 'phi'];
  const patterns = Array.from({ length: 1_000 }, (_, index) => {
    const word = `${words[index % 5]}${index}`;
    return pattern(
      [`^${word}/.*`, `.*:${index}[bB]$`, `.*-${word}\\.gguf$`, `^(?:${word}|x)-\\d+b`][index % 4] ?? word,
      'ollama',
    );
  });
  const by = rules({ patterns });
  const time = (work: () => void): number => {
    const startedAt = performance.now();
    work();
    return performance.now() - startedAt;
  };
  const fresh = Array.from({ length: 60 }, (_, index) =>
    time(() => by.patternMatcher.matches(`new-model-${index}:${'8'.repeat(400)}b`)),
  );
  const known = Array.from({ length: 60 }, () => time(() => by.patternMatcher.matches('new-model-1:8b')));
  const middle = (times: readonly number[]) => times.toSorted((a, b) => a - b)[30] ?? Number.NaN;
  expect(middle(fresh)).toBeLessThan(2);
  expect(middle(known)).toBeLessThan(0.05);
});
