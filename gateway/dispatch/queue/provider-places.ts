// One provider: the places in use there, each deployment's share of them, and the line of those who wait for one.
// A place that frees goes to one of the line at once, so that a free place and somebody who could take it never meet.

import type { Slot, SlotOption } from '../slots.ts';
import { ClassTurns } from './class-turns.ts';
import { Crowd, Deployment } from './deployment.ts';
import { ClientTurns, type Lane } from './lane.ts';
import { LinePace } from './line-pace.ts';
import type { PlaceInLine } from './place-in-line.ts';
import { type Idle, Registry } from './registry.ts';
import type { WaitingRequest } from './waiting-request.ts';

/** What the lines of all providers share. */
export interface LineContext {
  /** Milliseconds that only grow. */
  monotonic(): number;
  /** Higher than any number given before: arrivals and turns are ordered by it. */
  nextOrder(): number;
  onQueueChange(provider: string, queued: number): void;
}

export class ProviderPlaces implements Idle {
  readonly provider: string;
  readonly #context: LineContext;
  readonly #clientTurns = [new ClientTurns(), new ClientTurns(), new ClientTurns()] as const;
  readonly #classTurns = new ClassTurns();
  readonly #pace = new LinePace();
  readonly #deployments = new Registry((model) => new Deployment(model));
  readonly #crowds = new Set<Crowd>();
  /** Who waits here, and in how many lanes. */
  readonly #waiting = new Map<WaitingRequest, number>();
  #used = 0;
  #limit: number | null = null;

  constructor(provider: string, context: LineContext) {
    this.provider = provider;
    this.#context = context;
  }

  get used(): number {
    return this.#used;
  }

  /** Null: no limit. */
  get limit(): number | null {
    return this.#limit;
  }

  /** Requests that wait for a place here. */
  get queued(): number {
    return this.#waiting.size;
  }

  get isIdle(): boolean {
    return this.#used === 0 && this.#waiting.size === 0;
  }

  /** Takes on the provider's limit, gives what that frees to the line, then takes what is left; null: nothing. */
  tryTake({ model, maxParallelRequests, maxParallelOfModel: limit = null }: SlotOption): Slot | null {
    if (maxParallelRequests !== this.#limit) this.setLimit(maxParallelRequests);
    if (!this.#hasRoom) return null;
    if (limit === null) return this.#take(model, null);
    const deployment = this.#deployments.get(model);
    return deployment.used < limit ? this.#take(model, deployment) : null;
  }

  setLimit(limit: number | null): void {
    this.#limit = limit;
    for (let next = this.#next(); next !== null; next = this.#next()) this.#grant(next);
  }

  /** Gets in line for that option; null when as many as allowed stand there, none of whom has to give way. */
  join(waiting: WaitingRequest, option: SlotOption): PlaceInLine | null {
    const deployment = this.#deployments.get(option.model);
    const entry = deployment.entryOf(waiting, option.maxQueue);
    if (entry === 'full') return null;
    const place = this.#stand(waiting, option, deployment);
    // Only now: a line that is empty for a moment would forget how long it has stood still.
    if (entry !== 'free') entry.place.waiting.lose(entry);
    return place;
  }

  leave(place: PlaceInLine): void {
    const { waiting, crowd } = place;
    crowd.deployment.leave(place);
    if (crowd.size === 0) {
      this.#crowds.delete(crowd);
      crowd.deployment.crowds.delete(crowd.limit);
    }
    const lanes = this.#waiting.get(waiting) ?? 1;
    if (lanes > 1) {
      this.#waiting.set(waiting, lanes - 1);
      return;
    }
    this.#waiting.delete(waiting);
    if (this.#waiting.size === 0) this.#pace.ended();
    this.#context.onQueueChange(this.provider, this.#waiting.size);
  }

  /** Only for places taken here. */
  release(deployment: Deployment | null): void {
    this.#used -= 1;
    if (deployment !== null) deployment.used -= 1;
    const next = this.#next();
    if (next === null) return;
    this.#pace.moved(this.#context.monotonic());
    this.#grant(next);
  }

  /** Whole seconds until those who wait now will have been served. */
  retryAfterSeconds(): number {
    return this.#pace.retryAfterSeconds(this.#waiting.size, this.#context.monotonic());
  }

  /** How long the longest waits, by the rank of the class; null: nobody. O(clients). */
  longestWaitMs(rank: 0 | 1 | 2): number | null {
    let sinceMs: number | null = null;
    for (const { lanes } of this.#crowds) {
      const laneSinceMs = lanes[rank].waitingSinceMs;
      if (laneSinceMs !== null && (sinceMs === null || laneSinceMs < sinceMs)) sinceMs = laneSinceMs;
    }
    return sinceMs === null ? null : this.#context.monotonic() - sinceMs;
  }

  get #hasRoom(): boolean {
    return this.#limit === null || this.#used < this.#limit;
  }

  #stand(waiting: WaitingRequest, option: SlotOption, deployment: Deployment): PlaceInLine {
    const crowd = this.#crowdOf(deployment, option.maxParallelOfModel ?? null);
    const place: PlaceInLine = { waiting, provider: this, crowd, option, heapIndex: -1 };
    deployment.join(place);
    const lanes = this.#waiting.get(waiting) ?? 0;
    this.#waiting.set(waiting, lanes + 1);
    if (lanes > 0) return place;
    if (this.#waiting.size === 1) this.#pace.began(this.#context.monotonic());
    this.#context.onQueueChange(this.provider, this.#waiting.size);
    return place;
  }

  #crowdOf(deployment: Deployment, limit: number | null): Crowd {
    const known = deployment.crowds.get(limit);
    if (known !== undefined) return known;
    const crowd = new Crowd(deployment, limit, this.#clientTurns);
    deployment.crowds.set(limit, crowd);
    this.#crowds.add(crowd);
    return crowd;
  }

  /** Whose turn it is among those who could be given a place now; that one must be given it. */
  #next(): PlaceInLine | null {
    if (this.#crowds.size === 0 || !this.#hasRoom) return null;
    let [hasHigh, hasNormal, hasLow] = [false, false, false];
    for (const { hasRoom, lanes } of this.#crowds) {
      if (!hasRoom) continue;
      hasHigh ||= lanes[0].size > 0;
      hasNormal ||= lanes[1].size > 0;
      hasLow ||= lanes[2].size > 0;
    }
    const rank = this.#classTurns.next(hasHigh, hasNormal, hasLow);
    if (rank === null) return null;
    let next: Lane | null = null;
    for (const { hasRoom, lanes } of this.#crowds) if (hasRoom && lanes[rank].isBefore(next)) next = lanes[rank];
    return next?.first ?? null;
  }

  #grant({ waiting, crowd }: PlaceInLine): void {
    this.#clientTurns[waiting.rank].served(waiting.client, this.#context.nextOrder());
    // It may accept several models here, of which it named the one it likes best first.
    const best = waiting.places.find((place) => place.provider === this && place.crowd.hasRoom)?.crowd ?? crowd;
    waiting.grant(this.#take(best.deployment.model, best.limit === null ? null : best.deployment));
  }

  #take(model: string, deployment: Deployment | null): Slot {
    this.#used += 1;
    if (deployment !== null) deployment.used += 1;
    return new TakenSlot(this, model, deployment);
  }
}

class TakenSlot implements Slot {
  readonly model: string;
  readonly #provider: ProviderPlaces;
  /** Null: no limit of its own counts it. */
  readonly #deployment: Deployment | null;
  #isReleased = false;

  constructor(provider: ProviderPlaces, model: string, deployment: Deployment | null) {
    this.model = model;
    this.#provider = provider;
    this.#deployment = deployment;
  }

  get provider(): string {
    return this.#provider.provider;
  }

  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#provider.release(this.#deployment);
  }
}
