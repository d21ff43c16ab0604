// Status glyphs: each state has a silhouette of its own, so that colour only repeats what the shape says.

import type { JSX } from 'preact';
import { type ShownState, toneOf } from '../words/state.ts';

const CUT = 'var(--cut, var(--c-surface))';

const SHAPES: Readonly<Record<ShownState, () => JSX.Element>> = {
  ready: () => <circle cx="8" cy="8" r="5" fill="currentColor" />,
  warming: () => (
    <>
      <circle cx="8" cy="8" r="5" fill="none" stroke="currentColor" stroke-width="1.5" />
      <path d="M8 3a5 5 0 0 0 0 10z" fill="currentColor" />
    </>
  ),
  degraded: () => (
    <>
      <path
        d="M8 2.6 14 13.4H2z"
        fill="currentColor"
        stroke="currentColor"
        stroke-width="1.2"
        stroke-linejoin="round"
      />
      <path d="M8 6.4v3.2M8 11.4v.1" stroke={CUT} stroke-width="1.5" stroke-linecap="round" />
    </>
  ),
  down: () => (
    <>
      <circle cx="8" cy="8" r="6.5" fill="currentColor" />
      <path d="m5.7 5.7 4.6 4.6m0-4.6-4.6 4.6" stroke={CUT} stroke-width="1.6" stroke-linecap="round" />
    </>
  ),
  auth: () => (
    <>
      <circle cx="5.2" cy="8" r="2.7" fill="none" stroke="currentColor" stroke-width="1.8" />
      <path d="M8 8h6.2M11.2 8v2.6M13.6 8v2" fill="none" stroke="currentColor" stroke-width="1.8" />
    </>
  ),
  pending: () => (
    <circle
      cx="8"
      cy="8"
      r="5"
      fill="none"
      stroke="currentColor"
      stroke-width="1.8"
      stroke-dasharray="0 3.14"
      stroke-linecap="round"
    />
  ),
  paused: () => <path d="M5.8 4v8M10.2 4v8" stroke="currentColor" stroke-width="2.2" stroke-linecap="round" />,
  off: () => <circle cx="8" cy="8" r="4.6" fill="none" stroke="currentColor" stroke-width="1.5" />,
};

/** Always beside a word that says the same. */
export function Glyph({ state, size = 16 }: { state: ShownState; size?: 12 | 16 | 20 }) {
  const Shape = SHAPES[state];
  return (
    <svg class={`g g${size} ${toneOf(state)}`} viewBox="0 0 16 16" aria-hidden="true">
      <Shape />
    </svg>
  );
}
