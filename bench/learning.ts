// What learning costs one request, above the decision itself: `node bench/learning.ts`. Two deployments of one model are
// looked at as the strategy `predicted` does, one of them is asked, and its answer is learned from.

import { emptySettings } from '../gateway/config/defaults.ts';
import type { AttemptResult } from '../gateway/dispatch/attempt-contract.ts';
import { Learning } from '../gateway/dispatch/learning.ts';
import { noOverrides } from '../gateway/routing/overrides.ts';
import type { LearnedFacts } from '../gateway/routing/strategies/strategy.ts';
import type { Decision, ProviderSnapshot, RequestFacts } from '../gateway/types.ts';

const REQUESTS = 200_000;
const ROUNDS = 7;
const KEYS = [
  { provider: 'ollama', model: 'llama3.1:8b' },
  { provider: 'vllm', model: 'meta-llama/Llama-3.1-8B-Instruct' },
] as const;

/** Microseconds of processor time for one request: the middle of some rounds. */
export function measureLearning(): number {
  const rounds = Array.from({ length: ROUNDS }, measureRound).sort((a, b) => a - b);
  return rounds[ROUNDS >> 1] ?? Number.NaN;
}

function measureRound(): number {
  const settings = emptySettings();
  const learning = new Learning({
    path: null,
    clock: { now: () => Date.now(), monotonic: () => performance.now(), after: () => () => undefined },
    log: { debug() {}, info() {}, warn() {}, error() {} },
    settings: () => settings,
  });
  const requests = Array.from({ length: 100 }, (_, index) => factsOf(`conversation ${index}`));
  let sum = 0;
  const before = process.cpuUsage();
  for (let count = 0; count < REQUESTS; count += 1) {
    const facts = requests[count % requests.length] ?? factsOf('');
    const key = KEYS[count % 2] ?? KEYS[0];
    const state = learning.state();
    for (const { provider, model } of KEYS) sum += look(state.learned(provider, model, facts));
    learning.decided(state, decision);
    const charactersPerToken = learning.charactersPerToken(facts.model);
    const lesson = learning.begin({ key, facts, name: facts.model, charactersPerToken, snapshot });
    lesson.rates();
    lesson.end(answer);
  }
  const { user, system } = process.cpuUsage(before);
  if (Number.isNaN(sum)) throw new Error('nothing was learned');
  return (user + system) / REQUESTS;
}

function look(learned: LearnedFacts | null): number {
  if (learned === null) return 0;
  const { prefillTokensPerSecond, cachedTokens, loadMs, serviceMs, isDegraded } = learned;
  return (prefillTokensPerSecond ?? 0) + cachedTokens + (loadMs ?? 0) + (serviceMs ?? 0) + (isDegraded ? 1 : 0);
}

function factsOf(conversationKey: string): RequestFacts {
  return {
    id: 'req_1',
    receivedAtMs: 0,
    endpoint: 'chat',
    protocol: 'openai',
    model: 'llama3.1:8b',
    isStream: true,
    batchSize: 1,
    headers: {},
    pin: null,
    capabilityHint: null,
    needs: [],
    promptTokens: 120,
    maxTokens: null,
    conversationKey,
    client: 'bench',
    overrides: noOverrides,
  };
}

const answer: AttemptResult = {
  ended: 'complete',
  failure: null,
  refusal: null,
  status: 200,
  headersAfterMs: 1,
  contentAfterMs: 40,
  endedAfterMs: 900,
  usage: { promptTokens: 131, completionTokens: 60, cachedTokens: null, isEstimated: false },
  contentCharacters: 240,
  changes: [],
};

const snapshot: ProviderSnapshot = {
  name: 'vllm',
  kind: 'vllm',
  place: 'local',
  isCallable: true,
  isEnabled: true,
  isDraining: false,
  observed: 'ready',
  cause: null,
  models: new Map(),
  isListStale: false,
  isSingleModel: false,
  defaultModel: null,
  priority: 0,
  weight: 1,
  maxParallelRequests: null,
  loadsOnDemand: false,
  endpoints: new Set(['chat']),
  load: { inFlight: 0, queued: 0 },
  busy: null,
};

const decision: Decision = { rule: null, model: null, candidates: [], steps: [], considered: 2, error: null };

if (import.meta.main) console.log(`learning: ${measureLearning().toFixed(2)} µs a request`);
