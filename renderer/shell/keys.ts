// The keys that work everywhere.

import { isHelpOpen } from './help.tsx';
import { isPaletteOpen } from './palette.tsx';
import { goTo, pages, route } from './route.ts';

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest('input, textarea, select, [contenteditable]') !== null;
}

/** Moves the focus to the next region that is there: navigation, strip, page, drawer. */
function nextRegion(step: 1 | -1): void {
  const regions = [...document.querySelectorAll<HTMLElement>('[data-region]')];
  const now = regions.findIndex((one) => one.contains(document.activeElement));
  regions[(now + step + regions.length) % regions.length]?.focus();
}

export function startKeys(): void {
  addEventListener('keydown', (event) => {
    const isCommand = event.ctrlKey || event.metaKey;
    const page = pages[Number(event.key) - 1];
    if (isCommand && event.key.toLowerCase() === 'k') isPaletteOpen.value = !isPaletteOpen.value;
    else if (isCommand && page !== undefined) goTo(page.id);
    else if (event.key === 'F6') nextRegion(event.shiftKey ? -1 : 1);
    else if (isCommand || event.altKey || isTyping(event.target) || document.querySelector('dialog[open]')) return;
    else if (event.key === '?') isHelpOpen.value = true;
    else if (event.key === '/') document.querySelector<HTMLInputElement>('[data-filter]')?.focus();
    else if (event.key === 'Escape' && route.value.subject !== null) goTo(route.value.page);
    else return;
    event.preventDefault();
  });
}
