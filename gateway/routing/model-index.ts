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
  size(): number | null;
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

interface NameAlone {
  readonly identity: Identity;
  readonly size: number | null;
}

/** One provider's list, by loose name and by family. */
interface ListIndex {
  readonly byName: ReadonlyMap<string, readonly NameEntry[]>;
  readonly byFamily: ReadonlyMap<string, readonly IdentifiedModel[]>;
  /** Which of its models is the same as another one, as far as somebody has asked: a new list of one provider leaves those of the others. */
  readonly sameModels: BoundedMemory<Identity, ModelFacts | null>;
}

const REMEMBERED_NAMES = 2_000;
const REMEMBERED_IDENTITIES = 10_000;

/** Looks names up. What it remembers is invisible: it depends on nothing but the arguments. */
export class ModelIndex {
  readonly #naming: Naming;
  readonly #lists = new WeakMap<ReadonlyMap<string, ModelFacts>, ListIndex>();
  readonly #identities = new BoundedMemory<string, Identity>(REMEMBERED_IDENTITIES);
  /** Of names that nobody lists: what the name alone tells. */
  readonly #namesAlone = new BoundedMemory<string, NameAlone>(REMEMBERED_NAMES);
  readonly #fleets = new WeakMap<Snapshot['providers'], BoundedMemory<string, NamedModel>>();
  #latest: Snapshot['providers'] | null = null;

  constructor(naming: Naming) {
    this.#naming = naming;
  }

  find(name: string, providers: Snapshot['providers']): NamedModel {
    const names = this.#namesOf(providers);
    let found = names.get(name);
    if (!found) {
      found = this.#search(name, providers);
      names.set(name, found);
    }
    return found;
  }

  /** An object that stays the same as long as the lists do: what depends on nothing else can be remembered by it. */
  listsOf(providers: Snapshot['providers']): object {
    return this.#namesOf(providers);
  }

  /** A fleet whose lists are those of the one before (only health or load changed) has the same names. */
  #namesOf(providers: Snapshot['providers']): BoundedMemory<string, NamedModel> {
    const known = this.#fleets.get(providers);
    if (known) return known;
    const before = this.#latest && hasSameLists(this.#latest, providers) ? this.#fleets.get(this.#latest) : undefined;
    const names = before ?? new BoundedMemory<string, NamedModel>(REMEMBERED_NAMES);
    this.#fleets.set(providers, names);
    this.#latest = providers;
    return names;
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
    return { listedBy, size: () => sizeIn(listedBy) ?? this.#alone(name).size };
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
    const wanted = this.#wantedFor(name, direct);
    if (wanted.length === 0) return direct;
    const all = new Map<string, ListedModel>();
    for (const provider of providers.values()) {
      const found = direct.get(provider.name) ?? this.#findSameModel(wanted, provider);
      if (found) all.set(provider.name, found);
    }
    return all;
  }

  /** What the name stands for: as its providers know it, or as the name alone tells. */
  #wantedFor(name: string, direct: ReadonlyMap<string, ListedModel>): readonly Identity[] {
    if (direct.size === 0) {
      const own = this.#alone(name).identity;
      return own.family === null ? [] : [own];
    }
    const identities: Identity[] = [];
    for (const { facts } of direct.values()) {
      const identity = this.#identify(facts);
      const isNew = identities.every((other) => this.#naming.likeness(other, identity) !== 'same');
      if (identity.family !== null && isNew) identities.push(identity);
    }
    return identities;
  }

  #findSameModel(wanted: readonly Identity[], provider: ProviderSnapshot): ListedModel | null {
    const index = this.#index(provider);
    let found: ModelFacts | null = null;
    for (const identity of wanted) {
      const same = this.#sameIn(index, identity);
      if (same?.isLoaded === true) return { facts: same, source: 'same_model' };
      found ??= same;
    }
    return found && { facts: found, source: 'same_model' };
  }

  /** A loaded one before others. */
  #sameIn({ byFamily, sameModels }: ListIndex, wanted: Identity): ModelFacts | null {
    const remembered = sameModels.get(wanted);
    if (remembered !== undefined) return remembered;
    let found: ModelFacts | null = null;
    for (const known of byFamily.get(wanted.family ?? '') ?? []) {
      if (this.#naming.likeness(wanted, known.identity) !== 'same') continue;
      if (found === null || known.facts.isLoaded === true) found = known.facts;
      if (found.isLoaded === true) break;
    }
    sameModels.set(wanted, found);
    return found;
  }

  #alone(name: string): NameAlone {
    let alone = this.#namesAlone.get(name);
    if (!alone) {
      alone = { identity: this.#naming.identify(name, null), size: this.#naming.sizeInName(name) };
      this.#namesAlone.set(name, alone);
    }
    return alone;
  }

  #index(provider: ProviderSnapshot): ListIndex {
    let index = this.#lists.get(provider.models);
    if (!index) {
      index = buildIndex(provider.models, (facts) => this.#identify(facts));
      this.#lists.set(provider.models, index);
    }
    return index;
  }

  /** Lists are told anew every few seconds with the same models in them: a name is read once. */
  #identify(facts: ModelFacts): Identity {
    const key = `${facts.id} ${facts.quantization} ${facts.size} ${facts.activeSize}`;
    let identity = this.#identities.get(key);
    if (!identity) {
      identity = this.#naming.identify(facts.id, facts);
      this.#identities.set(key, identity);
    }
    return identity;
  }
}

/** The same providers with the same lists, switched on and off alike. */
function hasSameLists(before: Snapshot['providers'], now: Snapshot['providers']): boolean {
  if (before.size !== now.size) return false;
  const former = before.values();
  for (const { name, kind, models, isEnabled } of now.values()) {
    const other = former.next().value;
    if (other?.name !== name || other.models !== models) return false;
    if (other.kind !== kind || other.isEnabled !== isEnabled) return false;
  }
  return true;
}

function sizeIn(listedBy: ReadonlyMap<string, ListedModel>): number | null {
  for (const { facts } of listedBy.values()) if (facts.size !== null) return facts.size;
  return null;
}

function buildIndex(models: ReadonlyMap<string, ModelFacts>, identify: (facts: ModelFacts) => Identity): ListIndex {
  const byName = new Map<string, NameEntry[]>();
  const byFamily = new Map<string, IdentifiedModel[]>();
  for (const facts of models.values()) {
    append(byName, looseName(facts.id), { name: facts.id, isAlias: false, facts });
    for (const alias of facts.aliases) append(byName, looseName(alias), { name: alias, isAlias: true, facts });
    const identity = identify(facts);
    if (identity.family !== null) append(byFamily, identity.family, { identity, facts });
  }
  return { byName, byFamily, sameModels: new BoundedMemory(REMEMBERED_NAMES) };
}

function append<Value>(map: Map<string, Value[]>, key: string, value: Value): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}
