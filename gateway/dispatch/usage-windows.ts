// How many requests and tokens a deployment took in the sliding minute: exact to the millisecond, in bounded memory.

const MINUTE_MS = 60_000;
const FIRST_CAPACITY = 16;
/** An emptied ring that had grown beyond this gives its memory back. */
const KEPT_CAPACITY = 1_024;

/** Where a request was noted: what its tokens are corrected by. */
export type UsagePlace = number;

/**
 * Requests count from their start, their tokens by an estimate that their end corrects. What came `MINUTE_MS` ago or
 * earlier counts no more. Requests of one millisecond share an entry, so there are never more than one minute's.
 */
export class UsageWindow {
  /** Rings whose length is a power of two; an entry's place is its running number modulo that length. */
  #times = new Float64Array(FIRST_CAPACITY);
  #counts = new Float64Array(FIRST_CAPACITY);
  #tokens = new Float64Array(FIRST_CAPACITY);
  /** Running numbers: of the oldest entry, and of the next one. */
  #first = 0;
  #next = 0;
  #requestSum = 0;
  #tokenSum = 0;

  /**
   * Notes the start of a request.
   * @param nowMs of a clock that only grows
   * @param reservedTokens what it will take, as far as can be told before
   * @returns what `correct` wants
   */
  add(nowMs: number, reservedTokens: number): UsagePlace {
    return this.#note(nowMs, 1, reservedTokens);
  }

  /**
   * Puts the tokens a request really took in place of those reserved for it. Where its start counts no more, what it took
   * beyond them counts from now.
   */
  correct(nowMs: number, place: UsagePlace, reservedTokens: number, takenTokens: number): void {
    const difference = takenTokens - reservedTokens;
    if (difference === 0) return;
    this.#expire(nowMs);
    if (place >= this.#first) {
      const index = place & (this.#tokens.length - 1);
      this.#tokens[index] = (this.#tokens[index] ?? 0) + difference;
      this.#tokenSum += difference;
    } else if (difference > 0) {
      this.#note(nowMs, 0, difference);
    }
  }

  /** Takes a request out again that never took place, unless its start counts no more. */
  takeBack(nowMs: number, place: UsagePlace, reservedTokens: number): void {
    this.#expire(nowMs);
    if (place < this.#first) return;
    const index = place & (this.#tokens.length - 1);
    this.#counts[index] = (this.#counts[index] ?? 0) - 1;
    this.#tokens[index] = (this.#tokens[index] ?? 0) - reservedTokens;
    this.#requestSum -= 1;
    this.#tokenSum -= reservedTokens;
  }

  /** Ms until no more than `most` requests count, if none comes meanwhile; 0: now already; Infinity: never. */
  msUntilRequests(nowMs: number, most: number): number {
    this.#expire(nowMs);
    return this.#msUntilGone(nowMs, this.#counts, this.#requestSum - most);
  }

  /** The same for tokens. */
  msUntilTokens(nowMs: number, most: number): number {
    this.#expire(nowMs);
    return this.#msUntilGone(nowMs, this.#tokens, this.#tokenSum - most);
  }

  /** Requests that began in the minute up to now. */
  requests(nowMs: number): number {
    this.#expire(nowMs);
    return this.#requestSum;
  }

  /** Tokens of that minute, reserved ones included. */
  tokens(nowMs: number): number {
    this.#expire(nowMs);
    return this.#tokenSum;
  }

  #msUntilGone(nowMs: number, amounts: Float64Array, excess: number): number {
    if (excess <= 0) return 0;
    const mask = this.#times.length - 1;
    let left = excess;
    for (let place = this.#first; place < this.#next; place += 1) {
      const index = place & mask;
      left -= amounts[index] ?? 0;
      if (left <= 0) return (this.#times[index] ?? 0) + MINUTE_MS - nowMs;
    }
    return Number.POSITIVE_INFINITY;
  }

  #note(nowMs: number, count: number, tokens: number): UsagePlace {
    this.#expire(nowMs);
    // Rounded up: an entry may leave up to a millisecond late, and never early.
    const atMs = Math.ceil(nowMs);
    const last = (this.#next - 1) & (this.#times.length - 1);
    if (this.#next === this.#first || this.#times[last] !== atMs) this.#append(atMs);
    const place = this.#next - 1;
    const index = place & (this.#times.length - 1);
    this.#counts[index] = (this.#counts[index] ?? 0) + count;
    this.#tokens[index] = (this.#tokens[index] ?? 0) + tokens;
    this.#requestSum += count;
    this.#tokenSum += tokens;
    return place;
  }

  #append(atMs: number): void {
    if (this.#next - this.#first === this.#times.length) this.#resize(this.#times.length * 2);
    const index = this.#next & (this.#times.length - 1);
    this.#times[index] = atMs;
    this.#counts[index] = 0;
    this.#tokens[index] = 0;
    this.#next += 1;
  }

  #expire(nowMs: number): void {
    const mask = this.#times.length - 1;
    while (this.#first < this.#next) {
      const index = this.#first & mask;
      if (nowMs - (this.#times[index] ?? 0) < MINUTE_MS) return;
      this.#requestSum -= this.#counts[index] ?? 0;
      this.#tokenSum -= this.#tokens[index] ?? 0;
      this.#first += 1;
    }
    // Sums of whole numbers are exact; fractions would leave dust behind.
    this.#requestSum = 0;
    this.#tokenSum = 0;
    if (this.#times.length > KEPT_CAPACITY) this.#resize(FIRST_CAPACITY);
  }

  #resize(capacity: number): void {
    const [times, counts, tokens] = [this.#times, this.#counts, this.#tokens];
    const [oldMask, mask] = [times.length - 1, capacity - 1];
    this.#times = new Float64Array(capacity);
    this.#counts = new Float64Array(capacity);
    this.#tokens = new Float64Array(capacity);
    for (let place = this.#first; place < this.#next; place += 1) {
      this.#times[place & mask] = times[place & oldMask] ?? 0;
      this.#counts[place & mask] = counts[place & oldMask] ?? 0;
      this.#tokens[place & mask] = tokens[place & oldMask] ?? 0;
    }
  }
}
