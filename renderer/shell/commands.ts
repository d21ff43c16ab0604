// Everything the keyboard can do, in one list: the palette shows it, the help sheet names its keys.

import { resetProvider, switchProvider } from '../store/actions.ts';
import { reconnect, world } from '../store/store.ts';
import { goTo, pages } from './route.ts';
import { setTheme } from './theme.ts';

export interface Command {
  readonly id: string;
  readonly title: string;
  /** What else it may be looked for by. */
  readonly also: string;
  readonly run: () => void;
}

/** What can be done now. */
export function commands(): readonly Command[] {
  const status = world.value?.status;
  return [
    ...pages.map(({ id, title }) => ({
      id: `go-${id}`,
      title: `Go to ${title}`,
      also: 'page open',
      run: () => goTo(id),
    })),
    ...(status?.providers ?? []).flatMap(({ name, isEnabled }) => [
      {
        id: `switch-${name}`,
        title: isEnabled ? `Turn off ${name}` : `Turn on ${name}`,
        also: 'toggle switch provider enable disable drain',
        run: () => void switchProvider(name, !isEnabled),
      },
      { id: `open-${name}`, title: `Open ${name}`, also: 'provider details go to', run: () => goTo('providers', name) },
    ]),
    ...(status?.traffic.cooldowns ?? [])
      .filter(({ model }) => model === null)
      .map(({ provider }) => ({
        id: `reset-${provider}`,
        title: `Use ${provider} again at once`,
        also: 'reset breaker cooldown',
        run: () => void resetProvider(provider),
      })),
    ...(status === undefined
      ? []
      : [
          {
            id: 'copy-url',
            title: 'Copy the base URL',
            also: 'address endpoint openai',
            run: () => void navigator.clipboard.writeText(status.url),
          },
        ]),
    { id: 'reconnect', title: 'Connect again', also: 'reload refresh stream', run: reconnect },
    { id: 'theme-light', title: 'Light theme', also: 'colour appearance', run: () => setTheme('light') },
    { id: 'theme-dark', title: 'Dark theme', also: 'colour appearance', run: () => setTheme('dark') },
    { id: 'theme-system', title: 'Theme of the system', also: 'colour appearance', run: () => setTheme('system') },
  ];
}

/** Those that have every word of the query in them, the ones whose title begins with it first. Pure. */
export function found(all: readonly Command[], query: string): readonly Command[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const hits = all.filter(({ title, also }) => words.every((word) => `${title} ${also}`.toLowerCase().includes(word)));
  const begins = ({ title }: Command) => title.toLowerCase().startsWith(query.trim().toLowerCase());
  return [...hits.filter(begins), ...hits.filter((one) => !begins(one))];
}

export const keyHelp: readonly (readonly [keys: string, does: string])[] = [
  ['Ctrl K', 'Find anything to do'],
  ['Ctrl 1, Ctrl 2', 'Go to a page'],
  ['F6', 'Next region of the window'],
  ['Space', 'Move the switch that has the focus'],
  ['/', 'Filter the page'],
  ['Esc', 'Close what is open'],
  ['?', 'This list'],
];
