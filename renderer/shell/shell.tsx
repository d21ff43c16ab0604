// The frame of every page: navigation, strip, one banner, the page itself.

import { computed } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { Glyph } from '../parts/glyph.tsx';
import { Icon, Mark } from '../parts/icon.tsx';
import { providers } from '../store/store.ts';
import { shownState } from '../words/state.ts';
import { Banner } from './banner.tsx';
import { isHelpOpen } from './help.tsx';
import { isPaletteOpen } from './palette.tsx';
import { pages, pathTo, route } from './route.ts';
import { Strip } from './strip.tsx';

const attention = computed(() =>
  providers.value.filter((one) => ['down', 'degraded', 'auth'].includes(shownState(one))),
);

function Nav() {
  const { page } = route.value;
  const troubled = attention.value;
  const isBad = troubled.some(({ observed }) => observed === 'down');
  return (
    <nav class="nav" aria-label="Pages" data-region tabIndex={-1}>
      <div class="brand">
        <Mark />
        <span>Switchyard</span>
      </div>
      {pages.map(({ id, title, icon }) => (
        <a key={id} href={pathTo(id)} aria-current={id === page ? 'page' : undefined} title={title}>
          <Icon name={icon} />
          <span>{title}</span>
          {id === 'providers' && troubled.length > 0 && (
            <span class={isBad ? 'badge att b' : 'badge att'} title={`${troubled.length} need attention`}>
              <Glyph state={isBad ? 'down' : 'degraded'} size={12} />
              {troubled.length}
            </span>
          )}
        </a>
      ))}
      <div class="end tools">
        <button
          type="button"
          onClick={() => {
            isPaletteOpen.value = true;
          }}
          title="Find anything to do (Ctrl K)"
        >
          <Icon name="search" />
          <span>Find</span>
          <kbd class="kbd">Ctrl K</kbd>
        </button>
        <button
          type="button"
          onClick={() => {
            isHelpOpen.value = true;
          }}
          title="Keys (?)"
        >
          <Icon name="keyboard" />
          <span>Keys</span>
          <kbd class="kbd">?</kbd>
        </button>
      </div>
    </nav>
  );
}

export function Shell({ children }: { children: ComponentChildren }) {
  return (
    <div class="shell">
      <Nav />
      <div class="main">
        <Strip />
        <Banner />
        {children}
      </div>
    </div>
  );
}
