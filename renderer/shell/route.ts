// Which page is shown: the hash of the address, so that links, back and forward work as everywhere.

import { computed, signal } from '@preact/signals';
import type { IconName } from '../parts/icon.tsx';

export const pages = [
  { id: 'overview', title: 'Overview', icon: 'overview' },
  { id: 'providers', title: 'Providers', icon: 'providers' },
] as const satisfies readonly { id: string; title: string; icon: IconName }[];

export type PageId = (typeof pages)[number]['id'];

export interface Route {
  readonly page: PageId;
  /** What of the page is opened: the name of a provider. */
  readonly subject: string | null;
}

/** `#/providers/ollama` -> that page and that subject; anything unknown is the overview. */
function readRoute(hash: string): Route {
  const [id = '', subject] = hash.replace(/^#\/?/, '').split('?', 1)[0]?.split('/') ?? [];
  const page = pages.find((one) => one.id === id)?.id ?? 'overview';
  return { page, subject: subject ? decoded(subject) : null };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function pathTo(page: PageId, subject?: string): string {
  return subject === undefined ? `#/${page}` : `#/${page}/${encodeURIComponent(subject)}`;
}

const REMEMBERED = 'switchyard.page';
const hash = signal('');
export const route = computed(() => readRoute(hash.value));

/** Follows the address from now on; without one it goes where the reader was last. */
export function startRouting(): void {
  if (location.hash === '') history.replaceState(null, '', localStorage.getItem(REMEMBERED) ?? pathTo('overview'));
  const follow = () => {
    hash.value = location.hash;
    localStorage.setItem(REMEMBERED, pathTo(route.value.page));
    document.title = `${pages.find(({ id }) => id === route.value.page)?.title ?? ''} - Switchyard`;
  };
  addEventListener('hashchange', follow);
  follow();
}

export function goTo(page: PageId, subject?: string): void {
  location.hash = pathTo(page, subject);
}
