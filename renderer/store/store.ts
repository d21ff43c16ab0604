// The store: the world as a signal, the connection, the clock, and what the pages derive of them.

import { batch, computed, signal } from '@preact/signals';
import type { AdminProvider } from '../../gateway/contract.ts';
import { hasTrouble } from '../words/state.ts';
import { type Connection, Feed } from './feed.ts';
import { readPast } from './past.ts';
import { changed, type World, withPast, withWish, worldOf } from './world.ts';

export const world = signal<World | null>(null);
export const connection = signal<Connection>('connecting');
/** When something last came, by this page's clock. */
export const heardAtMs = signal(Date.now());
/** Once a second while the page is seen. */
export const nowMs = signal(Date.now());
/** Whether what was before the page opened is known: otherwise numbers count from its opening. */
export const isPastKnown = signal(false);
export const openedAtMs = Date.now();

/** Providers whose switch was moved and not confirmed, and what was wished. */
export const wishes = signal<ReadonlyMap<string, boolean>>(new Map());

/** The providers, those in trouble first, else in the user's order. */
export const providers = computed<readonly AdminProvider[]>(() => {
  const all = world.value?.status.providers ?? [];
  return [...all.filter(hasTrouble), ...all.filter((one) => !hasTrouble(one))];
});

export const liveRequests = computed(() => [...(world.value?.live.values() ?? [])]);

let instance: string | null = null;

const feed = new Feed({
  snapshot(snapshot) {
    const isSame = instance === snapshot.status.instance;
    instance = snapshot.status.instance;
    world.value = withWishes(worldOf(snapshot, world.value));
    if (!isSame) void loadPast();
  },
  changes(changes) {
    let next = world.value;
    if (next === null) return;
    for (const change of changes) next = changed(next, change, Date.now());
    world.value = withWishes(next);
  },
  connection(now) {
    batch(() => {
      connection.value = now;
      if (now === 'live') heardAtMs.value = Date.now();
    });
  },
});

/** Opens the stream and starts the clock. */
export function start(): void {
  feed.reconnect();
  setInterval(() => {
    if (!document.hidden) nowMs.value = Date.now();
  }, 1_000);
  document.addEventListener('visibilitychange', () => {
    nowMs.value = Date.now();
  });
}

export function reconnect(): void {
  feed.reconnect();
}

/** Moves a switch at once; until the gateway confirms, what it tells does not move it back. */
export function wish(name: string, isEnabled: boolean): void {
  wishes.value = new Map(wishes.value).set(name, isEnabled);
  if (world.value !== null) world.value = withWishes(world.value);
}

/** The gateway has answered; `provider` is how it stands now, null where it refused. */
export function settleWish(name: string, isEnabled: boolean, provider: AdminProvider | null): void {
  batch(() => {
    const rest = new Map(wishes.value);
    rest.delete(name);
    wishes.value = rest;
    if (world.value === null) return;
    if (provider === null) world.value = withWish(world.value, name, !isEnabled);
    else world.value = changed(world.value, { kind: 'provider', provider }, Date.now());
  });
}

function withWishes(next: World): World {
  let result = next;
  for (const [name, isEnabled] of wishes.value) result = withWish(result, name, isEnabled);
  return result;
}

async function loadPast(): Promise<void> {
  const past = await readPast(Date.now());
  if (past === null || world.value === null) return;
  batch(() => {
    if (world.value !== null) world.value = withPast(world.value, past);
    isPastKnown.value = true;
  });
}
