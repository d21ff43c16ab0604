// Counters and histograms as the hot path needs them: a series is looked up once and then only added to.
// prom-client, which looks its labels up at every step (0.6 µs each), gets them when somebody asks for the page.

/** Series one metric may have; what comes after shares one whose labels all say `other`. */
export const mostSeries = 500;
export const other = 'other';

export class CounterSeries {
  readonly labels: readonly string[];
  value = 0;
  constructor(labels: readonly string[]) {
    this.labels = labels;
  }
}

export class HistogramSeries {
  readonly labels: readonly string[];
  readonly buckets: Float64Array;
  #bounds: readonly number[];
  count = 0;
  sum = 0;

  constructor(labels: readonly string[], bounds: readonly number[]) {
    this.labels = labels;
    this.#bounds = bounds;
    this.buckets = new Float64Array(bounds.length);
  }

  /** Values beyond the last bound are in count and sum alone. */
  observe(value: number): void {
    this.count++;
    this.sum += value;
    const bounds = this.#bounds;
    for (let index = 0; index < bounds.length; index++) {
      if (value <= (bounds[index] ?? 0)) {
        this.buckets[index] = (this.buckets[index] ?? 0) + 1;
        return;
      }
    }
  }
}

/** All series of one metric. */
class Family<Series extends { readonly labels: readonly string[] }> {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
  #make: (labels: readonly string[]) => Series;
  #series = new Map<string, Series>();

  constructor(name: string, help: string, labelNames: readonly string[], make: (labels: readonly string[]) => Series) {
    this.name = name;
    this.help = help;
    this.labelNames = labelNames;
    this.#make = make;
  }

  /** The series with these label values, in the order of `labelNames`. */
  with(...labels: string[]): Series {
    const key = labels.join('\u0000');
    const known = this.#series.get(key);
    if (known) return known;
    const isFull = this.#series.size >= mostSeries - 1;
    if (isFull && labels.some((label) => label !== other)) return this.with(...labels.map(() => other));
    const made = this.#make(labels);
    this.#series.set(key, made);
    return made;
  }

  all(): Iterable<Series> {
    return this.#series.values();
  }
}

export type Counters = Family<CounterSeries>;
export type Histograms = Family<HistogramSeries> & { readonly bounds: readonly number[] };

export function counters(name: string, help: string, labelNames: readonly string[] = []): Counters {
  return new Family(name, help, labelNames, (labels) => new CounterSeries(labels));
}

export function histograms(
  name: string,
  help: string,
  labelNames: readonly string[],
  bounds: readonly number[],
): Histograms {
  const family = new Family(name, help, labelNames, (labels) => new HistogramSeries(labels, bounds));
  return Object.assign(family, { bounds });
}

/** Sums over the last five minutes, in ten parts of 30 s. */
export class RecentMean {
  #counts = new Float64Array(recentParts);
  #sums = new Float64Array(recentParts);
  #latestPart = 0;

  add(value: number, atMs: number): void {
    const part = this.#move(atMs) % recentParts;
    this.#counts[part] = (this.#counts[part] ?? 0) + 1;
    this.#sums[part] = (this.#sums[part] ?? 0) + value;
  }

  /** Null when there was nothing in the last five minutes. */
  mean(atMs: number): number | null {
    this.#move(atMs);
    let count = 0;
    let sum = 0;
    for (let part = 0; part < recentParts; part++) {
      count += this.#counts[part] ?? 0;
      sum += this.#sums[part] ?? 0;
    }
    return count === 0 ? null : sum / count;
  }

  /** Empties the parts that time has passed over. A clock that goes back stays in the latest part. */
  #move(atMs: number): number {
    const part = Math.floor(atMs / recentPartMs);
    if (part <= this.#latestPart) return this.#latestPart;
    for (let empty = Math.max(this.#latestPart + 1, part - recentParts + 1); empty <= part; empty++) {
      this.#counts[empty % recentParts] = 0;
      this.#sums[empty % recentParts] = 0;
    }
    this.#latestPart = part;
    return part;
  }
}

const recentParts = 10;
const recentPartMs = 30_000;
