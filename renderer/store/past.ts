// What was before the page opened, asked once of the history. A gateway without one has none to tell.

import type { AdminBeat, AdminEvent, AdminRequestPage } from '../../gateway/contract.ts';
import { type Beat, KEPT, type Transition, type World } from './world.ts';

/** Probes asked for, of all providers together. */
const MOST_BEATS = 1_000;
const MOST_REQUESTS = 500;

async function get<Answer>(path: string): Promise<Answer | null> {
  const response = await fetch(path);
  return response.ok ? ((await response.json()) as Answer) : null;
}

/** Null: the history cannot be read, or this gateway keeps none. Never rejects. */
export async function readPast(nowMs: number): Promise<Pick<World, 'beats' | 'ended' | 'transitions'> | null> {
  try {
    const fromMs = nowMs - KEPT.endedMs;
    const [beats, page, events] = await Promise.all([
      get<readonly AdminBeat[]>(`/admin/beats?limit=${MOST_BEATS}`),
      get<AdminRequestPage>(`/admin/requests?fromMs=${fromMs}&limit=${MOST_REQUESTS}`),
      get<readonly AdminEvent[]>(`/admin/journal?limit=${KEPT.transitions}`),
    ]);
    if (beats === null || page === null) return null;
    return {
      beats: beatsByProvider(beats),
      ended: page.requests.toReversed(),
      transitions: (events ?? []).flatMap(asTransition),
    };
  } catch {
    return null;
  }
}

function beatsByProvider(beats: readonly AdminBeat[]): ReadonlyMap<string, readonly Beat[]> {
  const result = new Map<string, Beat[]>();
  for (const { provider, ...beat } of beats.toReversed()) {
    const known = result.get(provider);
    if (known) known.push(beat);
    else result.set(provider, [beat]);
  }
  return result;
}

function asTransition({ kind, provider, atMs, before, after, message }: AdminEvent): readonly Transition[] {
  if (kind !== 'transition' || provider === null || before === null || after === null) return [];
  return [{ provider, atMs, before, after, message }];
}
