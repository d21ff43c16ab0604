// What was learned of each deployment and what its time limits come to now: for people who ask why a server is waited for.

import type { Settings } from '../config/settings.ts';
import { deploymentId } from '../routing/question.ts';
import type { Rules } from '../routing/rules.ts';
import type { DeploymentKey, ProviderSnapshot, Snapshot } from '../types.ts';
import type { LearnedDeployment } from './learned-deployment.ts';
import type { Learning } from './learning.ts';
import { learnedRates } from './lesson.ts';
import { answerLimits, type FirstContentFacts, fairFirstContentMs } from './time-limits.ts';

/** Rates and times are null where nothing was learned yet. */
export interface LearnedLimits extends DeploymentKey {
  /** For a request sent now, while somebody else could be asked; in ms. */
  readonly firstContentLimitMs: { readonly stream: number; readonly json: number };
  /** The limit of streams is configured. */
  readonly isConfigured: boolean;
  readonly loadMs: number | null;
  readonly prefillTokensPerSecond: number | null;
  readonly tokensPerSecond: number | null;
  /** One whole answer, on average. */
  readonly answerMs: number | null;
  readonly isDegraded: boolean;
}

export interface LearnedLimitsSource {
  readonly learning: Learning;
  readonly snapshot: Snapshot;
  readonly settings: Settings;
  readonly rules: Rules;
}

/** Told of so many at most. */
const MOST_TOLD = 1_000;
/** The prompt that the limits are told for, in tokens. */
const TYPICAL_PROMPT_TOKENS = 1_000;

/** Of all that are served by this fleet, without the vendors' in the cloud: those that taught something first. */
export function learnedLimits(source: LearnedLimitsSource): readonly LearnedLimits[] {
  const { learning, snapshot } = source;
  const told: LearnedLimits[] = [];
  const seen = new Set<string>();
  const tell = (provider: ProviderSnapshot, model: string, learned: LearnedDeployment | null): void => {
    const id = deploymentId(provider.name, model);
    if (told.length >= MOST_TOLD || seen.has(id) || provider.place === 'cloud') return;
    seen.add(id);
    told.push(limitsOf(source, provider, model, learned));
  };
  for (const [name, model, learned] of learning.deployments()) {
    const provider = snapshot.providers.get(name);
    if (provider !== undefined && learned.serviceMs !== null) tell(provider, model, learned);
  }
  for (const provider of snapshot.providers.values())
    for (const { id, remoteHost } of provider.models.values())
      if (remoteHost === null) tell(provider, id, learning.deployment(provider.name, id));
  return told;
}

function limitsOf(
  { settings, rules, learning }: LearnedLimitsSource,
  provider: ProviderSnapshot,
  model: string,
  learned: LearnedDeployment | null,
): LearnedLimits {
  const timeouts = settings.providers.get(provider.name)?.timeouts ?? null;
  const entry = rules.entryAt(provider.name, model);
  const limitMs = (isStream: boolean): number =>
    fairFirstContentMs(
      [entry && answerLimits(entry, isStream), timeouts, answerLimits(settings.reliability, isStream)],
      firstContentFacts(provider, model, learned, isStream),
    );
  const isOwn = (entry?.streamTimeoutMs ?? entry?.answerTimeoutMs ?? timeouts?.firstByteMs ?? null) !== null;
  const { streamTimeoutMs, answerTimeoutMs } = settings.reliability;
  return {
    provider: provider.name,
    model,
    firstContentLimitMs: { stream: Math.round(limitMs(true)), json: Math.round(limitMs(false)) },
    isConfigured: isOwn || streamTimeoutMs !== null || answerTimeoutMs !== null,
    loadMs: learned?.loadMs ?? null,
    prefillTokensPerSecond: learned?.prefillTokensPerSecond ?? null,
    tokensPerSecond: learned?.tokensPerSecond ?? null,
    answerMs: learned?.serviceMs ?? null,
    isDegraded: learned?.isDegraded(learning.nowMs) ?? false,
  };
}

function firstContentFacts(
  provider: ProviderSnapshot,
  model: string,
  learned: LearnedDeployment | null,
  isStream: boolean,
): FirstContentFacts {
  return {
    isStream,
    isGenerating: true,
    loadsOnDemand: provider.loadsOnDemand,
    isLoaded: provider.models.get(model)?.isLoaded ?? null,
    promptTokens: TYPICAL_PROMPT_TOKENS,
    maxTokens: null,
    learned: learned === null ? null : learnedRates(learned, provider),
    hasUntriedCandidate: true,
  };
}
