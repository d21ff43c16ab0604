// `/api/tags`, `/api/ps` and `/api/version` over all providers that speak Ollama's protocol: asked when they can be,
// from memory when they do not answer at once.

import type { ProviderSettings } from '../config/settings.ts';
import type { ProviderSnapshot } from '../types.ts';
import type { HttpDependencies } from './dependencies.ts';
import {
  mergeTags,
  type OllamaEntry,
  oldestVersion,
  readEntries,
  runningFromFacts,
  tagFromFacts,
} from './ollama-shapes.ts';
import { getJson } from './upstream.ts';

/** Open WebUI gives a list a few seconds, and `/api/ps` may block while a model starts: memory answers then. */
const ASK_TIMEOUT_MS = 1_000;
/** Told where no such provider has told its version: the one whose answers ours were compared with. */
const VERSION_WITHOUT_PROVIDER = '0.17.4';

type ListDependencies = Pick<HttpDependencies, 'catalog' | 'clock' | 'instance' | 'poolFor'>;

export interface OllamaProvider {
  readonly snapshot: ProviderSnapshot;
  readonly settings: ProviderSettings;
}

/** The enabled providers that speak the protocol natively, those with the higher priority first. */
export function ollamaProviders({ catalog }: Pick<ListDependencies, 'catalog'>): readonly OllamaProvider[] {
  return [...catalog.snapshot().providers.values()]
    .filter((snapshot) => snapshot.isEnabled && snapshot.isCallable && snapshot.endpoints.has('ollama_show'))
    .sort((a, b) => b.priority - a.priority)
    .flatMap((snapshot) => {
      const settings = catalog.providerSettings(snapshot.name);
      return settings === undefined ? [] : [{ snapshot, settings }];
    });
}

async function entriesOf(
  deps: ListDependencies,
  { snapshot, settings }: OllamaProvider,
  path: string,
  fromMemory: (snapshot: ProviderSnapshot) => readonly OllamaEntry[],
): Promise<readonly OllamaEntry[]> {
  if (snapshot.observed === 'down' || snapshot.observed === 'auth') return fromMemory(snapshot);
  return readEntries(await getJson(deps, settings, path, ASK_TIMEOUT_MS)) ?? fromMemory(snapshot);
}

/** `GET /api/tags`. */
export async function ollamaTags(deps: ListDependencies): Promise<{ readonly models: readonly OllamaEntry[] }> {
  const fromMemory = ({ models }: ProviderSnapshot) => Array.from(models.values(), tagFromFacts);
  const lists = ollamaProviders(deps).map((provider) => entriesOf(deps, provider, '/api/tags', fromMemory));
  return { models: mergeTags(await Promise.all(lists)) };
}

/** `GET /api/ps`: a model that is loaded on two servers is there twice. */
export async function ollamaRunning(deps: ListDependencies): Promise<{ readonly models: readonly OllamaEntry[] }> {
  const nowMs = deps.clock.now();
  const fromMemory = ({ models }: ProviderSnapshot) =>
    [...models.values()].filter((facts) => facts.isLoaded === true).map((facts) => runningFromFacts(facts, nowMs));
  const lists = ollamaProviders(deps).map((provider) => entriesOf(deps, provider, '/api/ps', fromMemory));
  return { models: (await Promise.all(lists)).flat() };
}

/** `GET /api/version`, from memory. */
export function ollamaVersion(deps: ListDependencies): { readonly version: string } {
  const names = new Set(ollamaProviders(deps).map(({ snapshot }) => snapshot.name));
  const versions = deps.catalog.status().flatMap(({ name, version }) => (names.has(name) ? (version ?? []) : []));
  return { version: oldestVersion(versions) ?? VERSION_WITHOUT_PROVIDER };
}
