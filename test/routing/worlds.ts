// Small worlds to decide in: settings, fleets and requests with everything a test does not care about filled in.

import { emptySettings } from '../../gateway/config/defaults.ts';
import type {
  CapabilityRule,
  ExactRule,
  FallbackTargets,
  FilePosition,
  GroupDeployment,
  MetadataRule,
  PatternRule,
  ReliabilitySettings,
  RoutingSettings,
  Settings,
  SizeRule,
} from '../../gateway/config/settings.ts';
import { factsOf } from '../../gateway/providers/openai-models.ts';
import { literalNaming, type Naming } from '../../gateway/routing/naming.ts';
import { noOverrides } from '../../gateway/routing/overrides.ts';
import { route } from '../../gateway/routing/route.ts';
import { compileRules, type Rules } from '../../gateway/routing/rules.ts';
import type { Decision, Endpoint, ModelFacts, ProviderSnapshot, RequestFacts, Snapshot } from '../../gateway/types.ts';

export const position: FilePosition = { file: 'test.yaml', line: 1, column: 1 };

const allEndpoints: ReadonlySet<Endpoint> = new Set<Endpoint>([
  'chat',
  'completions',
  'embeddings',
  'rerank',
  'responses',
  'messages',
  'ollama_chat',
  'ollama_embed',
]);

export function facts(changes: Partial<RequestFacts> = {}): RequestFacts {
  return {
    id: 'req_1',
    receivedAtMs: 0,
    endpoint: 'chat',
    protocol: 'openai',
    model: null,
    isStream: false,
    batchSize: 1,
    headers: {},
    pin: null,
    capabilityHint: null,
    needs: [],
    promptTokens: 10,
    maxTokens: null,
    conversationKey: null,
    client: 'test',
    overrides: noOverrides,
    ...changes,
  };
}

export function model(id: string, changes: Partial<ModelFacts> = {}): ModelFacts {
  return factsOf(id, changes);
}

type ProviderChanges = Partial<Omit<ProviderSnapshot, 'models' | 'name'>> & {
  readonly models?: readonly (string | ModelFacts)[];
};

export function provider(name: string, changes: ProviderChanges = {}): ProviderSnapshot {
  const models = (changes.models ?? []).map((one) => (typeof one === 'string' ? model(one) : one));
  return {
    name,
    kind: 'openai',
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
    loadsOnDemand: false,
    endpoints: allEndpoints,
    load: { inFlight: 0, queued: 0 },
    busy: null,
    ...changes,
    models: new Map(models.map((one) => [one.id, one])),
  };
}

export function fleet(...providers: readonly ProviderSnapshot[]): Snapshot {
  return { atMs: 0, version: 1, providers: new Map(providers.map((one) => [one.name, one])) };
}

const noFallback: FallbackTargets = { kind: 'default' };

const common = {
  upstreamModel: null,
  fallback: noFallback,
  routingStrategy: null,
  requiresWarm: false,
  timeouts: null,
  description: null,
  position,
};

export function fallbackTo(...targets: readonly string[]): FallbackTargets {
  return { kind: 'list', targets };
}

export function exact(name: string, to: string, changes: Partial<ExactRule> = {}): ExactRule {
  return { ...common, model: name, provider: to, label: null, ...changes };
}

export function pattern(text: string, to: string, changes: Partial<PatternRule> = {}): PatternRule {
  return { ...common, pattern: text, provider: to, ...changes };
}

export function metadata(
  name: string,
  condition: string,
  to: string,
  changes: Partial<MetadataRule> = {},
): MetadataRule {
  return { ...common, name, condition: { text: condition, position }, provider: to, isStrict: false, ...changes };
}

export function sizeRule(text: string, range: Pick<SizeRule, 'min' | 'max'>, to: string): SizeRule {
  return { ...common, text, ...range, provider: to };
}

export function capability(name: string, changes: Partial<CapabilityRule> = {}): CapabilityRule {
  return { ...common, name, preferredModels: [], providers: [], minModelSize: null, minContext: null, ...changes };
}

export function deployment(to: string, id: string, changes: Partial<GroupDeployment> = {}): GroupDeployment {
  return {
    provider: to,
    model: id,
    weight: null,
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
    ...changes,
  };
}

/** Rules given as lists; maps are made of them. */
export interface RoutingSketch
  extends Partial<Omit<RoutingSettings, 'exactMatches' | 'groups' | 'capabilities' | 'fallbackChains'>> {
  readonly exact?: readonly ExactRule[];
  readonly groups?: Readonly<Record<string, readonly GroupDeployment[]>>;
  readonly capabilities?: readonly CapabilityRule[];
  readonly chains?: Readonly<
    Record<string, readonly { readonly provider: string; readonly model?: string; readonly condition?: string }[]>
  >;
  readonly reliability?: Partial<ReliabilitySettings>;
}

function settings(sketch: RoutingSketch = {}): Settings {
  const empty = emptySettings();
  const { exact: rules = [], groups = {}, capabilities = [], chains = {}, reliability = {}, ...rest } = sketch;
  return {
    ...empty,
    reliability: { ...empty.reliability, ...reliability },
    routing: {
      ...empty.routing,
      ...rest,
      exactMatches: new Map(rules.map((rule) => [rule.model, rule])),
      groups: new Map(
        Object.entries(groups).map(([name, deployments]) => [
          name,
          { name, isWildcard: name.includes('*'), deployments },
        ]),
      ),
      capabilities: new Map(capabilities.map((one) => [one.name, one])),
      fallbackChains: new Map(
        Object.entries(chains).map(([name, links]) => [
          name,
          {
            name,
            links: links.map((link) => ({
              role: 'primary' as const,
              provider: link.provider,
              preferredModel: link.model ?? null,
              condition: link.condition === undefined ? null : { text: link.condition, position },
              position,
            })),
            retryAttempts: 0,
            retryDelayMs: 0,
            description: null,
            position,
          },
        ]),
      ),
    },
  };
}

export function rules(sketch: RoutingSketch = {}, naming: Naming = literalNaming): Rules {
  return compileRules(settings(sketch), naming);
}

/** Always the same number: ties go by position. */
export const still = (): number => 0;

/** A seeded source of numbers in [0, 1) (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Decides for a model name or for facts. */
export function decide(asked: string | Partial<RequestFacts>, by: Rules, among: Snapshot, dice = still): Decision {
  return route(facts(typeof asked === 'string' ? { model: asked } : asked), by, among, dice);
}

/** Kept candidates in order, as `provider/model`. */
export function order(decision: Decision): readonly string[] {
  return decision.candidates.filter(({ kept }) => kept).map((one) => `${one.provider}/${one.model}`);
}

/** Skipped candidates as `provider/model: reason`. */
export function skippedOnes(decision: Decision): readonly string[] {
  return decision.candidates.filter(({ kept }) => !kept).map((one) => `${one.provider}/${one.model}: ${one.reason}`);
}
