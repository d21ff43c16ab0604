// Names that lead nowhere: they do not stop a configuration, but somebody meant something by them.

import type { Reading } from './interpret/reading.ts';
import { nearestPosition } from './located.ts';
import { didYouMean } from './nearest.ts';
import type { DocumentPath } from './problems.ts';
import type { FallbackTargets, Settings } from './settings.ts';

/** What names may lead to. `declaredProviders` also has those left out because something is wrong with them. */
interface Names {
  readonly providers: ReadonlySet<string>;
  readonly disabled: ReadonlySet<string>;
  readonly targets: ReadonlySet<string>;
  /** Some provider, configured or still to be discovered, may list models that no file names. */
  readonly hasOpenLists: boolean;
}

/**
 * Remarks on rules that name what is not there or switched off.
 * Without any provider nothing is said of providers: discovery will bring some.
 */
export function lintNames(reading: Reading, settings: Settings, declaredProviders: ReadonlySet<string>): void {
  const names = namesOf(settings, declaredProviders);
  const { values } = reading;
  const { routing } = settings;
  if (names.providers.size > 0) lintProviders(reading, settings, names);
  for (const [name, rule] of routing.exactMatches) lintFallback(reading, ['exact_matches', name], rule.fallback, names);
  for (const [name, rule] of routing.capabilities) lintFallback(reading, ['capabilities', name], rule.fallback, names);
  for (const rule of routing.metadataRules)
    lintFallback(reading, ['request_metadata_routing', rule.name], rule.fallback, names);
  for (const [index, rule] of routing.patterns.entries())
    lintFallback(reading, ['patterns', index], rule.fallback, names);
  for (const [index, rule] of routing.sizeRules.entries())
    lintFallback(reading, ['model_size_routing', index], rule.fallback, names);
  for (const alias of routing.aliases.values())
    for (const target of alias.targets)
      if (!names.targets.has(target) && !names.hasOpenLists)
        say(
          reading,
          ['router_settings', 'model_group_alias', alias.name],
          'unknown_target',
          `nothing answers to "${target}", which the alias "${alias.name}" names${didYouMean(target, names.targets)}`,
        );
  for (const [word, entry] of Object.entries(values.strategies ?? {}))
    for (const [index, target] of (entry?.applicable_to ?? []).entries())
      if (!names.targets.has(target))
        say(
          reading,
          ['strategies', word, 'applicable_to', index],
          'unknown_target',
          `there is no capability or model group "${target}"${didYouMean(target, names.targets)}`,
        );
}

function namesOf({ providers, routing }: Settings, declared: ReadonlySet<string>): Names {
  const all = new Set([...declared, ...providers.keys()]);
  const targets = new Set([
    ...all,
    ...routing.fallbackChains.keys(),
    ...routing.groups.keys(),
    ...routing.aliases.keys(),
    ...routing.exactMatches.keys(),
    ...routing.redundantModels.keys(),
    ...routing.capabilities.keys(),
    ...routing.modelLimits.keys(),
  ]);
  for (const provider of providers.values()) for (const id of provider.models.keys()) targets.add(id);
  const isOff = [...providers.values()].filter((provider) => !provider.isEnabled).map((provider) => provider.name);
  const hasOpenLists = all.size === 0 || [...providers.values()].some((provider) => provider.kind !== 'cloud');
  return { providers: all, disabled: new Set(isOff), targets, hasOpenLists };
}

function say(
  reading: Reading,
  path: DocumentPath,
  code: 'unknown_provider' | 'provider_disabled' | 'unknown_target',
  message: string,
): void {
  reading.problems.lint(nearestPosition(reading.root, path), path, { code, message });
}

function lintProviders(reading: Reading, { routing }: Settings, names: Names): void {
  const check = (path: DocumentPath, name: string): void => lintProvider(reading, path, name, names);
  if (routing.defaultProvider !== null) check(['default_provider'], routing.defaultProvider);
  if (routing.mode.is === 'pin') check(['routing_mode'], routing.mode.provider);
  for (const [name, rule] of routing.exactMatches) check(['exact_matches', name, 'provider'], rule.provider);
  for (const [index, rule] of routing.patterns.entries()) check(['patterns', index, 'provider'], rule.provider);
  for (const [index, rule] of routing.sizeRules.entries())
    check(['model_size_routing', index, 'provider'], rule.provider);
  for (const rule of routing.metadataRules) check(['request_metadata_routing', rule.name, 'provider'], rule.provider);
  for (const [name, model] of routing.redundantModels)
    for (const [index, entry] of model.providers.entries())
      check(['redundant_models', name, 'providers', index, 'provider'], entry.provider);
  for (const [name, { provider, providers }] of Object.entries(reading.values.capabilities ?? {})) {
    if (provider) check(['capabilities', name, 'provider'], provider);
    for (const [index, one] of (providers ?? []).entries()) check(['capabilities', name, 'providers', index], one);
  }
  for (const [name, { chain }] of Object.entries(reading.values.fallback_chains ?? {}))
    for (const [index, link] of chain.entries())
      for (const role of ['primary', 'secondary', 'tertiary'] as const)
        if (link[role]) check(['fallback_chains', name, 'chain', index, role], link[role]);
}

function lintProvider(reading: Reading, path: DocumentPath, name: string, names: Names): void {
  if (!names.providers.has(name))
    say(
      reading,
      path,
      'unknown_provider',
      `there is no provider "${name}"; what names it is passed over${didYouMean(name, names.providers)}`,
    );
  else if (names.disabled.has(name))
    say(reading, path, 'provider_disabled', `the provider "${name}" is switched off ("enabled: false")`);
}

/** Targets of the gateway dialect are providers, chains or model groups, in this order. */
function lintFallback(reading: Reading, path: DocumentPath, fallback: FallbackTargets, names: Names): void {
  if (fallback.kind !== 'list') return;
  for (const [index, target] of fallback.targets.entries()) {
    if (target === 'none') continue;
    const isList = fallback.targets.length > 1;
    const targetPath = [...path, 'fallback', ...(isList ? [index] : [])];
    if (names.disabled.has(target)) lintProvider(reading, targetPath, target, names);
    else if (!names.targets.has(target) && names.providers.size > 0)
      say(
        reading,
        targetPath,
        'unknown_target',
        `there is no provider, chain or model group "${target}"${didYouMean(target, names.targets)}`,
      );
  }
}
