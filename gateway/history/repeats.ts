// Finds things that were packed before: most decisions of a batch are the same, and so are most requests' facts.

/** The things of one kind in one batch, each a stretch of the batch's numbers; equal ones have one number. */
export class Repeats {
  readonly #starts: number[] = [];
  readonly #lengths: number[] = [];
  /** The latest thing of each hash: another of the same hash takes its place, and its repeats are packed again. */
  readonly #byHash = new Map<number, number>();

  /** How many different ones there are: the number of the next one. */
  get count(): number {
    return this.#starts.length;
  }

  /** The number of the thing that stands from `start` to `end`: of an equal one before it, else the next. */
  numberOf(numbers: Float64Array, start: number, end: number): number {
    const hash = hashOf(numbers, start, end);
    const known = this.#byHash.get(hash);
    if (known !== undefined && this.#isEqual(known, numbers, start, end)) return known;
    const next = this.#starts.push(start) - 1;
    this.#lengths.push(end - start);
    this.#byHash.set(hash, next);
    return next;
  }

  clear(): void {
    this.#starts.length = 0;
    this.#lengths.length = 0;
    this.#byHash.clear();
  }

  #isEqual(known: number, numbers: Float64Array, start: number, end: number): boolean {
    if (this.#lengths[known] !== end - start) return false;
    const offset = start - (this.#starts[known] ?? 0);
    for (let index = start; index < end; index++) {
      const [here, there] = [numbers[index], numbers[index - offset]];
      // Not a number stands for null.
      if (here !== there && !(Number.isNaN(here) && Number.isNaN(there))) return false;
    }
    return true;
  }
}

function hashOf(numbers: Float64Array, start: number, end: number): number {
  let hash = end - start;
  for (let index = start; index < end; index++) hash = (Math.imul(hash, 31) + ((numbers[index] ?? 0) | 0)) | 0;
  return hash;
}
