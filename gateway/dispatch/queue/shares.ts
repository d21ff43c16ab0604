// How the clients share one line that is full: who has how many waiting there, and who gives way to whom.

import { type HeapItem, IndexedHeap } from './indexed-heap.ts';
import type { PlaceInLine } from './place-in-line.ts';
import type { WaitingRequest } from './waiting-request.ts';

/** Why somebody lost its place in line: its client had the most waiting, or its class was below that of the newcomer. */
export type LossCause = 'greediest' | 'lower_class';

export interface Loss {
  readonly place: PlaceInLine;
  readonly because: LossCause;
}

/** One request of a share. */
interface Stake extends HeapItem {
  readonly place: PlaceInLine;
}

/** What one client has waiting in the line; the first gives way first. */
type Share = IndexedHeap<Stake>;

/** Bounded by the line: nothing stays of a client that no longer waits there. */
export class Shares {
  readonly #byClient = new Map<string, Share>();
  readonly #stakes = new Map<PlaceInLine, Stake>();

  /** Requests in the line. */
  get size(): number {
    return this.#stakes.size;
  }

  add(place: PlaceInLine): void {
    const { client } = place.waiting;
    let share = this.#byClient.get(client);
    if (share === undefined) {
      share = new IndexedHeap(givesWayBefore);
      this.#byClient.set(client, share);
    }
    const stake = { place, heapIndex: -1 };
    share.add(stake);
    this.#stakes.set(place, stake);
  }

  remove(place: PlaceInLine): void {
    const { client } = place.waiting;
    const [share, stake] = [this.#byClient.get(client), this.#stakes.get(place)];
    if (share === undefined || stake === undefined) return;
    this.#stakes.delete(place);
    share.remove(stake);
    if (share.size === 0) this.#byClient.delete(client);
  }

  /**
   * Who gives way to somebody that comes while the line is full; null: nobody. The newcomer is counted as if it stood
   * in line. If its client then has fewer there than the greediest one, that gives way with its newest request in its
   * lowest class; so each exchange makes the shares more even, and none can be turned round again. Else a request of a
   * lower class gives way, the newest of the lowest, unless its client has fewer there than the newcomer's. O(clients).
   */
  lossTo({ client, rank }: WaitingRequest): Loss | null {
    const own = this.#byClient.get(client);
    const count = (own?.size ?? 0) + 1;
    let greediest: Share | null = null;
    let lowest: Stake | null = null;
    for (const share of this.#byClient.values()) {
      const { size, first } = share;
      if (size > count && isGreedier(share, greediest)) greediest = share;
      const isMoreModest = share !== own && size < count;
      if (first === null || isMoreModest || first.place.waiting.rank <= rank) continue;
      if (lowest === null || givesWayBefore(first, lowest)) lowest = first;
    }
    const greedy = greediest?.first ?? null;
    if (greedy !== null) return { place: greedy.place, because: 'greediest' };
    return lowest === null ? null : { place: lowest.place, because: 'lower_class' };
  }
}

/** Of two that have as many, the one whose first gives way first. */
function isGreedier({ size, first }: Share, other: Share | null): boolean {
  if (other === null || size !== other.size) return other === null || size > other.size;
  return first !== null && other.first !== null && givesWayBefore(first, other.first);
}

/** The lowest class first, in a class the newest. */
function givesWayBefore({ place: { waiting: one } }: Stake, { place: { waiting: other } }: Stake): boolean {
  return one.rank === other.rank ? one.order > other.order : one.rank > other.rank;
}
