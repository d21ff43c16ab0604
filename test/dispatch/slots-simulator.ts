// The line of those who wait, once more: slow and obvious, arrays searched anew each time. The real one is held against it.

import type { Waiter } from '../../gateway/dispatch/slots.ts';

export const CLASSES = ['high', 'normal', 'low'] as const;
export const TIMEOUT_MS = 50;
export const MAX_QUEUE = 5;
/** Each provider has two models, of which the second has a limit of its own. */
export const MODEL_LIMIT = 1;

export interface Choice {
  readonly provider: 'a' | 'b';
  readonly model: 'free' | 'limited';
}

export interface Request {
  readonly id: number;
  readonly client: string;
  readonly priority: Waiter['priority'];
  readonly arrivedAtMs: number;
  choices: readonly Choice[];
}

interface Running extends Choice {
  readonly id: number;
}

interface Grant extends Running {
  readonly client: string;
  readonly priority: Waiter['priority'];
  /** Everybody who could have been given that place, the one who was among them. */
  readonly couldHave: readonly Request[];
  readonly from: 'line' | 'door';
}

/** Somebody lost his place in one line to a newcomer. */
interface Loss {
  readonly loser: Request;
  readonly newcomer: Request;
  /** Requests of the newcomer's client in that line, it included, and of the loser's, all as it was before. */
  readonly counts: { readonly newcomer: number; readonly loser: number };
}

/** What one provider remembers of those it has served. */
interface Memory {
  highInARow: number;
  normalInARow: number;
  readonly passedOver: Record<Waiter['priority'], number>;
  readonly turns: Map<string, number>;
}

export class Simulator {
  readonly limits: Record<Choice['provider'], number> = { a: 1, b: 2 };
  readonly running: Running[] = [];
  waiting: Request[] = [];
  readonly grants: Grant[] = [];
  readonly refused = new Map<number, string>();
  readonly losses: Loss[] = [];
  /** The step it is at: arrivals are numbered by it, and turns lie between two. */
  step = 0;
  #grantsShare = 0;
  readonly #memory: Record<Choice['provider'], Memory> = { a: memory(), b: memory() };
  nowMs = 0;

  hasRoom({ provider, model }: Choice): boolean {
    const here = this.running.filter((one) => one.provider === provider);
    if (here.length >= this.limits[provider]) return false;
    return model === 'free' || here.filter((one) => one.model === model).length < MODEL_LIMIT;
  }

  arrive(request: Request): void {
    const free = request.choices.find((choice) => this.hasRoom(choice));
    if (free !== undefined) {
      this.#give(request, free, [], 'door');
      return;
    }
    this.#stand(request, request.choices);
  }

  replace(id: number, choices: readonly Choice[]): void {
    const request = this.waiting.find((one) => one.id === id);
    if (request === undefined) return;
    const free = choices.find((choice) => this.hasRoom(choice));
    if (free !== undefined) {
      this.#leave(request);
      this.#give(request, free, [], 'door');
      return;
    }
    const kept = request.choices;
    this.#leave(request, choices);
    this.#stand(request, choices, kept);
  }

  cancel(id: number): void {
    const request = this.waiting.find((one) => one.id === id);
    if (request === undefined) return;
    this.#leave(request);
    this.refused.set(id, 'client_closed_request');
  }

  release(id: number): void {
    const index = this.running.findIndex((one) => one.id === id);
    const [ended] = this.running.splice(index, 1);
    if (ended !== undefined) this.#serve(ended.provider);
  }

  setLimit(provider: Choice['provider'], limit: number): void {
    this.limits[provider] = limit;
    this.#serve(provider);
  }

  advance(ms: number): void {
    this.nowMs += ms;
    for (const request of this.waiting.filter(({ arrivedAtMs }) => arrivedAtMs + TIMEOUT_MS <= this.nowMs)) {
      this.#leave(request);
      this.refused.set(request.id, 'queue_timeout');
    }
  }

  #stand(request: Request, choices: readonly Choice[], kept: readonly Choice[] = []): void {
    const others = this.waiting.filter((one) => one !== request);
    this.waiting = others;
    request.choices = choices.filter(
      (choice) => kept.some((one) => isSame(one, choice)) || this.#makeRoom(request, choice),
    );
    if (request.choices.length === 0) {
      this.refused.set(request.id, 'queue_full');
      return;
    }
    this.waiting = [...this.waiting, request].sort((one, other) => one.id - other.id);
    for (const { provider } of request.choices) {
      const { turns } = this.#memory[provider];
      if (!turns.has(turnOf(request))) turns.set(turnOf(request), request.id);
    }
  }

  #makeRoom(newcomer: Request, choice: Choice): boolean {
    const line = this.waiting.filter((one) => one.choices.some((other) => isSame(other, choice)));
    if (line.length < MAX_QUEUE) return true;
    const loser = loserOf(line, newcomer);
    if (loser === undefined) return false;
    const counts = { newcomer: countOf(line, newcomer.client) + 1, loser: countOf(line, loser.client) };
    this.losses.push({ loser: { ...loser }, newcomer, counts });
    this.#leave(
      loser,
      loser.choices.filter((one) => !isSame(one, choice)),
    );
    if (loser.choices.length === 0) this.refused.set(loser.id, 'queue_full');
    return true;
  }

  /** A client that waits for nothing more at a provider has no turn there. */
  #leave(request: Request, stays: readonly Choice[] = []): void {
    request.choices = request.choices.filter((choice) => stays.some((one) => isSame(one, choice)));
    if (request.choices.length === 0) this.waiting = this.waiting.filter((one) => one !== request);
    for (const provider of ['a', 'b'] as const) {
      const waits = this.waiting.some(
        (one) => turnOf(one) === turnOf(request) && one.choices.some((choice) => choice.provider === provider),
      );
      if (!waits) this.#memory[provider].turns.delete(turnOf(request));
    }
  }

  #serve(provider: Choice['provider']): void {
    for (;;) {
      const could = this.waiting.filter((one) => this.#best(one, provider) !== undefined);
      const rank = this.#nextClass(provider, could);
      if (rank === null) return;
      const { turns } = this.#memory[provider];
      const turn = (one: Request) => turns.get(turnOf(one)) ?? Number.NaN;
      const [next] = could
        .filter(({ priority }) => priority === rank)
        .sort((one, other) => turn(one) - turn(other) || one.id - other.id);
      const choice = next === undefined ? undefined : this.#best(next, provider);
      if (next === undefined || choice === undefined) throw new Error('a class was chosen in which nobody waits');
      this.#grantsShare += 1e-6;
      turns.set(turnOf(next), this.step + this.#grantsShare);
      this.#leave(next);
      this.#give(next, choice, could, 'line');
    }
  }

  #best(request: Request, provider: Choice['provider']): Choice | undefined {
    return request.choices.find((choice) => choice.provider === provider && this.hasRoom(choice));
  }

  #nextClass(provider: Choice['provider'], could: readonly Request[]): Waiter['priority'] | null {
    const known = this.#memory[provider];
    const has = (priority: Waiter['priority']) => could.some((one) => one.priority === priority);
    const ladder: readonly (readonly [boolean, Waiter['priority']])[] = [
      [has('low') && known.passedOver.low >= 24, 'low'],
      [has('normal') && known.passedOver.normal >= 9, 'normal'],
      [has('high') && (known.highInARow < 4 || !(has('normal') || has('low'))), 'high'],
      [has('normal') && (known.normalInARow < 4 || !has('low')), 'normal'],
      [has('low'), 'low'],
    ];
    const chosen = ladder.find(([isDue]) => isDue)?.[1] ?? null;
    if (chosen === null) return null;
    for (const priority of CLASSES) {
      if (priority === chosen) known.passedOver[priority] = 0;
      else if (has(priority)) known.passedOver[priority] += 1;
    }
    if (chosen !== 'high') known.highInARow = 0;
    else if (has('normal') || has('low')) known.highInARow += 1;
    if (chosen === 'low') known.normalInARow = 0;
    else if (chosen === 'normal' && has('low')) known.normalInARow += 1;
    return chosen;
  }

  #give(request: Request, choice: Choice, couldHave: readonly Request[], from: Grant['from']): void {
    const { id, client, priority } = request;
    this.running.push({ id, ...choice });
    this.grants.push({ id, client, priority, ...choice, couldHave, from });
  }
}

function memory(): Memory {
  return { highInARow: 0, normalInARow: 0, passedOver: { high: 0, normal: 0, low: 0 }, turns: new Map() };
}

function countOf(line: readonly Request[], client: string): number {
  return line.filter((one) => one.client === client).length;
}

function loserOf(line: readonly Request[], newcomer: Request): Request | undefined {
  const lastToFirst = [...line].sort(
    (one, other) => CLASSES.indexOf(other.priority) - CLASSES.indexOf(one.priority) || other.id - one.id,
  );
  const counts = line.map(({ client }) => countOf(line, client));
  const most = Math.max(...counts);
  const own = countOf(line, newcomer.client) + 1;
  if (most > own) return lastToFirst.find(({ client }) => countOf(line, client) === most);
  return lastToFirst.find(
    ({ client, priority }) =>
      CLASSES.indexOf(priority) > CLASSES.indexOf(newcomer.priority) &&
      (client === newcomer.client || countOf(line, client) >= own),
  );
}

/** A client has a turn in each class. */
function turnOf({ client, priority }: Request): string {
  return `${client} ${priority}`;
}

export function isSame(one: Choice, other: Choice): boolean {
  return one.provider === other.provider && one.model === other.model;
}
