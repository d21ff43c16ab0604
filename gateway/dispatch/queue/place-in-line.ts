// Where one request stands in one lane.

import type { SlotOption } from '../slots.ts';
import type { Crowd } from './deployment.ts';
import type { HeapItem } from './indexed-heap.ts';
import type { ProviderPlaces } from './provider-places.ts';
import type { WaitingRequest } from './waiting-request.ts';

/** A request in the lane of one of its options. */
export interface PlaceInLine extends HeapItem {
  readonly waiting: WaitingRequest;
  readonly provider: ProviderPlaces;
  readonly crowd: Crowd;
  /** As last told. */
  option: SlotOption;
}
