// Questions to the worker that are not answered yet.

import { HistoryUnavailable } from './history.ts';
import type { Answer } from './messages.ts';

interface Asked {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: HistoryUnavailable) => void;
}

export class Questions {
  #asked = new Map<number, Asked>();
  #count = 0;

  /** `send` gets the number under which the answer will come. */
  ask(send: (number: number) => void): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#asked.set(++this.#count, { resolve, reject });
      send(this.#count);
    });
  }

  answer(number: number, answer: Answer): void {
    this.#asked.get(number)?.resolve(answer);
    this.#asked.delete(number);
  }

  refuse(number: number, because: string): void {
    this.#asked.get(number)?.reject(new HistoryUnavailable(because));
    this.#asked.delete(number);
  }

  refuseAll(because: string): void {
    for (const number of [...this.#asked.keys()]) this.refuse(number, because);
  }
}
