// Measurements of one kind, and what they come to. Bounded: the latest ones are kept, each with the time it was taken.

import type { SavedRatio, SavedSample } from '../catalog/saved-learning.ts';

/** What each newer sample leaves of an older one's weight: after seven it counts half. */
const SAMPLE_DECAY = 0.9;
/** Below this weight all older ones together no longer show. */
const NEGLIGIBLE_WEIGHT = 1e-5;

/** The latest samples, up to a number. */
export class SampleWindow {
  #times: Float64Array;
  #values: Float64Array;
  #next = 0;
  #count = 0;

  /** @param capacity how many are kept, 1 at least */
  constructor(capacity: number, saved: readonly SavedSample[] = []) {
    const length = Math.max(1, capacity);
    this.#times = new Float64Array(length);
    this.#values = new Float64Array(length);
    for (const [atMs, value] of saved) this.add(atMs, value);
  }

  get capacity(): number {
    return this.#times.length;
  }

  /** @param atMs epoch ms; a clock that was set back moves no sample before the last one */
  add(atMs: number, value: number): void {
    const { length } = this.#times;
    const last = this.#count === 0 ? atMs : (this.#times[(this.#next + length - 1) % length] ?? atMs);
    this.#times[this.#next] = Math.max(atMs, last);
    this.#values[this.#next] = value;
    this.#next = (this.#next + 1) % length;
    if (this.#count < length) this.#count += 1;
  }

  /** Mean of those younger than `ttlMs`, the newer the heavier; null: there is none. */
  smoothed(nowMs: number, ttlMs: number): number | null {
    let [sum, weights, weight] = [0, 0, 1];
    for (let age = 1; age <= this.#count && weight > NEGLIGIBLE_WEIGHT; age += 1) {
      const index = this.#indexOf(age);
      if (nowMs - (this.#times[index] ?? 0) >= ttlMs) break;
      sum += weight * (this.#values[index] ?? 0);
      weights += weight;
      weight *= SAMPLE_DECAY;
    }
    return weights === 0 ? null : sum / weights;
  }

  /** Plain mean of those younger than `ttlMs`; null: there is none. */
  mean(nowMs: number, ttlMs: number): number | null {
    const count = this.countWithin(nowMs, ttlMs);
    let sum = 0;
    for (let age = 1; age <= count; age += 1) sum += this.#values[this.#indexOf(age)] ?? 0;
    return count === 0 ? null : sum / count;
  }

  /** The value that this fraction of those younger than `ttlMs` does not exceed (nearest rank); null: there is none. */
  percentile(nowMs: number, ttlMs: number, fraction: number): number | null {
    const count = this.countWithin(nowMs, ttlMs);
    if (count === 0) return null;
    const values = new Float64Array(count);
    for (let age = 1; age <= count; age += 1) values[age - 1] = this.#values[this.#indexOf(age)] ?? 0;
    values.sort();
    return values[Math.max(0, Math.ceil(fraction * count) - 1)] ?? null;
  }

  /** How many are younger than that. */
  countWithin(nowMs: number, ageMs: number): number {
    let count = 0;
    while (count < this.#count && nowMs - (this.#times[this.#indexOf(count + 1)] ?? 0) < ageMs) count += 1;
    return count;
  }

  /** The latest ones, the oldest first. */
  saved(most: number): readonly SavedSample[] {
    const samples: SavedSample[] = [];
    for (let age = Math.min(most, this.#count); age >= 1; age -= 1) {
      const index = this.#indexOf(age);
      samples.push([Math.round(this.#times[index] ?? 0), rounded(this.#values[index] ?? 0)]);
    }
    return samples;
  }

  /** 1 is the newest. */
  #indexOf(age: number): number {
    const index = this.#next - age;
    return index < 0 ? index + this.#times.length : index;
  }
}

/** What each newer part leaves of an older one's weight in a ratio. */
const RATIO_DECAY = 0.95;

/** So much per so much, each part with the weight of its size, the newer the heavier: tokens per ms, ms per request. */
export class Ratio {
  #amount: number;
  #per: number;

  constructor([amount, per]: SavedRatio = [0, 0]) {
    this.#amount = amount;
    this.#per = per;
  }

  /** Parts that are no positive amount of something are passed over. */
  add(amount: number, per: number): void {
    if (!(amount >= 0 && per > 0 && amount < Number.POSITIVE_INFINITY && per < Number.POSITIVE_INFINITY)) return;
    this.#amount = this.#amount * RATIO_DECAY + amount;
    this.#per = this.#per * RATIO_DECAY + per;
  }

  /** Null: nothing was added yet. */
  get value(): number | null {
    return this.#per > 0 ? this.#amount / this.#per : null;
  }

  saved(): SavedRatio {
    return [rounded(this.#amount), rounded(this.#per)];
  }
}

function rounded(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
