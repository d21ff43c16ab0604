// Light, dark, or as the system has it; kept in this browser.

import { signal } from '@preact/signals';

export type Theme = 'system' | 'light' | 'dark';

const KEPT_AS = 'switchyard.theme';
const ORDER: readonly Theme[] = ['system', 'light', 'dark'];

const theme = signal<Theme>('system');

export function startTheme(): void {
  const kept = localStorage.getItem(KEPT_AS);
  setTheme(ORDER.find((one) => one === kept) ?? 'system');
}

export function setTheme(next: Theme): void {
  theme.value = next;
  localStorage.setItem(KEPT_AS, next);
  if (next === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  // What is painted, and not styled, has to be painted again.
  document.dispatchEvent(new Event('themechange'));
}
