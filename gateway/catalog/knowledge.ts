// What is known of one provider from successive probes, and how sure that still is.

import { isDeepStrictEqual } from 'node:util';
import type { ProviderSettings } from '../config/settings.ts';
import type { ProbeFindings, ProviderAdapter } from '../providers/provider.ts';
import type { ModelFacts } from '../types.ts';
import { mergeModels, withoutVolatile } from './facts.ts';
import { asFindings, isSameFinding, mergeFindings, stateOnly } from './findings.ts';
import { LoadedSince } from './loaded-since.ts';
import type { SavedList } from './saved-state.ts';

export interface Absorbed {
  /** A snapshot would show something else than before. */
  readonly hasChanged: boolean;
  /** The list is another than the one that was known. */
  readonly isNewList: boolean;
}

export class Knowledge {
  #findings: ProbeFindings | null;
  #isStale: boolean;
  #isUnlisted = true;
  #isDoubted = false;
  #models: ReadonlyMap<string, ModelFacts> | null = null;
  readonly #loadedSince = new LoadedSince();

  /** `restored`: the list it had when it was last seen; `isStale`: a probe has still to confirm it. */
  constructor(restored: SavedList | null, isStale: boolean) {
    this.#findings = restored === null ? null : asFindings(restored);
    this.#isStale = isStale;
  }

  /** Everything the probes found, each field as it was last told; null before the first. */
  get findings(): ProbeFindings | null {
    return this.#findings;
  }

  /** The list is from before the provider was lost from sight. */
  get isStale(): boolean {
    return this.#isStale;
  }

  /** Not listed since the provider was found (again): it may be another process than before. */
  get isUnlisted(): boolean {
    return this.#isUnlisted;
  }

  /** Epoch ms; null: the model is not loaded, or was when it was first seen. */
  loadedSinceMs(model: string): number | null {
    return this.#loadedSince.of(model);
  }

  /** A request hints that what was listed last no longer holds. */
  get isDoubted(): boolean {
    return this.#isDoubted;
  }

  doubt(): void {
    this.#isDoubted = true;
  }

  /** Whatever the probe found, it was the one that had been asked for. */
  endDoubt(): void {
    this.#isDoubted = false;
  }

  /** Takes on what a probe found; fields that were not asked keep their value, and all do when it found nothing usable. */
  absorb(found: ProbeFindings, atMs: number): Absorbed {
    const former = this.#findings;
    const wasStale = this.#isStale;
    const isUsable = found.observed !== 'down' && found.observed !== 'auth';
    const isListed = isUsable && found.models !== null;
    this.#findings = isUsable || former === null ? mergeFindings(found, former) : stateOnly(found, former);
    if (isListed) this.#isUnlisted = false;
    if (isListed && found.models !== null) this.#loadedSince.listed(found.models, atMs);
    this.#isStale = !isUsable || (wasStale && !isListed);
    const hasChanged = wasStale !== this.#isStale || !isSameFinding(former, this.#findings);
    if (hasChanged) this.#models = null;
    return { hasChanged, isNewList: isListed && !isDeepStrictEqual(found.models, former?.models) };
  }

  /** Marks the list stale; false if it was. */
  markStale(): boolean {
    const wasStale = this.#isStale;
    this.#isStale = true;
    return !wasStale;
  }

  /** Marks the list stale and to be read again before anything else is believed of it; false if the list was stale. */
  loseSight(): boolean {
    this.#isUnlisted = true;
    this.#loadedSince.lostSight();
    return this.markStale();
  }

  /** Nothing listens there: what it had loaded is gone for certain. */
  processEnded(): void {
    this.#loadedSince.processEnded();
  }

  /** The models have to be put together again: the declarations or the provider's state changed. */
  forgetModels(): void {
    this.#models = null;
  }

  /** The models with what is declared of them. `isGone`: nothing can be loaded there now. */
  models(settings: ProviderSettings, adapter: ProviderAdapter, isGone: boolean): ReadonlyMap<string, ModelFacts> {
    const reported = this.#findings?.models ?? null;
    this.#models ??= mergeModels({
      reported: isGone && reported !== null ? reported.map(withoutVolatile) : reported,
      declared: settings.models,
      isSingleModel: this.#findings?.isSingleModel ?? false,
      isSameName: adapter.isSameName,
    });
    return this.#models;
  }

  /** What is worth keeping over a restart; null: it never told a list. */
  asSaved(settings: ProviderSettings): SavedList | null {
    if (this.#findings === null || this.#findings.models === null) return null;
    const { version, isSingleModel, loadsOnDemand, models } = this.#findings;
    return { kind: settings.kind, baseUrl: settings.baseUrl, version, isSingleModel, loadsOnDemand, models };
  }
}
