// Those of one class who wait for one deployment, by the turns of their clients and then by arrival. Joining, leaving
// and being served cost O(log n).

import { type HeapItem, IndexedHeap } from './indexed-heap.ts';
import type { PlaceInLine } from './place-in-line.ts';

/** When it is a client's turn at one provider: the same in all lanes of its class there. */
interface Turn {
  readonly client: string;
  /** The lowest comes first: the arrival of the request that made it, then the moment it was last served. */
  order: number;
  /** The client's queues, at most one in each lane. */
  readonly queues: Set<ClientQueue>;
}

/** One client's requests in one lane. */
interface ClientQueue extends HeapItem {
  readonly turn: Turn;
  readonly requests: IndexedHeap<PlaceInLine>;
  /** The queues among which it stands. */
  readonly rivals: IndexedHeap<ClientQueue>;
}

/** The turns of the clients of one class who wait at one provider; who does not wait has none. */
export class ClientTurns {
  readonly #turns = new Map<string, Turn>();

  /** The turn of that client; one that has none gets it as of `order`. */
  of(client: string, order: number): Turn {
    const known = this.#turns.get(client);
    if (known !== undefined) return known;
    const turn: Turn = { client, order, queues: new Set() };
    this.#turns.set(client, turn);
    return turn;
  }

  /** Puts the client behind all others: one of its requests got a place. `order` is later than any before. */
  served(client: string, order: number): void {
    const turn = this.#turns.get(client);
    if (turn === undefined) return;
    turn.order = order;
    for (const queue of turn.queues) queue.rivals.moved(queue);
  }

  drop(turn: Turn): void {
    this.#turns.delete(turn.client);
  }
}

export class Lane {
  readonly #turns: ClientTurns;
  readonly #byClient = new Map<string, ClientQueue>();
  readonly #queues = new IndexedHeap<ClientQueue>(hasEarlierTurn);
  #size = 0;

  constructor(turns: ClientTurns) {
    this.#turns = turns;
  }

  get size(): number {
    return this.#size;
  }

  join(place: PlaceInLine): void {
    const queue = this.#byClient.get(place.waiting.client) ?? this.#open(place);
    queue.requests.add(place);
    this.#size += 1;
  }

  leave(place: PlaceInLine): void {
    const { client } = place.waiting;
    const queue = this.#byClient.get(client);
    if (queue === undefined) return;
    queue.requests.remove(place);
    this.#size -= 1;
    if (queue.requests.size > 0) return;
    this.#byClient.delete(client);
    this.#queues.remove(queue);
    queue.turn.queues.delete(queue);
    if (queue.turn.queues.size === 0) this.#turns.drop(queue.turn);
  }

  /** The earliest request of the client whose turn it is; null when nobody waits. */
  get first(): PlaceInLine | null {
    return this.#queues.first?.requests.first ?? null;
  }

  /** Whether the first here comes before the first of another lane of that class and provider. */
  isBefore(other: Lane | null): boolean {
    const own = this.#queues.first;
    if (own === null) return false;
    const rival = other === null ? null : other.#queues.first;
    if (rival === null) return true;
    if (own.turn !== rival.turn) return hasEarlierTurn(own, rival);
    const [first, rivalFirst] = [own.requests.first, rival.requests.first];
    return first !== null && rivalFirst !== null && cameEarlier(first, rivalFirst);
  }

  /** How many of this lane are served before that one if nobody else comes. O(n): for display. */
  ahead(place: PlaceInLine): number {
    const own = this.#byClient.get(place.waiting.client);
    if (own === undefined) return 0;
    let earlier = 0;
    for (const other of own.requests.values()) if (cameEarlier(other, place)) earlier += 1;
    let ahead = earlier;
    for (const queue of this.#queues.values()) {
      if (queue === own) continue;
      ahead += Math.min(queue.requests.size, earlier + (hasEarlierTurn(queue, own) ? 1 : 0));
    }
    return ahead;
  }

  /** Clock reading at the arrival of the one that waits longest; null when nobody waits. O(clients). */
  get waitingSinceMs(): number | null {
    let sinceMs: number | null = null;
    for (const { requests } of this.#queues.values()) {
      const arrivedAtMs = requests.first?.waiting.arrivedAtMs;
      if (arrivedAtMs !== undefined && (sinceMs === null || arrivedAtMs < sinceMs)) sinceMs = arrivedAtMs;
    }
    return sinceMs;
  }

  #open({ waiting }: PlaceInLine): ClientQueue {
    const turn = this.#turns.of(waiting.client, waiting.order);
    const queue: ClientQueue = { turn, requests: new IndexedHeap(cameEarlier), rivals: this.#queues, heapIndex: -1 };
    turn.queues.add(queue);
    this.#byClient.set(waiting.client, queue);
    this.#queues.add(queue);
    return queue;
  }
}

function hasEarlierTurn(one: ClientQueue, other: ClientQueue): boolean {
  return one.turn.order < other.turn.order;
}

function cameEarlier(one: PlaceInLine, other: PlaceInLine): boolean {
  return one.waiting.order < other.waiting.order;
}
