// What happened last: providers that changed their state, and requests that had to move on.

import { computed } from '@preact/signals';
import type { AdminRequestRow } from '../../../gateway/contract.ts';
import { Glyph } from '../../parts/glyph.tsx';
import { isPastKnown, openedAtMs, world } from '../../store/store.ts';
import type { Transition } from '../../store/world.ts';
import { clockTime } from '../../words/format.ts';
import type { ShownState } from '../../words/state.ts';

const SHOWN = 8;

interface Line {
  readonly key: string;
  readonly atMs: number;
  readonly glyph: ShownState;
  readonly who: string;
  readonly text: string;
}

const CAME_TO: Readonly<Record<ShownState, string>> = {
  ready: 'is ready',
  warming: 'answers, and is loading',
  degraded: 'is not well',
  down: 'went down',
  auth: 'refuses our key',
  pending: 'missed a probe',
  paused: 'is not probed',
  off: 'was switched off',
};

function ofTransition({ provider, atMs, before, after, message }: Transition): Line {
  const isBack = after === 'ready' && before !== 'pending' && before !== 'off';
  const text = `${CAME_TO[after]}${isBack ? ' again' : ''}${message === null || after === 'ready' ? '' : `: ${message}`}`;
  return { key: `t${provider}${atMs}${after}`, atMs, glyph: after, who: provider, text };
}

/** A request that somebody failed, and what became of it. */
function ofRequest({
  id,
  receivedAtMs,
  durationMs,
  provider,
  attempts,
  result,
  errorMessage,
}: AdminRequestRow): readonly Line[] {
  const failed = attempts.find((attempt) => attempt.provider !== provider);
  const atMs = receivedAtMs + durationMs;
  if (result === 'complete') {
    if (failed === undefined || provider === null) return [];
    return [
      { key: id, atMs, glyph: 'degraded', who: provider, text: `answered a request that ${failed.provider} failed` },
    ];
  }
  if (result === 'cancelled') return [];
  return [
    {
      key: id,
      atMs,
      glyph: 'down',
      who: provider ?? 'A request',
      text: `${provider === null ? 'failed' : 'failed a request'}: ${errorMessage ?? result}`,
    },
  ];
}

const lines = computed<readonly Line[]>(() => {
  const { transitions = [], ended = [] } = world.value ?? {};
  const all = [...transitions.map(ofTransition), ...ended.flatMap(ofRequest)];
  return all.sort((a, b) => b.atMs - a.atMs).slice(0, SHOWN);
});

export function RecentEvents() {
  return (
    <section class="card" aria-label="Recent events">
      <div class="panel-h">
        <h2>Recent events</h2>
        {!isPastKnown.value && <span class="push s11 t3">since {clockTime(openedAtMs)}, when this page opened</span>}
      </div>
      {lines.value.length === 0 ? (
        <p class="quiet">Nothing has changed.</p>
      ) : (
        <ul class="ev">
          {lines.value.map(({ key, atMs, glyph, who, text }) => (
            <li key={key}>
              <time dateTime={new Date(atMs).toISOString()}>{clockTime(atMs)}</time>
              <Glyph state={glyph} />
              <span class="cut" title={text}>
                <b>{who}</b> {text}
              </span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
