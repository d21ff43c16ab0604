// Things by name that are made when first asked for. Names come from clients and servers, so idle ones do not stay for ever.

/** So many may lie idle before they are looked through. */
const IDLE_KEPT = 64;

export interface Idle {
  /** Nothing would be lost with it. */
  readonly isIdle: boolean;
}

/** Holds at most twice as many as were busy when it last looked, and never drops below 64 for being idle. */
export class Registry<T extends Idle> {
  readonly #items = new Map<string, T>();
  readonly #make: (name: string) => T;
  #lookThroughAt = IDLE_KEPT;

  constructor(make: (name: string) => T) {
    this.#make = make;
  }

  get size(): number {
    return this.#items.size;
  }

  /** Null: never asked for, or idle and dropped since. */
  find(name: string): T | null {
    return this.#items.get(name) ?? null;
  }

  /** Whoever keeps it over the next call must have made it busy. */
  get(name: string): T {
    return this.#items.get(name) ?? this.#add(name);
  }

  values(): Iterable<T> {
    return this.#items.values();
  }

  #add(name: string): T {
    if (this.#items.size >= this.#lookThroughAt) {
      for (const [key, item] of this.#items) if (item.isIdle) this.#items.delete(key);
      this.#lookThroughAt = Math.max(IDLE_KEPT, this.#items.size * 2);
    }
    const made = this.#make(name);
    this.#items.set(name, made);
    return made;
  }
}
