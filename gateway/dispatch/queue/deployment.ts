// One model at one provider: its own places in use, and those who wait for it.

import { type ClientTurns, Lane } from './lane.ts';
import type { PlaceInLine } from './place-in-line.ts';
import type { Idle } from './registry.ts';
import { type Loss, Shares } from './shares.ts';
import type { WaitingRequest } from './waiting-request.ts';

/** Those who wait for one deployment under one limit. */
export class Crowd {
  readonly deployment: Deployment;
  /** Of the deployment, as these requests were told it. Null: none. */
  readonly limit: number | null;
  /** By the rank of the class. */
  readonly lanes: readonly [Lane, Lane, Lane];

  constructor(deployment: Deployment, limit: number | null, turns: readonly [ClientTurns, ClientTurns, ClientTurns]) {
    this.deployment = deployment;
    this.limit = limit;
    this.lanes = [new Lane(turns[0]), new Lane(turns[1]), new Lane(turns[2])];
  }

  get hasRoom(): boolean {
    return this.limit === null || this.deployment.used < this.limit;
  }

  get size(): number {
    return this.lanes[0].size + this.lanes[1].size + this.lanes[2].size;
  }
}

export class Deployment implements Idle {
  readonly model: string;
  /** Places taken by requests that a limit of the deployment concerns; others are only the provider's business. */
  used = 0;
  /** By the limit: entries and names that lead to one deployment may each have their own. */
  readonly crowds = new Map<number | null, Crowd>();
  /** Of all crowds: they are one line when it comes to its length. */
  readonly #shares = new Shares();

  constructor(model: string) {
    this.model = model;
  }

  get isIdle(): boolean {
    return this.used === 0 && this.crowds.size === 0;
  }

  /** Whether one more may wait here, perhaps in exchange for another. `full`: neither. */
  entryOf(waiting: WaitingRequest, maxQueue: number): 'free' | 'full' | Loss {
    if (this.#shares.size < maxQueue) return 'free';
    return (maxQueue > 0 ? this.#shares.lossTo(waiting) : null) ?? 'full';
  }

  join(place: PlaceInLine): void {
    place.crowd.lanes[place.waiting.rank].join(place);
    this.#shares.add(place);
  }

  leave(place: PlaceInLine): void {
    place.crowd.lanes[place.waiting.rank].leave(place);
    this.#shares.remove(place);
  }
}
