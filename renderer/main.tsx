// Starts the window.

import './styles/tokens.css';
import './styles/base.css';
import './styles/frame.css';
import './styles/components.css';
import './styles/shell.css';
import './styles/overview.css';
import './styles/providers.css';
import { effect } from '@preact/signals';
import { render } from 'preact';
import { Overview } from './pages/overview/overview.tsx';
import { Providers } from './pages/providers/providers.tsx';
import { Skeleton } from './pages/skeleton.tsx';
import { LiveRegion, say } from './parts/live-region.tsx';
import { Help } from './shell/help.tsx';
import { startKeys } from './shell/keys.ts';
import { Palette } from './shell/palette.tsx';
import { type PageId, route, startRouting } from './shell/route.ts';
import { Shell } from './shell/shell.tsx';
import { startTheme } from './shell/theme.ts';
import { connection, start, world } from './store/store.ts';
import { stateName } from './words/state.ts';

const views: Readonly<Record<PageId, () => preact.JSX.Element | null>> = { overview: Overview, providers: Providers };

function App() {
  const { page } = route.value;
  const View = views[page];
  const isAway = connection.value === 'disconnected' || connection.value === 'signed_out';
  return (
    <>
      <Shell>
        <main class={`page ${page} ${isAway ? 'stale' : ''}`} data-region tabIndex={-1}>
          {world.value === null ? <Skeleton /> : <View />}
        </main>
      </Shell>
      <Palette />
      <Help />
      <LiveRegion />
    </>
  );
}

/** Screen readers hear of each change of state once, as it happens. */
function announceChanges(): void {
  let latest = world.value?.transitions[0];
  effect(() => {
    const next = world.value?.transitions[0];
    if (next !== undefined && latest !== next && next.atMs >= (latest?.atMs ?? 0))
      say(`${next.provider}: ${stateName(next.after)}`);
    latest = next;
  });
  effect(() => {
    if (connection.value === 'disconnected') say('The gateway does not answer');
  });
}

startTheme();
startRouting();
startKeys();
start();
announceChanges();
const place = document.getElementById('window');
if (place !== null) render(<App />, place);
