// The format of `state.json` and its reader and writer, without any I/O.

import { z } from 'zod';
import type { Capability, ModelFacts, ProviderKind } from '../types.ts';
import type { Parsed } from './kept-file.ts';

const formatVersion = 1;

const kinds = ['ollama', 'vllm', 'llama_cpp', 'llama_cpp_python', 'openai', 'cloud'] as const satisfies ProviderKind[];
/** Every word there is for what a model can do. */
export const allCapabilities = [
  'completion',
  'embedding',
  'rerank',
  'vision',
  'audio',
  'tools',
  'structured_output',
  'reasoning',
  'fim',
  'speech',
  'transcription',
  'image_generation',
] as const satisfies Capability[];

/** A provider found on a loopback port. */
export interface SavedDiscovery {
  readonly name: string;
  readonly kind: ProviderKind;
  readonly baseUrl: string;
  readonly seenAtMs: number;
}

/** A provider's last known list; what depends on the running process (loaded, memory) is not in it. */
export interface SavedList {
  readonly kind: ProviderKind;
  readonly baseUrl: string;
  readonly version: string | null;
  readonly isSingleModel: boolean;
  readonly loadsOnDemand: boolean;
  readonly models: readonly ModelFacts[];
}

export interface SavedState {
  /** The user's wish for providers that no file names, by name. */
  readonly switches: Readonly<Record<string, boolean>>;
  /** Until when providers are off for a while, epoch ms, by name. */
  readonly snoozed: Readonly<Record<string, number>>;
  readonly discovered: readonly SavedDiscovery[];
  /** By provider name. */
  readonly lists: Readonly<Record<string, SavedList>>;
}

export const emptyState: SavedState = { switches: {}, snoozed: {}, discovered: [], lists: {} };

const numberOrNull = z.number().nullable();
const textOrNull = z.string().nullable();

const modelSchema = z.object({
  id: z.string(),
  aliases: z.array(z.string()),
  size: numberOrNull,
  activeSize: numberOrNull,
  quantization: textOrNull,
  contextTrained: numberOrNull,
  capabilities: z.array(z.enum(allCapabilities)).nullable(),
  fileBytes: numberOrNull,
  family: textOrNull,
  digest: textOrNull,
  createdAtSeconds: numberOrNull,
  remoteHost: textOrNull,
});

const listSchema = z.object({
  kind: z.enum(kinds),
  baseUrl: z.string(),
  version: textOrNull,
  isSingleModel: z.boolean(),
  loadsOnDemand: z.boolean(),
  models: z.array(modelSchema),
});

const stateSchema = z.object({
  version: z.literal(formatVersion),
  switches: z.record(z.string(), z.boolean()),
  // Files of earlier versions have none.
  snoozed: z.record(z.string(), z.number()).default({}),
  discovered: z.array(z.object({ name: z.string(), kind: z.enum(kinds), baseUrl: z.url(), seenAtMs: z.number() })),
  lists: z.record(z.string(), listSchema),
});

/** Reads the text of a `state.json`. Never throws. */
export function parseState(text: string): Parsed<SavedState> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { is: 'unreadable' };
  }
  const newer = z.object({ version: z.number().gt(formatVersion) }).safeParse(json);
  if (newer.success) return { is: 'newer' };
  const parsed = stateSchema.safeParse(json);
  if (!parsed.success) return { is: 'unreadable' };
  const { switches, snoozed, discovered, lists } = parsed.data;
  const restored = Object.entries(lists).map(([name, list]): [string, SavedList] => [
    name,
    { ...list, models: list.models.map(restoreModel) },
  ]);
  return { is: 'read', state: { switches, snoozed, discovered, lists: Object.fromEntries(restored) } };
}

/** The text of a `state.json`. */
export function serializeState(state: SavedState): string {
  const lists: Record<string, z.input<typeof listSchema>> = {};
  for (const [name, list] of Object.entries(state.lists)) {
    lists[name] = { ...list, models: list.models.map(storeModel) };
  }
  const { switches, snoozed, discovered } = state;
  const document = { version: formatVersion, switches, snoozed, discovered, lists };
  return `${JSON.stringify(document, null, 1)}\n`;
}

function storeModel(facts: ModelFacts): z.input<typeof modelSchema> {
  return modelSchema.parse({ ...facts, capabilities: facts.capabilities === null ? null : [...facts.capabilities] });
}

function restoreModel(stored: z.output<typeof modelSchema>): ModelFacts {
  return {
    ...stored,
    capabilities: stored.capabilities === null ? null : new Set(stored.capabilities),
    contextLoaded: null,
    isLoaded: null,
    loadedUntilMs: null,
    vramBytes: null,
  };
}
