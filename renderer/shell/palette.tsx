// The command palette: type a few letters, choose with the arrows, run with Enter.

import { signal, useSignal } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { Icon } from '../parts/icon.tsx';
import { type Command, commands, found } from './commands.ts';

export const isPaletteOpen = signal(false);

export function Palette() {
  return isPaletteOpen.value ? <OpenPalette /> : null;
}

function close(): void {
  isPaletteOpen.value = false;
}

function OpenPalette() {
  const dialog = useRef<HTMLDialogElement>(null);
  const query = useSignal('');
  const chosen = useSignal(0);
  // Before the next key arrives: it is meant for the dialog.
  useLayoutEffect(() => dialog.current?.showModal(), []);
  const hits = found(commands(), query.value);
  const at = Math.min(chosen.value, hits.length - 1);
  const run = (command: Command | undefined) => {
    close();
    command?.run();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === 'Enter') run(hits[at]);
    else if (step !== undefined && hits.length > 0) chosen.value = (at + step + hits.length) % hits.length;
    else return;
    event.preventDefault();
  };
  return (
    <dialog
      ref={dialog}
      class="palette"
      aria-label="Find anything to do"
      onClose={close}
      onClick={(event) => event.target === dialog.current && close()}
    >
      <div class="field">
        <Icon name="search" />
        <input
          type="text"
          role="combobox"
          aria-label="What to do"
          aria-expanded="true"
          aria-controls="palette-hits"
          aria-activedescendant={hits[at] === undefined ? undefined : `command-${hits[at].id}`}
          placeholder="Turn off, go to, copy ..."
          value={query.value}
          onInput={(event) => {
            query.value = event.currentTarget.value;
            chosen.value = 0;
          }}
          onKeyDown={onKeyDown}
        />
      </div>
      <ul id="palette-hits" role="listbox" aria-label="What can be done">
        {hits.map((command, index) => (
          <li
            key={command.id}
            id={`command-${command.id}`}
            role="option"
            aria-selected={index === at}
            ref={(row) => {
              if (index === at) row?.scrollIntoView({ block: 'nearest' });
            }}
            onClick={() => run(command)}
          >
            {command.title}
          </li>
        ))}
      </ul>
      {hits.length === 0 && <p class="none">Nothing of that can be done here.</p>}
    </dialog>
  );
}
