// Finds a model name among all that providers list. Built once per list, remembered per name and state of the fleet.

import type { ModelFacts, ProviderSnapshot, Snapshot } from '../types.ts';
import { BoundedMemory } from './bounded-memory.ts';
import { type Identity, looseName, type Naming } from './naming.ts';

/** How one provider has the model that a name stands for. */
export interface ListedModel {
  readonly facts: ModelFacts;
  readonly source: 'listed' | 'alias' | 'same_model';
}

/** Everything known of one name. */
export interface NamedModel {
  /** By provider name, in the order of the snapshot; without providers that do not list it. */
  readonly listedBy: ReadonlyMap<string, ListedModel>;
  /** Parameters: as the first provider that lists it knows, else as the name tells; null: not known. */
  readonly size: number | null;
}

interface NameEntry {
  readonly name: string;
  readonly isAlias: boolean;
  readonly facts: ModelFacts;
}

interface IdentifiedModel {
  readonly identity: Identity;
  readonly facts: ModelFacts;
}

/** One provider's list, by loose name and by family. */
interface ListIndex {
  readonly byName: ReadonlyMap<string, readonly NameEntry[]>;
  readonly byFamily: ReadonlyMap<string, readonly IdentifiedModel[]>;
}

const REMEMBERED_NAMES = 2_000;

/** Looks names up. What it remembers is invisible: it depends on nothing but the arguments. */
export class ModelIndex {
  readonly #naming: Naming;
  readonly #lists = new WeakMap<ReadonlyMap<string, ModelFacts>, ListIndex>();
  readonly #fleets = new WeakMap<Snapshot['providers'], BoundedMemory<string, NamedModel>>();

  constructor(naming: Naming) {
    this.#naming = naming;
  }

  find(name: string, providers: Snapshot['providers']): NamedModel {
    let names = this.#fleets.get(providers);
    if (!names) {
      names = new BoundedMemory(REMEMBERED_NAMES);
      this.#fleets.set(providers, names);
    }
    let found = names.get(name);
    if (!found) {
      found = this.#search(name, providers);
      names.set(name, found);
    }
    return found;
  }

  #search(name: string, providers: Snapshot['providers']): NamedModel {
    const loose = looseName(name);
    const direct = new Map<string, ListedModel>();
    for (const provider of providers.values()) {
      const entries = this.#index(provider).byName.get(loose);
      const entry = entries && this.#choose(entries, provider, name);
      if (entry) direct.set(provider.name, { facts: entry.facts, source: entry.isAlias ? 'alias' : 'listed' });
    }
    const listedBy = this.#addSameModels(name, providers, direct);
    let size: number | null = null;
    for (const { facts } of listedBy.values()) size ??= facts.size;
    return { listedBy, size: size ?? this.#naming.sizeInName(name) };
  }

  /** The id as written, else an id that is the same here, else an alias. */
  #choose(entries: readonly NameEntry[], provider: ProviderSnapshot, name: string): NameEntry | undefined {
    const isSame = (entry: NameEntry): boolean =>
      entry.name === name || this.#naming.isSameName(provider.kind, entry.name, name);
    return (
      entries.find((entry) => !entry.isAlias && entry.name === name) ??
      entries.find((entry) => !entry.isAlias && isSame(entry)) ??
      entries.find((entry) => entry.isAlias && isSame(entry))
    );
  }

  /** Providers that have the same model under another name; the order of the snapshot is kept. */
  #addSameModels(
    name: string,
    providers: Snapshot['providers'],
    direct: ReadonlyMap<string, ListedModel>,
  ): ReadonlyMap<string, ListedModel> {
    const wanted = this.#identities(name, direct);
    if (wanted.length === 0) return direct;
    const all = new Map<string, ListedModel>();
    for (const provider of providers.values()) {
      const found = direct.get(provider.name) ?? this.#findSameModel(wanted, provider);
      if (found) all.set(provider.name, found);
    }
    return all;
  }

  /** What the name stands for: as its providers know it, or as the name alone tells. */
  #identities(name: string, direct: ReadonlyMap<string, ListedModel>): readonly Identity[] {
    const identities: Identity[] = [];
    for (const { facts } of direct.values()) {
      const identity = this.#naming.identify(facts.id, facts);
      if (identity.family !== null) identities.push(identity);
    }
    if (direct.size > 0) return identities;
    const own = this.#naming.identify(name, null);
    return own.family === null ? [] : [own];
  }

  #findSameModel(wanted: readonly Identity[], provider: ProviderSnapshot): ListedModel | null {
    const { byFamily } = this.#index(provider);
    let found: ModelFacts | null = null;
    for (const identity of wanted) {
      for (const known of byFamily.get(identity.family ?? '') ?? []) {
        if (this.#naming.likeness(identity, known.identity) !== 'same') continue;
        if (known.facts.isLoaded === true) return { facts: known.facts, source: 'same_model' };
        found ??= known.facts;
      }
    }
    return found && { facts: found, source: 'same_model' };
  }

  #index(provider: ProviderSnapshot): ListIndex {
    let index = this.#lists.get(provider.models);
    if (!index) {
      index = buildIndex(provider.models, this.#naming);
      this.#lists.set(provider.models, index);
    }
    return index;
  }
}

function buildIndex(models: ReadonlyMap<string, ModelFacts>, naming: Naming): ListIndex {
  const byName = new Map<string, NameEntry[]>();
  const byFamily = new Map<string, IdentifiedModel[]>();
  for (const facts of models.values()) {
    append(byName, looseName(facts.id), { name: facts.id, isAlias: false, facts });
    for (const alias of facts.aliases) append(byName, looseName(alias), { name: alias, isAlias: true, facts });
    const identity = naming.identify(facts.id, facts);
    if (identity.family !== null) append(byFamily, identity.family, { identity, facts });
  }
  return { byName, byFamily };
}

function append<Value>(map: Map<string, Value[]>, key: string, value: Value): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}
