// The breakers of deployments and providers, found by name and bounded in number. Only those that failed lately have one.

import { Breaker } from './breaker.ts';

export interface Cell {
  readonly provider: string;
  /** Null: the provider as a whole. */
  readonly model: string | null;
  readonly breaker: Breaker;
}

interface ProviderCells {
  whole: Cell | null;
  readonly models: Map<string, Cell>;
}

export class CooldownCells implements Iterable<Cell> {
  readonly #limit: number;
  readonly #providers = new Map<string, ProviderCells>();
  /** The same, the oldest first. */
  readonly #all = new Set<Cell>();

  /** @param limit how many are kept; whoever keeps one more asks for `victim` first */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#all.size;
  }

  get isFull(): boolean {
    return this.#all.size >= this.#limit;
  }

  /** Removing the one that came last is allowed meanwhile. */
  [Symbol.iterator](): IterableIterator<Cell> {
    return this.#all.values();
  }

  has(cell: Cell): boolean {
    return this.#all.has(cell);
  }

  find(provider: string, model: string | null): Cell | null {
    const cells = this.#providers.get(provider);
    return (model === null ? cells?.whole : cells?.models.get(model)) ?? null;
  }

  /** That of the provider as a whole and those of its deployments. */
  of(provider: string): readonly Cell[] {
    const cells = this.#providers.get(provider);
    if (cells === undefined) return [];
    return cells.whole === null ? [...cells.models.values()] : [cells.whole, ...cells.models.values()];
  }

  /** The one that is missed least: the oldest that is closed, else the oldest. */
  victim(): Cell | null {
    let oldest: Cell | null = null;
    for (const cell of this.#all) {
      if (cell.breaker.opening === null) return cell;
      oldest ??= cell;
    }
    return oldest;
  }

  /** A new one, not kept yet. */
  create(provider: string, model: string | null): Cell {
    return { provider, model, breaker: new Breaker() };
  }

  keep(cell: Cell): void {
    this.#all.add(cell);
    const cells = this.#providers.get(cell.provider) ?? { whole: null, models: new Map<string, Cell>() };
    if (cell.model === null) cells.whole = cell;
    else cells.models.set(cell.model, cell);
    this.#providers.set(cell.provider, cells);
  }

  remove(cell: Cell): void {
    if (!this.#all.delete(cell)) return;
    const cells = this.#providers.get(cell.provider);
    if (cells === undefined) return;
    if (cell.model === null) cells.whole = null;
    else cells.models.delete(cell.model);
    if (cells.whole === null && cells.models.size === 0) this.#providers.delete(cell.provider);
  }
}
