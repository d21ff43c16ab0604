// A number of places and a line of those who wait, first come first served; whoever leaves the line is forgotten.

export class Gate {
  readonly #limit: number;
  readonly #line: { readonly admit: () => void }[] = [];
  #inside = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get running(): number {
    return this.#inside;
  }

  get waiting(): number {
    return this.#line.length;
  }

  get isFull(): boolean {
    return this.#inside >= this.#limit;
  }

  /** Resolves true once inside (call `leave` then), false when `signal` fired first. */
  enter(signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return Promise.resolve(false);
    if (!this.isFull) {
      this.#inside += 1;
      return Promise.resolve(true);
    }
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const entry = {
      admit: () => {
        signal.removeEventListener('abort', giveUp);
        resolve(true);
      },
    };
    const giveUp = () => {
      this.#line.splice(this.#line.indexOf(entry), 1);
      resolve(false);
    };
    signal.addEventListener('abort', giveUp, { once: true });
    this.#line.push(entry);
    return promise;
  }

  leave(): void {
    const next = this.#line.shift();
    // The place goes from hand to hand, so the count stays.
    if (next) next.admit();
    else this.#inside -= 1;
  }
}
