// What the recorder does from time to time by itself.

import type { Clock } from '../clock.ts';

const firstRetentionMs = 60_000;
const retentionEveryMs = 3_600_000;
/** How exactly the end of a gateway that is killed is known. */
const showLifeEveryMs = 30_000;
/** With that much between two signs of life, this process stood still in between. */
const stoodStillMs = 4 * showLifeEveryMs;

interface Chores {
  /** Removes what is too old: a minute after the start and then every hour. */
  readonly retain: () => void;
  /** Says that the gateway runs: every 30 s. */
  readonly showLife: () => void;
  /** Nothing ran in that time: the machine slept, or this process did, or the clock was moved forward. */
  readonly stoodStill: (fromMs: number, toMs: number) => void;
}

/** Two timers, until `stop`. */
export class Housekeeping {
  readonly #clock: Clock;
  readonly #chores: Chores;
  #livedAtMs: number;
  #cancelRetention: () => void;
  #cancelLife: () => void;

  constructor(clock: Clock, chores: Chores) {
    this.#clock = clock;
    this.#chores = chores;
    this.#livedAtMs = clock.now();
    this.#cancelRetention = clock.after(firstRetentionMs, () => this.#retain());
    this.#cancelLife = clock.after(showLifeEveryMs, () => this.#showLife());
  }

  stop(): void {
    this.#cancelRetention();
    this.#cancelLife();
  }

  #retain(): void {
    this.#cancelRetention = this.#clock.after(retentionEveryMs, () => this.#retain());
    this.#chores.retain();
  }

  #showLife(): void {
    const nowMs = this.#clock.now();
    if (nowMs - this.#livedAtMs > stoodStillMs) this.#chores.stoodStill(this.#livedAtMs, nowMs);
    this.#livedAtMs = nowMs;
    this.#cancelLife = this.#clock.after(showLifeEveryMs, () => this.#showLife());
    this.#chores.showLife();
  }
}
