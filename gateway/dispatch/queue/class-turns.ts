// Which class a place that frees goes to: high before normal before low, and every fifth to a lower class that waits.

/** The classes by rank: 0 high, 1 normal, 2 low. */
export type Rank = 0 | 1 | 2;

/** So many places in a row a class may take while a lower one waits. */
const IN_A_ROW = 4;

/** As often as the rule of five passes over a class while all three wait: four times high, low, and four times high again. */
const NORMAL_PASSED_OVER = 9;

/** Four times normal, each after four times high, and four times high again. */
const LOW_PASSED_OVER = 24;

/**
 * The rule, at one provider: of five places that high could take, four are its own and the fifth goes to a lower class
 * that waits; of five that are left to normal and low, four go to normal and the fifth to low. So low gets every fifth
 * beside one higher class and every 25th beside both.
 *
 * A class may wait for a model that is full just when its turn comes. Therefore it is also counted how often a class
 * that could have taken a place was passed over: low never more than 24 times, normal never more than 10 times, high
 * never more than 3 times in a row, whatever comes and goes.
 */
export class ClassTurns {
  #highInARow = 0;
  #normalInARow = 0;
  #normalPassedOver = 0;
  #lowPassedOver = 0;

  /** Whose turn it is among the classes that can take the place; that one must be given it. Null: none can. */
  next(hasHigh: boolean, hasNormal: boolean, hasLow: boolean): Rank | null {
    const rank = this.#choose(hasHigh, hasNormal, hasLow);
    if (rank === null) return null;
    if (rank !== 0) this.#highInARow = 0;
    else if (hasNormal || hasLow) this.#highInARow += 1;
    if (rank === 2) this.#normalInARow = 0;
    else if (rank === 1 && hasLow) this.#normalInARow += 1;
    if (rank === 1) this.#normalPassedOver = 0;
    else if (hasNormal) this.#normalPassedOver += 1;
    if (rank === 2) this.#lowPassedOver = 0;
    else if (hasLow) this.#lowPassedOver += 1;
    return rank;
  }

  #choose(hasHigh: boolean, hasNormal: boolean, hasLow: boolean): Rank | null {
    if (hasLow && this.#lowPassedOver >= LOW_PASSED_OVER) return 2;
    if (hasNormal && this.#normalPassedOver >= NORMAL_PASSED_OVER) return 1;
    if (hasHigh && !((hasNormal || hasLow) && this.#highInARow >= IN_A_ROW)) return 0;
    if (hasNormal && !(hasLow && this.#normalInARow >= IN_A_ROW)) return 1;
    return hasLow ? 2 : null;
  }
}
