// Counts of values in logarithmic buckets: any percentile within one percent, and two of them can be added up.
// The scheme is that of DDSketch (Masson, Rim, Lee: "DDSketch", VLDB 2019); the stored form is our own.

const accuracy = 0.01;
const gamma = (1 + accuracy) / (1 - accuracy);
const perBucket = Math.log(gamma);
/** What is smaller counts as zero. */
export const leastValue = 1e-3;
/** What is larger counts as this. */
export const largestValue = 1e9;
/** Bucket 0 holds zeros; bucket n ends at `leastValue * gamma ** (n - 1)`. */
const bucketCount = bucketOf(largestValue) + 1;
/** First byte of the stored form. */
const form = 1;

/** Many are made and never filled. */
const none = new Float64Array(0);
const firstRoom = 16;

/** Numbers from 0 to 1e9 of any unit; negative ones count as zero. Takes at most 11 kB. */
export class Sketch {
  #counts = none;
  /** Bucket of `#counts[0]`. */
  #first = 0;
  #total = 0;

  get count(): number {
    return this.#total;
  }

  add(value: number): void {
    this.#addTo(bucketOf(value), 1);
  }

  /** @param bytes what `toBytes` made, or null for nothing. Throws `RangeError` for anything else. */
  addBytes(bytes: Uint8Array | null): void {
    if (bytes === null) return;
    if (bytes[0] !== form) throw new RangeError('not a sketch');
    let bucket = 0;
    let at = 1;
    while (at < bytes.length) {
      // Two numbers of seven bits a byte: written out, for this is where long questions spend their time.
      let byte = bytes[at++] ?? 0;
      let step = byte & 0x7f;
      for (let scale = 128; byte > 127; scale *= 128) {
        byte = bytes[at++] ?? 0;
        step += (byte & 0x7f) * scale;
      }
      if (at >= bytes.length) throw new RangeError('a sketch ends too early');
      byte = bytes[at++] ?? 0;
      let count = byte & 0x7f;
      for (let scale = 128; byte > 127; scale *= 128) {
        byte = bytes[at++] ?? 0;
        count += (byte & 0x7f) * scale;
      }
      bucket += step;
      if (bucket >= bucketCount) throw new RangeError('a sketch names a bucket that is not there');
      this.#addTo(bucket, count);
    }
  }

  merge(other: Sketch): void {
    for (let index = 0; index < other.#counts.length; index++) {
      const count = other.#counts[index] ?? 0;
      if (count > 0) this.#addTo(other.#first + index, count);
    }
  }

  /** @param share 0 to 1. The value of that rank (the nearest from below), within one percent; null when there is none. */
  quantile(share: number): number | null {
    if (this.#total === 0) return null;
    let left = Math.max(1, Math.ceil(share * this.#total));
    for (let index = 0; index < this.#counts.length; index++) {
      left -= this.#counts[index] ?? 0;
      if (left <= 0) return valueAt(this.#first + index);
    }
    return valueAt(this.#first + this.#counts.length - 1);
  }

  /** Null: empty. About three bytes per bucket in use. */
  toBytes(): Buffer | null {
    if (this.#total === 0) return null;
    const bytes: number[] = [form];
    let previous = 0;
    for (let index = 0; index < this.#counts.length; index++) {
      const count = this.#counts[index] ?? 0;
      if (count === 0) continue;
      pushNumber(bytes, this.#first + index - previous);
      pushNumber(bytes, count);
      previous = this.#first + index;
    }
    return Buffer.from(bytes);
  }

  #addTo(bucket: number, count: number): void {
    if (this.#total === 0) {
      this.#counts = new Float64Array(firstRoom);
      this.#first = Math.max(0, bucket - firstRoom / 2);
    }
    const index = bucket - this.#first;
    if (index < 0 || index >= this.#counts.length) this.#makeRoom(bucket);
    const place = bucket - this.#first;
    this.#counts[place] = (this.#counts[place] ?? 0) + count;
    this.#total += count;
  }

  #makeRoom(bucket: number): void {
    const end = this.#first + this.#counts.length;
    const slack = this.#counts.length;
    const first = bucket < this.#first ? Math.max(0, bucket - slack) : this.#first;
    const newEnd = bucket < end ? end : Math.min(bucketCount, bucket + 1 + slack);
    const counts = new Float64Array(newEnd - first);
    counts.set(this.#counts.subarray(0, newEnd - this.#first), this.#first - first);
    this.#counts = counts;
    this.#first = first;
  }
}

function bucketOf(value: number): number {
  if (!(value >= leastValue)) return 0;
  return 1 + Math.ceil(Math.log(Math.min(value, largestValue) / leastValue) / perBucket);
}

function valueAt(bucket: number): number {
  return bucket === 0 ? 0 : (leastValue * 2 * gamma ** (bucket - 1)) / (gamma + 1);
}

function pushNumber(bytes: number[], value: number): void {
  let left = value;
  for (; left > 127; left = Math.floor(left / 128)) bytes.push((left % 128) | 0x80);
  bytes.push(left);
}
