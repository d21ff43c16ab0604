// One model's facts from three sources: what the user declared wins over what the provider reports, and that over what the name says.

import type { DeclaredModel } from '../config/settings.ts';
import { parseModelName } from '../providers/model-name.ts';
import { factsOf } from '../providers/openai-models.ts';
import type { Capability, ModelFacts } from '../types.ts';
import { allCapabilities } from './saved-state.ts';

export interface MergeInput {
  /** As the provider listed them; null: it never told a list. */
  readonly reported: readonly ModelFacts[] | null;
  /** By upstream id. */
  readonly declared: ReadonlyMap<string, DeclaredModel>;
  /** It answers any name with the one model it has, so a single declaration can only mean that one. */
  readonly isSingleModel: boolean;
  readonly isSameName: (a: string, b: string) => boolean;
}

/**
 * The models of one provider by upstream id, in its own order. A declared model that a told list does not hold is not among
 * them: it is not there to be asked. Without a list the declared ones are all there is.
 */
export function mergeModels(input: MergeInput): ReadonlyMap<string, ModelFacts> {
  const { reported, declared, isSameName } = input;
  const merged = new Map<string, ModelFacts>();
  if (reported === null) {
    for (const declaration of declared.values())
      merged.set(declaration.id, mergeFacts(factsOf(declaration.id, {}), declaration));
    return merged;
  }
  const only =
    input.isSingleModel && reported.length === 1 && declared.size === 1 ? [...declared.values()][0] : undefined;
  for (const facts of reported) {
    const declaration = only ?? declared.get(facts.id) ?? findDeclared(declared, facts.id, isSameName);
    merged.set(facts.id, mergeFacts(facts, declaration ?? null));
  }
  return merged;
}

/** One model's facts; `declared` null where the user said nothing. */
export function mergeFacts(reported: ModelFacts, declared: DeclaredModel | null): ModelFacts {
  const named = parseModelName(reported.id);
  const capabilities = declared === null ? reported.capabilities : mergeCapabilities(reported.capabilities, declared);
  const isAddedOnly = capabilities === null && declared !== null && declared.addedCapabilities.size > 0;
  return {
    ...reported,
    aliases: mergeAliases(reported, declared),
    size: declared?.size ?? likelySize(reported.size, named.size),
    activeSize: declared?.activeSize ?? reported.activeSize ?? named.activeSize,
    quantization: reported.quantization ?? named.quantization,
    contextTrained: declared?.context ?? reported.contextTrained,
    contextLoaded: declared?.context ?? reported.contextLoaded,
    capabilities,
    ...(isAddedOnly ? { sureCapabilities: declared.addedCapabilities } : {}),
    family: reported.family ?? named.family,
  };
}

/** Number of parameters: the name's round one if within 10 % of the reported one (13.02B reported for `llama-2-13b` is 13B). */
export function likelySize(reported: number | null, named: number | null): number | null {
  if (reported === null || named === null) return reported ?? named;
  return Math.abs(reported - named) <= 0.1 * reported ? named : reported;
}

/** The same facts without what only a running process knows: for a list that is no longer confirmed. */
export function withoutVolatile(facts: ModelFacts): ModelFacts {
  return { ...facts, isLoaded: null, loadedUntilMs: null, vramBytes: null };
}

/** Nothing is excluded for being unknown: where nothing is reported, all count but those declared as missing. */
function mergeCapabilities(
  reported: ReadonlySet<Capability> | null,
  declared: DeclaredModel,
): ReadonlySet<Capability> | null {
  if (declared.capabilities !== null) return declared.capabilities;
  const { addedCapabilities: added, lackingCapabilities: lacking } = declared;
  if (reported === null && lacking.size === 0) return null;
  const merged = new Set([...(reported ?? allCapabilities), ...added]);
  for (const capability of lacking) merged.delete(capability);
  return merged;
}

function mergeAliases(reported: ModelFacts, declared: DeclaredModel | null): readonly string[] {
  if (declared === null) return reported.aliases;
  const names = new Set([...reported.aliases, declared.id, ...declared.aliases]);
  names.delete(reported.id);
  return [...names];
}

function findDeclared(
  declared: ReadonlyMap<string, DeclaredModel>,
  id: string,
  isSameName: (a: string, b: string) => boolean,
): DeclaredModel | null {
  for (const declaration of declared.values()) {
    if (isSameName(declaration.id, id)) return declaration;
  }
  return null;
}
