// Finds what the configuration declares of a model, whichever way the provider spells the model's name.

import type { DeclaredModel, ProviderSettings } from '../config/settings.ts';
import { BoundedMemory } from './bounded-memory.ts';
import type { Naming } from './naming.ts';

/** Spellings remembered per provider: clients may invent them. */
const MOST_SPELLINGS = 1_000;

/** One instance per settings object and naming: what it found is remembered. */
export class DeclaredModels {
  readonly #isSameName: Naming['isSameName'];
  readonly #found = new Map<string, BoundedMemory<string, DeclaredModel | null>>();

  constructor(isSameName: Naming['isSameName']) {
    this.#isSameName = isSameName;
  }

  /**
   * The declaration of that model, or null.
   * @param isSingleModel the provider answers any name with the one model it has, so a single declaration means that one
   */
  of(provider: ProviderSettings, model: string, isSingleModel: boolean): DeclaredModel | null {
    const { name, models } = provider;
    if (models.size === 0) return null;
    const exact = models.get(model);
    if (exact !== undefined) return exact;
    if (isSingleModel && models.size === 1) return models.values().next().value ?? null;
    let known = this.#found.get(name);
    if (known === undefined) {
      known = new BoundedMemory(MOST_SPELLINGS);
      this.#found.set(name, known);
    }
    let declared = known.get(model);
    if (declared === undefined) {
      declared = this.#find(provider, model);
      known.set(model, declared);
    }
    return declared;
  }

  #find({ kind, models }: ProviderSettings, model: string): DeclaredModel | null {
    for (const declared of models.values()) if (this.#isSameName(kind, declared.id, model)) return declared;
    return null;
  }
}
