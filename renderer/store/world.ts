// All that the window knows of the gateway, and how a change makes the next of it from the last. Pure.

import type {
  AdminChange,
  AdminCooldown,
  AdminLiveRequest,
  AdminProvider,
  AdminRequestRow,
  AdminSnapshot,
  AdminStatus,
} from '../../gateway/contract.ts';

/** A probe that ended. */
export type Beat = Omit<Extract<AdminChange, { kind: 'beat' }>, 'kind' | 'provider'>;

/** A provider that went from one state to another. */
export type Transition = Omit<Extract<AdminChange, { kind: 'transition' }>, 'kind'>;

/** How much is remembered. */
export const KEPT = { beats: 200, ended: 2_000, endedMs: 15 * 60_000, transitions: 50 } as const;

export interface World {
  /** As it was when the stream began; `providers`, `config` and `history` of it are kept up to date. */
  readonly status: AdminStatus;
  /** Those that run, by id, the oldest first. */
  readonly live: ReadonlyMap<string, AdminLiveRequest>;
  /** Those that ended in the last 15 minutes, the oldest first. */
  readonly ended: readonly AdminRequestRow[];
  /** By provider, the oldest first. */
  readonly beats: ReadonlyMap<string, readonly Beat[]>;
  /** The latest first. */
  readonly transitions: readonly Transition[];
}

/** The world of a snapshot; what a snapshot does not tell is carried over from before, where it is still the same gateway's. */
export function worldOf(snapshot: AdminSnapshot, before: World | null): World {
  return {
    status: snapshot.status,
    live: new Map(snapshot.requests.map((request) => [request.id, request])),
    ended: before?.ended ?? [],
    beats: before?.beats ?? new Map(),
    transitions: before?.transitions ?? [],
  };
}

/** `nowMs`: the gateway's time, by which requests that ended long ago are let go. */
export function changed(world: World, change: AdminChange, nowMs: number): World {
  switch (change.kind) {
    case 'providers':
      return withProviders(world, ordered(world.status.providers, change.names));
    case 'provider':
      return withProviders(world, replaced(world.status.providers, change.provider));
    case 'models':
      return withProviders(
        world,
        world.status.providers.map((one) => (one.name === change.provider ? { ...one, models: change.models } : one)),
      );
    case 'beat':
      return withBeat(world, change);
    case 'transition': {
      const { kind: _kind, ...transition } = change;
      return { ...world, transitions: [transition, ...world.transitions].slice(0, KEPT.transitions) };
    }
    case 'request':
      return { ...world, live: new Map(world.live).set(change.request.id, change.request) };
    case 'request_ended':
      return withEnded(world, change.request, nowMs);
    case 'cooldowns':
      return withCooldowns(world, change.cooldowns);
    case 'config':
      return { ...world, status: { ...world.status, config: change.config } };
    case 'history':
      return { ...world, status: { ...world.status, history: change.history } };
    default:
      // A newer gateway may tell of more than this page knows.
      return world;
  }
}

/** What was before the page opened, put before what it saw itself. */
export function withPast(
  world: World,
  past: {
    readonly beats: ReadonlyMap<string, readonly Beat[]>;
    readonly ended: readonly AdminRequestRow[];
    readonly transitions: readonly Transition[];
  },
): World {
  const beats = new Map(world.beats);
  for (const [provider, earlier] of past.beats) {
    const seen = beats.get(provider) ?? [];
    const firstMs = seen[0]?.atMs ?? Number.POSITIVE_INFINITY;
    beats.set(provider, [...earlier.filter(({ atMs }) => atMs < firstMs), ...seen].slice(-KEPT.beats));
  }
  const known = new Set(world.ended.map(({ id }) => id));
  const ended = [...past.ended.filter(({ id }) => !known.has(id)), ...world.ended].slice(-KEPT.ended);
  const sinceMs = world.transitions.at(-1)?.atMs ?? Number.POSITIVE_INFINITY;
  const earlier = past.transitions.filter(({ atMs }) => atMs < sinceMs);
  return { ...world, beats, ended, transitions: [...world.transitions, ...earlier].slice(0, KEPT.transitions) };
}

/** One provider switched, before the gateway has said so. */
export function withWish(world: World, name: string, isEnabled: boolean): World {
  return withProviders(
    world,
    world.status.providers.map((one) => (one.name === name ? { ...one, isEnabled } : one)),
  );
}

function withProviders(world: World, providers: readonly AdminProvider[]): World {
  return { ...world, status: { ...world.status, providers } };
}

function withCooldowns(world: World, cooldowns: readonly AdminCooldown[]): World {
  return { ...world, status: { ...world.status, traffic: { ...world.status.traffic, cooldowns } } };
}

function replaced(providers: readonly AdminProvider[], now: Omit<AdminProvider, 'models'>): readonly AdminProvider[] {
  if (!providers.some(({ name }) => name === now.name)) return [...providers, { ...now, models: [] }];
  return providers.map((one) => (one.name === now.name ? { ...now, models: one.models } : one));
}

function ordered(providers: readonly AdminProvider[], names: readonly string[]): readonly AdminProvider[] {
  const byName = new Map(providers.map((one) => [one.name, one]));
  return names.flatMap((name) => byName.get(name) ?? []);
}

function withBeat(world: World, { kind: _kind, provider, ...beat }: Extract<AdminChange, { kind: 'beat' }>): World {
  const beats = new Map(world.beats);
  beats.set(provider, [...(beats.get(provider) ?? []), beat].slice(-KEPT.beats));
  return { ...world, beats };
}

function withEnded(world: World, request: AdminRequestRow, nowMs: number): World {
  const live = new Map(world.live);
  live.delete(request.id);
  const sinceMs = nowMs - KEPT.endedMs;
  const ended = [...world.ended.filter(({ receivedAtMs }) => receivedAtMs >= sinceMs), request].slice(-KEPT.ended);
  return { ...world, live, ended };
}
