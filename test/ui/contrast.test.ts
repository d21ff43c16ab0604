// The colours of the window, read from its own tokens, against WCAG 2's contrast: 4.5 for text, 3 for what is drawn.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

type Theme = 'light' | 'dark';

const css = readFileSync(path.join(import.meta.dirname, '..', '..', 'renderer', 'styles', 'tokens.css'), 'utf8');
// The first of each name: what stands later holds for more contrast only.
const tokens = new Map<string, readonly [light: string, dark: string]>();
for (const [, name = '', light = '', dark = ''] of css.matchAll(
  /--c-([\w-]+):\s*(?:light-dark\()?(#[0-9a-f]{6})(?:,\s*(#[0-9a-f]{6})\))?/g,
))
  if (!tokens.has(name)) tokens.set(name, [light, dark || light]);

function luminance(hex: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const share = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one: string, other: string, theme: Theme): number {
  const [a = 0, b = 0] = [one, other].map((name) => {
    const colour = tokens.get(name)?.[theme === 'light' ? 0 : 1];
    if (colour === undefined) throw new Error(`there is no token --c-${name}`);
    return luminance(colour);
  });
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}

const readable: readonly (readonly [text: string, on: readonly string[]])[] = [
  ['text', ['nav', 'bg', 'surface', 'sunken', 'hover', 'accent-tint', 'bad-tint', 'warn-tint']],
  ['text-2', ['nav', 'bg', 'surface', 'sunken', 'hover', 'accent-tint', 'bad-tint', 'warn-tint']],
  ['text-3', ['nav', 'bg', 'surface', 'sunken', 'hover', 'accent-tint']],
  ['accent', ['surface', 'bg', 'accent-tint']],
  ['on-accent', ['accent-fill']],
  ['ready', ['surface', 'accent-tint']],
  ['warm', ['surface', 'accent-tint']],
  ['warn', ['surface', 'warn-tint']],
  ['bad', ['surface', 'bad-tint']],
];
const drawn = [
  'ready-fill',
  'warm-fill',
  'warn-fill',
  'bad-fill',
  'idle-fill',
  'control',
  'series-1',
  'series-2',
  'series-3',
  'series-4',
];

test('the tokens are found', () => {
  expect(tokens.size).toBeGreaterThan(30);
});

test.each(['light', 'dark'] as const)('in the %s theme every text is readable on all it stands on', (theme) => {
  const poor = readable.flatMap(([text, backs]) =>
    backs.map((back) => [text, back, contrast(text, back, theme)] as const).filter(([, , value]) => value < 4.5),
  );
  expect(poor).toEqual([]);
});

test.each(['light', 'dark'] as const)('in the %s theme everything drawn stands out from its card', (theme) => {
  const poor = drawn.map((name) => [name, contrast(name, 'surface', theme)] as const).filter(([, value]) => value < 3);
  expect(poor).toEqual([]);
});
