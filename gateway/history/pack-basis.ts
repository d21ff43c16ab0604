// The snapshots and settings that decisions were made from, on their way to the worker: each once, as bytes.

import { serialize } from 'node:v8';
import type { ModelFacts, Snapshot } from '../types.ts';
import type { StoredSettings } from './history.ts';

type ModelList = ReadonlyMap<string, ModelFacts>;

interface Numbered {
  /** Counts up over the life of the process; what is named in a later batch is not sent again. */
  readonly number: number;
  /** V8's serialization. */
  readonly body: Uint8Array<ArrayBufferLike>;
}

export interface PackedSnapshot extends Numbered {
  readonly atMs: number;
  readonly version: number;
  /** The number of each provider's list of models, in the order of the providers in `body`. */
  readonly lists: readonly number[];
}

/** What is new in a batch. */
export interface PackedBases {
  readonly lists: readonly Numbered[];
  readonly snapshots: readonly PackedSnapshot[];
  readonly settings: readonly Numbered[];
}

const nothingNew: PackedBases = Object.freeze({ lists: [], snapshots: [], settings: [] });

/** Hands out numbers for snapshots and settings, and packs those that the worker has not got. */
export class BasisPacker {
  #count = 0;
  #snapshots = new WeakMap<Snapshot, number>();
  #lists = new WeakMap<ModelList, number>();
  #settings = new WeakMap<object, number>();
  #lastSnapshot: Snapshot | null = null;
  #lastSnapshotNumber = 0;
  #lastSettings: object | null = null;
  #lastSettingsNumber = 0;
  #newLists: Numbered[] = [];
  #newSnapshots: PackedSnapshot[] = [];
  #newSettings: Numbered[] = [];
  #bytes = 0;

  /** Bytes that wait to be sent. */
  get bytes(): number {
    return this.#bytes;
  }

  numberOf(snapshot: Snapshot): number {
    if (snapshot === this.#lastSnapshot) return this.#lastSnapshotNumber;
    this.#lastSnapshot = snapshot;
    this.#lastSnapshotNumber = this.#snapshots.get(snapshot) ?? this.#pack(snapshot);
    return this.#lastSnapshotNumber;
  }

  numberOfSettings(settings: StoredSettings): number {
    if (settings === this.#lastSettings) return this.#lastSettingsNumber;
    this.#lastSettings = settings;
    this.#lastSettingsNumber = this.#settings.get(settings) ?? this.#packSettings(settings);
    return this.#lastSettingsNumber;
  }

  /** What is new since the last call. */
  finish(): PackedBases {
    if (this.#count === 0 || this.#bytes === 0) return nothingNew;
    const packed = { lists: this.#newLists, snapshots: this.#newSnapshots, settings: this.#newSettings };
    this.#newLists = [];
    this.#newSnapshots = [];
    this.#newSettings = [];
    this.#bytes = 0;
    return packed;
  }

  /** The worker may have lost what it was sent: all of it is sent again when it is next needed. */
  forgetSent(): void {
    this.#snapshots = new WeakMap();
    this.#lists = new WeakMap();
    this.#settings = new WeakMap();
    this.#lastSnapshot = null;
    this.#lastSettings = null;
  }

  #pack(snapshot: Snapshot): number {
    const number = ++this.#count;
    const lists: number[] = [];
    const providers = [];
    for (const { models, load, ...rest } of snapshot.providers.values()) {
      lists.push(this.#lists.get(models) ?? this.#packList(models));
      // The load is counted live: what is kept is a copy.
      providers.push({ ...rest, load: { inFlight: load.inFlight, queued: load.queued } });
    }
    const body = this.#bytesOf(providers);
    this.#newSnapshots.push({ number, atMs: snapshot.atMs, version: snapshot.version, lists, body });
    this.#snapshots.set(snapshot, number);
    return number;
  }

  #packList(models: ModelList): number {
    const number = ++this.#count;
    this.#newLists.push({ number, body: this.#bytesOf(models) });
    this.#lists.set(models, number);
    return number;
  }

  #packSettings(settings: StoredSettings): number {
    const number = ++this.#count;
    const providers = new Map(
      Array.from(settings.providers, ([name, provider]) => [name, { ...provider, apiKey: null, headers: {} }]),
    );
    const { routing, reliability } = settings;
    this.#newSettings.push({ number, body: this.#bytesOf({ providers, routing, reliability }) });
    this.#settings.set(settings, number);
    return number;
  }

  #bytesOf(value: unknown): Uint8Array<ArrayBufferLike> {
    const body = serialize(value);
    this.#bytes += body.length;
    return body;
  }
}
