// The rules of the gateway dialect.

import { parameters, sizeBounds } from '../amounts.ts';
import type { DocumentPath } from '../problems.ts';
import { patternFault } from '../regex.ts';
import type { RuleOptions, UpstreamValues } from '../schema/rules.ts';
import type {
  CapabilityRule,
  ExactRule,
  MetadataRule,
  PatternRule,
  RedundantModel,
  RoutingMode,
  SizeRule,
} from '../settings.ts';
import {
  at,
  conditionText,
  entriesOf,
  entryAt,
  fallbackTargets,
  type Reading,
  remarks,
  strategyName,
  timeLimits,
} from './reading.ts';

/** What every rule may say besides its own keys. */
function ruleOptions(reading: Reading, values: RuleOptions, path: DocumentPath) {
  return {
    fallback: fallbackTargets(reading, [...path, 'fallback'], values.fallback),
    routingStrategy: strategyName(values.routing_strategy),
    requiresWarm: values.require_warm ?? false,
    timeouts: timeLimits(reading, [...path, 'timeouts'], values.timeouts),
    description: remarks(values),
    position: entryAt(reading, path),
  } satisfies Partial<PatternRule>;
}

/** `model` and `preferred_model` mean the same. */
function upstreamModel(reading: Reading, values: UpstreamValues, path: DocumentPath): string | null {
  if (values.model != null && values.preferred_model != null && values.model !== values.preferred_model)
    reading.problems.error(at(reading, [...path, 'preferred_model']), [...path, 'preferred_model'], {
      code: 'conflicting_keys',
      message: '"model" and "preferred_model" name two different models; keep one of them',
    });
  return values.model ?? values.preferred_model ?? null;
}

export function readExactMatches(reading: Reading): ReadonlyMap<string, ExactRule> {
  const rules = new Map<string, ExactRule>();
  for (const [model, values, path] of entriesOf(reading, 'exact_matches', reading.values.exact_matches))
    rules.set(model, {
      model,
      provider: values.provider,
      upstreamModel: upstreamModel(reading, values, path),
      label: values.priority == null ? null : String(values.priority),
      ...ruleOptions(reading, values, path),
    });
  return rules;
}

export function readPatterns(reading: Reading): readonly PatternRule[] {
  const seen = new Map<string, number>();
  return (reading.values.patterns ?? []).map((values, index) => {
    const path = ['patterns', index];
    const patternPath = [...path, 'pattern'];
    const position = at(reading, patternPath);
    const fault = patternFault(values.pattern);
    if (fault !== null) reading.problems.error(position, patternPath, { code: 'invalid_regex', message: fault });
    const earlierLine = seen.get(values.pattern);
    if (earlierLine !== undefined)
      reading.problems.lint(position, patternPath, {
        code: 'unreachable_rule',
        message: `the same pattern stands in line ${earlierLine}: this one is never reached`,
      });
    else seen.set(values.pattern, position.line);
    return {
      pattern: values.pattern,
      provider: values.provider,
      upstreamModel: upstreamModel(reading, values, path),
      ...ruleOptions(reading, values, path),
    };
  });
}

export function readCapabilities(reading: Reading): ReadonlyMap<string, CapabilityRule> {
  const rules = new Map<string, CapabilityRule>();
  for (const [name, values, path] of entriesOf(reading, 'capabilities', reading.values.capabilities)) {
    const providers = new Set(values.provider == null ? [] : [values.provider]);
    for (const provider of values.providers ?? []) providers.add(provider);
    rules.set(name, {
      name,
      preferredModels: values.preferred_models ?? [],
      providers: [...providers],
      minModelSize: values.min_model_size == null ? null : parameters(values.min_model_size),
      minContext: values.min_context ?? null,
      ...ruleOptions(reading, values, path),
    });
  }
  return rules;
}

export function readSizeRules(reading: Reading): readonly SizeRule[] {
  return (reading.values.model_size_routing ?? []).map((values, index) => {
    const path = ['model_size_routing', index];
    const bounds = sizeBounds(values.size);
    if (bounds.min && bounds.max && bounds.min.size > bounds.max.size)
      reading.problems.error(at(reading, [...path, 'size']), [...path, 'size'], {
        code: 'invalid_value',
        message: `"${values.size}" holds no size: the smaller one comes first`,
      });
    return {
      text: values.size,
      ...bounds,
      provider: values.provider,
      upstreamModel: upstreamModel(reading, values, path),
      ...ruleOptions(reading, values, path),
    };
  });
}

export function readMetadataRules(reading: Reading): readonly MetadataRule[] {
  const rules: MetadataRule[] = [];
  for (const [name, values, path] of entriesOf(
    reading,
    'request_metadata_routing',
    reading.values.request_metadata_routing,
  ))
    rules.push({
      name,
      condition: conditionText(reading, [...path, 'condition'], values.condition),
      provider: values.provider,
      upstreamModel: upstreamModel(reading, values, path),
      isStrict: values.strict ?? false,
      ...ruleOptions(reading, values, path),
    });
  return rules;
}

export function readRedundantModels(reading: Reading): ReadonlyMap<string, RedundantModel> {
  const models = new Map<string, RedundantModel>();
  for (const [name, values, path] of entriesOf(reading, 'redundant_models', reading.values.redundant_models))
    models.set(name, {
      name,
      providers: values.providers.map((entry, index) => ({
        provider: entry.provider,
        upstreamModel: upstreamModel(reading, entry, [...path, 'providers', index]),
        weight: entry.weight ?? null,
        position: entryAt(reading, [...path, 'providers', index]),
      })),
      routingStrategy: strategyName(values.routing_strategy),
      description: remarks(values),
      position: entryAt(reading, path),
    });
  return models;
}

/** `routing_mode`, where a pin is written as `pin: NAME` with or without quotes around it. */
export function readMode(reading: Reading): RoutingMode {
  const mode = reading.values.routing_mode;
  if (mode == null) return { is: 'rules' };
  if (typeof mode === 'object') return { is: 'pin', provider: mode.pin };
  if (mode === 'rules' || mode === 'order' || mode === 'fastest') return { is: mode };
  return { is: 'pin', provider: mode.replace(/^pin:\s*/, '').trim() };
}
