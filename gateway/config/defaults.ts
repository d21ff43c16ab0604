// What holds when a file says nothing. Every default of the configuration stands here and nowhere else.

import { freezeDeep } from './freeze.ts';
import type {
  CacheSettings,
  DeclaredModel,
  HardwareSettings,
  HistorySettings,
  LimitSettings,
  ProbeSettings,
  ReliabilitySettings,
  RoutingSettings,
  ServerSettings,
  Settings,
  StrategyOptions,
  TimeLimits,
} from './settings.ts';

const megabyte = 1024 * 1024;

export const defaultLimits: LimitSettings = freezeDeep({
  bodyBytes: 64 * megabyte,
  heldBodiesBytes: 512 * megabyte,
  headerBytes: 32 * 1024,
  jsonDepth: 200,
  modelNameCharacters: 512,
  connections: 1024,
  heldAnswerBytes: 8 * megabyte,
  heldAnswersBytes: 128 * megabyte,
  sseLineBytes: 16 * megabyte,
  logFiles: 5,
  logFileBytes: 10 * megabyte,
});

export const defaultServer: ServerSettings = freezeDeep({
  host: '127.0.0.1',
  port: 4000,
  apiKeys: [],
  allowedHosts: [],
  allowedOrigins: [],
  isRemoteAdminAllowed: false,
  tlsCertFile: null,
  tlsKeyFile: null,
  isModelManagementAllowed: false,
  shutdownTimeoutMs: 30_000,
  limits: defaultLimits,
});

export const defaultHistory: HistorySettings = freezeDeep({ retentionDays: 90, maxMb: 1024 });

export const defaultHardware: HardwareSettings = freezeDeep({ isRecorded: false });

export const noTimeLimits: TimeLimits = freezeDeep({ connectMs: null, firstByteMs: null, idleMs: null, totalMs: null });

export const defaultProbe: ProbeSettings = freezeDeep({
  schedule: null,
  intervalMs: 15_000,
  timeoutMs: 2_000,
  retries: 2,
});

/** Of a provider with nothing but a kind and a base URL. */
export const defaultProvider = freezeDeep({ priority: 0, weight: 1, maxQueue: 100, queueTimeoutMs: 60_000 });

export const defaultStrategyOptions: StrategyOptions = freezeDeep({
  windowSize: 100,
  sampleTtlMs: 3_600_000,
  lowestLatencyBuffer: 0,
  fallbackStrategy: null,
  weights: { latency: 0.4, successRate: 0.4, cost: 0.2 },
});

/** `first_request_routing` without a time. */
export const defaultWarmCheckTimeoutMs = 100;

/** `error_based_routing` without figures, as the guides print it. */
export const defaultErrorBased = freezeDeep({ errorThreshold: 3, cooldownMs: 300_000 });

/** `enable_circuit_breaker` without figures. */
export const defaultCircuitBreaker = freezeDeep({ failureThreshold: 10, openMs: 120_000 });

export const defaultReliability: ReliabilitySettings = freezeDeep({
  numRetries: 2,
  retryAfterMs: 0,
  retryPolicy: new Map(),
  groupRetryPolicies: new Map(),
  maxFallbacks: 5,
  fallbacks: new Map(),
  defaultFallbacks: [],
  contextWindowFallbacks: new Map(),
  contentPolicyFallbacks: new Map(),
  answerTimeoutMs: null,
  streamTimeoutMs: null,
  allowedFails: 3,
  allowedFailsPolicy: new Map(),
  cooldownMs: 30_000,
  isCooldownDisabled: false,
  successThreshold: 1,
  circuitBreaker: null,
  rateLimited: { isEnabled: true, durationMs: null },
  errorBased: null,
  globalRpm: null,
  globalTpm: null,
  isMockTestingAllowed: false,
  dropsRefusedParams: false,
});

export const defaultCache: CacheSettings = freezeDeep({
  isEnabled: false,
  store: 'memory',
  ttlMs: 3_600_000,
  maxBytes: 64 * megabyte,
  isOnByDefault: true,
  namespace: null,
  redis: null,
});

export const defaultRedis = freezeDeep({ host: '127.0.0.1', port: 6379, database: 0 });

const defaultRouting: RoutingSettings = freezeDeep({
  mode: { is: 'rules' },
  aliases: new Map(),
  metadataRules: [],
  exactMatches: new Map(),
  redundantModels: new Map(),
  patterns: [],
  groups: new Map(),
  modelLimits: new Map(),
  capabilities: new Map(),
  sizeRules: [],
  defaultProvider: null,
  fallbackChains: new Map(),
  strategy: null,
  strategies: new Map(),
  strategyOptions: defaultStrategyOptions,
  firstRequest: null,
  metrics: null,
});

/** A model of which nothing but the id was declared. */
export function emptyModel(id: string): DeclaredModel {
  return {
    id,
    aliases: [],
    size: null,
    activeSize: null,
    context: null,
    capabilities: null,
    addedCapabilities: new Set(),
    lackingCapabilities: new Set(),
    rpm: null,
    tpm: null,
    weight: null,
    priority: null,
    inputCostPerToken: null,
    outputCostPerToken: null,
    maxParallelRequests: null,
  };
}

/** What holds when there is no file at all. */
export function emptySettings(): Settings {
  return Object.freeze({
    files: Object.freeze([]),
    server: defaultServer,
    history: defaultHistory,
    hardware: defaultHardware,
    logLevel: 'info',
    providers: new Map(),
    routing: defaultRouting,
    reliability: defaultReliability,
    cache: defaultCache,
    redis: null,
    callbacks: Object.freeze({ onSuccess: Object.freeze([]), onFailure: Object.freeze([]) }),
    problems: Object.freeze([]),
  });
}
