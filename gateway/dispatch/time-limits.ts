// How long an attempt may take, and in which phase: pure arithmetic over what is known beforehand.

import type { TimeLimits } from '../config/settings.ts';

/** The four limits of one attempt, in ms; null: none. All but `idleMs` count from the start of the attempt. */
export interface AttemptLimits {
  readonly connectMs: number;
  readonly firstContentMs: number;
  readonly idleMs: number;
  readonly totalMs: number | null;
}

/** What the time to first content depends on. */
export interface FirstContentFacts {
  readonly isStream: boolean;
  /** The endpoint generates text token by token, so a JSON answer is silent until the last one. */
  readonly isGenerating: boolean;
  readonly loadsOnDemand: boolean;
  readonly isLoaded: boolean | null;
  readonly promptTokens: number;
  readonly maxTokens: number | null;
  /** What was learned of this deployment; null where nothing was yet. */
  readonly learned: {
    readonly loadMs: number | null;
    readonly prefillTokensPerSecond: number | null;
    readonly tokensPerSecond: number | null;
    readonly queueAheadMs: number;
  } | null;
  /** Another candidate could be asked instead: only then is it worth giving up early. */
  readonly hasUntriedCandidate: boolean;
}

const BASE_MS = 30_000;
const UNKNOWN_LOAD_MS = 300_000;
const LONGEST_MS = 600_000;
const UNKNOWN_PREFILL_TOKENS_PER_SECOND = 20;
const UNKNOWN_TOKENS_PER_SECOND = 5;
const UNKNOWN_MAX_TOKENS = 2_048;
const LEARNED_SHARE = 4;

/** How long to wait for the first content, in ms: patient with what is merely slow, and never past ten minutes. */
export function predictFirstContentMs(facts: FirstContentFacts): number {
  // Leaving a server that loads aborts its load (Ollama), so without an alternative waiting is the better bet.
  if (!facts.hasUntriedCandidate) return LONGEST_MS;
  const learned = facts.learned;
  const loadMs =
    facts.loadsOnDemand && facts.isLoaded !== true ? (learned?.loadMs ? learned.loadMs * 3 : UNKNOWN_LOAD_MS) : 0;
  const prefillRate = learned?.prefillTokensPerSecond
    ? learned.prefillTokensPerSecond / LEARNED_SHARE
    : UNKNOWN_PREFILL_TOKENS_PER_SECOND;
  const speed = learned?.tokensPerSecond ? learned.tokensPerSecond / LEARNED_SHARE : UNKNOWN_TOKENS_PER_SECOND;
  const generationMs =
    facts.isGenerating && !facts.isStream ? ((facts.maxTokens ?? UNKNOWN_MAX_TOKENS) / speed) * 1_000 : 0;
  const prefillMs = (facts.promptTokens / prefillRate) * 1_000;
  return Math.min(BASE_MS + loadMs + (learned?.queueAheadMs ?? 0) + prefillMs + generationMs, LONGEST_MS);
}

/** What a deployment may fairly take to its first content, whatever one client's patience. */
export function fairFirstContentMs(configured: readonly (TimeLimits | null)[], facts: FirstContentFacts): number {
  for (const limits of configured) if (limits !== null && limits.firstByteMs !== null) return limits.firstByteMs;
  return predictFirstContentMs({ ...facts, hasUntriedCandidate: true });
}

const DEFAULT_CONNECT_MS = 2_000;

/** LiteLLM's `timeout` and `stream_timeout`, wherever they are written: all of a JSON answer, the first content of a stream. */
export interface AnswerTimeouts {
  readonly answerTimeoutMs: number | null;
  readonly streamTimeoutMs: number | null;
}

/** As the time limits they come to; null: they say nothing. */
export function answerLimits(
  { answerTimeoutMs, streamTimeoutMs }: AnswerTimeouts,
  isStream: boolean,
): TimeLimits | null {
  const ms = isStream ? (streamTimeoutMs ?? answerTimeoutMs) : answerTimeoutMs;
  if (ms === null) return null;
  return { connectMs: null, firstByteMs: isStream ? ms : null, idleMs: null, totalMs: isStream ? null : ms };
}

/**
 * The limits of one attempt: what is configured holds as written, the rest is predicted or the kind's default.
 * @param configured from the most to the least specific (rule, deployment, provider); the first that says something wins
 * @param requestTimeoutMs a request's own `timeout`: `total` for JSON, the time to first content for a stream
 */
export function attemptLimits(
  configured: readonly (TimeLimits | null)[],
  requestTimeoutMs: number | null,
  facts: FirstContentFacts,
  defaultIdleMs: number,
): AttemptLimits {
  const first = (key: keyof TimeLimits): number | null => {
    for (const limits of configured) if (limits !== null && limits[key] !== null) return limits[key];
    return null;
  };
  const ownFirst = facts.isStream ? requestTimeoutMs : null;
  const ownTotal = facts.isStream ? null : requestTimeoutMs;
  return {
    connectMs: first('connectMs') ?? DEFAULT_CONNECT_MS,
    firstContentMs: ownFirst ?? first('firstByteMs') ?? predictFirstContentMs(facts),
    idleMs: first('idleMs') ?? defaultIdleMs,
    totalMs: ownTotal ?? first('totalMs'),
  };
}
