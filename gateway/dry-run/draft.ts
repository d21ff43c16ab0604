// A configuration that is not in force: what the world would look like under it.

import type { ConfigProblem, ProviderSettings, Settings } from '../config/settings.ts';
import type { ProviderSnapshot, Snapshot } from '../types.ts';

/** The text is no configuration; `problems` has at least one error. */
export class DraftRejected extends Error {
  override readonly name = 'DraftRejected';
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    const errors = problems.filter(({ severity }) => severity === 'error');
    const [first] = errors;
    const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
    super(`rules: line ${first?.line ?? 1}, column ${first?.column ?? 1}: ${first?.message ?? ''}${more}`);
    this.problems = problems;
  }
}

/** Rules alone are decided about the providers there are. */
export function withProviders(draft: Settings, inForce: Settings): Settings {
  return draft.providers.size > 0 ? draft : { ...draft, providers: inForce.providers };
}

export interface DraftWorld {
  readonly settings: Settings;
  /** The settings of a provider as the snapshot knows it. */
  providerSettings(name: string): ProviderSettings | undefined;
  /** The providers of the settings before anything is known of them. */
  readonly unprobed: Snapshot;
}

/**
 * The snapshot as it would be under other settings: without providers that are gone, with new ones of which nothing is
 * known, the others with what is written about them. Settings without providers leave it as it is.
 */
export function underSettings(snapshot: Snapshot, { settings, providerSettings, unprobed }: DraftWorld): Snapshot {
  if (settings.providers.size === 0) return snapshot;
  const providers = new Map<string, ProviderSnapshot>();
  for (const [name, wanted] of settings.providers) {
    const known = snapshot.providers.get(name);
    const fresh = unprobed.providers.get(name);
    const former = providerSettings(name);
    const isSameServer = former === undefined || (former.kind === wanted.kind && former.baseUrl === wanted.baseUrl);
    if (known && known.kind === wanted.kind && isSameServer) providers.set(name, asWritten(known, wanted));
    else if (fresh) providers.set(name, fresh);
  }
  return { ...snapshot, providers };
}

function asWritten(known: ProviderSnapshot, wanted: ProviderSettings): ProviderSnapshot {
  const { priority, weight, defaultModel, maxParallelRequests, isNamedInFile } = wanted;
  return {
    ...known,
    // The switch of a provider that no file names is kept elsewhere.
    isEnabled: isNamedInFile ? wanted.isEnabled : known.isEnabled,
    priority,
    weight,
    defaultModel,
    maxParallelRequests: maxParallelRequests ?? known.maxParallelRequests,
  };
}
