// The one banner slot under the strip: the gravest thing that concerns the whole gateway, and never two.

import { computed } from '@preact/signals';
import { Glyph } from '../parts/glyph.tsx';
import { Icon } from '../parts/icon.tsx';
import { failure } from '../store/actions.ts';
import { connection, heardAtMs, nowMs, reconnect, world } from '../store/store.ts';
import { elapsed, several } from '../words/format.ts';
import type { ShownState } from '../words/state.ts';

interface Message {
  readonly glyph: ShownState;
  readonly tone: 'bad' | 'warn';
  readonly title: string;
  readonly text: string;
  readonly action?: { readonly words: string; readonly run: () => void };
}

/** The gateway shows every 15 s that it is there. */
const SILENT_MS = 25_000;

const message = computed<Message | null>(() => connectionMessage() ?? failureMessage() ?? statusMessage());

function connectionMessage(): Message | null {
  if (connection.value === 'signed_out')
    return {
      glyph: 'auth',
      tone: 'warn',
      title: 'This browser is signed out.',
      text: 'Run npm run switchyard -- ui --open on the machine of the gateway. What is shown is the last that was heard.',
    };
  const silentMs = nowMs.value - heardAtMs.value;
  if (connection.value === 'live' && silentMs > SILENT_MS)
    return {
      glyph: 'pending',
      tone: 'warn',
      title: `Last update ${elapsed(silentMs)} ago.`,
      text: 'The gateway has gone quiet; what is shown may be out of date.',
    };
  if (connection.value !== 'disconnected') return null;
  const age = world.value === null ? '' : ` Last update ${elapsed(silentMs)} ago.`;
  return {
    glyph: 'down',
    tone: 'bad',
    title: 'The gateway does not answer.',
    text: `It may be restarting, or was stopped: npm start runs it. The window connects by itself.${age}`,
    action: { words: 'Try now', run: reconnect },
  };
}

function failureMessage(): Message | null {
  if (failure.value === null) return null;
  const close = () => {
    failure.value = null;
  };
  return { glyph: 'degraded', tone: 'warn', ...failure.value, action: { words: 'Dismiss', run: close } };
}

function statusMessage(): Message | null {
  const status = world.value?.status;
  if (status === undefined) return null;
  if (!status.config.isCurrent) {
    const errors = status.config.problems.filter(({ severity }) => severity === 'error');
    const [first] = errors;
    return {
      glyph: 'degraded',
      tone: 'warn',
      title: `The configuration has ${several(errors.length, 'error')}; the last good one runs on.`,
      text: first === undefined ? '' : `${first.file}:${first.line}: ${first.message}`,
    };
  }
  if (status.history.is !== 'degraded') return null;
  return {
    glyph: 'degraded',
    tone: 'warn',
    title: 'The history does not take all that happens.',
    text: `${status.history.because} Routing continues.`,
  };
}

export function Banner() {
  const now = message.value;
  if (now === null) return <div class="no-banner" />;
  const { glyph, tone, title, text, action } = now;
  return (
    <section class={`banner ${tone}`} aria-label="Notice">
      <Glyph state={glyph} size={20} />
      <p>
        <strong>{title}</strong> {text}
      </p>
      {action && (
        <button type="button" class="btn" onClick={action.run}>
          {action.words === 'Try now' && <Icon name="reload" size={14} />}
          {action.words}
        </button>
      )}
    </section>
  );
}
