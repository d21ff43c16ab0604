// Since when the models of one provider are in memory, as far as successive probes saw it happen.

import type { ModelFacts } from '../types.ts';

/** Bounded by the list: a model that is no longer listed, or no longer loaded, is forgotten. */
export class LoadedSince {
  /** Whether each model was loaded when it was listed last; null: not known. */
  #former: ReadonlyMap<string, boolean | null> | null = null;
  #since: ReadonlyMap<string, number> = new Map();

  /** Epoch ms of the first probe that saw it loaded; null: not loaded, or it was when it was first seen. */
  of(model: string): number | null {
    return this.#since.get(model) ?? null;
  }

  listed(models: readonly ModelFacts[], atMs: number): void {
    const since = new Map<string, number>();
    for (const { id, isLoaded } of models) {
      if (isLoaded !== true) continue;
      const sinceMs = this.#since.get(id) ?? (this.#wasUnloaded(id) ? atMs : null);
      if (sinceMs !== null) since.set(id, sinceMs);
    }
    this.#since = since;
    this.#former = new Map(models.map(({ id, isLoaded }) => [id, isLoaded]));
  }

  /** Nothing listens there any more: whatever is loaded when it is back was loaded by then. */
  processEnded(): void {
    this.#former = new Map();
    this.#since = new Map();
  }

  /** It may be another process when it is seen again, or the same. */
  lostSight(): void {
    this.#former = null;
    this.#since = new Map();
  }

  /** One that was not listed had nothing in memory. */
  #wasUnloaded(id: string): boolean {
    return this.#former !== null && (this.#former.get(id) ?? (this.#former.has(id) ? null : false)) === false;
  }
}
