// Parts of the catalog as the admin API shows them.

import type { ProviderSettings } from '../config/settings.ts';
import type { AdminModel, AdminModelControl, AdminProvider } from '../contract.ts';
import type { ModelControl, NoModelControl, ProbeFindings } from '../providers/provider.ts';
import type { ModelFacts, ProviderSnapshot } from '../types.ts';

/** What is known of a provider beside its snapshot. */
export interface AdminSources {
  readonly settings: ProviderSettings;
  readonly findings: ProbeFindings | null;
  readonly control: ModelControl | NoModelControl;
  readonly probedAtMs: number | null;
  /** Epoch ms. */
  readonly loadedSinceMs: (model: string) => number | null;
  /** How long loading the model is likely to take. */
  readonly loadMsOf: (model: string) => number | null;
}

/** One provider for the admin API. */
export function adminProvider(snapshot: ProviderSnapshot, sources: AdminSources): Omit<AdminProvider, 'snoozedUntil'> {
  const { settings, findings } = sources;
  return {
    name: snapshot.name,
    kind: snapshot.kind,
    baseUrl: withoutCredentials(settings.baseUrl),
    place: snapshot.place,
    isEnabled: snapshot.isEnabled,
    isDraining: snapshot.isDraining,
    isDiscovered: settings.isDiscovered,
    observed: snapshot.observed,
    cause: snapshot.cause,
    version: findings?.version ?? null,
    probedAtMs: sources.probedAtMs,
    inFlight: snapshot.load.inFlight,
    queued: snapshot.load.queued,
    maxParallelRequests: snapshot.maxParallelRequests,
    slots: findings?.slots ?? null,
    busy: snapshot.busy,
    modelControl: adminControl(sources.control),
    isListStale: snapshot.isListStale,
    models: [...snapshot.models.values()].map((facts) => adminModel(facts, sources)),
  };
}

function adminModel(facts: ModelFacts, { loadedSinceMs, loadMsOf }: AdminSources): AdminModel {
  const { isLoaded, loadedUntilMs } = facts;
  return {
    id: facts.id,
    size: facts.size,
    activeSize: facts.activeSize,
    quantization: facts.quantization,
    contextTrained: facts.contextTrained,
    contextLoaded: facts.contextLoaded,
    capabilities: facts.capabilities === null ? null : [...facts.capabilities],
    isLoaded,
    loadedSinceMs: isLoaded === true ? loadedSinceMs(facts.id) : null,
    // JSON has no Infinity.
    loadedUntilMs: loadedUntilMs === Number.POSITIVE_INFINITY ? 'unlimited' : loadedUntilMs,
    vramBytes: facts.vramBytes,
    fileBytes: facts.fileBytes,
    predictedLoadMs: loadMsOf(facts.id),
    isCloud: facts.remoteHost !== null,
  };
}

function adminControl(control: ModelControl | NoModelControl): AdminModelControl {
  if ('because' in control) return { is: 'unable', because: control.because };
  return control.isOnlyIf === null ? { is: 'able' } : { is: 'able_if', condition: control.isOnlyIf };
}

/** A base URL as it may be shown: user name and password left out. */
export function withoutCredentials(baseUrl: string): string {
  const url = URL.parse(baseUrl);
  if (url === null || (url.username === '' && url.password === '')) return baseUrl;
  url.username = '';
  url.password = '';
  return url.href.replace(/\/$/, '');
}
