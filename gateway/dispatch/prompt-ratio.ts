// How many characters of a prompt make a token, by the model's name as clients write it, learned from what providers report.

import type { SavedRatio } from '../catalog/saved-learning.ts';
import { BoundedMemory } from '../routing/bounded-memory.ts';

const DEFAULT_RATIO = 4;
const [LOWEST, HIGHEST] = [1, 8];
/** The default weighs as much as this many tokens: one short prompt, mostly template, proves little. */
const PRIOR_TOKENS = 500;
/** Beyond this many tokens the past counts half, so that what comes can still show. */
const MOST_TOKENS = 50_000;
const MOST_NAMES = 500;

interface Tally {
  characters: number;
  tokens: number;
}

export class PromptRatios {
  readonly #tallies = new BoundedMemory<string, Tally>(MOST_NAMES);

  constructor(saved: Readonly<Record<string, SavedRatio>> = {}) {
    for (const [name, [characters, tokens]] of Object.entries(saved)) {
      this.#tallies.set(name, { characters, tokens });
    }
  }

  /** Between 1 and 8; 4 for a name of which nothing is known. */
  charactersPerToken(model: string): number {
    const tally = this.#tallies.get(model);
    if (tally === undefined || tally.tokens <= 0) return DEFAULT_RATIO;
    return clamp(tally.characters / tally.tokens);
  }

  /** @param characters of the prompt, whose tokens a provider has counted */
  note(model: string, characters: number, tokens: number): void {
    if (!(tokens > 0 && characters > 0)) return;
    let tally = this.#tallies.get(model);
    if (tally === undefined) {
      tally = { characters: PRIOR_TOKENS * DEFAULT_RATIO, tokens: PRIOR_TOKENS };
      this.#tallies.set(model, tally);
    }
    tally.characters += tokens * clamp(characters / tokens);
    tally.tokens += tokens;
    if (tally.tokens <= MOST_TOKENS) return;
    const share = MOST_TOKENS / 2 / tally.tokens;
    tally.characters *= share;
    tally.tokens *= share;
  }

  saved(): Readonly<Record<string, SavedRatio>> {
    const entries = [...this.#tallies.entries()].map(([name, { characters, tokens }]): [string, SavedRatio] => [
      name,
      [Math.round(characters), Math.round(tokens)],
    ]);
    return Object.fromEntries(entries);
  }
}

function clamp(ratio: number): number {
  return Math.min(HIGHEST, Math.max(LOWEST, ratio));
}
