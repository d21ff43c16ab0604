// `fallback_chains`, `strategies` and the special cases: first request, rate limits, errors.

import { durationMs } from '../amounts.ts';
import { defaultErrorBased, defaultReliability, defaultWarmCheckTimeoutMs } from '../defaults.ts';
import type { DocumentPath } from '../problems.ts';
import type { ChainLinkValues, WeightValues } from '../schema/rules.ts';
import { strategySpellings, strategyWords } from '../schema/values.ts';
import type {
  ChainLink,
  FallbackChain,
  FirstRequestSettings,
  ReliabilitySettings,
  ScoreWeights,
  StrategyEntry,
  StrategyName,
} from '../settings.ts';
import { conditionText, entriesOf, entryAt, type Reading, remarks, secondsMs } from './reading.ts';

const roles = ['primary', 'secondary', 'tertiary'] as const;

export function readChains(reading: Reading): ReadonlyMap<string, FallbackChain> {
  const chains = new Map<string, FallbackChain>();
  for (const [name, values, path] of entriesOf(reading, 'fallback_chains', reading.values.fallback_chains)) {
    const links = values.chain.flatMap((link, index) => readLink(reading, link, [...path, 'chain', index]) ?? []);
    // Written beside a link they still mean the chain: it is walked as a whole.
    const attempts = values.retry_attempts ?? values.chain.find((link) => link.retry_attempts != null)?.retry_attempts;
    const delay = values.retry_delay_ms ?? values.chain.find((link) => link.retry_delay_ms != null)?.retry_delay_ms;
    chains.set(name, {
      name,
      links,
      retryAttempts: attempts ?? 0,
      retryDelayMs: delay == null ? 0 : durationMs(delay, 'ms'),
      description: remarks(values),
      position: entryAt(reading, path),
    });
  }
  return chains;
}

function readLink(reading: Reading, values: ChainLinkValues, path: DocumentPath): ChainLink | null {
  const written = roles.filter((role) => values[role] != null);
  const [role] = written;
  const provider = role && values[role];
  if (!role || !provider || written.length > 1) {
    const code = written.length > 1 ? 'conflicting_keys' : 'missing_key';
    const message = `each entry of a chain names one provider, as "primary", "secondary" or "tertiary"`;
    reading.problems.error(entryAt(reading, path), path, { code, message });
    return null;
  }
  const condition = values.condition;
  return {
    role,
    provider,
    preferredModel: values.preferred_model ?? null,
    condition: condition == null ? null : conditionText(reading, [...path, 'condition'], condition),
    position: entryAt(reading, path),
  };
}

export function readStrategies(reading: Reading): ReadonlyMap<StrategyName, StrategyEntry> {
  const entries = new Map<StrategyName, StrategyEntry>();
  for (const [word, values, path] of entriesOf(reading, 'strategies', reading.values.strategies)) {
    const strategy = strategyWords.find((known) => known === word);
    if (strategy === undefined) continue;
    const name = strategySpellings[strategy];
    if (entries.has(name))
      reading.problems.error(entryAt(reading, path), path, {
        code: 'duplicate_name',
        message: `"${word}" is another word for a strategy that has its entry already`,
      });
    entries.set(name, {
      strategy: name,
      applicableTo: values?.applicable_to ?? null,
      weights: readWeights(values?.weight_factors),
      description: values ? remarks(values) : null,
      position: entryAt(reading, path),
    });
  }
  return entries;
}

/** Weights as one map, or as a list of maps as the guides print them; what is not named weighs nothing. */
function readWeights(written: WeightValues | readonly WeightValues[] | null | undefined): ScoreWeights | null {
  if (!written) return null;
  const factors: WeightValues = Array.isArray(written) ? Object.assign({}, ...written) : { ...written };
  return { latency: factors.latency ?? 0, successRate: factors.success_rate ?? 0, cost: factors.cost ?? 0 };
}

export function readFirstRequest({ values }: Reading): FirstRequestSettings | null {
  const section = values.first_request_routing;
  if (!section || section.enabled === false) return null;
  const timeout = section.warm_check_timeout_ms;
  return {
    strategy: 'prefer_warm_providers',
    warmCheckTimeoutMs: timeout == null ? defaultWarmCheckTimeoutMs : durationMs(timeout, 'ms'),
  };
}

export function readRateLimited({ values }: Reading): ReliabilitySettings['rateLimited'] {
  const section = values.rate_limited_fallback;
  return {
    isEnabled: section?.enabled ?? defaultReliability.rateLimited.isEnabled,
    durationMs: secondsMs(section?.fallback_duration_seconds),
  };
}

export function readErrorBased({ values }: Reading): ReliabilitySettings['errorBased'] {
  const section = values.error_based_routing;
  if (!section || section.enabled === false) return null;
  return {
    errorThreshold: section.error_threshold ?? defaultErrorBased.errorThreshold,
    cooldownMs: secondsMs(section.cooldown_seconds) ?? defaultErrorBased.cooldownMs,
  };
}
