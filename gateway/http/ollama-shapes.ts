// Ollama's own lists: merging those of several servers, and writing them from what is known when a server does not answer. Pure.

import type { ModelFacts } from '../types.ts';

/** An entry of `models` in `/api/tags` or `/api/ps`: whatever the server said, of which only the name is looked at. */
export type OllamaEntry = Readonly<Record<string, unknown>> & { readonly name: string };

/** Go's zero time: what Ollama itself writes for a time that is not known. */
const NO_TIME = '0001-01-01T00:00:00Z';
/** Ollama's "never unloaded" is a date about 292 years ahead (measured: ollama 0.17.4, `ps-keep-alive-forever`). */
const FOREVER_MS = 292 * 365.25 * 24 * 3600 * 1000;

/** The entries of an answer, or null when it is not such a list. Entries without a name are left out. */
export function readEntries(json: unknown): readonly OllamaEntry[] | null {
  if (typeof json !== 'object' || json === null || !('models' in json)) return null;
  if (json.models === null) return [];
  return Array.isArray(json.models) ? json.models.filter(isEntry) : null;
}

function isEntry(value: unknown): value is OllamaEntry {
  return typeof value === 'object' && value !== null && 'name' in value && typeof value.name === 'string';
}

/** Ollama's names are the same without regard to case and with `:latest` implied. */
function sameness(name: string): string {
  const lower = name.toLowerCase();
  return lower.slice(lower.lastIndexOf('/') + 1).includes(':') ? lower : `${lower}:latest`;
}

/** One list of all, newest first as Ollama orders it; of a model that several servers have, the first server's entry stays. */
export function mergeTags(lists: readonly (readonly OllamaEntry[])[]): readonly OllamaEntry[] {
  const merged = new Map<string, OllamaEntry>();
  for (const entry of lists.flat()) {
    const key = sameness(entry.name);
    if (!merged.has(key)) merged.set(key, entry);
  }
  return [...merged.values()].sort((a, b) => modifiedAtMs(b) - modifiedAtMs(a));
}

function modifiedAtMs(entry: OllamaEntry): number {
  const at = typeof entry.modified_at === 'string' ? Date.parse(entry.modified_at) : Number.NaN;
  return Number.isNaN(at) ? 0 : at;
}

/** A number of parameters as Ollama writes it: `8.2B`, `137M`, `1.50M`, `150K`. */
export function humanNumber(count: number): string {
  const scaled = (unit: number, letter: string, digits: number): string => {
    const value = count / unit;
    return `${Number.isInteger(value) ? value.toFixed(0) : value.toFixed(digits)}${letter}`;
  };
  if (count >= 1e9) return scaled(1e9, 'B', 1);
  if (count >= 1e6) return scaled(1e6, 'M', 2);
  if (count >= 1e3) return `${Math.round(count / 1e3)}K`;
  return String(Math.round(count));
}

function details(facts: ModelFacts): Record<string, unknown> {
  const family = facts.family ?? '';
  return {
    parent_model: '',
    format: 'gguf',
    family,
    families: family === '' ? [] : [family],
    parameter_size: facts.size === null ? '' : humanNumber(facts.size),
    quantization_level: facts.quantization ?? '',
  };
}

/** A word of Ollama's for a capability of ours; those it has no word for are left out. */
const CAPABILITY_WORDS: Readonly<Partial<Record<string, string>>> = {
  completion: 'completion',
  embedding: 'embedding',
  vision: 'vision',
  audio: 'audio',
  tools: 'tools',
  reasoning: 'thinking',
  fim: 'insert',
};

/** An entry of `/api/tags` with every field strict clients (Zed, VS Code) insist on. */
export function tagFromFacts(facts: ModelFacts): OllamaEntry {
  const words = [...(facts.capabilities ?? [])].flatMap((capability) => CAPABILITY_WORDS[capability] ?? []);
  return {
    name: facts.id,
    model: facts.id,
    ...(facts.remoteHost === null ? {} : { remote_host: facts.remoteHost }),
    modified_at: facts.createdAtSeconds === null ? NO_TIME : new Date(facts.createdAtSeconds * 1_000).toISOString(),
    size: facts.fileBytes ?? 0,
    digest: facts.digest ?? '',
    details: details(facts),
    ...(words.length === 0 ? {} : { capabilities: words }),
  };
}

/** An entry of `/api/ps`; the whole memory is not among the facts, so it is at least what the graphics card holds. */
export function runningFromFacts(facts: ModelFacts, nowMs: number): OllamaEntry {
  const untilMs = facts.loadedUntilMs ?? nowMs;
  const expiresAt = new Date(Number.isFinite(untilMs) ? untilMs : nowMs + FOREVER_MS).toISOString();
  return {
    name: facts.id,
    model: facts.id,
    size: Math.max(facts.fileBytes ?? 0, facts.vramBytes ?? 0),
    digest: facts.digest ?? '',
    details: details(facts),
    expires_at: expiresAt,
    size_vram: facts.vramBytes ?? 0,
    ...(facts.contextLoaded === null ? {} : { context_length: facts.contextLoaded }),
  };
}

/** Clients switch features on by version, so of several servers the oldest one counts. */
export function oldestVersion(versions: readonly string[]): string | null {
  const dotted = versions.filter((version) => /^\d+\.\d+\.\d+/.test(version));
  return dotted.sort(compareVersions)[0] ?? null;
}

function compareVersions(a: string, b: string): number {
  const left = a.split(/[.-]/).slice(0, 3).map(Number);
  const right = b.split(/[.-]/).slice(0, 3).map(Number);
  for (let index = 0; index < 3; index++) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
